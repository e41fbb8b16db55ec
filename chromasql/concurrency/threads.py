"""Small pools of threads for blocking calls, and a bounded number of others that their callers have abandoned."""

from __future__ import annotations

import asyncio
import atexit
import inspect
import queue
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from functools import partial
from typing import Any, TypeVar
from weakref import WeakSet

from chromasql.concurrency.containment import AbortError, OwnThread, contained
from chromasql.concurrency.forks import reset_in_child
from chromasql.errors import ChromaSQLExecutionError

__all__ = [
    "BlockingPool",
    "Pools",
    "call_user_code",
    "never_blocks",
    "run_blocking",
    "run_user_code",
    "waiting_elsewhere",
]


AnyCallable = TypeVar("AnyCallable", bound=Callable[..., Any])


_NEVER_BLOCKS = "__chromasql_never_blocks__"


class Pools:
    """
    The threads of one database.

    Chroma's calls have a pool, and the embedders, rerankers, routers and providers of the application have another:
    these may ask the database in their turn, and then wait for Chroma.
    """

    def __init__(self) -> None:
        self.chroma = BlockingPool()
        self.user_code = BlockingPool()

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Run the blocking calls of this block, and of the tasks that it starts, on these threads."""
        before = _current.get()
        _current.set(self)
        try:
            yield
        finally:
            # Not reset by a token: a generator that is closed may end in another context than it began in.
            _current.set(before)

    def end_idle(self) -> None:
        """Let the threads end that have nothing to do, and the others once they are done."""
        self.chroma.end_idle()
        self.user_code.end_idle()


async def run_blocking(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """
    Run a blocking call of Chroma on a thread of the current database, and await what it returns if that can be.

    Chroma's embedded ``get`` and ``query`` release the GIL, so a few threads are enough. A cancelled caller does not
    wait for the function, which is abandoned; see `BlockingPool`.
    """
    return await _run_on(_pools().chroma, partial(function, *args, **kwargs))


async def run_user_code(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """
    Do the same for a function of the application, on threads that are not those of Chroma's calls.

    It sees the context variables of the caller, which may hold the tenant of a request, say.
    """
    return await _run_on(_pools().user_code, partial(copy_context().run, function, *args, **kwargs))


async def call_user_code(function: Callable[..., Any], *args: Any) -> Any:
    """
    Call what the application plugged in: a coroutine function on the event loop, any other on a thread.

    A function that `never_blocks` is called in place. Raises `AbortError` for what would end a thread or loop of ours.
    """
    if inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__):
        with contained():
            return await function(*args)
    if not getattr(function, _NEVER_BLOCKS, False):
        return await run_user_code(function, *args)
    with contained():
        return function(*args)


def never_blocks(function: AnyCallable) -> AnyCallable:
    """Mark a function that returns at once, so that `call_user_code` needs no thread for it; return the function."""
    setattr(function, _NEVER_BLOCKS, True)
    return function


async def _run_on(pool: BlockingPool, function: Callable[[], Any]) -> Any:
    value = await pool.run(function)
    if not inspect.isawaitable(value):
        return value
    with contained():
        return await value


# Seconds, for all threads together: an idle thread ends at once, and one that hangs is not waited for.
_SHUTDOWN_TIMEOUT = 0.5


# Seconds without a call after which a thread ends: databases may be many, and are not always closed.
_IDLE_TIMEOUT = 5.0


class BlockingPool:
    """
    Runs blocking calls, ``max_workers`` of them at a time.

    A call that has begun cannot be stopped. Where its caller is cancelled it is abandoned: it keeps its thread until
    it returns and another thread takes over, so calls that hang hold up nobody else. The same holds for a call that
    waits for a statement of its own, see `waiting_elsewhere`. While ``max_abandoned`` of them have not returned,
    further calls are refused with `ChromaSQLExecutionError`; there are never more than
    ``max_abandoned + 2 * max_workers`` threads. They are daemons, as a call that hangs must not keep the process alive,
    and end when they have been idle for a few seconds.
    """

    def __init__(self, max_workers: int = 4, max_abandoned: int = 32) -> None:
        self._max_workers = max_workers
        self._max_abandoned = max_abandoned
        self.after_fork()
        reset_in_child(self)
        _living.add(self)

    def after_fork(self) -> None:
        """Begin without threads: those of the parent do not exist in the child of a fork."""
        self._lock = threading.Lock()
        self._waiting: queue.SimpleQueue[tuple[Callable[[], Any], Future[Any]] | None] = queue.SimpleQueue()
        self._threads: set[threading.Thread] = set()
        # Calls that keep their thread though it does no work: nobody waits for them, or they wait for a statement.
        self._abandoned: set[Future[Any]] = set()
        self._nested: set[Future[Any]] = set()

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
            self._waiting.put((function, future))
            self._replenish()
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            self._abandon(future)
            raise

    def end_idle(self) -> None:
        """Let idle threads end, and those that are busy once they are done."""
        for _ in tuple(self._threads):
            self._waiting.put(None)

    def close(self, seconds: float = _SHUTDOWN_TIMEOUT) -> None:
        """Let the threads end, as `end_idle`, and wait so long for them."""
        threads = tuple(self._threads)
        self.end_idle()
        end = time.monotonic() + seconds
        for thread in threads:
            thread.join(max(0.0, end - time.monotonic()))

    @contextmanager
    def without_worker(self, future: Future[Any]) -> Iterator[None]:
        """Let another thread take over while a call waits for what may need a thread of this pool."""
        with self._lock:
            if self._is_full():
                raise self._refusal()
            self._nested.add(future)
            self._replenish()
        try:
            yield
        finally:
            with self._lock:
                self._nested.discard(future)

    def _held(self) -> int:
        return len(self._abandoned | self._nested)

    def _abandon(self, future: Future[Any]) -> None:
        with self._lock:
            # A call that still waits for a thread is cancelled, and one that is done holds no thread.
            if not future.cancel() and future.running():
                self._abandoned.add(future)
                self._replenish()
                future.add_done_callback(_drop_coroutine)
            else:
                _drop_coroutine(future)

    def _replenish(self) -> None:
        if len(self._threads) - self._held() < self._max_workers:
            thread = OwnThread(target=self._work, name="chromasql", daemon=True)
            self._threads.add(thread)
            thread.start()

    def _work(self) -> None:
        while (call := self._next_call()) is not None:
            function, future = call
            if future.set_running_or_notify_cancel():
                _call_of_thread.current = self, future
                self._run(function, future)
                _call_of_thread.current = None
            # An idle thread must not keep what it worked on.
            del call, function
            with self._lock:
                self._abandoned.discard(future)
                if len(self._threads) - self._held() > self._max_workers:
                    break
            del future
        with self._lock:
            self._threads.discard(threading.current_thread())

    def _next_call(self) -> tuple[Callable[[], Any], Future[Any]] | None:
        """Wait for a call; None where this thread has to end."""
        try:
            return self._waiting.get(timeout=_IDLE_TIMEOUT)
        except queue.Empty:
            with self._lock:
                # Calls are added under the lock, so that none is added between this look and the end of the thread.
                try:
                    return self._waiting.get_nowait()
                except queue.Empty:
                    self._threads.discard(threading.current_thread())
                    return None

    def _run(self, function: Callable[[], Any], future: Future[Any]) -> None:
        # The bound may have been reached while the call waited for a thread.
        if self._is_full():
            future.set_exception(self._refusal())
            return
        try:
            value = function()
        except StopIteration as error:
            # A future cannot carry it: whoever awaits it would wait forever.
            stopped = RuntimeError("StopIteration was raised")
            stopped.__cause__ = error
            future.set_exception(stopped)
        except Exception as error:  # noqa: BLE001 - it is raised where the answer is awaited
            future.set_exception(error)
        except BaseException as error:  # noqa: BLE001 - it would end the event loop that awaits the answer
            abort = AbortError(error)
            abort.__cause__ = error
            future.set_exception(abort)
        else:
            future.set_result(value)

    def _is_full(self) -> bool:
        return self._held() >= self._max_abandoned

    def _refusal(self) -> ChromaSQLExecutionError:
        return ChromaSQLExecutionError(
            f"thread pool exhausted: {self._held()} calls of this database that were cancelled, or wait for a "
            "statement of their own, still block their threads; "
            "check what hangs, and prefer an http:// address or an async client, whose calls can be cancelled",
            code="thread-pool-exhausted",
        )


def _drop_coroutine(future: Future[Any]) -> None:
    """Close the coroutine that an abandoned call returned, since nobody will await it."""
    if not future.cancelled() and future.exception() is None and inspect.iscoroutine(future.result()):
        future.result().close()


class _CallOfThread(threading.local):
    """The call that the current thread works on, and its pool; None outside a pool."""

    current: tuple[BlockingPool, Future[Any]] | None = None


_call_of_thread = _CallOfThread()


@contextmanager
def waiting_elsewhere() -> Iterator[None]:
    """
    Tell the pool of the current thread, if it has one, that the thread waits for a statement.

    An embedder, say, may ask the database, and that statement may need the embedder: without another thread each would
    wait for the other. Raises `ChromaSQLExecutionError` where too many wait so.
    """
    current = _call_of_thread.current
    if current is None:
        yield
        return
    pool, future = current
    with pool.without_worker(future):
        yield


_living: WeakSet[BlockingPool] = WeakSet()


_current: ContextVar[Pools | None] = ContextVar("chromasql_pools", default=None)


_without_database: Pools | None = None


def _pools() -> Pools:
    global _without_database  # noqa: PLW0603 - made when it is first needed
    pools = _current.get()
    if pools is not None:
        return pools
    if _without_database is None:
        _without_database = Pools()
    return _without_database


@atexit.register
def _close_all() -> None:
    end = time.monotonic() + _SHUTDOWN_TIMEOUT
    pools = list(_living)
    for pool in pools:
        pool.end_idle()
    for pool in pools:
        pool.close(max(0.0, end - time.monotonic()))
