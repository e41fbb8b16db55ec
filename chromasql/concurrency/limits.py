"""How many calls may be under way at once, over all statements."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from weakref import WeakKeyDictionary

__all__ = ["CallLimiter", "CallLimits"]

_PER_COLLECTION = 10
"""The most calls at once that Chroma Cloud takes for one collection."""


class CallLimiter:
    """
    The calls under way of one event loop.

    Each server has its own bound, so that one which hangs takes no turns from the others. Turns are given in the order
    of asking; whoever is cancelled gives his back.
    """

    def __init__(self, overall: int, per_collection: int, server_of: Callable[[str], str]) -> None:
        self._server_of = server_of
        self._servers = _Gates(overall)
        self._collections = _Gates(per_collection)

    async def take(self, collection: str) -> None:
        """Wait for a turn to call a collection; `give_back` ends it."""
        await self._collections.enter(collection)
        try:
            await self._servers.enter(self._server_of(collection))
        except BaseException:
            self._collections.leave(collection)
            raise

    def __len__(self) -> int:
        """Return how many servers and collections are being called or waited for."""
        return len(self._servers) + len(self._collections)

    def give_back(self, collection: str) -> None:
        """End a turn."""
        self._servers.leave(self._server_of(collection))
        self._collections.leave(collection)


@dataclass(slots=True)
class _Gate:
    slots: asyncio.Semaphore
    users: int = 0


class _Gates:
    """
    A gate for each name, which lets so many through at once.

    It is there while somebody is inside or waits, so that names which nobody asks again take no room.
    """

    def __init__(self, width: int) -> None:
        self._width = width
        self._gates: dict[str, _Gate] = {}

    def __len__(self) -> int:
        return len(self._gates)

    async def enter(self, name: str) -> None:
        gate = self._gates.get(name)
        if gate is None:
            gate = self._gates[name] = _Gate(asyncio.Semaphore(self._width))
        gate.users += 1
        try:
            await gate.slots.acquire()
        except BaseException:
            self._forget_user(name, gate)
            raise

    def leave(self, name: str) -> None:
        gate = self._gates[name]
        gate.slots.release()
        self._forget_user(name, gate)

    def _forget_user(self, name: str, gate: _Gate) -> None:
        gate.users -= 1
        if gate.users == 0:
            del self._gates[name]


class CallLimits:
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
        self._turns: WeakKeyDictionary[asyncio.AbstractEventLoop, CallLimiter] = WeakKeyDictionary()

    def here(self) -> CallLimiter:
        """Return the turns of the event loop that is running."""
        loop = asyncio.get_running_loop()
        turns = self._turns.get(loop)
        if turns is None:
            turns = self._turns[loop] = CallLimiter(self._overall, self._per_collection, self._server_of)
        return turns
