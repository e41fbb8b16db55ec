"""A small pool of threads for blocking calls, and a bounded number of others that their callers have abandoned."""

from __future__ import annotations

import asyncio
import atexit
import inspect
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from functools import cache, partial
from typing import Any

from chromasql.errors import ChromaSQLExecutionError

__all__ = ["BlockingPool", "run_blocking"]


@cache
def _threads() -> BlockingPool:
    threads = BlockingPool()
    atexit.register(threads.close)
    return threads


async def run_blocking(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """
    Run a blocking function on a thread of a small pool of our own, and await what it returns if that can be.

    Chroma's embedded ``get`` and ``query`` release the GIL, so a few threads are enough. A cancelled caller does not
    wait for the function, which is abandoned; see `chromasql.concurrency.threads.BlockingPool`.
    """
    value = await _threads().run(partial(function, *args, **kwargs))
    return await value if inspect.isawaitable(value) else value


# Seconds, for all threads together: an idle thread ends at once, and one that hangs is not waited for.
_SHUTDOWN_TIMEOUT = 0.5


class BlockingPool:
    """
    Runs blocking calls, ``max_workers`` of them at a time.

    A call that has begun cannot be stopped. Where its caller is cancelled it is abandoned: it keeps its thread until
    it returns and another thread takes over, so calls that hang hold up nobody else. While ``max_abandoned`` of them
    have not returned, further calls are refused with `ChromaSQLExecutionError`; there are never more than
    ``max_abandoned + 2 * max_workers`` threads. They are daemons, as a call that hangs must not keep the process alive.
    """

    def __init__(self, max_workers: int = 4, max_abandoned: int = 32) -> None:
        self._max_workers = max_workers
        self._max_abandoned = max_abandoned
        self._lock = threading.Lock()
        self._waiting: queue.SimpleQueue[tuple[Callable[[], Any], Future[Any]] | None] = queue.SimpleQueue()
        self._threads: set[threading.Thread] = set()
        self._abandoned: set[Future[Any]] = set()

    @property
    def abandoned(self) -> int:
        """The number of abandoned calls that have not returned."""
        return len(self._abandoned)

    async def run(self, function: Callable[[], Any]) -> Any:
        """Call a function on a thread and return what it returns; a caller that is cancelled does not wait for it."""
        future: Future[Any] = Future()
        with self._lock:
            if self._is_full():
                raise self._refusal()
            self._replenish()
        self._waiting.put((function, future))
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            self._abandon(future)
            raise

    def close(self) -> None:
        """Let idle threads end, and those that are busy once they are done."""
        threads = tuple(self._threads)
        for _ in threads:
            self._waiting.put(None)
        end = time.monotonic() + _SHUTDOWN_TIMEOUT
        for thread in threads:
            thread.join(max(0.0, end - time.monotonic()))

    def _abandon(self, future: Future[Any]) -> None:
        with self._lock:
            # A call that still waits for a thread is cancelled, and one that is done holds no thread.
            if not future.cancel() and future.running():
                self._abandoned.add(future)
                self._replenish()

    def _replenish(self) -> None:
        if len(self._threads) - len(self._abandoned) < self._max_workers:
            thread = threading.Thread(target=self._work, name="chromasql", daemon=True)
            self._threads.add(thread)
            thread.start()

    def _work(self) -> None:
        while (call := self._waiting.get()) is not None:
            function, future = call
            if future.set_running_or_notify_cancel():
                self._run(function, future)
            with self._lock:
                self._abandoned.discard(future)
                if len(self._threads) - len(self._abandoned) > self._max_workers:
                    break
        with self._lock:
            self._threads.discard(threading.current_thread())

    def _run(self, function: Callable[[], Any], future: Future[Any]) -> None:
        # The bound may have been reached while the call waited for a thread.
        if self._is_full():
            future.set_exception(self._refusal())
            return
        try:
            value = function()
        except StopIteration:
            # A future cannot carry it: whoever awaits it would wait forever.
            future.set_exception(RuntimeError("StopIteration was raised"))
        except BaseException as error:  # noqa: BLE001 - it is raised where the answer is awaited
            future.set_exception(error)
        else:
            future.set_result(value)

    def _is_full(self) -> bool:
        return len(self._abandoned) >= self._max_abandoned

    def _refusal(self) -> ChromaSQLExecutionError:
        return ChromaSQLExecutionError(
            f"thread pool exhausted: {self._max_abandoned} cancelled calls are still blocked; "
            "check what hangs, and prefer an http:// address or an async client, whose calls can be cancelled",
            code="thread-pool-exhausted",
        )
