"""The leaves of a ranking, searched in every collection at once; where few records satisfy the filter, measured."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, TypeAlias

from chromasql.dispatch.open_collection import CollectionHandle
from chromasql.executor.state import StatementContext
from chromasql.operators.row import Row
from chromasql.plan import FEW_MATCHES, KnnLeaf, Leaf
from chromasql.plan.dialect import LOCAL
from chromasql.retrieval.candidates import CandidateRows, search_leaves
from chromasql.retrieval.indexed_keywords import build_segment
from chromasql.retrieval.scan import scan

__all__ = ["Answers", "Queries", "QueriesByName", "search_collections"]

Queries: TypeAlias = Mapping[KnnLeaf, Any]
"""The query of each KNN leaf in one collection: a `QueryVector`, or a sparse vector in the form of the Search API."""


QueriesByName: TypeAlias = Mapping[str, Queries]
"""The queries by collection; collections with the same embedding function share the vectors themselves."""


Answers: TypeAlias = list[tuple[CollectionHandle, CandidateRows]]
"""What each collection returned that did not fail, in the order of the statement."""


async def search_collections(
    context: StatementContext,
    opened: Sequence[CollectionHandle],
    leaves: Sequence[Leaf],
    queries: QueriesByName,
    *,
    outdated: bool = False,
) -> Answers:
    """
    Search all leaves in every collection.

    An index may miss a record. So where few records satisfy the filter, they are measured instead; whether they are few
    is said of the statement and not of a collection, so that it does not depend on how the records are spread.

    Parameters
    ----------
    context : StatementContext
        The run of the statement.
    opened : Sequence of CollectionHandle
        The collections, open.
    leaves : Sequence of Leaf
        The leaves of all its rankings, each once.
    queries : Mapping
        The queries of the KNN leaves, by collection.
    outdated : bool
        Whether the keyword index of these collections is to be brought up to date first. Default: no.

    Returns
    -------
    list
        What each collection returned that did not fail.

    Raises
    ------
    ChromaSQLExecutionError
        As `Dispatcher.fan_out` does.
    """
    plan = context.plan
    matching: Mapping[str, Mapping[str, Row]] = {}
    knn = [leaf for leaf in leaves if isinstance(leaf, KnnLeaf)]
    if knn and plan.candidates == "prefilter" and plan.exact is None and plan.dialect == LOCAL.name:
        matching = await _match(context, opened)
        if sum(map(len, matching.values())) <= FEW_MATCHES:
            context = _measuring(context)
    search = partial(_search, outdated=outdated)
    answers = await search(context, opened, leaves, queries, matching)
    matched = [found.matched for _, found in answers if found.matched is not None]
    if not matched:
        return answers
    if sum(matched) <= FEW_MATCHES:
        again, context = [handle for handle, _ in answers], _measuring(context)
    else:
        again, context = [handle for handle, found in answers if found.unfinished], _with(context, exact=False)
    by_place = {handle.place: found for handle, found in await search(context, again, knn, queries, matching)}
    for handle, found in answers:
        if handle.place in by_place:
            found.knn = by_place[handle.place].knn
    redone = {handle.place for handle in again}
    return [answer for answer in answers if answer[0].place in by_place or answer[0].place not in redone]


def _measuring(context: StatementContext) -> StatementContext:
    """Return the context of the same statement, whose records are measured here: they turned out to be few."""
    return _with(context, candidates="exact")


def _with(context: StatementContext, **changes: Any) -> StatementContext:
    return dataclasses.replace(context, plan=dataclasses.replace(context.plan, **changes))


async def _match(context: StatementContext, opened: Sequence[CollectionHandle]) -> dict[str, dict[str, Row]]:
    """Return the rows that satisfy the filter, by collection and by id."""
    plan = context.plan

    async def match(handle: CollectionHandle) -> dict[str, Row]:
        parts = plan.materialization.with_candidates
        pages = scan(context.reader(handle, "rank"), plan.filter, parts, page=plan.page)
        return {row.id: row async for rows in pages for row in rows}

    found = await context.dispatcher.fan_out("rank", opened, match, share=context.share_before_fetch)
    return {handle.name: rows for handle, rows in found}


async def _search(
    context: StatementContext,
    handles: Sequence[CollectionHandle],
    leaves: Sequence[Leaf],
    queries: QueriesByName,
    matching: Mapping[str, Mapping[str, Row]],
    *,
    outdated: bool,
) -> Answers:
    async def search(handle: CollectionHandle) -> CandidateRows:
        reader, plan, index = context.reader(handle, "rank"), context.plan, context.options.keyword_index
        if index is not None and outdated:
            if plan.view is None:
                await build_segment(reader, index, plan.page)
            else:
                # A statement within a scope reads nothing that it may not see.
                index = None
        own = queries.get(handle.name, {})
        return await search_leaves(reader, plan, leaves, own, index, matching.get(handle.name))

    return await context.dispatcher.fan_out("rank", handles, search, share=context.share_before_fetch)
