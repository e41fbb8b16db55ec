"""
Plan to result: the waves of a statement, in reading order.

Open and embed; rank or scan; merge; fetch what the order needs; order and page; fetch what is shown; project.
Between two waves only pure functions run, and every call goes through the dispatcher.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from chromasql.dispatcher import Dispatcher
from chromasql.embedding import Vectors, embed_texts
from chromasql.errors import ChromaSQLExecutionError, ChromaSQLPlanningError, Failure
from chromasql.explain import explain_plan
from chromasql.handles import Handle
from chromasql.merge import merge_by_distance, merge_by_rank, nearness, order_rows
from chromasql.nearest import Search, nearest
from chromasql.plan import Output, PlanWarning, QueryPlan, Ranking, TextQuery, VectorQuery
from chromasql.result import ExecutionResult
from chromasql.rows import Row, reader
from chromasql.scan import Ask, by_ids, scan

__all__ = ["execute_plan", "explained", "run_plan"]


def execute_plan(plan: QueryPlan, collection: Any, *, embed_fn: Callable[..., Any] | None = None) -> ExecutionResult:
    """
    Run a plan on one collection and wait for the result; it works where an event loop is running, too.

    ``collection`` is chromadb's own, blocking or async, or anything with its ``get`` and ``query``. ``embed_fn(text, model)``
    embeds TEXT; without it the collection's own embedding function does.
    """
    from chromasql.blocking import run_in_portal

    return run_in_portal(run_on_collection, plan, collection, embed_fn)


async def run_on_collection(
    plan: QueryPlan, collection: Any, embed_fn: Callable[..., Any] | None = None
) -> ExecutionResult:
    """Run a plan on one collection; the async form of `execute_plan`."""
    name = str(getattr(collection, "name", "collection"))
    placed = plan if plan.collections is not None else _placed_on(plan, name)
    if placed.explain == "plan":
        return explained(placed)
    dispatcher = Dispatcher(lambda _: collection, timeout=plan.timeout, on_error="fail", keep_raw=True)
    result = await run_plan(placed, dispatcher, embed_fn)
    raw = result.raw.get(name, [])
    return _replaced(result, raw=raw[0] if len(raw) == 1 else {"responses": raw})


def _placed_on(plan: QueryPlan, name: str) -> QueryPlan:
    from dataclasses import replace

    return replace(plan, collections=(name,))


def _replaced(result: ExecutionResult, **changes: Any) -> ExecutionResult:
    from dataclasses import replace

    return replace(result, **changes)


def explained(plan: QueryPlan) -> ExecutionResult:
    """Return the result of EXPLAIN: nothing is run."""
    text = explain_plan(plan)
    rows = [{"plan": line} for line in text.splitlines()]
    return ExecutionResult(
        rows, columns=("plan",), results=(rows,), warnings=plan.warnings, plan=plan, explanation=text
    )


async def run_plan(
    plan: QueryPlan, dispatcher: Dispatcher, embed_fn: Callable[..., Any] | None = None
) -> ExecutionResult:
    """
    Run a placed plan and return its result.

    Raises `ChromaSQLExecutionError` where all collections failed or ``on_error`` is FAIL, and
    `ChromaSQLPlanningError` where the collections found cannot be merged.
    """
    return await _Run(plan, dispatcher, embed_fn).result()


class _Run:
    """One statement under way."""

    def __init__(self, plan: QueryPlan, dispatcher: Dispatcher, embed_fn: Callable[..., Any] | None) -> None:
        assert plan.collections is not None
        self._plan = plan
        self._dispatcher = dispatcher
        self._embed_fn = embed_fn
        self._handles = [Handle(name, place) for place, name in enumerate(plan.collections)]
        self._warnings = list(plan.warnings)

    async def result(self) -> ExecutionResult:
        started = time.perf_counter()
        self._dispatcher.knows(handle.name for handle in self._handles)
        lists = await self._ranked() if self._plan.rankings else [await self._scanned()]
        self._dispatcher.require_some()
        pages = [await self._page(rows) for rows in lists]
        results = tuple(_project(rows, self._plan.outputs) for rows in pages)
        return ExecutionResult(
            rows=[row for rows in results for row in rows],
            raw=self._dispatcher.raw(),
            columns=tuple(output.name for output in self._plan.outputs),
            results=results,
            outcomes=self._dispatcher.outcomes(),
            warnings=tuple(dict.fromkeys(self._warnings)),
            plan=self._plan,
            milliseconds=(time.perf_counter() - started) * 1000,
        )

    # Ranked statements

    async def _ranked(self) -> list[list[Row]]:
        """Rank in every collection at once and merge; one list per ranking, or one in all where ranks are fused."""
        plan = self._plan
        if not plan.filter.pieces or not self._handles:
            return [[] for _ in plan.rankings] if plan.merge == "distance" else [[]]
        opened = [handle for handle, _ in await self._dispatcher.each(self._handles, self._dispatcher.open)]
        self._dispatcher.require_some()
        self._check_spaces(opened)
        vectors = await self._vectors(opened)
        _check_dimensions(opened, vectors)
        answers = await self._dispatcher.each(opened, partial(self._nearest, vectors))
        assert plan.pool is not None
        by_ranking = [[lists[at] for _, lists in answers] for at in range(len(plan.rankings))]
        if plan.merge == "rrf":
            return [merge_by_rank([rows for lists in by_ranking for rows in lists], plan.pool)]
        return [merge_by_distance(lists, plan.pool) for lists in by_ranking]

    async def _vectors(self, opened: Sequence[Handle]) -> dict[str, list[list[float]]]:
        """Return the query vectors for each collection, one per ranking."""
        queries = [ranking.query for ranking in self._plan.rankings]
        texts = [query for query in queries if isinstance(query, TextQuery)]
        embedded = await self._dispatcher.off_loop(partial(embed_texts, texts, opened, self._embed_fn))
        if texts and self._embed_fn is None:
            self._warn_of_models(opened)
        return {handle.name: [_vector(query, embedded.get(handle.name, {})) for query in queries] for handle in opened}

    def _warn_of_models(self, opened: Sequence[Handle]) -> None:
        models = {own[0] for handle in opened if (own := handle.embedding_function) is not None}
        if len(models) > 1 and self._plan.merge == "distance":
            self._warnings.append(
                PlanWarning(
                    "different-embedders",
                    f"the collections have {len(models)} different embedding functions, whose distances hardly "
                    "compare; merge = RRF compares ranks",
                )
            )

    async def _nearest(self, vectors: Mapping[str, list[list[float]]], handle: Handle) -> list[list[Row]]:
        plan = self._plan
        assert plan.per_collection is not None
        search = Search(
            plan.filter, plan.candidates, plan.per_collection, plan.fetch.first, handle.space or plan.space or "l2"
        )
        lists = await nearest(self._ask(handle), search, vectors[handle.name], partial(Row, handle.name, handle.place))
        self._dispatcher.gave(handle, sum(map(len, lists)))
        return lists

    def _check_spaces(self, opened: Sequence[Handle]) -> None:
        """Refuse to merge distances that do not compare, before any query is sent."""
        plan = self._plan
        spaces = _grouped({handle.name: handle.space for handle in opened})
        wrong = {space: names for space, names in spaces.items() if plan.space is not None and space != plan.space}
        if wrong:
            space, names = next(iter(wrong.items()))
            raise ChromaSQLPlanningError(
                f"SIMILARITY {str(plan.space).upper()} is asked for, but {_listed(names)} measures {space}; "
                "leave SIMILARITY out, or name collections of that space"
            )
        if plan.merge == "rrf":
            return
        for what, groups in (
            ("spaces", spaces),
            ("dimensions", _grouped({handle.name: handle.dimension for handle in opened})),
        ):
            if len(groups) > 1:
                told = "; ".join(f"{value}: {_listed(names)}" for value, names in groups.items())
                raise ChromaSQLPlanningError(
                    f"distances of different {what} do not compare ({told}); "
                    "add WITH (merge = RRF) to merge by rank, or name collections that agree"
                )

    # Unranked statements

    async def _scanned(self) -> list[Row]:
        """Scan the collections: all at once where the order needs every row, else in turn until there are enough."""
        plan = self._plan
        if plan.limit == 0 or not plan.filter.pieces:
            return []
        if plan.order or plan.needed is None:
            scanned = await self._dispatcher.each(self._handles, partial(self._scan, plan.needed))
            return [row for _, rows in scanned for row in rows]
        found: list[Row] = []
        asked, step = 0, 1
        while asked < len(self._handles) and len(found) < plan.needed:
            wave = self._handles[asked : asked + step]
            scanned = await self._dispatcher.each(wave, partial(self._scan, plan.needed - len(found)))
            found.extend(row for _, rows in scanned for row in rows)
            asked, step = asked + step, step * 2
        return found

    async def _scan(self, wanted: int | None, handle: Handle) -> list[Row]:
        plan = self._plan
        await self._dispatcher.open(handle)
        make = partial(Row, handle.name, handle.place)
        found: list[Row] = []
        async for rows in scan(
            self._ask(handle), plan.filter, make, plan.fetch.first, None if plan.order else wanted
        ):
            found.extend(rows)
            self._dispatcher.gave(handle, len(rows))
            if plan.order and wanted is not None and len(found) > 2 * wanted + 1000:
                found = order_rows(found, plan.order, wanted)
        return found

    # Both

    async def _page(self, rows: list[Row]) -> list[Row]:
        """Apply threshold, order and page; fetch what each of them needs and what is shown."""
        plan = self._plan
        if plan.threshold is not None:
            rows = [row for row in rows if row.score is not None and row.score <= plan.threshold]
        rows = await self._filled(rows, plan.fetch.order)
        if plan.order:
            rows = order_rows(rows, plan.order)
        rows = rows[plan.offset : plan.needed]
        return await self._filled(rows, plan.fetch.last)

    async def _filled(self, rows: list[Row], parts: Sequence[str]) -> list[Row]:
        """Fetch parts of rows from the collections that own them; a row that is gone by now is left out."""
        if not parts or not rows:
            return rows
        by_place: dict[int, list[Row]] = {}
        for row in rows:
            by_place.setdefault(row.place, []).append(row)
        owners = [handle for handle in self._handles if handle.place in by_place]

        async def fetched(handle: Handle) -> dict[str, dict[str, Any]]:
            return await by_ids(self._ask(handle), [row.id for row in by_place[handle.place]], parts)

        found = {handle.place: records for handle, records in await self._dispatcher.each(owners, fetched)}
        self._dispatcher.require_some()
        kept: list[Row] = []
        for row in rows:
            record = found.get(row.place, {}).get(row.id)
            if record is not None:
                for part, value in record.items():
                    setattr(row, part, value)
                kept.append(row)
        return kept

    def _ask(self, handle: Handle) -> Ask:
        return partial(self._dispatcher.call, handle)


def _vector(query: TextQuery | VectorQuery, embedded: Vectors) -> list[float]:
    return embedded[query] if isinstance(query, TextQuery) else list(query.values)


def _grouped(values: Mapping[str, Any]) -> dict[Any, list[str]]:
    """Group names by value; what is unknown stands in nobody's way."""
    groups: dict[Any, list[str]] = {}
    for name, value in values.items():
        if value is not None:
            groups.setdefault(value, []).append(name)
    return groups


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"


def _check_dimensions(opened: Sequence[Handle], vectors: Mapping[str, list[list[float]]]) -> None:
    for handle in opened:
        for vector in vectors[handle.name]:
            if handle.dimension is not None and len(vector) != handle.dimension:
                raise ChromaSQLPlanningError(
                    f"the query vector has {len(vector)} components, but collection {handle.name} holds vectors "
                    f"of {handle.dimension}; embed with the model that filled it"
                )


def _project(rows: Sequence[Row], outputs: Sequence[Output]) -> list[dict[str, Any]]:
    columns = [(output.name, _shown(output)) for output in outputs]
    return [{name: read(row) for name, read in columns} for row in rows]


def _shown(output: Output) -> Callable[[Row], Any]:
    read = reader(output.column)
    if not output.without:
        return read
    left_out = frozenset(output.without)
    return lambda row: {key: value for key, value in read(row).items() if key not in left_out}
