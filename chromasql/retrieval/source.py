"""One collection as a source of sorted access: its nearest records for some queries, as far as it is asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from chromasql.operators.distance import distances
from chromasql.operators.predicate import compile_condition
from chromasql.operators.row import Row
from chromasql.operators.sorted_access import Ask, Found, Position
from chromasql.plan import KnnLeaf, QueryPlan
from chromasql.plan.conditions import NO_FILTER
from chromasql.retrieval.collection_reader import CollectionReader
from chromasql.retrieval.knn import nearest
from chromasql.retrieval.knn_request import KnnRequest
from chromasql.retrieval.scan import parts_with_checked, scan

__all__ = ["ask_source"]


async def ask_source(
    reader: CollectionReader, plan: QueryPlan, asks: Mapping[KnnLeaf, Ask], queries: Mapping[KnnLeaf, Any]
) -> dict[KnnLeaf, Found]:
    """
    Ask a collection for the nearest records of each leaf; leaves that ask for the same share their requests.

    Parameters
    ----------
    reader : CollectionReader
        The collection, open.
    plan : QueryPlan
        The plan of the statement.
    asks : Mapping
        How many records each leaf wants, and whether the filter is pushed.
    queries : Mapping
        The vector of each leaf.

    Returns
    -------
    dict
        The rows of each leaf that satisfy the filter, and how far the collection has shown its records.
    """
    together: dict[Ask, list[KnnLeaf]] = {}
    for leaf, ask in asks.items():
        together.setdefault(ask, []).append(leaf)
    found: dict[KnnLeaf, Found] = {}
    for ask, leaves in together.items():
        vectors = [queries[leaf] for leaf in leaves]
        if ask.size is None:
            lists = [await _everything(reader, plan, vector) for vector in vectors]
        elif ask.pushed:
            lists = await _pushed(reader, plan, ask.size, vectors)
        else:
            lists = await _checked(reader, plan, ask.size, vectors)
        found.update(zip(leaves, lists, strict=True))
    return found


def _space(reader: CollectionReader, plan: QueryPlan) -> str:
    return reader.handle.space or plan.space or "l2"


async def _pushed(reader: CollectionReader, plan: QueryPlan, size: int, vectors: Sequence[Any]) -> list[Found]:
    parts, space = plan.materialization.with_candidates, _space(reader, plan)
    lists = await nearest(reader, KnnRequest(plan.filter, plan.candidates, size, parts, space, plan.page), vectors)
    return [Found(rows, _frontier(rows, size), len(rows)) for rows in lists]


async def _checked(reader: CollectionReader, plan: QueryPlan, size: int, vectors: Sequence[Any]) -> list[Found]:
    """Ask the index without the filter, and test what it returns."""
    passes = compile_condition(plan.condition)
    parts = parts_with_checked(plan.materialization.with_candidates, plan.condition)
    request = KnnRequest(NO_FILTER, "filtered", size, parts, _space(reader, plan), plan.page)
    return [
        Found([row for row in rows if passes(row)], _frontier(rows, size), len(rows))
        for rows in await nearest(reader, request, vectors)
    ]


async def _everything(reader: CollectionReader, plan: QueryPlan, vector: Any) -> Found:
    """Read every record that satisfies the filter and measure it here, page by page."""
    parts = plan.materialization.with_candidates
    keeps_vectors = "embedding" in parts
    space, found, read = _space(reader, plan), list[Row](), 0
    async for rows in scan(reader, plan.filter, (*parts, "embedding"), page=plan.page):
        read += len(rows)
        there = [row for row in rows if row.embedding is not None]
        if not there:
            continue
        for row, distance in zip(there, distances(space, vector, [row.embedding or [] for row in there]), strict=True):
            row.distance = row.score = distance
            if not keeps_vectors:
                row.embedding = None
        found += there
    found.sort(key=lambda row: (row.distance, row.id))
    return Found(found, None, read)


def _frontier(rows: Sequence[Row], size: int) -> Position | None:
    """Return the position of the last record, or None where the collection has no other."""
    if len(rows) < size:
        return None
    last = rows[-1]
    assert last.distance is not None
    return last.distance, last.id, last.place
