"""Candidates to the page: threshold, groups, rerank, order, and the parts that are shown."""

from __future__ import annotations

from functools import partial

from chromasql.executor.left_out import warn_of_left_out
from chromasql.executor.materialize import materialize
from chromasql.executor.rerank import rerank_rows
from chromasql.executor.state import Candidates, Cut, Page, StatementContext
from chromasql.operators.aggregate import Groups, keep_groups
from chromasql.operators.project import ordered_groups
from chromasql.operators.row import Row
from chromasql.operators.sort import order_rows
from chromasql.plan import PlanWarning, QueryPlan

__all__ = ["cut_groups", "cut_page"]


async def cut_page(context: StatementContext, found: Candidates | Page) -> Cut:
    """Return the rows of the page, in their order and with the parts that are shown, and how many there were before."""
    plan = context.plan
    rows = found.rows
    if plan.threshold is not None:
        rows = [row for row in rows if row.score is not None and row.score <= plan.threshold]
    if isinstance(found, Page):
        return Cut(rows)
    rows = await materialize(context, rows, plan.materialization.for_ordering)
    if plan.aggregation is not None:
        groups = Groups(plan.aggregation)
        groups.add(rows)
        warn_of_left_out(context, groups)
        return cut_groups(groups, plan)
    if plan.keep is not None:
        rows = keep_groups(rows, plan.keep)
    total = len(rows) if found.total is None or plan.keep is not None else found.total
    if found.full and _ends_early(plan, len(rows)):
        most = max(leaf.limit for ranking in plan.rankings for leaf in ranking.leaves)
        context.dispatcher.ledger.warn(
            PlanWarning(
                "candidates-exhausted",
                f"the page reaches beyond the candidates of the search, {most} at most of each leaf; "
                "TOPK or limit = ranks more",
            )
        )
    if plan.rerank is not None:
        page = await _materialize_page(context, await _rerank(context, found, rows))
        return Cut(order_rows(page, plan.order) if plan.order else page, total)
    return Cut(await _materialize_page(context, order_rows(rows, plan.order) if plan.order else rows), total)


def _ends_early(plan: QueryPlan, rows: int) -> bool:
    """Tell whether the page is short only because the candidates ended."""
    if plan.needed is None:
        return plan.default_candidates and plan.threshold is None
    return rows < plan.needed and plan.threshold is None


def cut_groups(groups: Groups, plan: QueryPlan) -> Cut:
    """Return the groups of the page, and how many there were before."""
    rows = ordered_groups(groups, plan)
    return Cut(rows[plan.offset : plan.needed], len(rows))


async def _materialize_page(context: StatementContext, rows: list[Row]) -> list[Row]:
    """Cut the page and fetch what it shows; the next row takes the place of one that is gone by now."""
    plan = context.plan
    parts = plan.materialization.for_page
    page = await materialize(context, rows[plan.offset : plan.needed], parts)
    if plan.limit is None:
        return page
    reached = plan.offset + plan.limit
    while len(page) < plan.limit and reached < len(rows):
        missing = plan.limit - len(page)
        page = [*page, *await materialize(context, rows[reached : reached + missing], parts)]
        reached += missing
    return page


async def _rerank(context: StatementContext, found: Candidates, rows: list[Row]) -> list[Row]:
    """Re-order the best candidates by the strategy of RERANK BY; the others stay behind them."""
    rerank, fetch = context.plan.rerank, context.plan.materialization
    assert rerank is not None
    assert found.ranking is not None
    known = {*fetch.with_candidates, *fetch.for_scoring, *fetch.for_ordering}
    missing = [part for part in rerank.parts if part not in known]
    head = await materialize(context, rows[: rerank.candidates], missing)
    spaces = {handle.space or context.plan.space or "l2" for handle in context.handles if handle.collection is not None}
    space = spaces.pop() if len(spaces) == 1 else "cosine"
    work = partial(rerank_rows, rerank, found.ranking, head, found.vector, space=space, wanted=context.plan.needed)
    ordered = await context.dispatcher.within_deadline(work)
    return [*ordered, *rows[rerank.candidates :]]
