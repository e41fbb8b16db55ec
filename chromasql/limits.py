"""How many calls may be under way at once, over all statements."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from weakref import WeakKeyDictionary

__all__ = ["Limits", "Turns"]

_PER_COLLECTION = 10
"""The most calls at once that Chroma Cloud takes for one collection."""


class Turns:
    """
    The calls under way of one event loop.

    Each server has its own bound, so that one which hangs takes no turns from the others. Turns are given in the order
    of asking; whoever is cancelled gives his back.
    """

    def __init__(self, overall: int, per_collection: int, server_of: Callable[[str], str]) -> None:
        self._overall = overall
        self._per_collection = per_collection
        self._server_of = server_of
        self._servers: dict[str, asyncio.Semaphore] = {}
        self._collections: dict[str, asyncio.Semaphore] = {}

    async def take(self, collection: str) -> None:
        """Wait for a turn to call a collection; `give_back` ends it."""
        own = self._collections.get(collection)
        if own is None:
            own = self._collections[collection] = asyncio.Semaphore(self._per_collection)
        await own.acquire()
        try:
            await self._server(collection).acquire()
        except BaseException:
            own.release()
            raise

    def give_back(self, collection: str) -> None:
        """End a turn."""
        self._server(collection).release()
        self._collections[collection].release()

    def _server(self, collection: str) -> asyncio.Semaphore:
        name = self._server_of(collection)
        server = self._servers.get(name)
        if server is None:
            server = self._servers[name] = asyncio.Semaphore(self._overall)
        return server


class Limits:
    """
    Bounds the calls of all statements of one database: ``overall`` to a server, ``per_collection`` to a collection.

    Where the caller does not say, one collection gets half of the turns, so that one which hangs leaves the other half,
    and never more than Chroma Cloud allows. ``server_of`` names the server of a collection. Each event loop has turns
    of its own, as nothing can be awaited from two loops.
    """

    def __init__(
        self, overall: int, per_collection: int | None = None, server_of: Callable[[str], str] = lambda _: ""
    ) -> None:
        self._overall = overall
        self._per_collection = per_collection or min(_PER_COLLECTION, (overall + 1) // 2)
        self._server_of = server_of
        self._turns: WeakKeyDictionary[asyncio.AbstractEventLoop, Turns] = WeakKeyDictionary()

    def here(self) -> Turns:
        """Return the turns of the event loop that is running."""
        loop = asyncio.get_running_loop()
        turns = self._turns.get(loop)
        if turns is None:
            turns = self._turns[loop] = Turns(self._overall, self._per_collection, self._server_of)
        return turns
