"""SHOW COLLECTIONS and DESCRIBE: what the collections are and what they hold."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from typing import Any

from chromasql.dispatch.dispatcher import Dispatcher
from chromasql.dispatch.open_collection import CollectionHandle
from chromasql.operators.patterns import compile_like
from chromasql.operators.row import Row
from chromasql.plan import DescribePlan, ShowPlan, VisibleRecords, visible_records_of
from chromasql.result import ExecutionResult
from chromasql.retrieval.collection_reader import CollectionReader
from chromasql.retrieval.scan import scan

__all__ = ["describe_collection", "show_collections"]


async def show_collections(plan: ShowPlan, names: Sequence[str], dispatcher: Dispatcher) -> ExecutionResult:
    """
    Return a row ``{name, count}`` for each collection whose name is like the pattern, in the order of names.

    The count is None where a collection fails. Raises `ChromaSQLExecutionError` where too many do.
    """
    started = time.perf_counter()
    matches = compile_like("%" if plan.like is None else plan.like)
    found = sorted(name for name in names if matches(name))
    shown = found[plan.offset : None if plan.limit is None else plan.offset + plan.limit]
    dispatcher.ledger.register(shown)

    async def count(handle: CollectionHandle) -> int:
        reader = CollectionReader(handle, dispatcher, "count")
        await reader.open()
        return await _count(view, reader)

    view = visible_records_of(plan)
    handles = [CollectionHandle(name, place) for place, name in enumerate(shown)]
    counted = await dispatcher.fan_out("count", handles, count)
    dispatcher.ledger.require_enough()
    counts = {handle.name: total for handle, total in counted}
    rows = [{"name": name, "count": counts.get(name)} for name in shown]
    return _result(rows, ("name", "count"), plan, dispatcher, started)


async def describe_collection(plan: DescribePlan, dispatcher: Dispatcher) -> ExecutionResult:
    """
    Return what a collection holds, as rows ``{item, value, types, share}``.

    The first rows are its count, space, dimension and embedding function; the others are the metadata keys in a sample
    of its first records, with their types and the share of the sample that has them, from 0 to 1. Raises
    `ChromaSQLExecutionError` where the collection fails.
    """
    started = time.perf_counter()
    handle, view = CollectionHandle(plan.collection, 0), visible_records_of(plan)
    sample: list[dict[str, Any]] = []
    total = 0

    async def look(handle: CollectionHandle) -> None:
        nonlocal total
        reader = CollectionReader(handle, dispatcher, "look")
        await reader.open()
        total = await _count(view, reader)
        async for rows in _visible_rows(view, reader, ("metadata",), plan.sample):
            sample.extend(view.shown(row.metadata or {}) for row in rows)
        reader.count_rows(len(sample))

    await dispatcher.fan_out("look", [handle], look)
    dispatcher.ledger.require_some()
    own = handle.embedding_function
    facts = {
        "count": total,
        "space": handle.space,
        "dimension": handle.dimension,
        "embedding_function": None if own is None else own.name,
    }
    rows: list[dict[str, Any]] = [
        {"item": item, "value": value, "types": None, "share": None} for item, value in facts.items()
    ]
    rows.extend(_key_rows(sample))
    return _result(rows, ("item", "value", "types", "share"), plan, dispatcher, started)


async def _count(view: VisibleRecords, reader: CollectionReader) -> int:
    if not view.filter.restricts:
        total: int = await reader.count()
        return total
    return sum([len(rows) async for rows in _visible_rows(view, reader, (), None)])


def _visible_rows(
    view: VisibleRecords, reader: CollectionReader, parts: Sequence[str], wanted: int | None
) -> AsyncIterator[list[Row]]:
    """Yield the records of a collection that a statement may see."""
    return scan(reader, view.filter, parts, wanted=wanted, page=view.page)


def _key_rows(sample: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    types: dict[str, Counter[str]] = {}
    for metadata in sample:
        for key, value in metadata.items():
            types.setdefault(key, Counter())[_type_of(value)] += 1
    return [
        {
            "item": f"metadata.{key}",
            "value": None,
            "types": ", ".join(sorted(types[key])),
            "share": round(types[key].total() / len(sample), 4),
        }
        for key in sorted(types)
    ]


def _type_of(value: Any) -> str:
    if isinstance(value, list):
        return f"list of {_type_of(value[0])}" if value else "list"
    return {bool: "boolean", int: "integer", float: "float", str: "string"}.get(type(value), type(value).__name__)


def _result(
    rows: list[dict[str, Any]],
    columns: tuple[str, ...],
    plan: ShowPlan | DescribePlan,
    dispatcher: Dispatcher,
    started: float,
) -> ExecutionResult:
    """Return the result of a statement that began at ``started``."""
    return ExecutionResult(
        rows,
        columns=columns,
        results=(rows,),
        outcomes=dispatcher.ledger.outcomes(),
        warnings=plan.warnings if isinstance(plan, ShowPlan) else (),
        plan=plan,
        timings=dispatcher.ledger.clock.timings(time.perf_counter() - started),
    )
