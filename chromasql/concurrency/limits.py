"""Limits on the calls under way at once, over all statements."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from weakref import WeakKeyDictionary

__all__ = ["CallLimiter", "CallLimits"]

_PER_COLLECTION = 10
"""The maximum of concurrent calls that Chroma Cloud allows for one collection."""


class CallLimiter:
    """
    The calls under way on one event loop.

    Each server has its own limit, so that one which hangs does not use up the calls of the others. Waiting calls are
    served first come, first served; a caller that is cancelled while it waits holds nothing.
    """

    def __init__(self, overall: int, per_collection: int, server_of: Callable[[str], str]) -> None:
        self._server_of = server_of
        self._servers = _Semaphores(overall)
        self._collections = _Semaphores(per_collection)

    async def acquire(self, collection: str) -> None:
        """Wait until a collection may be called; `release` ends the call."""
        await self._collections.acquire(collection)
        try:
            await self._servers.acquire(self._server_of(collection))
        except BaseException:
            self._collections.release(collection)
            raise

    def __len__(self) -> int:
        """Return the number of servers and collections that are being called or waited for."""
        return len(self._servers) + len(self._collections)

    def release(self, collection: str) -> None:
        """End a call that `acquire` let through."""
        self._servers.release(self._server_of(collection))
        self._collections.release(collection)


@dataclass(slots=True)
class _Semaphore:
    slots: asyncio.Semaphore
    users: int = 0


class _Semaphores:
    """
    A semaphore for each name, which ``width`` callers may hold at once.

    It exists only while somebody holds it or waits for it, so names that are never used again take up no memory.
    """

    def __init__(self, width: int) -> None:
        self._width = width
        self._by_name: dict[str, _Semaphore] = {}

    def __len__(self) -> int:
        return len(self._by_name)

    async def acquire(self, name: str) -> None:
        semaphore = self._by_name.get(name)
        if semaphore is None:
            semaphore = self._by_name[name] = _Semaphore(asyncio.Semaphore(self._width))
        semaphore.users += 1
        try:
            await semaphore.slots.acquire()
        except BaseException:
            self._forget_user(name, semaphore)
            raise

    def release(self, name: str) -> None:
        semaphore = self._by_name[name]
        semaphore.slots.release()
        self._forget_user(name, semaphore)

    def _forget_user(self, name: str, semaphore: _Semaphore) -> None:
        semaphore.users -= 1
        if semaphore.users == 0:
            del self._by_name[name]


class CallLimits:
    """
    Limits the calls of all statements of one database: ``overall`` to a server, ``per_collection`` to a collection.

    ``per_collection`` defaults to half of ``overall``, so that a collection which hangs leaves the other half, and to
    at most the 10 that Chroma Cloud allows. ``server_of`` returns the server of a collection. Each event loop has a
    limiter of its own, because a semaphore cannot be awaited from two loops.
    """

    def __init__(
        self, overall: int, per_collection: int | None = None, server_of: Callable[[str], str] = lambda _: ""
    ) -> None:
        self._overall = overall
        self._per_collection = per_collection or min(_PER_COLLECTION, (overall + 1) // 2)
        self._server_of = server_of
        self._limiters: WeakKeyDictionary[asyncio.AbstractEventLoop, CallLimiter] = WeakKeyDictionary()

    def for_running_loop(self) -> CallLimiter:
        """Return the limiter of the event loop that is running."""
        loop = asyncio.get_running_loop()
        limiter = self._limiters.get(loop)
        if limiter is None:
            limiter = self._limiters[loop] = CallLimiter(self._overall, self._per_collection, self._server_of)
        return limiter
