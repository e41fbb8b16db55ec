"""One call of a collection: opened, limited, retried, checked, and booked on the step that makes it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from chromasql.concurrency.containment import contained
from chromasql.concurrency.limits import CallLimiter
from chromasql.dispatch.deadline import Deadline
from chromasql.dispatch.open_collection import CollectionHandle
from chromasql.dispatch.options import CollectionSource, DispatchOptions
from chromasql.dispatch.outcomes import CollectionTimeoutError, Ledger, StepName
from chromasql.dispatch.responses import check_answer, check_space, is_missing, records_in
from chromasql.dispatch.retry import call_with_retry
from chromasql.errors import ChromaSQLError

__all__ = ["CallFailed", "CollectionCalls", "HandleChanged"]

T = TypeVar("T")


class CallFailed(Exception):  # noqa: N818 - it never leaves the engine
    """A call on one collection failed; the cause says why."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause


class HandleChanged(Exception):  # noqa: N818 - it never leaves the engine
    """A collection was deleted and recreated, so what the statement has read of it so far does not hold."""

    def __init__(self, name: str) -> None:
        super().__init__(f"collection {name} was deleted and recreated")


@dataclass(frozen=True, slots=True)
class CollectionCalls:
    """
    Makes the calls of one statement, one at a time.

    With ``reopens`` every collection is opened again, whether or not the source keeps it open.
    """

    source: CollectionSource
    options: DispatchOptions
    limiter: CallLimiter
    deadline: Deadline
    ledger: Ledger
    reopens: bool = False

    def use_kept(self, handle: CollectionHandle, step: StepName) -> bool:
        """Take a collection that the source keeps open, and tell whether there is one."""
        if self.source.kept_collection is None or self.reopens:
            return False
        try:
            with contained():
                collection = self.source.kept_collection(handle.name)
                if collection is None:
                    return False
                handle.attach(collection)
        except Exception:  # noqa: BLE001 - opening it says what is wrong, if that fails too
            return False
        record = self.ledger[handle.name]
        record.status = "ok"
        record.step(step)
        return True

    async def open(self, handle: CollectionHandle, step: StepName) -> None:
        """
        Open a collection for a step.

        Raises `CallFailed` where that fails, and an error of ChromaSQL where the statement must name another one.
        """
        try:
            await self._call_with_retry(handle, step, partial(self._open_once, handle))
        except CallFailed as failed:
            error = None
            if self.source.missing is not None and is_missing(failed.cause):
                error = await self.source.missing(handle.name)
            if isinstance(error, ChromaSQLError):
                raise error from failed.cause
            if error is not None:
                raise CallFailed(error) from failed.cause
            raise

    async def call(self, handle: CollectionHandle, step: StepName, method: str, arguments: Mapping[str, Any]) -> Any:
        """
        Call a method of a collection, and once more where its handle turns out stale.

        Parameters
        ----------
        handle : CollectionHandle
            The collection, open. Its handle is stale where the collection was deleted and recreated; it is reopened.
        step : StepName
            The step on which the call is booked.
        method : str
            ``get``, ``query``, ``count`` or ``search``.
        arguments : Mapping
            The arguments of the method, by name.

        Returns
        -------
        Any
            The response, checked.

        Raises
        ------
        HandleChanged
            Where the collection was recreated after it had answered a call of the statement, or with another space,
            dimension or embedding function.
        CallFailed
            For any other failure, after the retries.
        """
        invoke = partial(self._invoke, handle, step, method, arguments)
        try:
            return await self._call_with_retry(handle, step, invoke)
        except CallFailed as failed:
            if handle.refreshed or not is_missing(failed.cause):
                raise
        if handle.answered:
            # Rows of the collection that was deleted may be in the answer already.
            raise HandleChanged(handle.name)
        known = handle.signature
        handle.refreshed = True
        self.ledger[handle.name].retries += 1
        await self.open(handle, step)
        if handle.signature != known:
            raise HandleChanged(handle.name)
        return await self._call_with_retry(handle, step, invoke)

    async def within_collection_timeout(
        self, handle: CollectionHandle, work: Callable[[CollectionHandle], Awaitable[T]]
    ) -> T:
        """Run ``work`` within what is left of the time of the collection; raise `CallFailed` where that ends first."""
        allowed = self.options.collection_timeout
        if allowed is None:
            return await work(handle)
        record = self.ledger[handle.name]
        clock = asyncio.get_running_loop().time
        started = clock()
        limit = asyncio.timeout(max(0.0, allowed - record.spent))
        try:
            async with limit:
                return await work(handle)
        except TimeoutError:
            if not limit.expired():
                raise
            raise CallFailed(
                CollectionTimeoutError(f"timed out after {allowed:g} s (timeout of a collection)")
            ) from None
        finally:
            record.spent += clock() - started

    async def _open_once(self, handle: CollectionHandle) -> None:
        forget = self.source.forget_collection
        if forget is not None and (self.reopens or handle.refreshed):
            forget(handle.name)
        collection = self.source.get_collection(handle.name)
        handle.attach(await collection if isinstance(collection, Awaitable) else collection)

    async def _invoke(
        self, handle: CollectionHandle, step_name: StepName, method: str, arguments: Mapping[str, Any]
    ) -> Any:
        """Make one attempt of a call, check its response and count its records and bytes."""
        record = self.ledger[handle.name]
        step = record.step(step_name)
        step.calls += 1
        before = getattr(handle.collection, "bytes_received", None)
        answer = await getattr(handle.collection, method)(**arguments)
        if before is not None:
            step.size = (step.size or 0) + handle.collection.bytes_received - before
        if method == "search" or not handle.checks:
            check_answer(method, arguments, answer)
        if method == "query":
            check_space(handle.space, answer)
        handle.answered = True
        step.read += records_in(method, answer)
        if self.options.keep_raw:
            record.responses.append(answer)
        return answer

    async def _call_with_retry(self, handle: CollectionHandle, step: StepName, call: Callable[[], Awaitable[T]]) -> T:
        """Make a call, retried as the options say; any failure becomes `CallFailed`."""
        record = self.ledger[handle.name]

        def count_retry() -> None:
            record.retries += 1

        try:
            return await call_with_retry(
                partial(self._call_timed, handle, step, call),
                retries=self.options.retries,
                has_time=self.deadline.has_time,
                on_retry=count_retry,
            )
        except Exception as error:
            raise CallFailed(error) from error

    async def _call_timed(self, handle: CollectionHandle, step: StepName, call: Callable[[], Awaitable[T]]) -> T:
        """Make a call when the limiter lets it through; the wait for that counts as time of the call."""
        clock = self.ledger.clock
        began = clock.begin_call()
        try:
            await self.limiter.acquire(handle.name)
            try:
                return await call()
            finally:
                self.limiter.release(handle.name)
        finally:
            self.ledger[handle.name].step(step).seconds += clock.end_call(began)
