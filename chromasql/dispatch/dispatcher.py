"""Sends calls to collections: limits, deadline, retries, timings, stale handles. It decides nothing about answers."""

from __future__ import annotations

import asyncio
import copy
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from typing import Any, TypeVar

from chromasql.concurrency.limits import CallLimiter, CallLimits
from chromasql.concurrency.tasks import run_all
from chromasql.dispatch.call import CallFailed, HandleChanged
from chromasql.dispatch.open_collection import CollectionHandle
from chromasql.dispatch.outcomes import Ledger, Step
from chromasql.dispatch.responses import check_answer, is_missing
from chromasql.dispatch.retry import call_with_retry
from chromasql.dispatch.tracing import NO_TRACE, Trace
from chromasql.errors import ChromaSQLError, ChromaSQLTimeoutError, Failure, describe_exception
from chromasql.result import Timings

__all__ = ["Dispatcher"]

T = TypeVar("T")


class _CollectionTimeoutError(TimeoutError):
    """A collection took longer than any may."""


class Dispatcher:
    """
    Makes the calls of one statement.

    ``get_collection`` opens by name, ``kept`` gives what is open already, or None, ``forget`` drops a stale handle,
    ``missing`` makes the error that ends the statement where a collection does not exist (where it makes none, that is
    a failure like any other);
    ``concurrency`` bounds the collections that are asked at once; ``timeout`` is in seconds from now, for everything;
    with ``on_error`` ``fail`` the first failure ends the statement; a call whose failure may pass is made up to
    ``retries`` times more. ``collection_timeout`` is in seconds for each collection, over all waves; ``min_success`` is
    the number, or as a float the share, of the collections asked that have to answer. ``trace`` is told of each wave in
    each collection, and ``turns`` bounds the calls of this and other statements together.
    """

    def __init__(
        self,
        get_collection: Callable[[str], Any],
        *,
        kept: Callable[[str], Any] | None = None,
        forget: Callable[[str], Any] | None = None,
        missing: Callable[[str], Awaitable[Exception | None]] | None = None,
        concurrency: int = 8,
        timeout: float | None = None,
        on_error: str = "skip",
        retries: int = 0,
        collection_timeout: float | None = None,
        min_success: float | None = None,
        keep_raw: bool = False,
        trace: Trace = NO_TRACE,
        turns: CallLimiter | None = None,
    ) -> None:
        self._get_collection = get_collection
        self._kept = kept
        self._forget = forget
        self._missing = missing
        self._concurrency = concurrency
        self._timeout = timeout
        self._deadline = None if timeout is None else _now() + timeout
        self._fails = on_error == "fail"
        self._retries = retries
        self._collection_timeout = collection_timeout
        self._keep_raw = keep_raw
        self._trace = trace
        self._turns = CallLimits(concurrency).for_running_loop() if turns is None else turns
        self._anew = False
        self.ledger = Ledger(min_success)
        self._step = ""
        self._flying = 0
        self._flying_since = 0.0
        self._waited = 0.0
        self._embedded = 0.0
        self._embedding_calls = 0

    def renewed(self, unlisted: frozenset[str] = frozenset()) -> Dispatcher:
        """
        Return one for the same statement from its start: the deadline stays, every handle is opened anew.

        What happened to the servers in ``unlisted`` stays in the ledger, as they are not listed again.
        """
        again = copy.copy(self)
        again._anew, again.ledger = True, self.ledger.only(unlisted)  # noqa: SLF001 - it is one of us
        return again

    # Calls

    async def open_all(self, handles: Sequence[CollectionHandle], *, share: float = 1.0) -> list[CollectionHandle]:
        """Open collections, several at once, and return those that could be; see `each`."""
        self._step = "open"
        waiting = [handle for handle in handles if not self._is_kept(handle)]
        if not waiting:
            return list(handles)
        opened = {handle.place for handle, _ in await self.each("open", waiting, self.open, share=share)}
        late = {handle.place for handle in waiting} - opened
        return [handle for handle in handles if handle.place not in late]

    def _is_kept(self, handle: CollectionHandle) -> bool:
        """Take a handle that the provider keeps; what is open already is not waited for."""
        if self._kept is None or self._anew:
            return False
        try:
            collection = self._kept(handle.name)
            if collection is None:
                return False
            handle.opened(collection)
        except Exception:  # noqa: BLE001 - opening it says what is wrong, if that fails too
            return False
        record = self.ledger[handle.name]
        record.status = "ok"
        record.steps.setdefault(self._step, Step())
        return True

    async def open(self, handle: CollectionHandle) -> None:
        """Open a collection."""
        try:
            await self._tried(handle, partial(self._opened, handle))
        except CallFailed as failed:
            error = await self._missing(handle.name) if self._missing and is_missing(failed.cause) else None
            if isinstance(error, ChromaSQLError):
                raise error from failed.cause
            if error is not None:
                raise CallFailed(error) from failed.cause
            raise

    async def _opened(self, handle: CollectionHandle) -> None:
        if (self._anew or handle.refreshed) and self._forget is not None:
            self._forget(handle.name)
        opened = self._get_collection(handle.name)
        handle.opened(await opened if isinstance(opened, Awaitable) else opened)

    async def call(self, handle: CollectionHandle, method: str, **arguments: Any) -> Any:
        """
        Call a method of a collection and return its answer, checked.

        A handle that turns out stale, as the collection was deleted and made again, is opened anew and asked
        once more; `HandleChanged` where what is known of it is no longer so. Any other exception becomes `CallFailed`.
        """
        asked = partial(self._asked, handle, method, arguments)
        try:
            return await self._tried(handle, asked)
        except CallFailed as failed:
            if handle.refreshed or not is_missing(failed.cause):
                raise
        known = handle.facts
        handle.refreshed = True
        self.ledger[handle.name].retries += 1
        await self.open(handle)
        if handle.facts != known:
            raise HandleChanged(handle.name)
        return await self._tried(handle, asked)

    async def _asked(self, handle: CollectionHandle, method: str, arguments: dict[str, Any]) -> Any:
        record = self.ledger[handle.name]
        step = record.steps.setdefault(self._step, Step())
        step.calls += 1
        before = getattr(handle.collection, "bytes_received", None)
        answer = await getattr(handle.collection, method)(**arguments)
        if before is not None:
            step.size = (step.size or 0) + handle.collection.bytes_received - before
        if method == "search" or not handle.checks:
            check_answer(method, arguments, answer)
        if self._keep_raw:
            record.responses.append(answer)
        return answer

    async def _tried(self, handle: CollectionHandle, call: Callable[[], Awaitable[T]]) -> T:
        record = self.ledger[handle.name]

        def noted() -> None:
            record.retries += 1

        try:
            return await call_with_retry(
                partial(self._timed, handle, call), retries=self._retries, in_time=self.has_time, noted=noted
            )
        except Exception as error:
            raise CallFailed(error) from error

    async def _timed(self, handle: CollectionHandle, call: Callable[[], Awaitable[T]]) -> T:
        started = time.perf_counter()
        if self._flying == 0:
            self._flying_since = started
        self._flying += 1
        try:
            await self._turns.acquire(handle.name)
            try:
                return await call()
            finally:
                self._turns.release(handle.name)
        finally:
            ended = time.perf_counter()
            self._flying -= 1
            if self._flying == 0:
                self._waited += ended - self._flying_since
            self.ledger[handle.name].steps.setdefault(self._step, Step()).seconds += ended - started

    async def embed(self, work: Callable[[], Awaitable[T]], calls: int) -> T:
        """Await the embedding of texts, which takes so many calls, within the deadline of the statement."""
        started = time.perf_counter()
        try:
            with self._trace.step("embed"):
                return await self.off_loop(work)
        finally:
            self._embedded += time.perf_counter() - started
            self._embedding_calls += calls

    async def off_loop(self, work: Callable[[], Awaitable[T]], *, share: float = 1.0) -> T:
        """Await something that belongs to no collection, within the deadline or a share of the time until then."""
        remaining = self._remaining()
        limit = asyncio.timeout(None if remaining is None else remaining * share)
        try:
            async with limit:
                return await work()
        except TimeoutError:
            if limit.expired():
                raise self._too_late() from None
            raise

    async def alone(self, handle: CollectionHandle, work: Callable[[CollectionHandle], Awaitable[T]]) -> T:
        """Run ``work`` for one collection within the deadline; a failure of it ends the statement."""
        self._step = "scan"
        record = self.ledger[handle.name]
        try:
            with self._trace.step(self._step, handle.name):
                value = await self.off_loop(partial(self._limited, handle, work))
        except (ChromaSQLError, HandleChanged):
            raise
        except Exception as error:  # noqa: BLE001 - its answer may hold what nobody can read
            cause = error.cause if isinstance(error, CallFailed) else error
            self._note(handle, cause)
            raise self.ledger.failed("a collection failed, so the stream ends") from cause
        record.status = "ok"
        return value

    async def spare(self, work: Callable[[], Awaitable[T]]) -> T | None:
        """Await what the answer does not depend on, in the time that is left; None where it fails or is late."""
        self._step = "sample"
        try:
            return await self.off_loop(work)
        except (CallFailed, HandleChanged, ChromaSQLError):
            return None

    # Waves

    async def each(
        self,
        step: str,
        handles: Sequence[CollectionHandle],
        work: Callable[[CollectionHandle], Awaitable[T]],
        *,
        share: float = 1.0,
    ) -> list[tuple[CollectionHandle, T]]:
        """
        Run ``work`` for each collection, several at once, and return what came of those that did not fail.

        ``step`` names the wave in the timings.

        The order is that of the handles. A failure is recorded; see `outcomes`. A collection that failed in an earlier
        wave is not asked again: the answer lacks what it lost. Where a deadline skips the late collections, ``share``
        is the part of the time left that this wave may take, so that the waves after it can ask those that were in
        time.
        """
        found: dict[int, T] = {}
        handles = [handle for handle in handles if not self.ledger.lost(handle.name)]
        waiting = iter(handles)
        self._step = step

        async def worker() -> None:
            for handle in waiting:
                record = self.ledger[handle.name]
                record.status = "asked"
                try:
                    with self._trace.step(step, handle.name):
                        found[handle.place] = await self._limited(handle, work)
                except CallFailed as failed:
                    self._failed(handle, failed.cause)
                except (ChromaSQLError, HandleChanged, asyncio.CancelledError):
                    record.status = "cancelled"
                    raise
                except Exception as error:  # noqa: BLE001 - its answer held what nobody can read
                    self._failed(handle, error)
                else:
                    record.status = "ok"

        if len(handles) == 1 and self._deadline is None:
            await worker()
        elif handles:
            seconds = self._remaining()
            if seconds is not None and not self._fails:
                seconds *= share
            await run_all([worker() for _ in range(min(self._concurrency, len(handles)))], seconds)
            self._mark_late([handle.name for handle in handles if handle.place not in found])
        return [(handle, found[handle.place]) for handle in handles if handle.place in found]

    async def _limited(self, handle: CollectionHandle, work: Callable[[CollectionHandle], Awaitable[T]]) -> T:
        """Run ``work`` within what is left of the collection's own time."""
        allowed = self._collection_timeout
        if allowed is None:
            return await work(handle)
        record = self.ledger[handle.name]
        started = _now()
        limit = asyncio.timeout(max(0.0, allowed - record.spent))
        try:
            async with limit:
                return await work(handle)
        except TimeoutError:
            if not limit.expired():
                raise
            raise CallFailed(_CollectionTimeoutError(f"no answer in time; a collection has {allowed:g} s")) from None
        finally:
            record.spent += _now() - started

    def _failed(self, handle: CollectionHandle, cause: Exception) -> None:
        self._note(handle, cause)
        if self._fails:
            self.ledger.mark_cancelled()
            raise self.ledger.failed("a collection failed, and on_error is FAIL") from cause

    def _note(self, handle: CollectionHandle, cause: Exception) -> None:
        record = self.ledger[handle.name]
        if isinstance(cause, _CollectionTimeoutError):
            record.status = "timed_out"
            record.error = Failure(handle.name, "Timeout", str(cause))
        else:
            record.status = "failed"
            record.error = Failure(handle.name, type(cause).__name__, describe_exception(cause))
        record.cause = cause

    def _mark_late(self, missing: Iterable[str]) -> None:
        """Mark the collections that neither answered nor failed: the deadline came first."""
        records = {name: self.ledger[name] for name in missing}
        late = {name: record for name, record in records.items() if record.error is None}
        for name, record in late.items():
            record.status = "timed_out"
            record.error = Failure(name, "Timeout", f"no answer in time; the statement has {self._timeout or 0:g} s")
        if late and self._fails:
            raise self._too_late()

    def _remaining(self) -> float | None:
        return None if self._deadline is None else max(0.0, self._deadline - _now())

    def has_time(self, seconds: float) -> bool:
        """Tell whether so many seconds are left before the deadline."""
        remaining = self._remaining()
        return remaining is None or seconds < remaining

    def _too_late(self) -> ChromaSQLTimeoutError:
        return ChromaSQLTimeoutError(
            f"no answer within {self._timeout or 0:g} s; raise the timeout or ask fewer collections",
            failures=self.ledger.failures(),
            outcomes=self.ledger.outcomes(),
        )

    # What happened

    def gave(self, handle: CollectionHandle, rows: int) -> None:
        """Count the rows that a collection gave."""
        self.ledger[handle.name].steps.setdefault(self._step, Step()).rows += rows

    def timings(self, seconds: float) -> Timings:
        """Return where the time of a statement went that took so long in all."""
        return Timings(seconds * 1000, self._waited * 1000, self._embedded * 1000, self._embedding_calls)


def _now() -> float:
    return asyncio.get_running_loop().time()
