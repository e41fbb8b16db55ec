"""Result to words: what happened when a plan was run, and why it took what it took."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from chromasql.explain.wording import explain_condition, plural
from chromasql.plan import And, Comparison, Condition, Holds, Or, QueryPlan
from chromasql.result import ExecutionResult, Outcome, StepTiming

__all__ = ["run_lines"]

_SLOWEST = 3
"""How many collections that did nothing special are shown with their steps."""

_HINT_READ = 100
_HINT_SHARE = 0.1
"""A hint comes where at least so many records were read, and less than this share of them was kept."""

_PATTERNS = frozenset({"like", "not like", "ilike", "not ilike", "regex", "not regex"})


def run_lines(result: ExecutionResult) -> Iterator[str]:
    """Yield the lines that EXPLAIN ANALYZE adds to a plan."""
    plan, timings = result.plan, result.timings
    assert isinstance(plan, QueryPlan)
    yield f"ran: {plural(len(result.rows), 'row')} in {timings.total:.1f} ms"
    yield f"  waiting for Chroma: {timings.waiting:.1f} ms"
    yield f"  embedding: {timings.embedding:.1f} ms, {plural(timings.embedding_calls, 'call')}"
    yield f"  ChromaSQL itself: {timings.own:.1f} ms"
    if plan.view is not None:
        # How often and how much a collection had to be read depends on the records that a scope hides.
        for outcome in result.outcomes:
            yield from _collection_lines(outcome, hidden=True)
        return
    shown, rest = _choose(result.outcomes)
    for outcome in shown:
        yield from _collection_lines(outcome, hidden=False)
    yield from _rest_lines(rest)
    yield from _hint(plan, result.outcomes)


def _choose(outcomes: Sequence[Outcome]) -> tuple[list[Outcome], list[Outcome]]:
    """Return the collections to show with their steps, slowest first, and those that share a line."""
    ordered = sorted(outcomes, key=lambda outcome: -outcome.milliseconds)
    special = [outcome for outcome in ordered if _is_special(outcome)]
    usual = [outcome for outcome in ordered if not _is_special(outcome)]
    slowest = [outcome for outcome in usual if outcome.status == "ok"][:_SLOWEST]
    rest = [outcome for outcome in usual if outcome not in slowest]
    # A line for a single collection would save nothing.
    return (special + slowest, rest) if len(rest) > 1 else (special + slowest + rest, [])


def _is_special(outcome: Outcome) -> bool:
    return outcome.status not in ("ok", "skipped") or outcome.retries > 0


def _collection_lines(outcome: Outcome, *, hidden: bool) -> Iterator[str]:
    retries = f", {plural(outcome.retries, 'retry', 'retries')}" if outcome.retries else ""
    yield f"  {outcome.collection}: {outcome.status}{retries}"
    if outcome.error is not None:
        yield f"    {outcome.error.kind}: {outcome.error.message}"
    for step in outcome.steps:
        if step.step == "open" and not step.calls:
            continue
        size = "" if step.bytes is None or hidden else f", {step.bytes} bytes"
        calls = "" if hidden else f"{plural(step.calls, 'call')}, "
        yield f"    {step.step}: {calls}{_rows(step, hidden=hidden)}, {step.milliseconds:.1f} ms{size}"


def _rows(step: StepTiming, *, hidden: bool) -> str:
    if hidden or step.read <= step.rows:
        return plural(step.rows, "row")
    if step.step == "sample":
        return f"read {step.read}"
    return f"read {step.read}, kept {step.rows} ({_percent(step.rows, step.read)})"


def _percent(kept: int, read: int) -> str:
    return f"{100 * kept / read:.2g} %"


def _rest_lines(rest: Sequence[Outcome]) -> Iterator[str]:
    answered = [outcome for outcome in rest if outcome.status == "ok"]
    skipped = len(rest) - len(answered)
    if answered:
        calls, rows = sum(outcome.calls for outcome in answered), sum(outcome.rows for outcome in answered)
        longest = max(outcome.milliseconds for outcome in answered)
        yield (
            f"  {len(answered)} more: ok, {plural(calls, 'call')} and {plural(rows, 'row')} in all, "
            f"each at most {longest:.1f} ms"
        )
    if skipped:
        yield f"  {skipped} more: skipped"


def _hint(plan: QueryPlan, outcomes: Sequence[Outcome]) -> Iterator[str]:
    """Yield what would have to be read less for, where a test that was re-checked here removed most of the records."""
    steps = [step for outcome in outcomes for step in outcome.steps if step.step in ("rank", "scan")]
    read, kept = sum(step.read for step in steps), sum(step.rows for step in steps)
    tests = list(dict.fromkeys(_rechecked(plan)))
    if not tests or read < _HINT_READ or kept >= _HINT_SHARE * read:
        return
    verb = "was" if kept == 1 else "were"
    yield f"hint: of {read} records read {kept} {verb} kept ({_percent(kept, read)}); {_advice(tests)}"


def _rechecked(plan: QueryPlan) -> Iterator[Comparison | Holds]:
    if plan.filter.residual is not None:
        yield from _tests_of(plan.filter.residual)


def _tests_of(condition: Condition) -> Iterator[Comparison | Holds]:
    match condition:
        case Comparison() | Holds():
            yield condition
        case And(parts) | Or(parts):
            for part in parts:
                yield from _tests_of(part)


def _advice(tests: Sequence[Comparison | Holds]) -> str:
    """Say which test cannot be sent to Chroma, and what could be sent beside it or instead."""
    for test in tests:
        if isinstance(test, Holds):
            continue
        if test.operator in _PATTERNS and test.column.part == "metadata":
            name = test.operator.upper()
            return f"{name} on metadata cannot be sent to Chroma; an equality or CONTAINS on a list of tags can"
        if test.operator in _PATTERNS and test.column.part in ("id", "uri"):
            name = test.operator.upper()
            return f"{name} on {test.column.part} cannot be sent to Chroma; id = .. and id IN (..) can"
    return (
        f"{explain_condition(tests[0])} is re-checked here; an equality on metadata, joined by AND, is sent to Chroma"
    )
