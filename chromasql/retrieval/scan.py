"""The records of one collection that satisfy a filter, page by page, in record order."""

from __future__ import annotations

from array import array
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from chromasql.operators.predicate import compile_condition
from chromasql.operators.row import Row
from chromasql.plan import ALWAYS, ChromaRequest, Condition, Filter, columns_of
from chromasql.plan.dialect import LOCAL
from chromasql.plan.parts import PARTS
from chromasql.retrieval.collection_reader import CollectionReader
from chromasql.retrieval.record_pages import RecordPages

__all__ = [
    "fetch_by_ids",
    "fill_rows",
    "include",
    "parts_with_checked",
    "plain_vector",
    "request_arguments",
    "scan",
]

_FIRST_PAGE = 256


def include(parts: Sequence[str]) -> list[str]:
    """Return Chroma's names of the parts to fetch."""
    return [PARTS[part] for part in parts]


def parts_with_checked(parts: Sequence[str], condition: Condition | None) -> tuple[str, ...]:
    """Return the parts and those that a condition reads, each once."""
    return tuple(dict.fromkeys((*parts, *_parts_read(condition))))


def _parts_read(condition: Condition | None) -> tuple[str, ...]:
    return tuple(sorted({column.part for column in columns_of(condition)} & PARTS.keys()))


def _page_rows(reader: CollectionReader, answer: Mapping[str, Any], parts: Sequence[str]) -> list[Row]:
    """Return the rows of a response to ``get``."""
    rows = [reader.row(row_id) for row_id in answer["ids"]]
    fill_rows(rows, answer, parts)
    return rows


def fill_rows(rows: Sequence[Row], answer: Mapping[str, Any], parts: Sequence[str]) -> None:
    """Set the parts of rows from the lists of a response, which are in the order of the rows."""
    for part in parts:
        values = answer[PARTS[part]]
        if part == "embedding":
            values = [plain_vector(value) for value in values]
        for row, value in zip(rows, values, strict=True):
            setattr(row, part, value)


def plain_vector(vector: Any) -> list[float] | None:
    """Return a vector as floats that are exact single-precision numbers, whichever client it came through."""
    return None if vector is None else array("f", vector).tolist()


def request_arguments(request: ChromaRequest) -> dict[str, Any]:
    """Return the arguments of ``get`` or ``query`` for one request of a filter."""
    arguments: dict[str, Any] = {}
    if request.ids is not None:
        arguments["ids"] = list(request.ids)
    if request.where is not None:
        arguments["where"] = request.where
    if request.where_document is not None:
        arguments["where_document"] = request.where_document
    return arguments


async def scan(
    reader: CollectionReader,
    filter_: Filter,
    parts: Sequence[str],
    *,
    wanted: int | None = None,
    page: int = LOCAL.page,
) -> AsyncIterator[list[Row]]:
    """
    Yield the rows of a collection that satisfy a filter, in pages.

    Parameters
    ----------
    reader : CollectionReader
        The collection.
    filter_ : Filter
        What the records have to satisfy. A record that several of its requests return is yielded once.
    parts : Sequence of str
        The parts that the rows have, beside those that the residual reads.
    wanted : int, optional
        How many rows are enough. Default: all.
    page : int
        The maximum of records that a request returns. A server with smaller pages than local Chroma's may cut them
        anywhere, so only an empty one is the last.

    Yields
    ------
    list of Row
        At least one row, in the order of the records. A record that is there from the first page to the last is yielded
        once, whoever adds, updates and deletes others meanwhile; see `chromasql.retrieval.record_pages`.
    """
    fetched = parts_with_checked(parts, filter_.residual)
    passes = None if filter_.residual is None else compile_condition(filter_.residual)
    yielded: set[int] | None = set() if len(filter_.requests) > 1 else None
    left = wanted
    for request in filter_.requests:
        size = page if wanted is None or passes is None else min(_FIRST_PAGE, page)
        pages = RecordPages(reader, {**request_arguments(request), "include": include(fetched)}, page)
        while (left is None or left > 0) and not pages.ended:
            answer = await pages.read(size if left is None or passes is not None else min(size, left))
            rows = _page_rows(reader, answer, fetched)
            if yielded is not None:
                rows = [row for row in rows if hash(row.id) not in yielded]
                yielded.update(hash(row.id) for row in rows)
            if passes is not None:
                rows = [row for row in rows if passes(row)]
            rows = rows[:left]
            left = None if left is None else left - len(rows)
            if rows:
                yield rows
            size = min(size * 4, page)


async def fetch_by_ids(
    reader: CollectionReader,
    ids: Sequence[str],
    parts: Sequence[str],
    *,
    page: int = LOCAL.page,
    condition: Condition = ALWAYS,
) -> dict[str, dict[str, Any]]:
    """
    Fetch parts of records by id.

    Parameters
    ----------
    reader : CollectionReader
        The collection, open.
    ids : Sequence of str
        The ids of the records.
    parts : Sequence of str
        The parts to fetch.
    page : int
        The maximum of records that a request returns.
    condition : Condition
        What a record has to satisfy. Default: nothing.

    Returns
    -------
    dict
        The values of the parts, by id and by name; a record that no longer exists or satisfies the condition is left
        out.
    """
    fetched = parts_with_checked(parts, condition)
    passes = None if condition == ALWAYS else compile_condition(condition)
    found: dict[str, dict[str, Any]] = {}
    for start in range(0, len(ids), page):
        answer = await reader.get(ids=list(ids[start : start + page]), include=include(fetched))
        for row in _page_rows(reader, answer, fetched):
            if passes is None or passes(row):
                found[row.id] = {part: getattr(row, part) for part in parts}
    return found
