"""
The nearest records of one collection that satisfy a filter.

Chroma's index is approximate and cuts ties as it likes. So one more record than wanted is asked for, and where the last
two are equally far, more, until the tie can be broken by id; and where the index returns fewer records than there are,
the missing ones are looked up and measured here.
"""

from __future__ import annotations

import operator
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from typing import Any

from chromasql.operators.distance import distances
from chromasql.operators.predicate import compile_condition
from chromasql.operators.row import HitColumns, Row
from chromasql.plan import ChromaRequest, Filter
from chromasql.retrieval.scan import (
    PAGE,
    Ask,
    MakeRow,
    checked_parts,
    fill_rows,
    include,
    plain_vector,
    request_arguments,
    scan,
)

__all__ = ["KnnRequest", "best_rows", "nearest"]

_GROWTH = 4


_FIRST_EXPANSION = 64


@dataclass(frozen=True, slots=True)
class KnnRequest:
    """
    What is wanted of one collection: the ``wanted`` nearest records of each vector, with ``parts``.

    ``method`` is how candidates are found (`chromasql.plan.QueryPlan`), ``space`` the collection's distance function,
    ``page`` how many records one request returns at most.
    """

    filter: Filter
    method: str
    wanted: int
    parts: tuple[str, ...]
    space: str
    page: int = PAGE


async def nearest(
    ask: Ask, search: KnnRequest, vectors: Sequence[list[float]], place: int, make: MakeRow
) -> list[Sequence[Row]]:
    """Return for each vector its nearest rows, sorted by distance and then by id."""
    if not search.filter.requests:
        return [[] for _ in vectors]
    match search.method:
        case "filtered":
            return await _by_query(ask, search, vectors, place, make)
        case "expanding":
            return [await _by_expanding(ask, search, vector, make) for vector in vectors]
        case _:
            return [*await _by_prefilter(ask, search, vectors, make)]


async def _by_query(
    ask: Ask, search: KnnRequest, vectors: Sequence[list[float]], place: int, make: MakeRow
) -> list[Sequence[Row]]:
    if len(search.filter.requests) == 1:
        found = await _by_one_query(ask, search, vectors, place, make)
    else:
        found = await _by_queries(ask, search, vectors, make)
    short = [at for at, rows in enumerate(found) if len(rows) < search.wanted]
    if short and await _may_be_incomplete(ask, search, min(len(found[at]) for at in short)):
        ids = await _matching(ask, search, make)
        for at in short:
            found[at] = await _add_missing_exactly(ask, search, vectors[at], found[at], ids)
    return found


async def _by_one_query(
    ask: Ask, search: KnnRequest, vectors: Sequence[list[float]], place: int, make: MakeRow
) -> list[Sequence[Row]]:
    """Ask once for all vectors; where no tie is in the way, the answer is left as the columns that it is."""
    (request,), count = search.filter.requests, search.wanted + 1
    answer = await _answer(ask, search, request, vectors, count)
    found: list[Sequence[Row]] = []
    for at, vector in enumerate(vectors):
        measured = array("f", answer["distances"][at])
        if all(map(operator.lt, measured, islice(measured, 1, None))):
            found.append(_columns(answer, at, measured, search, place, make))
            continue
        rows = _rows_of(answer, at, _parts(search), make)
        found.append(best_rows(await _extend_past_ties(ask, search, request, vector, rows, make), search.wanted))
    return found


def _columns(
    answer: Mapping[str, Any], at: int, measured: array[float], search: KnnRequest, place: int, make: MakeRow
) -> HitColumns:
    wanted = search.wanted
    parts = {part: answer[name][at][:wanted] for part, name in zip(search.parts, include(search.parts), strict=True)}
    if "embedding" in parts:
        parts["embedding"] = [plain_vector(vector) for vector in parts["embedding"]]
    return HitColumns(make, place, answer["ids"][at][:wanted], measured[:wanted], parts)


async def _by_queries(
    ask: Ask, search: KnnRequest, vectors: Sequence[list[float]], make: MakeRow
) -> list[Sequence[Row]]:
    found: list[list[Row]] = [[] for _ in vectors]
    for request in search.filter.requests:
        lists = await _query(ask, search, request, vectors, search.wanted + 1, make)
        for at, rows in enumerate(lists):
            found[at].extend(await _extend_past_ties(ask, search, request, vectors[at], rows, make))
    return [best_rows(rows, search.wanted) for rows in found]


async def _may_be_incomplete(ask: Ask, search: KnnRequest, count: int) -> bool:
    """Tell whether the collection may hold more than the index returned."""
    if search.filter.restricts:
        return True
    total: int = await ask("count")
    return total > count


