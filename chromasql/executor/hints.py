"""Warnings about an answer that may not be what was meant: what is missing, unknown keys, tests of another kind."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from chromasql.ast import kind_of
from chromasql.dispatch.open_collection import CollectionHandle
from chromasql.errors import near_names
from chromasql.executor.state import StatementContext
from chromasql.operators.row import Row
from chromasql.plan import (
    And,
    Column,
    Comparison,
    Condition,
    Or,
    PlanWarning,
    QueryPlan,
    Read,
    columns_in,
    columns_of,
    visible_records_of,
)
from chromasql.plan.expressions import columns_of_score
from chromasql.retrieval.scan import scan

__all__ = ["warn_of_the_answer"]

_SAMPLED_RECORDS = 100


_SAMPLED_COLLECTIONS = 3


_MAX_NAMES = 5


_COLUMNS = ("document", "embedding", "metadata", "uri")


async def warn_of_the_answer(
    context: StatementContext, pages: Sequence[Sequence[Row]], shown: Sequence[Mapping[str, Any]]
) -> None:
    """
    Warn of what the answer leaves unsaid.

    ``pages`` are the rows before they were projected to ``shown``. At most one sample of records is read, and only
    where the rows do not tell already.
    """
    ledger, plan = context.dispatcher.ledger, context.plan
    failed = [str(failure.collection) for failure in ledger.failures()]
    if failed:
        names = ", ".join(failed[:_MAX_NAMES]) + ("" if len(failed) <= _MAX_NAMES else ", ..")
        verb = "is" if len(failed) == 1 else "are"
        message = f"{len(failed)} of {len(list(ledger))} collections {verb} missing from the answer: {names}"
        ledger.warn(PlanWarning("partial", message))
    rows = [row for page in pages for row in page]
    if plan.rankings and plan.aggregation is None and rows and all(row.score is None for row in rows):
        ledger.warn(PlanWarning("null-rank", "the rank is NULL for every row, so the order says nothing"))
    keys = _suspicious_keys(plan, rows, shown)
    tests = list(_suspicious_tests(plan, shown))
    opened = [handle for handle in context.handles if handle.collection is not None]
    if not (keys or tests) or not opened:
        return
    work = partial(_sample_metadata, context, opened[:_SAMPLED_COLLECTIONS])
    sample = await context.dispatcher.best_effort(work)
    for warning in (*_unknown_key_warnings(keys, sample or ()), *_kind_warnings(tests, sample or ())):
        ledger.warn(warning)


async def _sample_metadata(context: StatementContext, handles: Sequence[CollectionHandle]) -> list[dict[str, Any]]:
    """Return the visible metadata of the first records of collections."""
    view = visible_records_of(context.plan)
    found: list[dict[str, Any]] = []
    for handle in handles:
        reader = context.reader(handle, "sample")
        async for rows in scan(reader, view.filter, ("metadata",), wanted=_SAMPLED_RECORDS, page=view.page):
            found.extend(view.shown(row.metadata or {}) for row in rows)
    return found


def _finds_little(plan: QueryPlan, shown: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the answer is empty, or is groups of which a value is 0, NULL or the only one."""
    if plan.aggregation is None or not shown:
        return not shown
    keys = len(plan.aggregation.keys)
    computed = [
        output.name
        for output in plan.outputs
        if any(int(column.key or 0) >= keys for column in columns_in(output.column))
    ]
    grouped = [output.name for output in plan.outputs if output.name not in computed]
    if any(row[name] in (None, 0) for row in shown for name in computed):
        return True
    return len(shown) == 1 and any(shown[0][name] is None for name in grouped)


def _suspicious_keys(plan: QueryPlan, rows: Sequence[Row], shown: Sequence[Mapping[str, Any]]) -> list[str]:
    """
    Return the metadata keys of a statement that its rows do not show, in the order of the names.

    Keys of WHERE are suspicious where little was found, or where only a test for NULL names them; keys of any other
    clause where they are NULL in every row.
    """
    little = _finds_little(plan, shown)
    outputs = {output.name: output.column for output in plan.outputs if output.column.part in ("metadata", "computed")}
    columns = _read_by(column for name, column in outputs.items() if all(row.get(name) is None for row in shown))
    columns |= {Column("metadata", key) for output in plan.outputs for key in output.without}
    columns |= _read_by(key.column for key in plan.order)
    columns |= {column for ranking in plan.rankings for column in columns_of_score(ranking.score)}
    if plan.keep is not None:
        columns |= _read_by([*plan.keep.keys, *(key.column for key in plan.keep.order)])
    if plan.aggregation is not None and little:
        columns |= _read_by([*plan.aggregation.keys, *plan.aggregation.reads])
    tests = list(_tests_of(plan.condition))
    columns |= columns_of(plan.condition) if little else {test.column for test in tests if test.operator == "is null"}
    visible = visible_records_of(plan)
    columns -= columns_of(visible.condition)
    there = {key for row in rows for key in row.metadata or ()} if plan.aggregation is None else set()
    keys = {column.key for column in columns if column.part == "metadata" and column.key is not None}
    return sorted(key for key in keys - there if visible.keys is None or key in visible.keys)


