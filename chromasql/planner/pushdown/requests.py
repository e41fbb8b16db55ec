"""Conjunctions and unions of requests, within what one request may hold."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import reduce
from itertools import product
from typing import Any

from chromasql.plan import ChromaRequest

__all__ = ["MAX_LIST", "MAX_REQUESTS", "MAX_VARIABLES", "MAX_WIDTH", "chunked", "intersect", "nest", "unite"]

MAX_VARIABLES = 30_000
"""How many values one request carries: SQLite binds at most 32,766 variables, and a number takes two."""


MAX_LIST = 5_000
"""How long a list one request carries, so that two of them fit beside each other."""


MAX_REQUESTS = 64
"""How many requests one filter may become for one collection."""


MAX_WIDTH = 100


def _predicates_in(where: Any) -> int:
    """Count predicates as Chroma Cloud does: each element of a list is one."""
    if not isinstance(where, dict):
        return 0
    ((key, value),) = where.items()
    if key in ("$and", "$or"):
        return sum(map(_predicates_in, value))
    operand = next(iter(value.values())) if isinstance(value, dict) else value
    return len(operand) if isinstance(operand, list) else 1


# Requests


def intersect(
    unions: Sequence[tuple[ChromaRequest, ...]], most_predicates: int | None = None
) -> tuple[tuple[ChromaRequest, ...], list[bool]]:
    """
    Return the requests for records that are in all unions, and for each union whether they say all of it.

    One is left out where the requests would be too many or carry too much. Unions of few requests come first, so that a
    wide OR is what gives way. A filter gives way to the ids of another union.
    """
    kept = [False] * len(unions)
    count, variables, predicates = 1, 0, 0
    for index in sorted(range(len(unions)), key=lambda index: len(unions[index])):
        union = unions[index]
        count_now = count * len(union)
        variables_now = variables + max(map(_variables, union), default=0)
        predicates_now = predicates + max(map(_predicates, union), default=0)
        if count_now > MAX_REQUESTS or variables_now > MAX_VARIABLES:
            continue
        if most_predicates is not None and predicates_now > most_predicates:
            continue
        kept[index] = True
        count, variables, predicates = count_now, variables_now, predicates_now
    chosen = [union for union, is_kept in zip(unions, kept, strict=True) if is_kept]
    requests = (_conjoin(requests) for requests in product(*chosen))
    with_ids = sum(map(_names_ids, chosen))
    said = [is_kept and not _superseded_by_ids(union, with_ids) for union, is_kept in zip(unions, kept, strict=True)]
    return tuple(request for request in requests if request.ids != ()), said


def _names_ids(union: tuple[ChromaRequest, ...]) -> bool:
    return any(request.ids is not None for request in union)


def _superseded_by_ids(union: tuple[ChromaRequest, ...], with_ids: int) -> bool:
    """Tell whether a filter in the union is left out beside the ids of another; ``with_ids`` unions name ids."""
    if all(request.ids is not None for request in union):
        return False
    return with_ids > _names_ids(union)


def _conjoin(requests: Sequence[ChromaRequest]) -> ChromaRequest:
    """Return the one request for records that are in all of the requests, by their ids alone where there are any."""
    ids = reduce(_common, (request.ids for request in requests), None)
    if ids is not None:
        return ChromaRequest(ids=ids)
    return ChromaRequest(
        where=nest("$and", [request.where for request in requests if request.where is not None]),
        where_document=nest(
            "$and", [request.where_document for request in requests if request.where_document is not None]
        ),
    )


def _predicates(request: ChromaRequest) -> int:
    return _predicates_in(request.where) + _predicates_in(request.where_document) + len(request.ids or ())


def _variables(request: ChromaRequest) -> int:
    return len(request.ids or ()) + _values_in(request.where)


def _values_in(value: Any) -> int:
    match value:
        case dict():
            return sum(1 + _values_in(item) for item in value.values())
        case list():
            return sum(map(_values_in, value))
        case None | str() | bool():
            return 1
        case _:
            return 2


def unite(requests: Sequence[ChromaRequest]) -> tuple[ChromaRequest, ...]:
    """Unite requests that restrict the same single thing into one."""
    ids: list[str] = []
    wheres: list[dict[str, Any]] = []
    documents: list[dict[str, Any]] = []
    others: list[ChromaRequest] = []
    for request in requests:
        match request:
            case ChromaRequest(tuple() as more, None, None):
                ids.extend(more)
            case ChromaRequest(None, dict() as where, None) if _values_in(where) <= MAX_LIST // 10:
                wheres.append(where)
            case ChromaRequest(None, None, dict() as document):
                documents.append(document)
            case _:
                others.append(request)
    united = [ChromaRequest(ids=chunk) for chunk in chunked(tuple(dict.fromkeys(ids)))]
    united += [ChromaRequest(where=nest("$or", group)) for group in chunked(tuple(wheres), MAX_LIST // 10)]
    if documents:
        united.append(ChromaRequest(where_document=nest("$or", documents)))
    return (*united, *others)


def _common(left: tuple[str, ...] | None, right: tuple[str, ...] | None) -> tuple[str, ...] | None:
    if left is None or right is None:
        return right if left is None else left
    kept = set(right)
    return tuple(item for item in left if item in kept)


def nest(operator: str, filters: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """Join filters by ``$and`` or ``$or``: flattened, without repeats, and never wider than Chroma can nest."""
    flat: list[dict[str, Any]] = []
    for item in filters:
        flat.extend(item[operator] if list(item) == [operator] else [item])
    # Not by equality, since to Python true equals 1 and 1 equals 1.0, and Chroma tells them apart.
    unique = list({repr(item): item for item in flat}.values())
    if not unique:
        return None
    if len(unique) == 1:
        return unique[0]
    if len(unique) <= MAX_WIDTH:
        return {operator: unique}
    size = -(-len(unique) // MAX_WIDTH)
    groups = [unique[index : index + size] for index in range(0, len(unique), size)]
    return {operator: [group[0] if len(group) == 1 else {operator: group} for group in groups]}


def chunked(values: tuple[Any, ...], size: int = MAX_LIST) -> Iterable[tuple[Any, ...]]:
    """Cut a list into parts that one request can carry."""
    return (values[index : index + size] for index in range(0, len(values), size))
