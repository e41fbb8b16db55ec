"""
The nearest records of one collection that satisfy a filter.

Chroma's index is approximate and breaks ties in no fixed order. So one more record than wanted is requested, and where
the last two are equally far, more, until the tie can be broken by id; and where the index returns fewer records than
there are, the missing ones are looked up and measured here.
"""

from __future__ import annotations

import dataclasses
import operator
from array import array
from collections.abc import Mapping, Sequence
from itertools import groupby, islice
from typing import Any

from chromasql.operators.distance import distances
from chromasql.operators.predicate import compile_condition
from chromasql.operators.row import HitColumns, Row
from chromasql.plan import ChromaRequest
from chromasql.plan.dialect import LOCAL
from chromasql.planner import MAX_CANDIDATES
from chromasql.retrieval.collection_reader import CollectionReader
from chromasql.retrieval.exact import measure_nearest
from chromasql.retrieval.knn_request import KnnRequest
from chromasql.retrieval.scan import (
    fill_rows,
    include,
    plain_vector,
    request_arguments,
    scan,
)
from chromasql.retrieval.stale_index import deleted_hits, report_stale_index, telling_parts

__all__ = ["best_rows", "nearest"]

_GROWTH = 4


_FIRST_EXPANSION = 64


_FOUND = ("ids", "distances")


async def nearest(reader: CollectionReader, knn: KnnRequest, vectors: Sequence[list[float]]) -> list[Sequence[Row]]:
    """
    Return for each vector its nearest rows, sorted by distance and then by id.

    Where parts are fetched that tell, records that another process has deleted are left out, and others take their
    place.
    """
    if not knn.filter.requests:
        return [[] for _ in vectors]
    found = await _search(reader, knn, vectors)
    parts = () if knn.method == "exact" else telling_parts(knn.parts)
    deleted: set[str] = set()
    while parts and (new := await deleted_hits(reader, found, parts, knn.page) - deleted):
        deleted |= new
        found = await _search(reader, dataclasses.replace(knn, wanted=knn.wanted + len(deleted)), vectors)
    if not deleted:
        return found
    report_stale_index(reader, len(deleted))
    return [[row for row in rows if row.id not in deleted][: knn.wanted] for rows in found]


async def _search(reader: CollectionReader, knn: KnnRequest, vectors: Sequence[list[float]]) -> list[Sequence[Row]]:
    match knn.method:
        case "filtered":
            return await _by_filtered_query(reader, knn, vectors)
        case "expanding":
            return [await _by_expanding(reader, knn, vector) for vector in vectors]
        case "exact":
            return await measure_nearest(reader, knn, vectors)
        case _:
            return [*await _by_prefilter(reader, knn, vectors)]


async def _by_filtered_query(
    reader: CollectionReader, knn: KnnRequest, vectors: Sequence[list[float]]
) -> list[Sequence[Row]]:
    """Let Chroma apply the filter, as nothing has to be checked again."""
    if len(knn.filter.requests) == 1:
        found = await _by_one_query(reader, knn, vectors)
    else:
        found = await _by_queries(reader, knn, vectors)
    if knn.matches is not None:
        return found
    short = [index for index, rows in enumerate(found) if len(rows) < knn.wanted]
    if short and await _may_be_incomplete(reader, knn, min(len(found[index]) for index in short)):
        matching = await _matching(reader, knn)
        for index in short:
            found[index] = await _add_missing_exactly(reader, knn, vectors[index], found[index], matching)
    return found


async def _by_one_query(
    reader: CollectionReader, knn: KnnRequest, vectors: Sequence[list[float]]
) -> list[Sequence[Row]]:
    """Send one request for all vectors; unless a tie has to be resolved, its response stays in columns."""
    (request,), count = knn.filter.requests, _at_most(knn, max(knn.wanted + 1, knn.probe))
    # What is requested only to see whether there is more, is requested without its parts.
    late = include(knn.parts) if count > knn.wanted + 1 else []
    answer = await _query(reader, knn, request, vectors, count, [] if late else include(knn.fetched))
    if knn.matches is not None:
        most = max(map(len, answer["ids"]))
        few = most < knn.probe
        knn.matches.see(most, unfinished=few and (most < knn.wanted or bool(late)))
        if few and late:
            return [[] for _ in vectors]
    tied = [not _ascend(array("f", measured[: knn.wanted + 1])) for measured in answer["distances"]]
    if late:
        ends = [None if ties else knn.wanted for ties in tied]
        answer = {name: [column[:end] for column, end in zip(answer[name], ends, strict=True)] for name in _FOUND}
        answer = await _add_parts(reader, answer, late, knn.page)
    found: list[Sequence[Row]] = []
    for index, vector in enumerate(vectors):
        if tied[index]:
            rows = _rows(reader, knn, answer, index)
            found.append(best_rows(await _extend_past_ties(reader, knn, request, vector, rows), knn.wanted))
        else:
            found.append(_columns(reader, knn, answer, index, array("f", answer["distances"][index])))
    return found


