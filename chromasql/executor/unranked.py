"""Statements without a ranking: rows in record order, sorted rows, groups, and streams."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from chromasql.dispatch.open_collection import CollectionHandle
from chromasql.executor.left_out import warn_of_left_out
from chromasql.executor.page import cut_groups
from chromasql.executor.state import SHARE, Candidates, Cut, StatementContext
from chromasql.operators.aggregate import Groups
from chromasql.operators.predicate import compile_condition
from chromasql.operators.project import project_rows
from chromasql.operators.row import Row
from chromasql.operators.sort import order_rows
from chromasql.plan import Aggregation, Column, Filter, QueryPlan
from chromasql.plan.conditions import NO_FILTER
from chromasql.plan.dialect import LOCAL
from chromasql.planner.selectivity import costs_less_unpushed, may_cost_less_unpushed
from chromasql.retrieval.scan import parts_with_checked, scan

__all__ = ["aggregate", "scan_collections", "stream_rows"]

_SORTED_AT_ONCE = 1000


_STREAMED_PAGE = 1_000


_SAMPLED = 200
"""How many records of one collection tell what share of them satisfies a filter."""


async def scan_collections(context: StatementContext) -> Candidates:
    """Scan all collections at once where every row counts, or else a growing number of them until rows suffice."""
    plan, dispatcher, handles = context.plan, context.dispatcher, context.handles
    if (plan.limit == 0 and not plan.total) or not plan.filter.requests:
        return Candidates([])
    if plan.order or plan.keep is not None or plan.needed is None or plan.total:
        share = context.share_before_fetch
        work = partial(_scan, context, await _cheapest_filter(context), None)
        scanned = await dispatcher.fan_out("scan", handles, work, share=share)
        total = sum(found.count for _, found in scanned)
        return Candidates([row for _, found in scanned for row in found.rows], total=total)
    found: list[Row] = []
    used, width = 0, 1
    while used < len(handles) and len(found) < plan.needed:
        group = handles[used : used + width]
        work = partial(_scan, context, plan.filter, plan.needed - len(found))
        is_last = used + width >= len(handles)
        share = context.share_before_fetch if is_last else SHARE
        scanned = await dispatcher.fan_out("scan", group, work, share=share)
        found.extend(row for _, part in scanned for row in part.rows)
        used, width = used + width, width * 2
    return Candidates(found)


@dataclass(frozen=True, slots=True)
class _Scanned:
    """The rows of a collection that may be in the page, and how many there are of which these are the first."""

    rows: list[Row]
    count: int


async def _cheapest_filter(context: StatementContext) -> Filter:
    """
    Return the filter of a statement that reads every matching record: as planned, or with nothing pushed.

    Local Chroma looks a pushed filter up in all collections of the database, for each collection anew, so over many
    collections a filter that much satisfies costs more than reading their records and testing them here. A sample of
    one collection tells how much that is. Within a scope that hides records, nothing is read that it hides.
    """
    plan, handles = context.plan, context.handles
    pushed = plan.filter
    hides = plan.view is not None and plan.view.filter.restricts
    if plan.dialect != LOCAL.name or hides or not pushed.selective or not may_cost_less_unpushed(len(handles)):
        return pushed
    if any(request.ids is not None or request.where_document is not None for request in pushed.requests):
        return pushed
    passes = compile_condition(plan.condition)

    async def sample(handle: CollectionHandle) -> list[Row]:
        reader = context.reader(handle, "sample")
        await reader.open()
        pages = scan(reader, NO_FILTER, parts_with_checked((), plan.condition), wanted=_SAMPLED, page=plan.page)
        return [row async for rows in pages for row in rows]

    sampled = await context.dispatcher.fan_out("sample", handles[:1], sample, share=SHARE)
    rows = [row for _, found in sampled for row in found]
    share = sum(map(passes, rows)) / len(rows) if rows else 0.0
    if costs_less_unpushed(share, len(handles)):
        return dataclasses.replace(NO_FILTER, residual=plan.condition)
    return pushed


async def _scan(context: StatementContext, filter_: Filter, wanted: int | None, handle: CollectionHandle) -> _Scanned:
    plan, reader = context.plan, context.reader(handle, "scan")
    await reader.open()
    best = plan.needed if plan.order and plan.keep is None else None
    keeps_all = plan.order or plan.keep is not None or plan.needed is None
    count, found = 0, list[Row]()
    async for rows in scan(reader, filter_, plan.materialization.with_candidates, wanted=wanted, page=plan.page):
        count += len(rows)
        found.extend(rows if keeps_all else rows[: max(0, (plan.needed or 0) - len(found))])
        reader.count_rows(len(rows))
        if best is not None and len(found) > 2 * best + _SORTED_AT_ONCE:
            found = order_rows(found, plan.order, best)
    return _Scanned(found, count)


async def stream_rows(context: StatementContext) -> AsyncIterator[list[dict[str, Any]]]:
    """Yield the projected rows of a scan, collection by collection, holding one page of rows."""
    plan, dispatcher = context.plan, context.dispatcher
    parts = tuple(dict.fromkeys((*plan.materialization.with_candidates, *plan.materialization.for_page)))
    skipped, left = plan.offset, plan.limit
    for handle in context.handles if plan.filter.requests else ():
        reader = context.reader(handle, "scan")
        await dispatcher.run_one("scan", handle, lambda _: reader.open())  # noqa: B023 - it runs now
        wanted = None if left is None else skipped + left
        pages = scan(reader, plan.filter, parts, wanted=wanted, page=min(plan.page, _STREAMED_PAGE))
        while rows := await dispatcher.run_one("scan", handle, partial(_next_page, pages)):
            reader.count_rows(len(rows))
            shown = rows[skipped:][:left]
            skipped = max(0, skipped - len(rows))
            left = None if left is None else left - len(shown)
            if shown:
                yield project_rows(shown, plan, explain_rows=False)
        if left == 0:
            return


async def _next_page(pages: AsyncIterator[list[Row]], _handle: CollectionHandle) -> list[Row]:
    return await anext(pages, [])


async def aggregate(context: StatementContext, aggregation: Aggregation) -> Cut:
    """
    Return a row for each group of the page; the collections make their groups at once.

    Raises `ChromaSQLExecutionError` where too many collections failed.
    """
    groups = Groups(aggregation)
    if context.plan.filter.requests:
        work = partial(_aggregate, context, aggregation, await _cheapest_filter(context))
        for _, part in await context.dispatcher.fan_out("scan", context.handles, work):
            groups.merge(part)
    context.dispatcher.ledger.require_some()
    warn_of_left_out(context, groups)
    return cut_groups(groups, context.plan)


async def _aggregate(
    context: StatementContext, aggregation: Aggregation, filter_: Filter, handle: CollectionHandle
) -> Groups:
    plan, reader = context.plan, context.reader(handle, "scan")
    await reader.open()
    groups = Groups(aggregation)
    if _is_count(plan, aggregation):
        count = await reader.count()
        if count:
            groups.add_count([handle.name for _ in aggregation.keys], count)
        return groups
    async for rows in scan(reader, filter_, plan.materialization.with_candidates, page=plan.page):
        groups.add(rows)
        reader.count_rows(len(rows))
    return groups


def _is_count(plan: QueryPlan, aggregation: Aggregation) -> bool:
    """Tell whether the number of records in each collection is all that is needed."""
    return (
        not plan.filter.restricts
        and all(call.function == "COUNT" and call.column is None and call.where is None for call in aggregation.calls)
        and all(key == Column("_collection") for key in aggregation.keys)
    )
