"""Opened collections: what is asked of them, and what is known of them without asking."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

__all__ = ["Handle", "awaitable_collection", "is_missing", "run_blocking"]

_THREADS = 4


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_THREADS, thread_name_prefix="chromasql")


async def run_blocking(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """
    Run a blocking function on a thread of a small pool of our own, and await what it returns if that can be.

    Chroma's embedded ``get`` and ``query`` release the GIL, so a few threads are enough. A cancelled caller does not
    wait for the function.
    """
    value = await asyncio.get_running_loop().run_in_executor(_threads(), partial(function, *args, **kwargs))
    return await value if inspect.isawaitable(value) else value


class _Threaded:
    """The async face of a collection whose methods block."""

    def __init__(self, collection: Any) -> None:
        self._collection = collection

    def __getattr__(self, name: str) -> Any:
        return getattr(self._collection, name)

    async def get(self, **arguments: Any) -> Any:
        return await run_blocking(self._collection.get, **arguments)

    async def query(self, **arguments: Any) -> Any:
        return await run_blocking(self._collection.query, **arguments)

    async def count(self) -> Any:
        return await run_blocking(self._collection.count)


def awaitable_collection(collection: Any) -> Any:
    """Return the collection itself if its methods are coroutines, or else an async face of it."""
    return collection if inspect.iscoroutinefunction(collection.query) else _Threaded(collection)


def is_missing(error: BaseException) -> bool:
    """Tell whether an error means that a collection does not exist, or no longer under that handle."""
    if isinstance(error, LookupError) or type(error).__name__ == "NotFoundError":
        return True
    return isinstance(error, ValueError) and "does not exist" in str(error)


@dataclass(slots=True)
class Handle:
    """One collection of a statement; ``place`` is its position there, on which ties break last."""

    name: str
    place: int
    collection: Any = None
    refreshed: bool = False

    def opened(self, collection: Any) -> None:
        """Take the collection that the provider gave."""
        self.collection = awaitable_collection(collection)

    @property
    def space(self) -> str | None:
        """The distance function, l2, cosine or ip; None where the collection does not say."""
        configuration = self._configuration()
        for index in ("hnsw", "spann"):
            space = (configuration.get(index) or {}).get("space")
            if isinstance(space, str):
                return space
        metadata = getattr(self.collection, "metadata", None)
        legacy = metadata.get("hnsw:space") if isinstance(metadata, Mapping) else None
        return legacy if isinstance(legacy, str) else None

    @property
    def dimension(self) -> int | None:
        """The number of components of its vectors; None where it is empty or does not say."""
        for holder in (self.collection, getattr(self.collection, "_model", None)):
            dimension = getattr(holder, "dimension", None)
            if isinstance(dimension, int):
                return dimension
        return None

    @property
    def embedding_function(self) -> tuple[str, Callable[[], Any]] | None:
        """
        The collection's own embedding function: a name that is equal for equal functions, and a way to get it.

        None where the collection has none.
        """
        given = getattr(self.collection, "_embedding_function", None)
        config = self._configuration().get("embedding_function")
        known = isinstance(config, Mapping) and config.get("type") == "known"
        if known:
            return json.dumps([config["name"], config.get("config")], sort_keys=True), partial(_build, dict(config))
        if given is not None and type(given).__name__ != "DefaultEmbeddingFunction":
            return f"{type(given).__qualname__} {id(given)}", lambda: given
        return None

    def _configuration(self) -> Mapping[str, Any]:
        configuration = getattr(self.collection, "configuration_json", None)
        return configuration if isinstance(configuration, Mapping) else {}


def _build(config: Mapping[str, Any]) -> Any:
    """Build an embedding function that Chroma stored by name."""
    from chromadb.utils.embedding_functions import known_embedding_functions

    name = config["name"]
    if name not in known_embedding_functions:
        raise LookupError(f"its embedding function {name} is not registered with chromadb here")
    return known_embedding_functions[name].build_from_config(dict(config.get("config") or {}))
