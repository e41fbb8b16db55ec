"""chromadb's own clients as providers: async or blocking, given or opened on a folder."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from chromasql.adapters.names import CHROMA_NAME
from chromasql.concurrency.threads import run_blocking
from chromasql.errors import ChromaSQLPlanningError, describe_exception

__all__ = ["FolderProvider", "SimpleAsyncClientAdapter"]

_PAGE = 1000


_opening = threading.Lock()


class SimpleAsyncClientAdapter:
    """
    Gives the collections of one chromadb client, async or blocking, and keeps their handles.

    ``collection_names`` restricts it to those collections; without it, all that the client lists. A blocking client is
    called on threads. The client stays the caller's to close.
    """

    def __init__(self, client: Any, collection_names: Sequence[str] | None = None) -> None:
        if not (hasattr(client, "get_collection") and hasattr(client, "list_collections")):
            raise ChromaSQLPlanningError(
                f"a {type(client).__name__} is no chromadb client; await chromadb.AsyncHttpClient(..) first"
            )
        self._client = client
        self._names = None if collection_names is None else tuple(dict.fromkeys(collection_names))
        self._handles: dict[str, Any] = {}

    async def get_collection(self, name: str) -> Any:
        """Return the collection of that name; a name outside ``collection_names`` does not exist here."""
        if not CHROMA_NAME.fullmatch(name):
            raise LookupError(f"no collection is called {name}")
        if self._names is not None and name not in self._names:
            raise LookupError(f"collection {name} is not among those of this adapter")
        if name not in self._handles:
            self._handles[name] = await self._call(self._client.get_collection, name)
        return self._handles[name]

    async def list_collection_names(self) -> Sequence[str]:
        """Return the names given, or all that the client lists."""
        if self._names is not None:
            return list(self._names)
        names: list[str] = []
        while True:
            page = await self._call(self._client.list_collections, limit=_PAGE, offset=len(names))
            names.extend(collection.name for collection in page)
            if len(page) < _PAGE:
                return list(dict.fromkeys(names))

    def kept_collection(self, name: str) -> Any | None:
        """Return the handle of that name if there is one."""
        return self._handles.get(name)

    def forget_collection(self, name: str) -> None:
        """Drop a handle that is stale."""
        self._handles.pop(name, None)

    async def _call(self, method: Any, *args: Any, **kwargs: Any) -> Any:
        if inspect.iscoroutinefunction(method):
            return await method(*args, **kwargs)
        return await run_blocking(method, *args, **kwargs)


class FolderProvider:
    """Gives the collections of an embedded Chroma in a folder, opened when it is first asked."""

    def __init__(self, path: str | Path) -> None:
        # As it is written: chromadb knows the folders that are open by that.
        self._path = str(path)
        if not (Path(path) / "chroma.sqlite3").is_file():
            raise ChromaSQLPlanningError(
                f"there is no Chroma in {path}; give the folder of a chromadb.PersistentClient, "
                "or an address that starts with http://"
            )
        self._client: Any = None
        self._adapter: SimpleAsyncClientAdapter | None = None

    async def get_collection(self, name: str) -> Any:
        """Return the collection of that name."""
        return await (await self._opened()).get_collection(name)

    async def list_collection_names(self) -> Sequence[str]:
        """Return the names of all collections."""
        return await (await self._opened()).list_collection_names()

    def kept_collection(self, name: str) -> Any | None:
        """Return the handle of that name if there is one."""
        return None if self._adapter is None else self._adapter.kept_collection(name)

    def forget_collection(self, name: str) -> None:
        """Drop a handle that is stale."""
        if self._adapter is not None:
            self._adapter.forget_collection(name)

    async def close(self) -> None:
        """Close the embedded Chroma."""
        client, self._client, self._adapter = self._client, None, None
        if client is not None:
            await run_blocking(client.close)

    async def _opened(self) -> SimpleAsyncClientAdapter:
        return self._adapter or await run_blocking(self._open)

    def _open(self) -> SimpleAsyncClientAdapter:
        import chromadb

        # chromadb keeps its open folders in tables that two threads must not fill at once.
        with _opening:
            if self._adapter is None:
                try:
                    self._client = chromadb.PersistentClient(self._path)
                except ValueError as error:
                    raise ChromaSQLPlanningError(
                        f"{describe_exception(error)}; give the client that has it open instead of the folder"
                    ) from error
                self._adapter = SimpleAsyncClientAdapter(self._client)
            return self._adapter
