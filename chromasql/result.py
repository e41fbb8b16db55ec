"""What a statement gives: rows, what each collection did, warnings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from chromasql.errors import ChromaSQLExecutionError, Failure
from chromasql.plan import PlanWarning, StatementPlan

__all__ = ["ExecutionResult", "Outcome", "StepTiming", "Timings"]


@dataclass(frozen=True, slots=True)
class StepTiming:
    """
    One step of a statement in one collection: how many requests, how many rows came, how long they took.

    ``bytes`` is the size of the answers, where the adapter knows it.
    """

    step: str
    calls: int
    rows: int
    milliseconds: float
    bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Timings:
    """
    Where the time of a statement went, in milliseconds.

    ``waiting`` is the time in which at least one request was under way, ``embedding`` that of the
    ``embedding_calls``, and ``own`` the rest: what ChromaSQL itself took.
    """

    total: float
    waiting: float = 0.0
    embedding: float = 0.0
    embedding_calls: int = 0

    @property
    def own(self) -> float:
        """The time that ChromaSQL itself took."""
        return max(0.0, self.total - self.waiting - self.embedding)


_NO_TIME = Timings(0.0)


@dataclass(frozen=True, slots=True)
class Outcome:
    """
    What one collection did for a statement.

    ``status`` is ``ok``, ``failed``, ``timed_out``, ``cancelled`` (the statement ended while it was asked) or
    ``skipped`` (not asked, as there were rows enough or the statement ended first). ``rows`` counts the records it
    gave, before the merge; ``calls`` the requests it was sent; ``milliseconds`` the time they took; ``retries`` those
    that were made again.
    """

    collection: str
    status: str = "ok"
    rows: int = 0
    calls: int = 0
    milliseconds: float = 0.0
    retries: int = 0
    error: Failure | None = None
    steps: tuple[StepTiming, ...] = ()


@dataclass(frozen=True, slots=True)
class ExecutionResult:
    """
    The answer to one statement.

    ``rows`` are dicts in the order of the answer, with the columns of SELECT in their order; for a batch of
    rankings they are those of all its lists, one after the other, and ``results`` holds the lists apart. ``raw``
    holds what Chroma answered, by collection, where the caller asked to keep it. ``complete`` is False where a
    collection is missing from the answer: ``outcomes`` tells which and why.
    """

    rows: list[dict[str, Any]]
    raw: Mapping[str, Any] = field(default_factory=dict)
    columns: tuple[str, ...] = ()
    results: tuple[list[dict[str, Any]], ...] = ()
    outcomes: tuple[Outcome, ...] = ()
    warnings: tuple[PlanWarning, ...] = ()
    plan: StatementPlan | None = None
    explanation: str | None = None
    timings: Timings = _NO_TIME

    @property
    def milliseconds(self) -> float:
        """How long the statement took, in milliseconds."""
        return self.timings.total

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def complete(self) -> bool:
        """Whether every collection that had to be asked answered."""
        return not self.failures

    @property
    def failures(self) -> tuple[Outcome, ...]:
        """The outcomes of the collections that are missing from the answer."""
        return tuple(outcome for outcome in self.outcomes if outcome.status in ("failed", "timed_out"))

    def require_complete(self) -> ExecutionResult:
        """Return the result itself, or raise `ChromaSQLExecutionError` where a collection is missing from it."""
        if self.complete:
            return self
        causes = [outcome.error for outcome in self.failures if outcome.error is not None]
        raise ChromaSQLExecutionError(
            f"{len(self.failures)} of {len(self.outcomes)} collections are missing from the answer",
            failures=causes,
        )
