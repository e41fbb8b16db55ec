"""What happened to the collections of a statement: outcomes, failures, and whether enough of them answered."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from chromasql.errors import ChromaSQLExecutionError, ChromaSQLTimeoutError, Failure
from chromasql.result import Outcome, StepTiming

__all__ = ["Ledger", "Record", "Step"]


@dataclass(slots=True)
class Step:
    """What one wave did in one collection; ``seconds`` is the time of its calls, ``size`` their bytes where known."""

    calls: int = 0
    rows: int = 0
    seconds: float = 0.0
    size: int | None = None


@dataclass(slots=True)
class Record:
    """What one collection did: its status is that of `Outcome`, and ``asked`` while it is being asked."""

    status: str = "skipped"
    spent: float = 0.0
    retries: int = 0
    steps: dict[str, Step] = field(default_factory=dict)
    error: Failure | None = None
    cause: BaseException | None = None
    responses: list[Any] = field(default_factory=list)


class Ledger:
    """
    The records of a statement, by collection, in the order in which it came to know them.

    ``min_success`` is the number, or as a float the share, of the collections asked that have to answer.
    """

    def __init__(self, min_success: float | None = None) -> None:
        self._min_success = min_success
        self._records: dict[str, Record] = {}

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
        """Return one that has the records of these names alone."""
        ledger = Ledger(self._min_success)
        ledger._records = {name: self._records[name] for name in names}
        return ledger

    def lost(self, name: str) -> bool:
        """Tell whether a collection has failed."""
        record = self._records.get(name)
        return record is not None and record.error is not None

    def knows(self, names: Iterable[str]) -> None:
        """Name the collections of the statement, asked or not."""
        for name in names:
            self._records.setdefault(name, Record())

    def outcomes(self) -> tuple[Outcome, ...]:
        """Return what each collection did, in the order of the statement."""
        return tuple(
            Outcome(
                name,
                record.status,
                rows=sum(step.rows for step in record.steps.values()),
                calls=sum(step.calls for step in record.steps.values()),
                milliseconds=sum(step.seconds for step in record.steps.values()) * 1000,
                retries=record.retries,
                error=record.error,
                steps=tuple(
                    StepTiming(step, each.calls, each.rows, each.seconds * 1000, each.size)
                    for step, each in record.steps.items()
                ),
            )
            for name, record in self._records.items()
        )

    def raw(self) -> dict[str, list[Any]]:
        """Return what each collection answered, where it was kept."""
        return {name: record.responses for name, record in self._records.items() if record.responses}

    def failures(self) -> list[Failure]:
        """Return why collections failed."""
        return [record.error for record in self._records.values() if record.error is not None]

    def first_cause(self) -> BaseException | None:
        """Return the first exception of a collection."""
        return next((record.cause for record in self._records.values() if record.cause is not None), None)

    def failed(self, message: str, *, code: str | None = None) -> ChromaSQLExecutionError:
        """Return the error that holds every failure so far."""
        late = [record for record in self._records.values() if record.status == "timed_out"]
        kind = ChromaSQLTimeoutError if late else ChromaSQLExecutionError
        return kind(message, code=None if late else code, failures=self.failures(), outcomes=self.outcomes())

    def require_some(self) -> None:
        """Raise where no collection that was asked answered, or too few."""
        asked, answered = self._asked_and_answered()
        if asked and not answered:
            one = "the collection" if asked == 1 else f"all {asked} collections"
            raise self.failed(f"{one} failed") from self.first_cause()
        self.require_enough()

    def require_enough(self) -> None:
        """Raise where fewer collections answered than ``min_success`` wants."""
        if self._min_success is None:
            return
        asked, answered = self._asked_and_answered()
        share = isinstance(self._min_success, float)
        # A share such as 0.7 of 10 must not become 8 by what floats leave over.
        wanted = min(asked, math.ceil(round(self._min_success * asked, 6) if share else self._min_success))
        if answered < wanted:
            raise self.failed(
                f"{answered} of {asked} collections answered, and min_success = {self._min_success:g} wants {wanted}"
            ) from self.first_cause()

    def _asked_and_answered(self) -> tuple[int, int]:
        asked = [record for record in self._records.values() if record.status != "skipped"]
        return len(asked), sum(record.error is None for record in asked)

    def mark_cancelled(self) -> None:
        """Mark the collections that are being asked as the statement ends."""
        for record in self._records.values():
            if record.status == "asked":
                record.status = "cancelled"
