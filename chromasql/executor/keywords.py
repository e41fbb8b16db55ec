"""BM25 between its search and its rows: whether the keyword index was current, and whether there should be one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from chromasql.dispatch.open_collection import CollectionHandle
from chromasql.executor.state import StatementContext
from chromasql.operators.merge import merge_by_distance
from chromasql.operators.row import Row
from chromasql.plan import Bm25Leaf, Leaf, PlanWarning
from chromasql.retrieval.candidates import CandidateRows
from chromasql.retrieval.indexed_keywords import are_current

__all__ = ["outdated_collections", "warn_of_slow_search"]

_SLOW = 20_000
"""How many documents a statement may read for its BM25 before it says so."""


async def outdated_collections(
    context: StatementContext,
    answers: Sequence[tuple[CollectionHandle, CandidateRows]],
    lists: Mapping[Leaf, Sequence[Sequence[Row]]],
) -> frozenset[str]:
    """
    Return the collections in which a winner of BM25 no longer has the document that the keyword index has counted.

    The winners are as many as the page reaches down to. Raises `ChromaSQLExecutionError` as fetching does.
    """
    winners: dict[int, dict[str, Row]] = {}
    segments = {
        (leaf, handle.place): matches.segment
        for handle, found in answers
        for leaf, matches in found.keywords.items()
        if matches.segment is not None
    }
    for leaf in {leaf for leaf, _ in segments}:
        wanted = leaf.limit if context.plan.needed is None else min(leaf.limit, context.plan.needed)
        for row in merge_by_distance(lists[leaf], wanted):
            if (leaf, row.place) in segments:
                winners.setdefault(row.place, {})[row.id] = row
    if not winners:
        return frozenset()
    of_place = {place: segment for (_, place), segment in segments.items()}

    async def check(handle: CollectionHandle) -> bool:
        reader = context.reader(handle, "fetch")
        return await are_current(
            reader, of_place[handle.place], list(winners[handle.place].values()), context.plan.page
        )

    owners = [handle for handle, _ in answers if handle.place in winners]
    checked = await context.dispatcher.fan_out("fetch", owners, check)
    return frozenset(handle.name for handle, current in checked if not current)


def warn_of_slow_search(context: StatementContext, answers: Sequence[tuple[CollectionHandle, CandidateRows]]) -> None:
    """Warn where BM25 had to read very many documents."""
    leaves: dict[Bm25Leaf, int] = {}
    for _, found in answers:
        for leaf, matches in found.keywords.items():
            if matches.segment is None:
                leaves[leaf] = leaves.get(leaf, 0) + matches.statistics.documents
    read = max(leaves.values(), default=0)
    if read > _SLOW:
        message = (
            f"BM25 read {read:,} documents; with connect(.., keyword_index = 'folder') it reads none of them, and a "
            "filter makes them fewer"
        )
        context.dispatcher.ledger.warn(PlanWarning("slow-keyword-search", message))
