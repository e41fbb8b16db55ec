"""How long a database is open, and what becomes of the statements that run when it is closed."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from chromasql.concurrency.forks import reset_in_child
from chromasql.errors import ChromaSQLExecutionError

__all__ = ["Lifetime", "closed_error"]


class Lifetime:
    """
    The time in which a database is open; it ends when the database is closed, or the ``parent`` of a scoped one.

    It may be closed from any thread, and from inside a statement.
    """

    def __init__(self, parent: Lifetime | None = None) -> None:
        self._parent = parent
        self._closed = False
        self.after_fork()
        reset_in_child(self)

    def after_fork(self) -> None:
        """Begin without statements: those of the parent process do not run in the child of a fork."""
        self._lock = threading.Lock()
        self._running: dict[asyncio.Timeout, asyncio.AbstractEventLoop] = {}

    @property
    def is_closed(self) -> bool:
        """Whether the database is closed."""
        return self._closed or (self._parent is not None and self._parent.is_closed)

    def check(self) -> None:
        """Raise `ChromaSQLExecutionError` where the database is closed."""
        if self.is_closed:
            raise closed_error()

    @asynccontextmanager
    async def statement(self) -> AsyncIterator[None]:
        """
        Run a statement, or one page of a stream, which ends when the database is closed.

        Raises `ChromaSQLExecutionError` where it is closed before, or meanwhile and the statement comes to nothing.
        """
        # A timeout that is set when the database is closed: it tells that end from the cancellation of a caller.
        limit = asyncio.timeout(None)
        try:
            async with limit:
                try:
                    self.enter(limit)
                    yield
                finally:
                    self.leave(limit)
        except Exception as error:
            if not self.is_closed:
                raise
            raise closed_error() from (None if isinstance(error, TimeoutError) else error)

    def close(self) -> None:
        """Refuse further statements, and end those that run, each on its own event loop."""
        with self._lock:
            self._closed = True
            running = list(self._running.items())
        for limit, loop in running:
            # A loop that is closed runs nothing any more.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(self._expire, limit)

    def _expire(self, limit: asyncio.Timeout) -> None:
        # On the thread of the statement, which may have ended since.
        if limit in self._running and not limit.expired():
            limit.reschedule(asyncio.get_running_loop().time())

    def enter(self, limit: asyncio.Timeout) -> None:
        """Have ``limit`` expire when the database is closed; raise `ChromaSQLExecutionError` where it is already."""
        with self._lock:
            self.check()
            self._running[limit] = asyncio.get_running_loop()
        if self._parent is not None:
            self._parent.enter(limit)

    def leave(self, limit: asyncio.Timeout) -> None:
        """Forget a limit, whose statement has ended."""
        with self._lock:
            self._running.pop(limit, None)
        if self._parent is not None:
            self._parent.leave(limit)


def closed_error() -> ChromaSQLExecutionError:
    """Return the error for a statement of a database that is closed."""
    return ChromaSQLExecutionError("the database is closed; open a new one", code="closed")
