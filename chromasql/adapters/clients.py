"""chromadb's own clients as providers: async or blocking, given or opened on a folder."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from chromasql.adapters.forked_clients import is_inherited, opening, reopen_client
from chromasql.adapters.names import is_collection_name
from chromasql.concurrency.forks import reset_in_child
from chromasql.concurrency.lifetime import closed_error
from chromasql.concurrency.threads import run_blocking
from chromasql.errors import ChromaSQLPlanningError, describe_exception

__all__ = ["FolderProvider", "SimpleAsyncClientAdapter"]

_PAGE = 1000


class SimpleAsyncClientAdapter:
    """
    The collections of one chromadb client, async or blocking, as an `AsyncCollectionProvider`; it keeps their handles.

    ``collection_names`` restricts it to those collections; the default is all that the client lists. A blocking client
    is called on threads. The caller closes the client. Raises `ChromaSQLPlanningError` for anything that is not a
    client of chromadb.
    """

    def __init__(self, client: Any, collection_names: Sequence[str] | None = None) -> None:
        if not (hasattr(client, "get_collection") and hasattr(client, "list_collections")):
            raise ChromaSQLPlanningError(
                f"SimpleAsyncClientAdapter takes a chromadb client, not {type(client).__name__}; "
                "an AsyncHttpClient has to be awaited first: await chromadb.AsyncHttpClient(..)",
                code="invalid-provider",
            )
        self._client = client
        self._names = None if collection_names is None else tuple(dict.fromkeys(collection_names))
        self.after_fork()
        reset_in_child(self)

    def after_fork(self) -> None:
        """Begin without handles: those of the parent do not work in the child of a fork."""
        self._handles: dict[str, Any] = {}

    async def get_collection(self, name: str) -> Any:
        """Return the collection of that name; a name outside ``collection_names`` does not exist here."""
        if not is_collection_name(name):
            raise LookupError(f"collection {name} does not exist")
        if self._names is not None and name not in self._names:
            raise LookupError(f"collection {name} is not among those of this adapter")
        if name not in self._handles:
            self._handles[name] = await self._call("get_collection", name)
        return self._handles[name]

    async def list_collection_names(self) -> Sequence[str]:
        """Return the names given, or all that the client lists."""
        if self._names is not None:
            return list(self._names)
        names: list[str] = []
        while True:
            page = await self._call("list_collections", limit=_PAGE, offset=len(names))
            names.extend(collection.name for collection in page)
            if len(page) < _PAGE:
                return list(dict.fromkeys(names))

    def kept_collection(self, name: str) -> Any | None:
        """Return the handle of that name if there is one."""
        return self._handles.get(name)

    def forget_collection(self, name: str) -> None:
        """Drop a stale handle."""
        self._handles.pop(name, None)

    async def _call(self, name: str, *args: Any, **kwargs: Any) -> Any:
        if is_inherited(self._client):
            self._client = await run_blocking(reopen_client, self._client)
        method = getattr(self._client, name)
        if inspect.iscoroutinefunction(method):
            return await method(*args, **kwargs)
        return await run_blocking(method, *args, **kwargs)


class FolderProvider:
    """
    The collections of an embedded Chroma in a folder; it is opened when the first collection is needed.

    Raises `ChromaSQLPlanningError` where the folder holds no Chroma.
    """

    def __init__(self, path: str | Path) -> None:
        # Not normalized: chromadb recognizes a folder that is already open by the very text of its path.
        self._path = str(path)
        if not (Path(path) / "chroma.sqlite3").is_file():
            raise ChromaSQLPlanningError(
                f"there is no Chroma in {path}; use the folder of a chromadb.PersistentClient, "
                "or an address that starts with http://",
                code="invalid-provider",
            )
        self._closed = False
        self.after_fork()
        reset_in_child(self)

    def after_fork(self) -> None:
        """Begin without a client: that of the parent does not work in the child of a fork."""
        self._client: Any = None
        self._adapter: SimpleAsyncClientAdapter | None = None

    async def get_collection(self, name: str) -> Any:
        """Return the collection of that name."""
        return await (await self._open_once()).get_collection(name)

    async def list_collection_names(self) -> Sequence[str]:
        """Return the names of all collections."""
        return await (await self._open_once()).list_collection_names()

    def kept_collection(self, name: str) -> Any | None:
        """Return the handle of that name if there is one."""
        return None if self._adapter is None else self._adapter.kept_collection(name)

    def forget_collection(self, name: str) -> None:
        """Drop a stale handle."""
        if self._adapter is not None:
            self._adapter.forget_collection(name)

    async def close(self) -> None:
        """Close the embedded Chroma; it does not open again."""
        self._closed = True
        await run_blocking(self._close)

    def _close(self) -> None:
        # A thread that is opening the folder finishes first.
        with opening():
            client, self._client, self._adapter = self._client, None, None
        if client is not None:
            client.close()

    async def _open_once(self) -> SimpleAsyncClientAdapter:
        return self._adapter or await run_blocking(self._open)

    def _open(self) -> SimpleAsyncClientAdapter:
        import chromadb

        # chromadb keeps its open folders in tables that two threads must not fill at once.
        with opening():
            if self._closed:
                raise closed_error()
            if self._adapter is None:
                try:
                    self._client = chromadb.PersistentClient(self._path)
                except ValueError as error:
                    raise ChromaSQLPlanningError(
                        f"{describe_exception(error)}; pass the client that has it open instead of the folder",
                        code="invalid-provider",
                    ) from error
                self._adapter = SimpleAsyncClientAdapter(self._client)
            return self._adapter