def _ascend(measured: array[float]) -> bool:
    return all(map(operator.lt, measured, islice(measured, 1, None)))


def _columns(
    reader: CollectionReader, knn: KnnRequest, answer: Mapping[str, Any], index: int, measured: array[float]
) -> HitColumns:
    wanted = knn.wanted
    parts = {part: answer[name][index][:wanted] for part, name in zip(knn.parts, include(knn.parts), strict=True)}
    if "embedding" in parts:
        parts["embedding"] = [plain_vector(vector) for vector in parts["embedding"]]
    return HitColumns(reader.row, reader.handle.place, answer["ids"][index][:wanted], measured[:wanted], parts)


def _at_most(knn: KnnRequest, count: int) -> int:
    """Return how many records to ask for: a server that returns fewer in one response refuses to be asked for more."""
    return count if knn.page == LOCAL.page else min(count, knn.page)


async def _by_queries(reader: CollectionReader, knn: KnnRequest, vectors: Sequence[list[float]]) -> list[Sequence[Row]]:
    """Send the requests of a filter one after the other; their union is the answer."""
    found: list[list[Row]] = [[] for _ in vectors]
    for request in knn.filter.requests:
        lists = await _query_rows(reader, knn, request, vectors, _at_most(knn, max(knn.wanted + 1, knn.probe)))
        if knn.matches is not None:
            most = max(map(len, lists))
            knn.matches.see(most, unfinished=most < knn.wanted)
        for index, rows in enumerate(lists):
            found[index].extend(await _extend_past_ties(reader, knn, request, vectors[index], rows))
    return [best_rows(rows, knn.wanted) for rows in found]


async def _may_be_incomplete(reader: CollectionReader, knn: KnnRequest, count: int) -> bool:
    """Tell whether the collection may hold more than the index returned."""
    if knn.filter.restricts:
        return True
    total: int = await reader.count()
    return total > count


async def _by_expanding(reader: CollectionReader, knn: KnnRequest, vector: list[float]) -> list[Row]:
    """Request more and more of the nearest records until enough of them pass the residual."""
    assert knn.filter.residual is not None
    passes = compile_condition(knn.filter.residual)
    count = min(max(_FIRST_EXPANSION, knn.wanted * _GROWTH), knn.page)
    while True:
        found: list[Row] = []
        ended = True
        for request in knn.filter.requests:
            (rows,) = await _query_rows(reader, knn, request, [vector], count)
            ended = ended and len(rows) < count
            # The farthest rows may be cut in the middle of a tie.
            whole = rows if len(rows) < count else [row for row in rows if row.distance != rows[-1].distance]
            found.extend(row for row in whole if passes(row))
        best = best_rows(found, knn.wanted)
        if len(best) == knn.wanted:
            return best
        if ended or count >= knn.page:
            (resolved,) = await _by_prefilter(reader, knn, [vector])
            return resolved
        count = min(count * _GROWTH, knn.page)


async def _by_prefilter(reader: CollectionReader, knn: KnnRequest, vectors: Sequence[list[float]]) -> list[list[Row]]:
    """Look up the ids that satisfy the filter, then request the nearest among them."""
    matching = await _matching(reader, knn) if knn.matching is None else knn.matching
    ids = list(matching)
    found: list[list[Row]] = [[] for _ in vectors]
    for start in range(0, len(ids), knn.page):
        request = ChromaRequest(ids=tuple(ids[start : start + knn.page]))
        count = min(knn.wanted + 1, len(request.ids or ()))
        lists = await _query_rows(reader, knn, request, vectors, count)
        for index, rows in enumerate(lists):
            found[index].extend(await _extend_past_ties(reader, knn, request, vectors[index], rows))
    best = [best_rows(rows, knn.wanted) for rows in found]
    return [
        await _add_missing_exactly(reader, knn, vector, rows, matching) if len(rows) < knn.wanted else rows
        for vector, rows in zip(vectors, best, strict=True)
    ]


