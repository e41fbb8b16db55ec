"""
Several servers as one: a statement asks the collections of all of them.

::

    async with ServersProvider({"eu": "https://eu.example.com", "us": client}) as servers:
        db = connect_async(servers)
        await db.execute("SELECT id, _collection FROM *.docs, us.notes")
"""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from types import TracebackType
from typing import Any, Self

from chromasql.adapters.names import is_server_name
from chromasql.adapters.sources import open_source
from chromasql.concurrency.async_collection import awaitable_collection
from chromasql.concurrency.tasks import cancel_all
from chromasql.concurrency.threads import call_user_code
from chromasql.errors import ChromaSQLExecutionError, ChromaSQLPlanningError, describe_exception, near_names

__all__ = ["ServersProvider"]

_CONCURRENCY = 8


class ServersProvider:
    """
    The collections of several servers; an ``AsyncCollectionProvider``.

    ``servers`` maps the name of a server to an ``http://`` address, a folder, a chromadb client or a provider. The
    collection ``docs`` of the server ``eu`` is ``eu.docs``: what stands before the first dot names the server, so the
    name of a server has none, while that of a collection may. ``FROM eu.docs, us.docs``, ``FROM *.docs`` and
    ``FROM eu.*`` read as they look.

    When a server is down, its collections fail and the others answer. Where a pattern needs the list of a server that
    is down, the outcome is called ``eu.*``.

    The servers are of one kind, all single nodes or all distributed; `connect` detects which with one request, unless
    its option ``dialect`` says. ``close`` closes what was opened here: addresses and folders. So does closing a
    database over it.

    Raises `ChromaSQLPlanningError` for a name or a source that cannot be one, and where there is no server at all.
    """

    closes_with_database = True
    """A database over it closes it, since addresses and folders were opened for it."""

    def __init__(self, servers: Mapping[str, Any]) -> None:
        if not servers:
            raise ChromaSQLPlanningError("ServersProvider needs at least one server", code="invalid-argument")
        for name in servers:
            if not isinstance(name, str) or not is_server_name(name):
                raise ChromaSQLPlanningError(
                    f"{name!r} is not a valid name of a server; use letters, digits, underscores and single hyphens, "
                    "and no dot",
                    code="invalid-argument",
                )
        opened = {name: open_source(source) for name, source in servers.items()}
        self._providers = {name: provider for name, (provider, _) in opened.items()}
        self._owned = [provider for provider, owned in opened.values() if owned]
        if _share_credentials(servers.values()):
            warnings.warn(
                "two chromadb AsyncHttpClients with different headers meet here; in one event loop chromadb sends the "
                "headers of the first to both servers. Use their addresses, or HttpProviders, instead",
                stacklevel=2,
            )
        self.max_concurrency = sum(
            getattr(provider, "max_concurrency", None) or _CONCURRENCY for provider in self._providers.values()
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"ServersProvider({', '.join(self._providers)})"

    async def get_collection(self, name: str) -> Any:
        """Return the collection of that name, such as ``eu.docs``."""
        server, _, collection = name.partition(".")
        provider = self._providers.get(server)
        if provider is None or not collection:
            known = near_names(server, self._providers) or f"; the servers are {', '.join(self._providers)}"
            raise LookupError(f"server {server} does not exist{known}")
        return _Renamed(name, awaitable_collection(await call_user_code(provider.get_collection, collection)))

    async def list_collection_names(self) -> Sequence[str]:
        """
        Return the names of the collections of all servers, in the order of the servers.

        Raises `ChromaSQLExecutionError`, which names the server, where one of them cannot be listed.
        """
        listings = [
            asyncio.ensure_future(_list_or_name(server, listing)) for server, listing in self.listings().items()
        ]
        try:
            return [name for names in await asyncio.gather(*listings) for name in names]
        finally:
            await cancel_all(listings)

    def listings(self) -> dict[str, Callable[[], Awaitable[list[str]]]]:
        """Return a function for each server that lists its collections: one that is down does not hide the others."""
        return {server: partial(_names, server, provider) for server, provider in self._providers.items()}

    @staticmethod
    def server_of(name: str) -> str:
        """Return the name of the server that a collection is on."""
        return name.partition(".")[0]

    def forget_collection(self, name: str) -> None:
        """Drop a stale handle, where the provider of its server keeps handles."""
        server, _, collection = name.partition(".")
        forget = getattr(self._providers.get(server), "forget_collection", None)
        if forget is not None:
            forget(collection)

    async def close(self) -> None:
        """Close the servers that were given as an address or a folder."""
        for provider in self._owned:
            await provider.close()


class _Renamed:
    """A collection under its name with the server."""

    def __init__(self, name: str, collection: Any) -> None:
        self.name = name
        self._collection = collection

    def __getattr__(self, name: str) -> Any:
        return getattr(self._collection, name)


async def _names(server: str, provider: Any) -> list[str]:
    return [f"{server}.{name}" for name in await call_user_code(provider.list_collection_names)]


async def _list_or_name(server: str, listing: Callable[[], Awaitable[list[str]]]) -> list[str]:
    """Await the list of a server; name the server in the error."""
    try:
        return await listing()
    except Exception as error:
        raise ChromaSQLExecutionError(f"server {server}: {describe_exception(error)}", code="listing-failed") from error


def _share_credentials(sources: Any) -> bool:
    """Tell whether async clients of chromadb differ in what they send, which their shared connections do not."""
    sent = []
    for source in sources:
        server: Any = getattr(getattr(source, "_client", source), "_server", None)
        if type(server).__name__ == "AsyncFastAPI":
            settings = server._settings  # noqa: SLF001 - chromadb has no other way to ask
            sent.append(
                (
                    settings.chroma_server_headers or {},
                    settings.chroma_client_auth_provider,
                    settings.chroma_client_auth_credentials,
                )
            )
    return any(credentials != sent[0] for credentials in sent)
