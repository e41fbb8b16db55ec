"""
A condition to a `Filter`: the strongest requests that keep every true record, and what is left to re-check.

Chroma takes three things in one request: ids, ``where`` over metadata and ``where_document``, all joined by AND. So
a condition becomes a union of such requests. Each test says in which of the three it goes and whether Chroma's
answer is then exact; where Chroma cannot say it, nothing is sent for it and it stays in the residual.

What Chroma does differently, and what is done about it (measured on 1.5.9; both embedded and ``chroma run``):

- ``$ne``, ``$nin`` and ``$not_contains`` match records without the key, so they are exact only beside a test that
  needs the key.
- A fractional bound is truncated where it meets an integer, so it is rewritten into two tests.
- ``$contains`` on an array tells 1 from 1.0, so a whole number is sent as both.
- Strings and booleans have no order, and nothing tests whether a key is there.
- ids beside a filter in one request make SQLite evaluate the filter anew for each id (20 of them take 140 ms where the
  filter alone takes 20 and the ids alone 1), so ids go alone and the rest is re-checked.
- ``$contains`` on documents stops at a NUL character, ``$regex`` does not and is as fast, so documents are always
  asked by ``$regex``; a record without a document passes every negative test, so those are sent with a test for any
  text.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, assert_never

from chromasql.plan import ALWAYS, NEVER, And, Column, Comparison, Condition, Filter, Holds, Or
from chromasql.plan.conditions import all_of
from chromasql.plan.dialect import DISTRIBUTED, LOCAL, Dialect
from chromasql.planner.pushdown.distributed import push_distributed
from chromasql.planner.pushdown.local import push_local
from chromasql.planner.pushdown.lowering import ANY_TEXT, NOT_PUSHED, Pushed, PushTest
from chromasql.planner.pushdown.requests import MAX_REQUESTS, intersect, unite

__all__ = ["is_selective", "push_down"]

_MAX_DEPTH = 20


_WIDE = frozenset({"$ne", "$nin", "$not_contains", "$not_regex"})


def push_down(condition: Condition, dialect: Dialect = LOCAL) -> Filter:
    """Split a condition into the requests for Chroma and the residual, as the dialect of the Chroma allows."""
    push_test = push_distributed if dialect == DISTRIBUTED else push_local
    if condition == NEVER:
        return Filter(requests=())
    if condition == ALWAYS:
        return Filter()
    parts = condition.parts if isinstance(condition, And) else (condition,)
    present = _present(parts, push_test)
    pushed = [_push(part, present, push_test) for part in parts]
    requests, kept = intersect([item.requests for item in pushed], dialect.predicates)
    left = [part for part, item, whole in zip(parts, pushed, kept, strict=True) if not (item.exact and whole)]
    return Filter(requests=requests, residual=all_of(left) if left else None)


def is_selective(filter_: Filter) -> bool:
    """Tell whether each request asks for what few records may be; what they are not holds of most."""
    return all(
        request.ids is not None or _narrows(request.where) or _narrows(request.where_document)
        for request in filter_.requests
    )


def _narrows(where: dict[str, Any] | None) -> bool:
    match where:
        case None:
            return False
        case {"$and": parts}:
            return any(map(_narrows, parts))
        case {"$or": parts}:
            return all(map(_narrows, parts))
        case {"$regex": pattern}:
            return bool(pattern != ANY_TEXT)
        case _:
            ((key, operand),) = where.items()
            return _WIDE.isdisjoint({key} if key.startswith("$") else operand)


def _push(condition: Condition, present: frozenset[Column], push_test: PushTest, depth: int = 0) -> Pushed:
    if depth > _MAX_DEPTH:
        return NOT_PUSHED
    match condition:
        case Comparison():
            return push_test(condition, condition.column in present)
        case Holds():
            return NOT_PUSHED
        case And(parts):
            return _push_all(parts, present | _present(parts, push_test), push_test, depth)
        case Or(parts):
            return _push_any(parts, present, push_test, depth)
        case _:
            assert_never(condition)


def _push_all(parts: Sequence[Condition], present: frozenset[Column], push_test: PushTest, depth: int) -> Pushed:
    pushed = [_push(part, present, push_test, depth + 1) for part in parts]
    requests, kept = intersect([item.requests for item in pushed])
    return Pushed(requests, all(kept) and all(item.exact for item in pushed))


def _push_any(parts: Sequence[Condition], present: frozenset[Column], push_test: PushTest, depth: int) -> Pushed:
    pushed = [_push(part, present, push_test, depth + 1) for part in parts]
    requests = unite([request for item in pushed for request in item.requests])
    if len(requests) > MAX_REQUESTS or not all(request.restricts for request in requests):
        return NOT_PUSHED
    return Pushed(requests, all(item.exact for item in pushed))


# Tests

_POSITIVE = frozenset({"=", "<", "<=", ">", ">=", "in", "contains"})


def _present(parts: Iterable[Condition], push_test: PushTest) -> frozenset[Column]:
    """Return the columns that one of the parts, all of them true, proves to be there, as Chroma sees it."""
    found: set[Column] = set()
    for part in parts:
        if isinstance(part, Comparison) and part.operator in _POSITIVE and push_test(part, False).exact:
            found.add(part.column)
        elif isinstance(part, Or):
            found |= frozenset.intersection(*(_present((item,), push_test) for item in part.parts))
        elif isinstance(part, And):
            found |= _present(part.parts, push_test)
    return frozenset(found)