async def _by_expanding(ask: Ask, search: KnnRequest, vector: list[float], make: MakeRow) -> list[Row]:
    """Ask for more and more of the nearest records until enough of them pass the residual."""
    assert search.filter.residual is not None
    passes = compile_condition(search.filter.residual)
    count = min(max(_FIRST_EXPANSION, search.wanted * _GROWTH), search.page)
    while True:
        found: list[Row] = []
        ended = True
        for request in search.filter.requests:
            (rows,) = await _query(ask, search, request, [vector], count, make)
            ended = ended and len(rows) < count
            # What lies at the far end may be cut in the middle of a tie.
            whole = rows if len(rows) < count else [row for row in rows if row.distance != rows[-1].distance]
            found.extend(row for row in whole if passes(row))
        best = best_rows(found, search.wanted)
        if len(best) == search.wanted:
            return best
        if ended or count >= search.page:
            (resolved,) = await _by_prefilter(ask, search, [vector], make)
            return resolved
        count = min(count * _GROWTH, search.page)


async def _by_prefilter(ask: Ask, search: KnnRequest, vectors: Sequence[list[float]], make: MakeRow) -> list[list[Row]]:
    """Look up the ids that satisfy the filter, then ask for the nearest among them."""
    matching = await _matching(ask, search, make)
    ids = list(matching)
    found: list[list[Row]] = [[] for _ in vectors]
    for start in range(0, len(ids), search.page):
        request = ChromaRequest(ids=tuple(ids[start : start + search.page]))
        count = min(search.wanted + 1, len(request.ids or ()))
        lists = await _query(ask, search, request, vectors, count, make)
        for at, rows in enumerate(lists):
            found[at].extend(await _extend_past_ties(ask, search, request, vectors[at], rows, make))
    best = [best_rows(rows, search.wanted) for rows in found]
    return [
        await _add_missing_exactly(ask, search, vector, rows, matching) if len(rows) < search.wanted else rows
        for vector, rows in zip(vectors, best, strict=True)
    ]


async def _matching(ask: Ask, search: KnnRequest, make: MakeRow) -> dict[str, Row]:
    return {
        row.id: row async for rows in scan(ask, search.filter, make, search.parts, page=search.page) for row in rows
    }


async def _add_missing_exactly(
    ask: Ask, search: KnnRequest, vector: list[float], rows: Sequence[Row], matching: Mapping[str, Row]
) -> list[Row]:
    """Add the records that satisfy the filter but that the index did not return."""
    known = {row.id for row in rows}
    missing = [row for row in matching.values() if row.id not in known]
    added: list[Row] = []
    for at in range(0, len(missing), search.page):
        page = {row.id: row for row in missing[at : at + search.page]}
        answer = await ask("get", ids=list(page), include=["embeddings"])
        if len(answer["ids"]):
            measured = distances(search.space, vector, answer["embeddings"])
            for row_id, distance in zip(answer["ids"], measured, strict=True):
                row = page[row_id]
                row.distance = row.score = distance
                added.append(row)
    return best_rows([*rows, *added], search.wanted)


async def _extend_past_ties(
    ask: Ask, search: KnnRequest, request: ChromaRequest, vector: list[float], rows: list[Row], make: MakeRow
) -> list[Row]:
    """Ask for more where the cut goes through records that are equally far."""
    wanted, count = search.wanted, search.wanted + 1
    while len(rows) >= count and rows[-1].distance == rows[wanted - 1].distance:
        count *= _GROWTH
        (rows,) = await _query(ask, search, request, [vector], count, make)
    return rows


async def _query(
    ask: Ask, search: KnnRequest, request: ChromaRequest, vectors: Sequence[list[float]], count: int, make: MakeRow
) -> list[list[Row]]:
    answer = await _answer(ask, search, request, vectors, count)
    return [_rows_of(answer, at, _parts(search), make) for at in range(len(vectors))]


async def _answer(
    ask: Ask, search: KnnRequest, request: ChromaRequest, vectors: Sequence[list[float]], count: int
) -> Any:
    return await ask(
        "query",
        query_embeddings=list(vectors),
        n_results=count,
        **request_arguments(request),
        include=["distances", *include(_parts(search))],
    )


def _parts(search: KnnRequest) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*search.parts, *checked_parts(search.filter))))


def _rows_of(answer: Mapping[str, Any], at: int, parts: Sequence[str], make: MakeRow) -> list[Row]:
    rows = [make(each) for each in answer["ids"][at]]
    # Chroma computes in single precision; some clients widen it to the shortest decimal, some exactly.
    for row, distance in zip(rows, array("f", answer["distances"][at]), strict=True):
        row.distance = row.score = distance
    fill_rows(rows, {name: answer[name][at] for name in include(parts)}, parts)
    return rows


def best_rows(rows: Sequence[Row], count: int) -> list[Row]:
    """Return the nearest rows, each id once, sorted by distance and then by id."""
    ordered = sorted(rows, key=lambda row: (row.distance, row.id))
    return [next(same) for _, same in groupby(ordered, key=lambda row: row.id)][:count]
