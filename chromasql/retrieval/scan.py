"""The records of one collection that satisfy a filter, page by page, in record order."""

from __future__ import annotations

from array import array
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any, Protocol

from chromasql.operators.predicate import compile_condition
from chromasql.operators.row import Row
from chromasql.plan import ALWAYS, ChromaRequest, Condition, Filter, columns_of
from chromasql.plan.dialect import LOCAL
from chromasql.plan.parts import PARTS

__all__ = ["PAGE", "Ask", "by_ids", "checked_parts", "include", "page_rows", "scan"]

PAGE = LOCAL.page
"""How many records one request returns at most: with metadata, SQLite fails beyond 32,766."""


_FIRST_PAGE = 256


class Ask(Protocol):
    """Calls ``get``, ``query`` or ``count`` of one collection."""

    async def __call__(self, method: str, **arguments: Any) -> Any:
        """Return Chroma's answer."""
        ...


MakeRow = Callable[[str], Row]


def include(parts: Sequence[str]) -> list[str]:
    """Return Chroma's names of the parts to fetch."""
    return [PARTS[part] for part in parts]


def checked_parts(filter_: Filter) -> tuple[str, ...]:
    """Return the parts that the residual of a filter reads."""
    return _parts_read(filter_.residual)


def _parts_read(condition: Condition | None) -> tuple[str, ...]:
    return tuple(sorted({column.part for column in columns_of(condition)} & set(PARTS)))


def page_rows(answer: Mapping[str, Any], parts: Sequence[str], make: MakeRow) -> list[Row]:
    """Return the rows of an answer to ``get``."""
    rows = [make(each) for each in answer["ids"]]
    fill_rows(rows, answer, parts)
    return rows


def fill_rows(rows: Sequence[Row], answer: Mapping[str, Any], parts: Sequence[str]) -> None:
    """Set the parts of rows from the lists of an answer that stand beside them."""
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
    ask: Ask,
    filter_: Filter,
    make: MakeRow,
    parts: Sequence[str],
    wanted: int | None = None,
    page: int = PAGE,
) -> AsyncIterator[list[Row]]:
    """
    Yield pages of the rows that satisfy a filter, until ``wanted`` of them have been yielded or there are no more.

    Where a page is smaller than local Chroma's, the server may cut it as it likes, so only an empty one is the last.

    The rows have ``parts`` and what the residual reads. A record that several requests return is yielded once.
    """
    fetched = tuple(dict.fromkeys((*parts, *checked_parts(filter_))))
    passes = None if filter_.residual is None else compile_condition(filter_.residual)
    seen: set[str] | None = set() if len(filter_.requests) > 1 else None
    left = wanted
    for request in filter_.requests:
        offset = 0
        size = page if wanted is None or passes is None else min(_FIRST_PAGE, page)
        while left is None or left > 0:
            limit = size if left is None or passes is not None else min(size, left)
            answer = await ask(
                "get", **request_arguments(request), include=include(fetched), limit=limit, offset=offset
            )
            rows = page_rows(answer, fetched, make)
            count = len(rows)
            if seen is not None:
                rows = [row for row in rows if row.id not in seen]
                seen.update(row.id for row in rows)
            if passes is not None:
                rows = [row for row in rows if passes(row)]
            rows = rows[:left]
            left = None if left is None else left - len(rows)
            if rows:
                yield rows
            if count == 0 or (count < limit and page == PAGE):
                break
            offset += count
            size = min(size * 4, page)


async def by_ids(
    ask: Ask, ids: Sequence[str], make: MakeRow, parts: Sequence[str], page: int = PAGE, seen: Condition = ALWAYS
) -> dict[str, dict[str, Any]]:
    """Fetch parts of records by id; those that no longer exist, or satisfy ``seen`` no longer, are not returned."""
    fetched = tuple(dict.fromkeys((*parts, *_parts_read(seen))))
    passes = None if seen == ALWAYS else compile_condition(seen)
    found: dict[str, dict[str, Any]] = {}
    for at in range(0, len(ids), page):
        answer = await ask("get", ids=list(ids[at : at + page]), include=include(fetched))
        for row in page_rows(answer, fetched, make):
            if passes is None or passes(row):
                found[row.id] = {part: getattr(row, part) for part in parts}
    return found
