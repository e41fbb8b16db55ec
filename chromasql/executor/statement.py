"""A statement under way, step by step."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from functools import partial
from typing import Any

from chromasql.dispatch.dispatcher import Dispatcher
from chromasql.dispatch.open_collection import CollectionHandle
from chromasql.executor.compatibility import check_dimensions, check_keys, check_spaces, have_comparable_distances
from chromasql.executor.rerank import rerank_rows
from chromasql.executor.unknown_keys import find_unknown_keys, warn_of_unknown
from chromasql.operators.aggregate import Groups, keep_groups
from chromasql.operators.merge import merge_by_distance, merge_by_rank
from chromasql.operators.project import EXPLAIN_COLUMN, group_page, project_rows
from chromasql.operators.rank_expression import candidates_of, rank_rows
from chromasql.operators.row import Row
from chromasql.operators.sort import order_rows
from chromasql.plan import (
    EMBEDDING_KEY,
    Column,
    KnnLeaf,
    Leaf,
    PlanWarning,
    QueryPlan,
    Ranking,
    TextQuery,
    visible_records_of,
)
from chromasql.plan.search_payload import query_of
from chromasql.result import ExecutionResult
from chromasql.retrieval.candidates import CandidateRows, rows_by_leaf, search_leaves
from chromasql.retrieval.embedding import SparseVectors, VectorCache, Vectors, count_calls, embed_sparse, embed_texts
from chromasql.retrieval.scan import Ask, by_ids, scan
from chromasql.retrieval.search_api import search_whole

__all__ = ["StatementRun"]

_SORTED_AT_ONCE = 1000


_SHARE = 0.5
"""The part of the time left that a wave may take when others follow it: who is late must not cost those in time."""


_SAMPLE = 100


_STREAMED = 1_000


_SAMPLED_COLLECTIONS = 3


class StatementRun:
    """One statement under way."""

    def __init__(
        self,
        plan: QueryPlan,
        dispatcher: Dispatcher,
        embed_fn: Callable[..., Any] | None,
        *,
        cache: VectorCache | None = None,
        explain_rows: bool = False,
    ) -> None:
        assert plan.collections is not None
        self._plan = plan
        self._dispatcher = dispatcher
        self._embed_fn = embed_fn
        self._cache = cache
        self._explain_rows = explain_rows
        self._handles = [CollectionHandle(name, place) for place, name in enumerate(plan.collections)]
        self._warnings = list(plan.warnings)
        self._vectors: dict[str, dict[KnnLeaf, Any]] = {}
        self._paged = False

    async def result(self) -> ExecutionResult:
        """Run the steps and return the result."""
        started = time.perf_counter()
        plan = self._plan
        self._dispatcher.ledger.knows(handle.name for handle in self._handles)
        if plan.rankings:
            pages = [await self._page(ranking, rows) for ranking, rows in await self._ranked()]
        elif plan.aggregation is not None:
            groups = await self._aggregated()
            self._dispatcher.ledger.require_some()
            pages = [group_page(groups, plan)]
        else:
            pages = [await self._page(None, await self._scanned())]
        self._dispatcher.ledger.require_some()
        results = tuple(project_rows(rows, plan, explain_rows=self._explain_rows) for rows in pages)
        await self._look_for_typos([row for rows in results for row in rows])
        columns = tuple(output.name for output in plan.outputs)
        return ExecutionResult(
            rows=[row for rows in results for row in rows],
            raw=self._dispatcher.ledger.raw(),
            columns=(*columns, EXPLAIN_COLUMN) if self._explain_rows and plan.rankings else columns,
            results=results,
            outcomes=self._dispatcher.ledger.outcomes(),
            warnings=tuple(dict.fromkeys(self._warnings)),
            plan=plan,
            timings=self._dispatcher.timings(time.perf_counter() - started),
        )

    # Ranked statements

    async def _ranked(self) -> list[tuple[Ranking, list[Row]]]:
        """Rank in every collection at once and merge; one list per ranking, or one in all where ranks are fused."""
        plan = self._plan
        fused = plan.merge == "rrf"
        if not plan.filter.requests or not self._handles:
            return [(ranking, []) for ranking in (plan.rankings[:1] if fused else plan.rankings)]
        opened = await self._dispatcher.open_all(self._handles, share=_SHARE)
        self._dispatcher.ledger.require_some()
        leaves = list(dict.fromkeys(leaf for ranking in plan.rankings for leaf in ranking.leaves))
        await self._prepare(opened, [leaf for leaf in leaves if isinstance(leaf, KnnLeaf)])
        if plan.search == "whole" and not self._explain_rows:
            page = await self._searched_whole(opened[0])
            if page is not None:
                return [(plan.rankings[0], page)]
        answers = await self._dispatcher.each(
            "rank", opened, partial(self._search, leaves), share=self._share_before_fetch()
        )
        lists = rows_by_leaf(leaves, [found for _, found in answers], plan)
        if not fused:
            return [(ranking, await self._scored(ranking, lists)) for ranking in plan.rankings]
        apart = [
            await self._scored(ranking, {leaf: [of_all[at]] for leaf, of_all in lists.items()})
            for ranking in plan.rankings
            for at in range(len(answers))
        ]
        by_distance = len(plan.rankings) == 1 and have_comparable_distances(opened)
        merged = merge_by_rank(apart, max(leaf.limit for leaf in leaves), comparable=by_distance)
        if len(plan.rankings) > 1:
            for row in merged:
                row.distance = None
        return [(plan.rankings[0], merged)]

    async def _searched_whole(self, handle: CollectionHandle) -> list[Row] | None:
        """
        Let Chroma rank the whole statement.

        What comes is the page already, so it is moved to where the page begins.
        """
        plan, fetch = self._plan, self._plan.materialization
        parts = (*fetch.with_candidates, *fetch.for_scoring, *fetch.for_ordering, *fetch.for_page)
        make = partial(Row, handle.name, handle.place)
        answers = await self._dispatcher.each(
            "rank", [handle], lambda each: search_whole(self._ask(each), plan, self._vectors[each.name], parts, make)
        )
        rows = answers[0][1] if answers else []
        if rows is not None:
            self._dispatcher.gave(handle, len(rows))
            self._paged = True
        return rows

    async def _prepare(self, opened: Sequence[CollectionHandle], leaves: Sequence[KnnLeaf]) -> None:
        """Check that the collections can be ranked together, and embed the texts; no query is sent before."""
        if not leaves:
            return
        check_keys(self._plan, leaves)
        check_spaces(self._plan, opened)
        dense = [leaf for leaf in leaves if leaf.key == EMBEDDING_KEY]
        texts = [leaf.query for leaf in dense if isinstance(leaf.query, TextQuery)]
        words = [(leaf.query, leaf.key) for leaf in leaves if isinstance(leaf.query, TextQuery) and leaf not in dense]
        embedded: dict[str, Vectors] = {}
        sparse: dict[str, SparseVectors] = {}
        if texts:
            work = partial(embed_texts, texts, opened, self._embed_fn, self._cache)
            embedded = await self._dispatcher.embed(work, count_calls(texts, opened, self._embed_fn))
            if self._embed_fn is None and self._plan.merge != "rrf":
                self._warn_of_models(opened)
        if words:
            sparse = await self._dispatcher.embed(partial(embed_sparse, words, opened), len(words))
        for handle in opened:
            of_texts, of_words = embedded.get(handle.name, {}), sparse.get(handle.name, {})
            vectors = {leaf: _vector(leaf, of_texts, of_words) for leaf in leaves}
            check_dimensions(handle, [vectors[leaf] for leaf in dense])
            self._vectors[handle.name] = vectors

    def _warn_of_models(self, opened: Sequence[CollectionHandle]) -> None:
        models = {own[0] for handle in opened if (own := handle.embedding_function) is not None}
        if len(models) > 1:
            self._warnings.append(
                PlanWarning(
                    "different-embedders",
                    f"the collections have {len(models)} different embedding functions, whose distances hardly "
                    "compare; merge = RRF compares ranks",
                )
            )

    async def _search(self, leaves: Sequence[Leaf], handle: CollectionHandle) -> CandidateRows:
        make = partial(Row, handle.name, handle.place)
        vectors = self._vectors.get(handle.name, {})
        found = await search_leaves(self._ask(handle), self._plan, leaves, handle, vectors, make)
        self._dispatcher.gave(handle, len(found))
        return found

    async def _scored(self, ranking: Ranking, lists: Mapping[Leaf, Sequence[Sequence[Row]]]) -> list[Row]:
        """Merge the rows of each leaf, over all collections, and score those that are ranked."""
        # A list that is fused on its own keeps every candidate that its collection gave.
        own = self._plan.per_collection if self._plan.merge == "rrf" else None
        merged = [merge_by_distance(lists[leaf], own or leaf.limit) for leaf in ranking.leaves]
        rows = candidates_of(ranking.leaves, merged)
        if ranking.is_plain:
            return rows
        return rank_rows(ranking, await self._filled(rows, self._plan.materialization.for_scoring))

    # Unranked statements

    async def _scanned(self) -> list[Row]:
        """Scan the collections: all at once where every row counts, else in turn until there are enough."""
        plan = self._plan
        if plan.limit == 0 or not plan.filter.requests:
            return []
        if plan.order or plan.keep is not None or plan.needed is None:
            share = self._share_before_fetch()
            scanned = await self._dispatcher.each("scan", self._handles, partial(self._scan, None), share=share)
            return [row for _, rows in scanned for row in rows]
        found: list[Row] = []
        asked, step = 0, 1
        while asked < len(self._handles) and len(found) < plan.needed:
            wave = self._handles[asked : asked + step]
            work = partial(self._scan, plan.needed - len(found))
            last = asked + step >= len(self._handles)
            share = self._share_before_fetch() if last else _SHARE
            scanned = await self._dispatcher.each("scan", wave, work, share=share)
            found.extend(row for _, rows in scanned for row in rows)
            asked, step = asked + step, step * 2
        return found

    async def pages(self) -> AsyncIterator[list[dict[str, Any]]]:
        """Yield the projected rows of a scan, collection by collection, holding one page."""
        plan = self._plan
        parts = tuple(dict.fromkeys((*plan.materialization.with_candidates, *plan.materialization.for_page)))
        skipped, left = plan.offset, plan.limit
        for handle in self._handles if plan.filter.requests else ():
            await self._dispatcher.alone(handle, self._dispatcher.open)
            make = partial(Row, handle.name, handle.place)
            wanted = None if left is None else skipped + left
            pages = scan(self._ask(handle), plan.filter, make, parts, wanted, min(plan.page, _STREAMED))
            while rows := await self._dispatcher.alone(handle, partial(_next_page, pages)):
                self._dispatcher.gave(handle, len(rows))
                shown = rows[skipped:][:left]
                skipped = max(0, skipped - len(rows))
                left = None if left is None else left - len(shown)
                if shown:
                    yield project_rows(shown, plan, explain_rows=False)
            if left == 0:
                return

    async def _scan(self, wanted: int | None, handle: CollectionHandle) -> list[Row]:
        plan = self._plan
        await self._dispatcher.open(handle)
        make = partial(Row, handle.name, handle.place)
        best = plan.needed if plan.order and plan.keep is None else None
        found: list[Row] = []
        async for rows in scan(
            self._ask(handle), plan.filter, make, plan.materialization.with_candidates, wanted, plan.page
        ):
            found.extend(rows)
            self._dispatcher.gave(handle, len(rows))
            if best is not None and len(found) > 2 * best + _SORTED_AT_ONCE:
                found = order_rows(found, plan.order, best)
        return found

    async def _aggregated(self) -> Groups:
        aggregation = self._plan.aggregation
        assert aggregation is not None
        groups = Groups(aggregation)
        if self._plan.filter.requests:
            for _, part in await self._dispatcher.each("scan", self._handles, self._aggregate):
                groups.merge(part)
        return groups

    async def _aggregate(self, handle: CollectionHandle) -> Groups:
        plan = self._plan
        assert plan.aggregation is not None
        await self._dispatcher.open(handle)
        groups = Groups(plan.aggregation)
        if _is_count(plan):
            count = await self._ask(handle)("count")
            if count:
                groups.add_count([handle.name for _ in plan.aggregation.keys], count)
            return groups
        make = partial(Row, handle.name, handle.place)
        async for rows in scan(
            self._ask(handle), plan.filter, make, plan.materialization.with_candidates, page=plan.page
        ):
            groups.add(rows)
            self._dispatcher.gave(handle, len(rows))
        return groups

    # Both

    async def _page(self, ranking: Ranking | None, rows: list[Row]) -> list[Row]:
        """Apply threshold, groups, rerank, order and page, fetching what each needs and what is shown."""
        plan = self._plan
        if plan.threshold is not None:
            rows = [row for row in rows if row.score is not None and row.score <= plan.threshold]
        if self._paged:
            return rows
        rows = await self._filled(rows, plan.materialization.for_ordering)
        if plan.aggregation is not None:
            groups = Groups(plan.aggregation)
            groups.add(rows)
            return group_page(groups, plan)
        if plan.keep is not None:
            rows = keep_groups(rows, plan.keep)
        if plan.rerank is not None:
            assert ranking is not None
            page = await self._shown(await self._reranked(ranking, rows))
            return order_rows(page, plan.order) if plan.order else page
        return await self._shown(order_rows(rows, plan.order) if plan.order else rows)

    async def _shown(self, rows: list[Row]) -> list[Row]:
        """Cut the page and fetch what it shows; a row that is gone by now gives way to the next one."""
        plan = self._plan
        first = await self._filled(rows[plan.offset : plan.needed], plan.materialization.for_page)
        if plan.limit is None:
            return first
        page, reached = first, plan.offset + plan.limit
        while len(page) < plan.limit and reached < len(rows):
            missing = plan.limit - len(page)
            page = [*page, *await self._filled(rows[reached : reached + missing], plan.materialization.for_page)]
            reached += missing
        return page

    async def _reranked(self, ranking: Ranking, rows: list[Row]) -> list[Row]:
        """Re-order the best candidates by the strategy of RERANK BY; the rest stays behind them."""
        rerank, fetch = self._plan.rerank, self._plan.materialization
        assert rerank is not None
        known = {*fetch.with_candidates, *fetch.for_scoring, *fetch.for_ordering}
        head = await self._filled(rows[: rerank.candidates], [part for part in rerank.parts if part not in known])
        vector = self._query_vector(ranking)
        ordered = await self._dispatcher.off_loop(partial(rerank_rows, rerank, ranking, head, vector))
        return [*ordered, *rows[rerank.candidates :]]

    def _query_vector(self, ranking: Ranking) -> list[float] | None:
        """Return the vector of the KNN that is the whole rank, where it is the same for all collections."""
        if not ranking.is_plain or not isinstance(ranking.leaves[0], KnnLeaf):
            return None
        vectors = [vectors[ranking.leaves[0]] for vectors in self._vectors.values()]
        return vectors[0] if vectors and all(vector == vectors[0] for vector in vectors) else None

    async def _filled(self, rows: list[Row], parts: Sequence[str]) -> list[Row]:
        """
        Fetch parts of rows from the collections that own them.

        A row that is gone by now is left out, with a warning.
        """
        if not parts or not rows:
            return rows
        by_place: dict[int, list[Row]] = {}
        for row in rows:
            by_place.setdefault(row.place, []).append(row)
        owners = [handle for handle in self._handles if handle.place in by_place]

        seen = visible_records_of(self._plan).condition

        async def fetched(handle: CollectionHandle) -> dict[str, dict[str, Any]]:
            ids = [row.id for row in by_place[handle.place]]
            make = partial(Row, handle.name, handle.place)
            return await by_ids(self._ask(handle), ids, make, parts, self._plan.page, seen)

        found = {handle.place: records for handle, records in await self._dispatcher.each("fetch", owners, fetched)}
        self._dispatcher.ledger.require_some()
        kept: list[Row] = []
        for row in rows:
            record = found.get(row.place, {}).get(row.id)
            if record is not None:
                for part, value in record.items():
                    setattr(row, part, value)
                kept.append(row)
            elif row.place in found:
                # Within a scope the id may be closed.
                gone = row.id if self._plan.view is None else "a record"
                self._warnings.append(
                    PlanWarning("record-gone", f"{gone} was deleted from {row.collection} while the statement ran")
                )
        return kept

    async def _look_for_typos(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Sample some records where a metadata key seems to be in none, and warn of it if so."""
        keys = find_unknown_keys(self._plan, rows)
        opened = [handle for handle in self._handles if handle.collection is not None]
        if keys and opened:
            sample = await self._dispatcher.spare(partial(self._sampled, opened[:_SAMPLED_COLLECTIONS]))
            self._warnings.extend(warn_of_unknown(keys, sample or ()))

    async def _sampled(self, handles: Sequence[CollectionHandle]) -> list[dict[str, Any]]:
        view = visible_records_of(self._plan)
        found: list[dict[str, Any]] = []
        for handle in handles:
            make = partial(Row, handle.name, handle.place)
            async for rows in scan(self._ask(handle), view.filter, make, ("metadata",), _SAMPLE, view.page):
                found.extend(view.shown(row.metadata or {}) for row in rows)
        return found

    def _share_before_fetch(self) -> float:
        """Return the part of the time left that a wave may take: not all of it where parts are fetched after it."""
        fetch = self._plan.materialization
        return _SHARE if fetch.for_scoring or fetch.for_ordering or fetch.for_page else 1.0

    def _ask(self, handle: CollectionHandle) -> Ask:
        return partial(self._dispatcher.call, handle)


async def _next_page(pages: AsyncIterator[list[Row]], _handle: CollectionHandle) -> list[Row]:
    return await anext(pages, [])


# Pure steps


def _vector(leaf: KnnLeaf, dense: Vectors, sparse: SparseVectors) -> Any:
    """Return the query of a leaf: a list of floats, or a sparse vector in the form of the Search API."""
    if isinstance(leaf.query, TextQuery):
        return dense[leaf.query] if leaf.key == EMBEDDING_KEY else sparse[leaf.query, leaf.key]
    return query_of(leaf)


def _is_count(plan: QueryPlan) -> bool:
    """Whether all that is asked for is how many records each collection holds."""
    aggregation = plan.aggregation
    assert aggregation is not None
    return (
        not plan.filter.restricts
        and all(call.function == "COUNT" and call.column is None for call in aggregation.calls)
        and all(key == Column("_collection") for key in aggregation.keys)
    )
