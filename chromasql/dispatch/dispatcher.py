"""Runs the steps of a statement in its collections: several at once, within the deadline, with failures as data."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from chromasql.concurrency.limits import CallLimiter, CallLimits
from chromasql.concurrency.tasks import run_all
from chromasql.dispatch.call import CallFailed, CollectionCalls, HandleChanged
from chromasql.dispatch.deadline import Deadline
from chromasql.dispatch.open_collection import CollectionHandle
from chromasql.dispatch.options import CollectionSource, DispatchOptions
from chromasql.dispatch.outcomes import Ledger, StepName
from chromasql.dispatch.tracing import NO_TRACE, Trace
from chromasql.errors import ChromaSQLError

__all__ = ["Dispatcher"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Dispatcher:
    """
    Runs the steps of one statement; `start` makes one.

    Every call on a collection goes through ``calls``, and ``trace`` gets a span for each step in each collection. What
    happens is written into the ledger. It decides nothing about answers.
    """

    calls: CollectionCalls
    trace: Trace = NO_TRACE

    @classmethod
    def start(
        cls,
        source: CollectionSource,
        options: DispatchOptions,
        *,
        trace: Trace = NO_TRACE,
        limiter: CallLimiter | None = None,
    ) -> Dispatcher:
        """
        Return the dispatcher of a statement that begins now, on the running event loop.

        Parameters
        ----------
        source : CollectionSource
            Where collections come from.
        options : DispatchOptions
            The limits of the statement.
        trace : Trace
            The span of the statement. Default: none.
        limiter : CallLimiter, optional
            Limits the calls of this and other statements together. Default: those of this statement, to
            ``options.concurrency``.

        Returns
        -------
        Dispatcher
            With an empty ledger.
        """
        if limiter is None:
            limiter = CallLimits(options.concurrency).for_running_loop()
        ledger = Ledger(options.min_success)
        return cls(
            CollectionCalls(source, options, limiter, Deadline.after(options.timeout, options.began), ledger), trace
        )

    def restarted(self, unlisted: frozenset[str] = frozenset()) -> Dispatcher:
        """
        Return one for the same statement from its beginning: the deadline stays, every collection is reopened.

        The records of the servers in ``unlisted`` stay in the ledger, as they are not listed again.
        """
        calls = dataclasses.replace(self.calls, ledger=self.ledger.only(unlisted), reopens=True)
        return dataclasses.replace(self, calls=calls)

    @property
    def ledger(self) -> Ledger:
        """What has happened so far."""
        return self.calls.ledger

    def has_time(self, seconds: float) -> bool:
        """Tell whether more than so many seconds are left before the deadline."""
        return self.calls.deadline.has_time(seconds)

    # One collection

    def open(self, handle: CollectionHandle, step: StepName) -> Coroutine[Any, Any, None]:
        """Open a collection for a step; see `CollectionCalls.open`."""
        return self.calls.open(handle, step)

    def call(self, handle: CollectionHandle, step: StepName, method: str, **arguments: Any) -> Coroutine[Any, Any, Any]:
        """Call a method of a collection for a step; see `CollectionCalls.call`."""
        return self.calls.call(handle, step, method, arguments)

    def count_rows(self, handle: CollectionHandle, step: StepName, rows: int) -> None:
        """Count the rows that a step found in a collection."""
        self.ledger[handle.name].step(step).rows += rows

    async def run_one(
        self, step: StepName, handle: CollectionHandle, work: Callable[[CollectionHandle], Awaitable[T]]
    ) -> T:
        """Run ``work`` in one collection within the deadline; a failure raises `ChromaSQLExecutionError`."""
        record = self.ledger[handle.name]
        try:
            with self.trace.step(step, handle.name):
                value = await self.within_deadline(partial(self.calls.within_collection_timeout, handle, work))
        except (ChromaSQLError, HandleChanged):
            raise
        except Exception as error:  # noqa: BLE001 - the response may hold what cannot be read
            cause = _cause_of(error)
            record.fail(handle.name, cause)
            raise self.ledger.failed(
                f"collection {handle.name} failed, so the stream ends", code="collection-failed"
            ) from cause
        record.status = "ok"
        return value

    # Several collections

    async def open_all(self, handles: Sequence[CollectionHandle], *, share: float = 1.0) -> list[CollectionHandle]:
        """Open collections, several at once, and return those that could be opened; ``share`` as in `fan_out`."""
        closed = [handle for handle in handles if not self.calls.use_kept(handle, "open")]
        if not closed:
            return list(handles)
        opened = await self.fan_out("open", closed, partial(self.open, step="open"), share=share)
        failed = {handle.place for handle in closed} - {handle.place for handle, _ in opened}
        return [handle for handle in handles if handle.place not in failed]

    async def fan_out(
        self,
        step: StepName,
        handles: Sequence[CollectionHandle],
        work: Callable[[CollectionHandle], Awaitable[T]],
        *,
        share: float = 1.0,
    ) -> list[tuple[CollectionHandle, T]]:
        """
        Run a step in many collections, several at once, and return what it found in those that did not fail.

        Parameters
        ----------
        step : StepName
            The name of the step in timings and spans.
        handles : Sequence of CollectionHandle
            The collections. One that failed in an earlier step is left out: the answer lacks what it lost.
        work : callable
            The coroutine function to run for each.
        share : float
            The part of the time left that the step may take where late collections are skipped, so that the steps
            after it can use those that were in time. Default: all of it.

        Returns
        -------
        list of (CollectionHandle, T)
            In the order of the handles.

        Raises
        ------
        ChromaSQLExecutionError
            Where ``on_error`` is ``fail`` and a collection fails or is late; otherwise the ledger records it.
        """
        found: dict[int, T] = {}
        handles = [handle for handle in handles if not self.ledger.has_failed(handle.name)]
        waiting = iter(handles)

        async def worker() -> None:
            for handle in waiting:
                record = self.ledger[handle.name]
                record.status = "running"
                try:
                    with self.trace.step(step, handle.name):
                        found[handle.place] = await self.calls.within_collection_timeout(handle, work)
                except (ChromaSQLError, HandleChanged, asyncio.CancelledError):
                    record.status = "cancelled"
                    raise
                except Exception as error:  # noqa: BLE001 - the response may hold what cannot be read
                    self._fail(handle, _cause_of(error))
                else:
                    record.status = "ok"

        remaining = self.calls.deadline.remaining()
        if len(handles) == 1 and remaining is None:
            await worker()
        elif handles:
            if remaining is not None and not self._ends_at_failure:
                remaining *= share
            workers = min(self.calls.options.concurrency, len(handles))
            await run_all([worker() for _ in range(workers)], remaining)
            self._mark_late([handle for handle in handles if handle.place not in found])
        return [(handle, found[handle.place]) for handle in handles if handle.place in found]

    @property
    def _ends_at_failure(self) -> bool:
        return self.calls.options.on_error == "fail"

    def _fail(self, handle: CollectionHandle, cause: Exception) -> None:
        self.ledger[handle.name].fail(handle.name, cause)
        if self._ends_at_failure:
            self.ledger.mark_cancelled()
            raise self.ledger.failed(
                f"collection {handle.name} failed (on_error = FAIL)", code="collection-failed"
            ) from cause

    def _mark_late(self, unanswered: Sequence[CollectionHandle]) -> None:
        """Mark the collections that neither answered nor failed: the deadline came first."""
        late = [handle for handle in unanswered if not self.ledger.has_failed(handle.name)]
        seconds = self.calls.deadline.seconds or 0
        for handle in late:
            self.ledger[handle.name].fail_late(handle.name, seconds)
        if late and self._ends_at_failure:
            raise self.ledger.timed_out(seconds)

    # Beside the collections

    async def within_deadline(self, work: Callable[[], Awaitable[T]], *, share: float = 1.0) -> T:
        """
        Await something that belongs to no collection, within the deadline or a share of the time until then.

        Raises `ChromaSQLTimeoutError` where that ends first.
        """
        limit = self.calls.deadline.timeout(share)
        try:
            async with limit:
                return await work()
        except TimeoutError:
            if limit.expired():
                raise self.ledger.timed_out(self.calls.deadline.seconds or 0) from None
            raise

    async def embed(self, work: Callable[[], Awaitable[T]], calls: int) -> T:
        """Await the embedding of texts, which takes so many calls of embedders, within the deadline."""
        clock, started = self.ledger.clock, time.perf_counter()
        try:
            with self.trace.step("embed"):
                return await self.within_deadline(work)
        finally:
            clock.embedding += time.perf_counter() - started
            clock.embedding_calls += calls

    async def best_effort(self, work: Callable[[], Awaitable[T]]) -> T | None:
        """Await what the answer does not depend on, in the time that is left; None where it fails or is late."""
        try:
            return await self.within_deadline(work)
        except (CallFailed, HandleChanged, ChromaSQLError):
            return None


def _cause_of(error: Exception) -> Exception:
    return error.cause if isinstance(error, CallFailed) else error
