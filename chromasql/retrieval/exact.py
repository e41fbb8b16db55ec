"""
The nearest records of one collection, measured here: every record that satisfies the filter, from its stored vector.

Chroma's index is a graph that may not lead to a record. This reads the vectors themselves, page by page, so that memory
holds one page and the best of those before it.
"""

from __future__ import annotations

import dataclasses
import operator
from array import array
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from chromasql.concurrency.threads import run_blocking
from chromasql.errors import ChromaSQLExecutionError
from chromasql.operators.distance import distances_as_array
from chromasql.operators.row import HitColumns, Row
from chromasql.plan.dialect import LOCAL
from chromasql.retrieval.collection_reader import CollectionReader
from chromasql.retrieval.knn_request import KnnRequest
from chromasql.retrieval.record_pages import RecordPages
from chromasql.retrieval.scan import fetch_by_ids, scan

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["MAX_REMOTE_RECORDS", "measure_nearest"]

_PAGE_FLOATS = 1_000_000
"""How many components of vectors one page has at most: 8 MB as chromadb returns them."""


_USUAL_DIMENSION = 1_024
"""What is assumed where a collection does not say how long its vectors are."""


MAX_REMOTE_RECORDS = 10_000
"""How many records of a collection of distributed Chroma are measured at most: each is sent with its vector."""


async def measure_nearest(
    reader: CollectionReader, knn: KnnRequest, vectors: Sequence[Sequence[float]]
) -> list[Sequence[Row]]:
    """
    Return for each vector its nearest rows, sorted by distance and then by id; equally far records are cut by id.

    Raises `ChromaSQLExecutionError` where distributed Chroma would have to send more than 10,000 vectors, or a distance
    overflows single precision.
    """
    best = [_Best(knn.wanted) for _ in vectors]
    if knn.known_few and knn.matching is None:
        # One request for everything, as another costs more than it saves.
        pages = scan(reader, knn.filter, (*knn.parts, "embedding"), page=knn.page)
        knn = dataclasses.replace(knn, matching={row.id: row async for rows in pages for row in rows})
    async for ids, stored in _pages(reader, knn):
        await run_blocking(_measure, knn.space, vectors, ids, stored, best)
    lists = [nearest.sorted() for nearest in best]
    chosen = list(dict.fromkeys(row_id for ids, _ in lists for row_id in ids))
    known = await _parts(reader, knn, chosen)
    return [_rows(reader, knn, pair, known) for pair in lists]


class _Best:
    """The nearest records so far, and those as far as the last of them."""

    def __init__(self, wanted: int) -> None:
        self._wanted = wanted
        self._found: dict[str, float] = {}

    def add(self, ids: Sequence[str], measured: NDArray[Any]) -> None:
        """Add the records of a page with their distances."""
        import numpy as np

        near: Sequence[int] = range(len(measured))
        if len(measured) > self._wanted:
            cut = np.partition(measured, self._wanted - 1)[self._wanted - 1]
            near = np.flatnonzero(measured <= cut).tolist()
        self._found.update((ids[index], float(measured[index])) for index in near)
        if len(self._found) > self._wanted:
            self._found = dict(self._ordered()[: self._wanted])

    def _ordered(self) -> list[tuple[str, float]]:
        return sorted(self._found.items(), key=operator.itemgetter(1, 0))

    def sorted(self) -> tuple[list[str], list[float]]:
        """Return the ids and the distances, the nearest first."""
        pairs = self._ordered()
        return [row_id for row_id, _ in pairs], [distance for _, distance in pairs]


def _measure(
    space: str, vectors: Sequence[Sequence[float]], ids: Sequence[str], stored: Any, best: Sequence[_Best]
) -> None:
    import numpy as np

    matrix = np.asarray(stored, dtype=np.float32)
    for vector, nearest in zip(vectors, best, strict=True):
        measured = distances_as_array(space, vector, matrix)
        if not np.isfinite(measured).all():
            raise ChromaSQLExecutionError(
                "a distance is not a finite number in single precision; check the vectors for huge values",
                code="malformed-response",
            )
        nearest.add(ids, measured)


async def _pages(reader: CollectionReader, knn: KnnRequest) -> AsyncIterator[tuple[Sequence[str], Any]]:
    """Yield ids and vectors; each record once."""
    size = max(1, min(knn.page, _PAGE_FLOATS // (reader.handle.dimension or _USUAL_DIMENSION)))
    if knn.matching is None and not knn.filter.restricts:
        if knn.page != LOCAL.page:
            _check_remote(reader, await reader.count())
        pages = RecordPages(reader, {"include": ["embeddings"]}, knn.page)
        while not pages.ended:
            answer = await pages.read(size)
            if len(answer["ids"]):
                yield answer["ids"], answer["embeddings"]
        return
    # A filter is resolved once, not anew for each page.
    known = knn.matching
    if known is None:
        known = {row.id: row async for rows in scan(reader, knn.filter, (), page=knn.page) for row in rows}
    matching = list(known)
    if knn.page != LOCAL.page:
        _check_remote(reader, len(matching))
    if matching and known[matching[0]].embedding is not None:
        yield matching, [known[row_id].embedding for row_id in matching]
        return
    for start in range(0, len(matching), size):
        answer = await reader.get(ids=matching[start : start + size], include=["embeddings"])
        if len(answer["ids"]):
            yield answer["ids"], answer["embeddings"]


def _check_remote(reader: CollectionReader, records: int) -> None:
    if records > MAX_REMOTE_RECORDS:
        raise ChromaSQLExecutionError(
            f"exact = TRUE would fetch the vectors of {records} records of {reader.handle.name} from distributed "
            f"Chroma, and at most {MAX_REMOTE_RECORDS} are; narrow WHERE, or leave the ranking to the index",
            code="exact-too-large",
        )


async def _parts(reader: CollectionReader, knn: KnnRequest, ids: Sequence[str]) -> Mapping[str, Mapping[str, Any]]:
    """Return the wanted parts of records by id; one that was deleted meanwhile is left out."""
    if knn.matching is not None:
        return {row_id: {part: getattr(knn.matching[row_id], part) for part in knn.parts} for row_id in ids}
    if not knn.parts:
        return {row_id: {} for row_id in ids}
    return await fetch_by_ids(reader, ids, knn.parts, page=knn.page)


def _rows(
    reader: CollectionReader,
    knn: KnnRequest,
    nearest: tuple[Sequence[str], Sequence[float]],
    known: Mapping[str, Mapping[str, Any]],
) -> Sequence[Row]:
    ids, found = nearest
    kept = [index for index, row_id in enumerate(ids) if row_id in known]
    columns = {part: [known[ids[index]][part] for index in kept] for part in knn.parts}
    distances = array("f", [found[index] for index in kept])
    return HitColumns(reader.row, reader.handle.place, [ids[index] for index in kept], distances, columns)
