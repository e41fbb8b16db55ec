"""SHOW COLLECTIONS and DESCRIBE: what there is to ask."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import Any

from chromasql.dispatch.dispatcher import Dispatcher
from chromasql.dispatch.open_collection import CollectionHandle
from chromasql.operators.patterns import compile_like
from chromasql.operators.row import Row
from chromasql.plan import DescribePlan, ShowPlan, VisibleRecords, visible_records_of
from chromasql.result import ExecutionResult
from chromasql.retrieval.scan import scan

__all__ = ["describe_collection", "show_collections"]


async def show_collections(plan: ShowPlan, names: Sequence[str], dispatcher: Dispatcher) -> ExecutionResult:
    """Return a row ``{name, count}`` for each collection whose name is like the pattern, in the order of names."""
    started = time.perf_counter()
    matches = compile_like("%" if plan.like is None else plan.like)
    found = sorted(name for name in names if matches(name))
    shown = found[plan.offset : None if plan.limit is None else plan.offset + plan.limit]
    dispatcher.ledger.knows(shown)

    async def count(handle: CollectionHandle) -> int:
        await dispatcher.open(handle)
        return await _count(visible_records_of(plan), handle, dispatcher)

    counted = await dispatcher.each("count", [CollectionHandle(name, place) for place, name in enumerate(shown)], count)
    dispatcher.ledger.require_enough()
    counts = {handle.name: total for handle, total in counted}
    rows = [{"name": name, "count": counts.get(name)} for name in shown]
    return _result(rows, ("name", "count"), plan, dispatcher, started)


async def describe_collection(plan: DescribePlan, dispatcher: Dispatcher) -> ExecutionResult:
    """
    Return what a collection holds, a row ``{item, value, types, share}`` each.

    The first rows are its count, space, dimension and embedding function; then comes each metadata key that a sample
    of its first records shows, with its types and the share of the sample that has it, from 0 to 1.
    """
    started = time.perf_counter()
    handle, view = CollectionHandle(plan.collection, 0), visible_records_of(plan)
    sample: list[dict[str, Any]] = []
    total = 0

    async def look(handle: CollectionHandle) -> None:
        nonlocal total
        await dispatcher.open(handle)
        total = await _count(view, handle, dispatcher)
        async for rows in _seen(view, handle, dispatcher, ("metadata",), plan.sample):
            sample.extend(view.shown(row.metadata or {}) for row in rows)
        dispatcher.gave(handle, len(sample))

    await dispatcher.each("look", [handle], look)
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


async def _count(view: VisibleRecords, handle: CollectionHandle, dispatcher: Dispatcher) -> int:
    if not view.filter.restricts:
        total: int = await dispatcher.call(handle, "count")
        return total
    return sum([len(rows) async for rows in _seen(view, handle, dispatcher, (), None)])


def _seen(
    view: VisibleRecords, handle: CollectionHandle, dispatcher: Dispatcher, parts: Sequence[str], wanted: int | None
) -> AsyncIterator[list[Row]]:
    """Yield the records of a collection that a statement may see."""
    make = partial(Row, handle.name, handle.place)
    return scan(partial(dispatcher.call, handle), view.filter, make, parts, wanted, view.page)


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
    return ExecutionResult(
        rows,
        columns=columns,
        results=(rows,),
        outcomes=dispatcher.ledger.outcomes(),
        warnings=plan.warnings if isinstance(plan, ShowPlan) else (),
        plan=plan,
        timings=dispatcher.timings(time.perf_counter() - started),
    )