async def _matching(reader: CollectionReader, knn: KnnRequest) -> dict[str, Row]:
    pages = scan(reader, knn.filter, knn.parts, page=knn.page)
    return {row.id: row async for rows in pages for row in rows}


async def _add_missing_exactly(
    reader: CollectionReader,
    knn: KnnRequest,
    vector: list[float],
    rows: Sequence[Row],
    matching: Mapping[str, Row],
) -> list[Row]:
    """Add the records that satisfy the filter but that the index did not return."""
    known = {row.id for row in rows}
    missing = [row for row in matching.values() if row.id not in known]
    added: list[Row] = []
    for start in range(0, len(missing), knn.page):
        page = {row.id: row for row in missing[start : start + knn.page]}
        answer = await reader.get(ids=list(page), include=["embeddings"])
        if len(answer["ids"]):
            measured = distances(knn.space, vector, answer["embeddings"])
            for row_id, distance in zip(answer["ids"], measured, strict=True):
                row = page[row_id]
                row.distance = row.score = distance
                added.append(row)
    return best_rows([*rows, *added], knn.wanted)


async def _extend_past_ties(
    reader: CollectionReader, knn: KnnRequest, request: ChromaRequest, vector: list[float], rows: list[Row]
) -> list[Row]:
    """Request more where the cut goes through records that are equally far."""
    wanted, count = knn.wanted, knn.wanted + 1
    if len(rows) < count or rows[-1].distance != rows[wanted - 1].distance:
        return rows
    # A server that makes up records would be asked for more and more.
    most = min(await reader.count(), MAX_CANDIDATES)
    while count < most and len(rows) >= count and rows[-1].distance == rows[wanted - 1].distance:
        count = min(count * _GROWTH, most)
        (rows,) = await _query_rows(reader, knn, request, [vector], count)
    return rows


async def _query_rows(
    reader: CollectionReader, knn: KnnRequest, request: ChromaRequest, vectors: Sequence[list[float]], count: int
) -> list[list[Row]]:
    answer = await _query(reader, knn, request, vectors, count, include(knn.fetched))
    return [_rows(reader, knn, answer, index) for index in range(len(vectors))]


async def _query(
    reader: CollectionReader,
    knn: KnnRequest,
    request: ChromaRequest,
    vectors: Sequence[list[float]],
    count: int,
    parts: list[str],
) -> Any:
    apart = parts if count > LOCAL.page else []
    answer = await reader.query(
        query_embeddings=vectors,
        n_results=count,
        **request_arguments(request),
        include=["distances", *([] if apart else parts)],
    )
    return await _add_parts(reader, answer, apart, knn.page) if apart else answer


async def _add_parts(
    reader: CollectionReader, answer: Mapping[str, Any], parts: Sequence[str], page: int
) -> dict[str, list[list[Any]]]:
    """
    Return a response to ``query`` with parts of its records, fetched in pages; a record that is gone is left out.

    Local Chroma looks the parts of a response up in one SQL statement, which may have 32,766 variables.
    """
    columns: dict[str, list[list[Any]]] = {name: [] for name in ("ids", "distances", *parts)}
    for ids, measured in zip(answer["ids"], answer["distances"], strict=True):
        found: dict[str, tuple[Any, ...]] = {}
        for start in range(0, len(ids), page):
            records = await reader.get(ids=list(ids[start : start + page]), include=list(parts))
            values = zip(*(records[name] for name in parts), strict=True)
            found.update(zip(records["ids"], values, strict=True))
        kept = [index for index, row_id in enumerate(ids) if row_id in found]
        columns["ids"].append([ids[index] for index in kept])
        columns["distances"].append([measured[index] for index in kept])
        for number, name in enumerate(parts):
            columns[name].append([found[ids[index]][number] for index in kept])
    return columns


def _rows(reader: CollectionReader, knn: KnnRequest, answer: Mapping[str, Any], index: int) -> list[Row]:
    rows = [reader.row(row_id) for row_id in answer["ids"][index]]
    # Chroma computes in single precision; some clients widen it to the shortest decimal, some exactly.
    for row, distance in zip(rows, array("f", answer["distances"][index]), strict=True):
        row.distance = row.score = distance
    parts = knn.fetched
    fill_rows(rows, {name: answer[name][index] for name in include(parts)}, parts)
    return rows


def best_rows(rows: Sequence[Row], count: int) -> list[Row]:
    """Return the nearest rows, each id once, sorted by distance and then by id."""
    ordered = sorted(rows, key=lambda row: (row.distance, row.id))
    return [next(same) for _, same in groupby(ordered, key=lambda row: row.id)][:count]
