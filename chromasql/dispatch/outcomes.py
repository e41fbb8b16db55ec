"""What happened while a statement ran: outcomes by collection, failures, timings, warnings."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from chromasql.errors import ChromaSQLExecutionError, ChromaSQLTimeoutError, Failure
from chromasql.plan import PlanWarning
from chromasql.result import Outcome, StepTiming, Timings

__all__ = ["Clock", "CollectionTimeoutError", "Ledger", "Record", "Step", "StepName"]

StepName: TypeAlias = Literal["list", "open", "rank", "scan", "fetch", "sample", "count", "look"]
"""The steps of a statement, as they are called in timings, spans and EXPLAIN ANALYZE."""


_UNKNOWN_TO_INDEX = "Error finding id"
"""What Chroma says where its index lacks a record that its metadata side has."""


_STALE = "the index in use lacks a record that the collection has, as where another process writes to the same folder"


class CollectionTimeoutError(TimeoutError):
    """A collection took longer than ``collection_timeout`` allows."""


@dataclass(slots=True)
class Step:
    """
    What one step did in one collection.

    ``read`` is how many records its answers held and ``rows`` how many of them the step kept; ``seconds`` is the time
    of its calls, ``size`` their bytes if known.
    """

    calls: int = 0
    rows: int = 0
    read: int = 0
    seconds: float = 0.0
    size: int | None = None


@dataclass(slots=True)
class Record:
    """What one collection did: its status is that of `Outcome`, and ``running`` while a step runs in it."""

    status: str = "skipped"
    spent: float = 0.0
    retries: int = 0
    steps: dict[StepName, Step] = field(default_factory=dict)
    error: Failure | None = None
    cause: BaseException | None = None
    responses: list[Any] = field(default_factory=list)
    stale: str | None = None

    def step(self, name: StepName) -> Step:
        """Return what a step did here, a new one where it has done nothing yet."""
        step = self.steps.get(name)
        if step is None:
            step = self.steps[name] = Step()
        return step

    def fail(self, collection: str, cause: Exception) -> None:
        """Record why the collection failed."""
        if isinstance(cause, CollectionTimeoutError):
            self.status = "timed_out"
            self.error = Failure(collection, "Timeout", str(cause))
        elif _UNKNOWN_TO_INDEX in str(cause):
            self.status = "failed"
            self.stale = f"{_STALE} ({cause})"
            self.error = Failure(
                collection, "StaleIndex", f"{self.stale}; open the folder again, or let one process write"
            )
        else:
            self.status = "failed"
            self.error = Failure.of(cause, collection)
        self.cause = cause

    def fail_late(self, collection: str, seconds: float) -> None:
        """Record that the timeout of the statement, in seconds, came before an answer of the collection."""
        self.status = "timed_out"
        self.error = Failure(collection, "Timeout", f"timed out after {seconds:g} s (statement timeout)")

    def outcome(self, collection: str) -> Outcome:
        """Return what the collection did, as a part of the result."""
        steps = self.steps.values()
        return Outcome(
            collection,
            self.status,
            # What is fetched belongs to rows that were counted before.
            rows=sum(step.rows for name, step in self.steps.items() if name != "fetch"),
            calls=sum(step.calls for step in steps),
            milliseconds=sum(step.seconds for step in steps) * 1000,
            retries=self.retries,
            error=self.error,
            stale=self.stale,
            steps=tuple(
                StepTiming(name, step.calls, step.rows, step.seconds * 1000, step.size, step.read)
                for name, step in self.steps.items()
            ),
        )


@dataclass(slots=True)
class Clock:
    """
    Where the time of a statement went, in seconds.

    ``waiting`` is the time in which at least one call was under way, ``embedding`` that of the ``embedding_calls``.
    """

    waiting: float = 0.0
    embedding: float = 0.0
    embedding_calls: int = 0
    calls_under_way: int = 0
    under_way_since: float = 0.0

    def begin_call(self) -> float:
        """Return the time at which a call begins."""
        now = time.perf_counter()
        if self.calls_under_way == 0:
            self.under_way_since = now
        self.calls_under_way += 1
        return now

    def end_call(self, began: float) -> float:
        """Return the seconds that a call took."""
        now = time.perf_counter()
        self.calls_under_way -= 1
        if self.calls_under_way == 0:
            self.waiting += now - self.under_way_since
        return now - began

    def timings(self, seconds: float) -> Timings:
        """Return the timings of a statement that took so long in all."""
        return Timings(seconds * 1000, self.waiting * 1000, self.embedding * 1000, self.embedding_calls)


class Ledger:
    """
    The records of a statement, by collection, in the order in which the collections became known.

    ``min_success`` is how many of the collections used have to succeed: an int is their number, a float their share.
    """

    def __init__(self, min_success: float | None = None, clock: Clock | None = None) -> None:
        self.clock = clock or Clock()
        self._min_success = min_success
        self._records: dict[str, Record] = {}
        self._warnings: dict[PlanWarning, None] = {}

    def __getitem__(self, name: str) -> Record:
        """Return the record of a collection, a new one where there is none."""
        record = self._records.get(name)
        if record is None:
            record = self._records[name] = Record()
        return record

    def __iter__(self) -> Iterator[str]:
        return iter(self._records)

    def __delitem__(self, name: str) -> None:
        del self._records[name]

    def only(self, names: Iterable[str]) -> Ledger:
        """Return a ledger for another run of the statement: the clock runs on, and of the records these stay."""
        ledger = Ledger(self._min_success, self.clock)
        for name in names:
            ledger._records[name] = self._records[name]
        return ledger

    def register(self, names: Iterable[str]) -> None:
        """Name the collections of the statement, whether or not they will be used."""
        for name in names:
            self._records.setdefault(name, Record())

    def warn(self, warning: PlanWarning) -> None:
        """Add a warning of something that only a run of the statement shows."""
        self._warnings[warning] = None

    @property
    def warnings(self) -> tuple[PlanWarning, ...]:
        """The warnings of this run, without repeats."""
        return tuple(self._warnings)

    def has_failed(self, name: str) -> bool:
        """Tell whether a collection has failed."""
        record = self._records.get(name)
        return record is not None and record.error is not None

    def outcomes(self) -> tuple[Outcome, ...]:
        """Return what each collection did, in the order of the statement."""
        return tuple(record.outcome(name) for name, record in self._records.items())

    def raw(self) -> dict[str, list[Any]]:
        """Return the responses of each collection, where they were kept."""
        return {name: record.responses for name, record in self._records.items() if record.responses}

    def failures(self) -> list[Failure]:
        """Return why collections failed."""
        return [record.error for record in self._records.values() if record.error is not None]

    def first_cause(self) -> BaseException | None:
        """Return the first exception of a collection."""
        return next((record.cause for record in self._records.values() if record.cause is not None), None)

    def failed(self, message: str, *, code: str) -> ChromaSQLExecutionError:
        """Return the error that holds every failure so far; with a late collection among them it is a timeout."""
        late = any(record.status == "timed_out" for record in self._records.values())
        kind = ChromaSQLTimeoutError if late else ChromaSQLExecutionError
        return kind(message, code="timeout" if late else code, failures=self.failures(), outcomes=self.outcomes())

    def timed_out(self, seconds: float) -> ChromaSQLTimeoutError:
        """Return the error for a statement that its timeout ends, in seconds."""
        return ChromaSQLTimeoutError(
            f"timed out after {seconds:g} s (statement timeout); raise the timeout or use fewer collections",
            code="timeout",
            failures=self.failures(),
            outcomes=self.outcomes(),
        )

    def require_some(self) -> None:
        """Raise `ChromaSQLExecutionError` where every collection that was used failed, or too many of them."""
        used, succeeded = self._used_and_succeeded()
        if used and not succeeded:
            what = "the collection" if used == 1 else f"all {used} collections"
            raise self.failed(f"{what} failed", code="collection-failed") from self.first_cause()
        self.require_enough()

    def require_enough(self) -> None:
        """Raise `ChromaSQLExecutionError` where fewer collections succeeded than ``min_success`` requires."""
        if self._min_success is None:
            return
        used, succeeded = self._used_and_succeeded()
        is_share = isinstance(self._min_success, float)
        # Rounded first: a share such as 0.7 of 10 must not become 8 because of how floats are stored.
        required = min(used, math.ceil(round(self._min_success * used, 6) if is_share else self._min_success))
        if succeeded < required:
            raise self.failed(
                f"{succeeded} of {used} collections answered, but min_success = {self._min_success:g} "
                f"requires {required}",
                code="too-few-collections",
            ) from self.first_cause()

    def _used_and_succeeded(self) -> tuple[int, int]:
        used = [record for record in self._records.values() if record.status != "skipped"]
        return len(used), sum(record.error is None for record in used)

    def mark_cancelled(self) -> None:
        """Mark the collections in which a step still runs as the statement ends."""
        for record in self._records.values():
            if record.status == "running":
                record.status = "cancelled"
