"""The embedding functions that collections bring along."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

__all__ = ["CollectionEmbedder", "as_mapping", "embedding_function_of", "sparse_function_of"]


class CollectionEmbedder(NamedTuple):
    """
    The embedding function that a collection brings along.

    ``key`` is equal for equal functions; where it is ``cacheable`` it stays so for as long as the process runs.
    ``name`` is for people. ``build`` makes the function; it may load a model, and raises what chromadb raises.
    """

    key: str
    name: str
    build: Callable[[], Any]
    cacheable: bool = True


def as_mapping(value: Any) -> Mapping[str, Any]:
    """Return the value if it is a mapping, or else an empty one."""
    return value if isinstance(value, Mapping) else {}


def embedding_function_of(configuration: Mapping[str, Any], own: Any) -> CollectionEmbedder | None:
    """Return the embedding function that a configuration names, or else ``own``, which the collection was made with."""
    config = as_mapping(configuration.get("embedding_function"))
    name = config.get("name")
    if config.get("type") == "known" and isinstance(name, str):
        settings = as_mapping(config.get("config"))
        key = json.dumps([name, settings], sort_keys=True, default=repr)
        return CollectionEmbedder(key, name, partial(_build, name, settings))
    if own is not None and type(own).__name__ != "DefaultEmbeddingFunction":
        name = type(own).__qualname__
        return CollectionEmbedder(f"{name} {id(own)}", name, lambda: own, cacheable=False)
    return None


def _build(name: str, settings: Mapping[str, Any]) -> Any:
    """Build an embedding function that Chroma stored by name."""
    from chromadb.utils.embedding_functions import known_embedding_functions

    if name not in known_embedding_functions:
        raise LookupError(f"its embedding function {name} is not registered with chromadb here")
    return known_embedding_functions[name].build_from_config(dict(settings))


def sparse_function_of(schema: Any, key: str) -> CollectionEmbedder | None:
    """Read the embedding function of a sparse index from a schema, chromadb's object or the JSON of a server."""
    if schema is not None and not isinstance(schema, Mapping):
        schema = schema.serialize_to_json()
    config: Any = schema
    for step in ("keys", key, "sparse_vector", "sparse_vector_index", "config", "embedding_function"):
        config = as_mapping(config).get(step)
    config = as_mapping(config)
    name = config.get("name")
    if config.get("type") != "known" or not isinstance(name, str):
        return None
    settings = as_mapping(config.get("config"))
    return CollectionEmbedder(
        json.dumps([name, settings], sort_keys=True, default=repr), name, partial(_build_sparse, name, settings)
    )


def _build_sparse(name: str, settings: Mapping[str, Any]) -> Any:
    from chromadb.utils.embedding_functions import sparse_known_embedding_functions

    if name not in sparse_known_embedding_functions:
        raise LookupError(f"its sparse embedding function {name} is not registered with chromadb here")
    return sparse_known_embedding_functions[name].build_from_config(dict(settings))
