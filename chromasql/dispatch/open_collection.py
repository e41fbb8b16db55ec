"""Opened collections, and what is known of them without a call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from chromasql.concurrency.async_collection import awaitable_collection
from chromasql.dispatch.embedding_functions import (
    CollectionEmbedder,
    as_mapping,
    embedding_function_of,
    sparse_function_of,
)

__all__ = ["CollectionHandle"]


@dataclass(slots=True)
class CollectionHandle:
    """
    One collection of a statement; ``place`` is its position there, by which ties break last.

    `attach` reads what is known of it without a call: ``space`` is its distance function (l2, cosine or ip),
    ``dimension`` the number of components of its vectors; each is None where the collection is empty or does not say.
    ``checks`` tells that the collection checks its answers to ``get``, ``query`` and ``count`` itself, and
    ``refreshed`` that it was opened a second time because the first handle was stale; ``answered`` that it has answered
    a call of the statement.
    """

    name: str
    place: int
    collection: Any = None
    refreshed: bool = False
    answered: bool = field(default=False, init=False)
    space: str | None = field(default=None, init=False)
    dimension: int | None = field(default=None, init=False)
    checks: bool = field(default=False, init=False)

    @property
    def embedding_function(self) -> CollectionEmbedder | None:
        """The embedding function of the collection; read on access, as most statements never need it."""
        configuration = as_mapping(getattr(self.collection, "configuration_json", None))
        return embedding_function_of(configuration, getattr(self.collection, "_embedding_function", None))

    def sparse_function(self, key: str) -> CollectionEmbedder | None:
        """Return the embedding function of a sparse index, or None where the schema of the collection has none."""
        return sparse_function_of(getattr(self.collection, "schema", None), key)

    def attach(self, collection: Any) -> None:
        """Take the collection that the provider opened; raise TypeError if it is not a collection."""
        self.collection = awaitable_collection(collection)
        configuration = as_mapping(getattr(collection, "configuration_json", None))
        self.space = _space(configuration, as_mapping(getattr(collection, "metadata", None)))
        self.dimension = _dimension(collection)
        # Read from its class: a wrapper that passes attributes on may change the answers.
        self.checks = getattr(type(collection), "checks_answers", False) is True

    @property
    def signature(self) -> tuple[str | None, int | None, str | None]:
        """What a statement relies on: space, dimension and the key of the embedding function."""
        own = self.embedding_function
        return self.space, self.dimension, None if own is None else own.key


def _space(configuration: Mapping[str, Any], metadata: Mapping[str, Any]) -> str | None:
    named = [as_mapping(configuration.get(index)).get("space") for index in ("hnsw", "spann")]
    return next((space for space in (*named, metadata.get("hnsw:space")) if isinstance(space, str)), None)


def _dimension(collection: Any) -> int | None:
    for holder in (collection, getattr(collection, "_model", None)):
        dimension = getattr(holder, "dimension", None)
        if isinstance(dimension, int):
            return dimension
    return None