def _read_by(reads: Iterable[Read]) -> set[Column]:
    return {column for read in reads for column in columns_in(read)}


def _suspicious_tests(plan: QueryPlan, shown: Sequence[Mapping[str, Any]]) -> Iterator[Comparison]:
    """Yield the tests of metadata keys that may be why little was found."""
    if _finds_little(plan, shown):
        own = set(_tests_of(visible_records_of(plan).condition))
        yield from (test for test in _tests_of(plan.condition) if test.column.key is not None and test not in own)


def _tests_of(condition: Condition) -> Iterator[Comparison]:
    match condition:
        case Comparison():
            yield condition
        case And(parts) | Or(parts):
            for part in parts:
                yield from _tests_of(part)


def _unknown_key_warnings(keys: Iterable[str], sample: Iterable[Mapping[str, Any]]) -> list[PlanWarning]:
    """
    Warn of each key that no record of a sample has; an empty sample proves nothing.

    The columns of every record are among the names that may have been meant: EXCEPT takes both.
    """
    known = {key for metadata in sample for key in metadata}
    if not known:
        return []
    return [
        PlanWarning(
            "unknown-key", f"no record of a sample has the metadata key {key}{near_names(key, {*known, *_COLUMNS})}"
        )
        for key in keys
        if key not in known
    ]


def _kind_warnings(tests: Iterable[Comparison], sample: Sequence[Mapping[str, Any]]) -> Iterator[PlanWarning]:
    """Warn of each test that no value of a sample can pass, as all of them are of another kind."""
    kinds: dict[str, set[str]] = {}
    for metadata in sample:
        for key, value in metadata.items():
            kinds.setdefault(key, set()).add(kind_of(value))
    for test in tests:
        found = kinds.get(str(test.column.key))
        advice = None if found is None else _advice(test, found)
        if found and advice is not None:
            kind = " or ".join(sorted(found))
            yield PlanWarning(
                "type-mismatch",
                f"{test.column.key} is a {kind} in every record of a sample, so {_written(test)} is never true; "
                f"{advice}",
            )
        elif test.operator in ("like", "ilike") and "_" in str(test.operand):
            yield PlanWarning(
                "like-underscore",
                f"_ is a letter in {_written(test)}, which matched nothing; % stands for any characters, "
                "and in REGEX a dot stands for one",
            )


def _advice(test: Comparison, kinds: set[str]) -> str | None:
    """Say what to write instead of a test that none of the kinds can pass; None where one may."""
    operand = test.operand[0] if isinstance(test.operand, tuple) and test.operand else test.operand
    match test.operator:
        case "contains":
            return None if "list" in kinds else f"CONTAINS looks into lists; write {test.column.key} LIKE '%..%'"
        case "like" | "ilike" | "regex":
            if "string" in kinds:
                return None
            return "write CONTAINS 'element'" if kinds == {"list"} else "compare it with = or <"
        case "=" | "in" | "<" | "<=" | ">" | ">=":
            wanted = {kind_of(item) for item in test.operand} if isinstance(test.operand, tuple) else {kind_of(operand)}
            if wanted & kinds:
                return None
            if kinds == {"list"}:
                return f"write {test.column.key} CONTAINS {_literal(operand)}"
            return f"give a {' or a '.join(sorted(kinds - {'list'}) or kinds)}"
        case _:
            return None


def _literal(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).upper()
    return repr(value) if isinstance(value, int | float) else "'" + str(value).replace("'", "''") + "'"


def _written(test: Comparison) -> str:
    if isinstance(test.operand, tuple):
        return f"{test.column.key} {test.operator.upper()} ({', '.join(map(_literal, test.operand[:3]))})"
    return f"{test.column.key} {test.operator.upper()} {_literal(test.operand)}"
