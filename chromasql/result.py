"""What a statement returns: rows, what each collection did, warnings."""

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
    One step of a statement in one collection.

    Attributes
    ----------
    step
        ``open``, ``rank``, ``scan``, ``fetch`` or ``sample`` for SELECT, ``count`` for SHOW, ``look`` for DESCRIBE,
        and ``list`` for a server whose collections could not be listed.
    calls
        How many requests were sent.
    rows
        How many records the step kept: those that satisfy WHERE, or the parts that were fetched.
    milliseconds
        How long the requests took, added up.
    bytes
        The size of the answers, or None where the adapter does not know it.
    read
        How many records the answers held, those included that a test removed here or that were read twice.

    """

    step: str
    calls: int
    rows: int
    milliseconds: float
    bytes: int | None = None
    read: int = 0


@dataclass(frozen=True, slots=True)
class Timings:
    """
    Where the time of a statement went, in milliseconds.

    Attributes
    ----------
    total
        The whole statement.
    waiting
        The time in which at least one request was under way.
    embedding
        The time that embedders took.
    embedding_calls
        How often an embedder was called.

    """

    total: float
    waiting: float = 0.0
    embedding: float = 0.0
    embedding_calls: int = 0

    @property
    def own(self) -> float:
        """The time that ChromaSQL itself took: what is neither waiting nor embedding."""
        return max(0.0, self.total - self.waiting - self.embedding)


_NO_TIME = Timings(0.0)


@dataclass(frozen=True, slots=True)
class Outcome:
    """
    What one collection did for a statement.

    Attributes
    ----------
    collection
        The name of the collection.
    status
        ``ok``, ``failed``, ``timed_out``, ``cancelled`` (the statement ended during a request) or ``skipped`` (there
        was no request, as there were enough rows or the statement ended first).
    rows
        How many records it returned, before the merge.
    calls
        How many requests it was sent.
    milliseconds
        How long they took.
    retries
        How many of the requests were repeated after a failure.
    error
        Why it failed, or None.
    stale
        How its index was seen to be behind what was written, or None: another process writes to the same folder.
    steps
        The same figures for each step.

    """

    collection: str
    status: str = "ok"
    rows: int = 0
    calls: int = 0
    milliseconds: float = 0.0
    retries: int = 0
    error: Failure | None = None
    stale: str | None = None
    steps: tuple[StepTiming, ...] = ()


@dataclass(frozen=True, slots=True)
class ExecutionResult:
    """
    The answer to one statement; iterating over it yields its rows.

    Attributes
    ----------
    rows
        Dicts with the columns of SELECT in their order, in the order of the answer. For a batch of rankings, the rows
        of all its lists, one after the other.
    raw
        Chroma's own answers, from two functions only; empty otherwise. `chromasql.execute_plan` returns Chroma's dict
        for one request, or ``{"responses": [..]}`` for several; `chromasql.execute_multi_collection` returns a list
        of such dicts by the name of each collection.
    columns
        The names of the columns.
    results
        For a batch, a list of rows for each ranking; otherwise one list.
    outcomes
        What each collection did.
    warnings
        What is legal but was probably not meant.
    plan
        The plan that was run.
    explanation
        For EXPLAIN, the plan as text; otherwise None.
    timings
        Where the time went.
    total
        How many rows there are without LIMIT and OFFSET, where the statement asks for it: by ``WITH (total = TRUE)`` or
        ``COUNT(*) OVER ()``.

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
    total: int | None = None

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
        """Whether no collection is missing from the answer."""
        return not self.failures

    @property
    def failures(self) -> tuple[Outcome, ...]:
        """The outcomes of the collections that are missing from the answer."""
        return tuple(outcome for outcome in self.outcomes if outcome.status in ("failed", "timed_out"))

    def require_complete(self) -> ExecutionResult:
        """
        Insist on a complete answer.

        Returns
        -------
        ExecutionResult
            The result itself.

        Raises
        ------
        ChromaSQLExecutionError
            If a collection is missing from the answer; the error has the failures of each.

        """
        if self.complete:
            return self
        causes = [outcome.error for outcome in self.failures if outcome.error is not None]
        raise ChromaSQLExecutionError(
            f"{len(self.failures)} of {len(self.outcomes)} collections are missing from the answer",
            code="incomplete-result",
            failures=causes,
        )
