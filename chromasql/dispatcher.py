"""Sends calls to collections: limits, deadline, timings, stale handles. It decides nothing about answers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from chromasql.errors import (
    ChromaSQLExecutionError,
    ChromaSQLRoutingError,
    ChromaSQLTimeoutError,
    Failure,
    describe_exception,
)
from chromasql.handles import Handle, is_missing
from chromasql.result import Outcome

__all__ = ["CallFailed", "Dispatcher"]

T = TypeVar("T")


class CallFailed(Exception):  # noqa: N818 - it never leaves the engine
    """A call on one collection failed; the cause says why."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause


@dataclass(slots=True)
class _Record:
    status: str = "skipped"
    rows: int = 0
    calls: int = 0
    seconds: float = 0.0
    error: Failure | None = None
    cause: BaseException | None = None
    responses: list[Any] = field(default_factory=list)


class Dispatcher:
    """
    Makes the calls of one statement.

    ``get_collection`` opens by name, ``forget`` drops a stale handle, ``missing`` makes the error that ends the statement
    where a collection does not exist (without it, that is a failure like any other); ``concurrency`` bounds the
    collections that are asked at once; ``timeout`` is in seconds from now, for everything; with ``on_error`` ``fail`` the
    first failure ends the statement.
    """

    def __init__(
        self,
        get_collection: Callable[[str], Any],
        *,
        forget: Callable[[str], Any] | None = None,
        missing: Callable[[str], Awaitable[ChromaSQLRoutingError]] | None = None,
        concurrency: int = 8,
        timeout: float | None = None,
        on_error: str = "skip",
        keep_raw: bool = False,
    ) -> None:
        self._get_collection = get_collection
        self._forget = forget
        self._missing = missing
        self._concurrency = concurrency
        self._timeout = timeout
        self._deadline = None if timeout is None else time.monotonic() + timeout
        self._fails = on_error == "fail"
        self._keep_raw = keep_raw
        self._records: dict[str, _Record] = {}

    # Calls

    async def open(self, handle: Handle) -> None:
        """Open a collection."""
        self._records.setdefault(handle.name, _Record())
        try:
            await self._timed(handle, self._open(handle))
        except CallFailed as failed:
            if self._missing is not None and is_missing(failed.cause):
                raise await self._missing(handle.name) from failed.cause
            raise

    async def _open(self, handle: Handle) -> None:
        opened = self._get_collection(handle.name)
        handle.opened(await opened if isinstance(opened, Awaitable) else opened)

    async def call(self, handle: Handle, method: str, **arguments: Any) -> Any:
        """
        Call a method of a collection.

        A handle that turns out stale, as the collection was deleted and made again, is opened anew and asked
        once more. Any other exception becomes `CallFailed`.
        """
        try:
            answer = await self._timed(handle, getattr(handle.collection, method)(**arguments))
        except CallFailed as failed:
            if handle.refreshed or not is_missing(failed.cause):
                raise
            handle.refreshed = True
            if self._forget is not None:
                self._forget(handle.name)
            await self.open(handle)
            answer = await self._timed(handle, getattr(handle.collection, method)(**arguments))
        record = self._records[handle.name]
        record.calls += 1
        if self._keep_raw:
            record.responses.append(answer)
        return answer

    async def _timed(self, handle: Handle, call: Awaitable[T]) -> T:
        started = time.perf_counter()
        try:
            return await call
        except Exception as error:
            raise CallFailed(error) from error
        finally:
            self._records[handle.name].seconds += time.perf_counter() - started

    async def off_loop(self, work: Callable[[], Awaitable[T]]) -> T:
        """Await something that belongs to no collection, within the deadline of the statement."""
        try:
            async with asyncio.timeout(self._remaining()):
                return await work()
        except TimeoutError:
            if self._deadline is not None and time.monotonic() >= self._deadline:
                raise self._too_late() from None
            raise

    # Waves

    async def each(
        self, handles: Sequence[Handle], work: Callable[[Handle], Awaitable[T]]
    ) -> list[tuple[Handle, T]]:
        """
        Run ``work`` for each collection, several at once, and return what came of those that did not fail.

        The order is that of the handles. A failure is recorded; see `outcomes`.
        """
        found: dict[int, T] = {}
        waiting = iter(handles)

        async def worker() -> None:
            for handle in waiting:
                record = self._records.setdefault(handle.name, _Record())
                record.status = "asked"
                try:
                    found[handle.place] = await work(handle)
                except CallFailed as failed:
                    record.status = "failed"
                    record.error = _failure(handle.name, failed.cause)
                    record.cause = failed.cause
                    if self._fails:
                        raise
                else:
                    record.status = "ok"

        if len(handles) == 1 and self._deadline is None:
            await self._first_failure_ends(worker())
        else:
            await self._run_workers([worker() for _ in range(min(self._concurrency, len(handles)))])
            self._mark_late([handle.name for handle in handles if handle.place not in found])
        return [(handle, found[handle.place]) for handle in handles if handle.place in found]

    async def _first_failure_ends(self, work: Awaitable[None]) -> None:
        try:
            await work
        except CallFailed as failed:
            raise self.failed("a collection failed, and on_error is FAIL") from failed.cause

    async def _run_workers(self, workers: Iterable[Any]) -> None:
        tasks = [asyncio.ensure_future(worker) for worker in workers]
        if not tasks:
            return
        try:
            done, pending = await asyncio.wait(
                tasks, timeout=self._remaining(), return_when=asyncio.FIRST_EXCEPTION
            )
        except asyncio.CancelledError:
            await _cancel(tasks)
            raise
        await _cancel(pending)
        for task in done:
            await self._first_failure_ends(task)

    def _mark_late(self, missing: Iterable[str]) -> None:
        """Mark the collections that neither answered nor failed: the deadline came first."""
        records = {name: self._records.setdefault(name, _Record()) for name in missing}
        late = {name: record for name, record in records.items() if record.error is None}
        for name, record in late.items():
            record.status = "timed_out"
            record.error = Failure(name, "Timeout", f"no answer within {self._timeout or 0:g} s")
        if late and self._fails:
            raise self._too_late()

    def _remaining(self) -> float | None:
        return None if self._deadline is None else max(0.0, self._deadline - time.monotonic())

    def _too_late(self) -> ChromaSQLTimeoutError:
        return ChromaSQLTimeoutError(
            f"no answer within {self._timeout or 0:g} s; raise the timeout, ask fewer collections, or use on_error = SKIP",
            failures=self._failures(),
        )

    # What happened

    def gave(self, handle: Handle, rows: int) -> None:
        """Count the rows that a collection gave."""
        self._records[handle.name].rows += rows

    def knows(self, names: Iterable[str]) -> None:
        """Name the collections of the statement, asked or not."""
        for name in names:
            self._records.setdefault(name, _Record())

    def outcomes(self) -> tuple[Outcome, ...]:
        """Return what each collection did, in the order of the statement."""
        return tuple(
            Outcome(name, record.status, record.rows, record.calls, record.seconds * 1000, record.error)
            for name, record in self._records.items()
        )

    def raw(self) -> dict[str, list[Any]]:
        """Return what each collection answered, where it was kept."""
        return {name: record.responses for name, record in self._records.items() if record.responses}

    def _failures(self) -> list[Failure]:
        return [record.error for record in self._records.values() if record.error is not None]

    def first_cause(self) -> BaseException | None:
        """Return the first exception of a collection."""
        return next((record.cause for record in self._records.values() if record.cause is not None), None)

    def failed(self, message: str) -> ChromaSQLExecutionError:
        """Return the error that holds every failure so far."""
        late = [record for record in self._records.values() if record.status == "timed_out"]
        kind = ChromaSQLTimeoutError if late else ChromaSQLExecutionError
        return kind(message, failures=self._failures())

    def require_some(self) -> None:
        """Raise where no collection that was asked answered."""
        asked = [record for record in self._records.values() if record.status != "skipped"]
        if asked and all(record.error is not None for record in asked):
            one = "the collection" if len(asked) == 1 else f"all {len(asked)} collections"
            raise self.failed(f"{one} failed") from self.first_cause()


def _failure(name: str, cause: BaseException) -> Failure:
    return Failure(name, type(cause).__name__, describe_exception(cause))


async def _cancel(tasks: Iterable[asyncio.Future[None]]) -> None:
    """Cancel tasks and wait until they have ended, so that none outlives the statement."""
    tasks = list(tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


