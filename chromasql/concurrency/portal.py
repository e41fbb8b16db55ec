"""The blocking face: the async engine on an event loop of its own, in a thread."""

from __future__ import annotations

import asyncio
import atexit
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from typing import Any, TypeVar

from chromasql.concurrency.containment import AbortError, OwnThread, contained
from chromasql.concurrency.forks import reset_in_child
from chromasql.concurrency.threads import waiting_elsewhere
from chromasql.errors import ChromaSQLExecutionError

__all__ = ["run_in_portal", "start_in_portal"]

T = TypeVar("T")


# Seconds that statements have to end when the interpreter does; one that hangs is not waited for.
_SHUTDOWN_TIMEOUT = 0.5


def run_in_portal(function: Callable[..., Awaitable[T]], *args: Any) -> T:
    """
    Run a coroutine function on the package's private event loop and wait for what it returns.

    It works where an event loop is running already, as in a notebook, since the private one has a thread of its own.
    A caller that is interrupted while it waits cancels what it waits for. The context variables of the caller apply.

    Raises `ChromaSQLExecutionError` where it would wait for itself, or the interpreter is ending.
    """
    loop = _portal.open()
    if threading.current_thread() is loop.thread:
        raise ChromaSQLExecutionError(
            "a coroutine on ChromaSQL's own event loop cannot wait for a statement; "
            "await an AsyncDatabase there, or make it a plain function, which runs on a thread",
            code="blocking-call-on-loop",
        )
    with waiting_elsewhere():
        future = loop.start(function, args)
        try:
            return future.result()
        except CancelledError:
            if not _portal.ending:
                raise
        finally:
            future.cancel()
    # Only a daemon thread can be here. It ends with the process; an exception would print a traceback on the way.
    while True:
        time.sleep(3600)


def start_in_portal(function: Callable[..., Awaitable[Any]], *args: Any) -> None:
    """Run a coroutine function on the private event loop, if there is one, and do not wait for it."""
    loop = _portal.current()
    if loop is not None:
        with suppress(RuntimeError):
            loop.start(function, args)


class _PrivateLoop:
    """An event loop on a thread of its own, a daemon: a statement that hangs must not keep the process alive."""

    def __init__(self) -> None:
        self._ending = False
        self._loop = asyncio.new_event_loop()
        self.thread = OwnThread(target=self._serve, name="chromasql-loop", daemon=True)
        self.thread.start()

    def start(self, function: Callable[..., Awaitable[T]], args: tuple[Any, ...]) -> Future[T]:
        return asyncio.run_coroutine_threadsafe(_contained(function, args), self._loop)

    def end(self) -> None:
        """Cancel what runs, and end; what does not end in time is left alone."""
        winding_up = asyncio.run_coroutine_threadsafe(_wind_up(), self._loop)
        try:
            has_ended = winding_up.result(2 * _SHUTDOWN_TIMEOUT)
        except TimeoutError:
            has_ended = False
        if has_ended:
            self._ending = True
            self._loop.call_soon_threadsafe(self._loop.stop)
            self.thread.join(_SHUTDOWN_TIMEOUT)

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        while not self._ending:
            # A task that an application made here may raise them; asyncio has given them to the task as well.
            with suppress(SystemExit, KeyboardInterrupt):
                self._loop.run_forever()
        self._loop.close()


async def _contained(function: Callable[..., Awaitable[T]], args: tuple[Any, ...]) -> T:
    try:
        with contained():
            return await function(*args)
    except AbortError as error:
        raise ChromaSQLExecutionError(str(error), code="aborted") from error


async def _wind_up() -> bool:
    """Cancel all tasks and close the asynchronous generators; return whether all ended in time."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    if tasks:
        _, tasks = await asyncio.wait(tasks, timeout=_SHUTDOWN_TIMEOUT)
    await asyncio.get_running_loop().shutdown_asyncgens()
    return not tasks


class _Portal:
    """The private loop of the process: made when it is first needed, and made again where it has stopped."""

    def __init__(self) -> None:
        self.ending = False
        self.after_fork()

    def after_fork(self) -> None:
        """Begin without a loop: its thread does not exist in the child of a fork."""
        self._lock = threading.Lock()
        self._loop: _PrivateLoop | None = None

    def current(self) -> _PrivateLoop | None:
        loop = self._loop
        return loop if loop is not None and loop.thread.is_alive() and not self.ending else None

    def open(self) -> _PrivateLoop:
        loop = self.current()
        if loop is not None:
            return loop
        with self._lock:
            if self.ending:
                raise ChromaSQLExecutionError("the interpreter is ending; run no statement at exit", code="closed")
            loop = self.current()
            if loop is None:
                loop = self._loop = _PrivateLoop()
            return loop

    def close(self) -> None:
        loop = self.current()
        self.ending = True
        if loop is not None:
            loop.end()


_portal = reset_in_child(_Portal())
atexit.register(_portal.close)
