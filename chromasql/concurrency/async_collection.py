"""Collections as coroutines: an async face for those that block."""

from __future__ import annotations

import inspect
from typing import Any

from chromasql.concurrency.threads import run_blocking

__all__ = ["awaitable_collection"]


class _BlockingCollection:
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

    async def search(self, **arguments: Any) -> Any:
        return await run_blocking(self._collection.search, **_native_searches(self._collection, arguments))


class _ChromaSearchCollection:
    """An async collection of chromadb, whose ``search`` takes plain payloads."""

    def __init__(self, collection: Any) -> None:
        self._collection = collection

    def __getattr__(self, name: str) -> Any:
        return getattr(self._collection, name)

    async def search(self, **arguments: Any) -> Any:
        return await self._collection.search(**_native_searches(self._collection, arguments))


def _native_searches(collection: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    """Turn payloads into chromadb's own objects, where the collection is chromadb's."""
    if not type(collection).__module__.startswith("chromadb."):
        return arguments
    from chromadb.api.types import ReadLevel
    from chromadb.execution.expression.plan import Search

    searches = [
        Search(
            where=payload["filter"],
            rank=payload["rank"],
            group_by=payload["group_by"] or None,
            limit=payload["limit"],
            select=payload["select"],
        )
        for payload in arguments["searches"]
    ]
    level = arguments.get("read_level")
    return {"searches": searches} if level is None else {"searches": searches, "read_level": ReadLevel(level)}


def awaitable_collection(collection: Any) -> Any:
    """Return the collection itself if its methods are coroutines, or else an async face of it."""
    if not (callable(getattr(collection, "get", None)) and callable(getattr(collection, "query", None))):
        raise TypeError(f"{type(collection).__name__} is not a collection: it needs the methods get and query")
    if not inspect.iscoroutinefunction(collection.query):
        return _BlockingCollection(collection)
    return _ChromaSearchCollection(collection) if type(collection).__module__.startswith("chromadb.") else collection
