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
from functools import reduce
from itertools import product
from typing import Any, assert_never

from chromasql.plan import ALWAYS, NEVER, AllOf, AnyOf, Column, Condition, Filter, Piece, Test
from chromasql.planner.conditions import all_of
from chromasql.planner.dialect import DISTRIBUTED, EVERYTHING, LOCAL, NOT_PUSHED, Dialect, Pushed, PushTest
from chromasql.planner.distributed import push_distributed
from chromasql.regex import equal_to_regex, escape_regex, like_to_regex

__all__ = ["MAX_LIST", "MAX_PIECES", "MAX_VARIABLES", "finds_few", "push_down"]

MAX_VARIABLES = 30_000
"""How many values one request carries: SQLite binds at most 32,766 variables, and a number takes two."""

MAX_LIST = 5_000
"""How long a list one request carries, so that two of them fit beside each other."""

MAX_PIECES = 64
"""How many requests one filter may become for one collection."""

_MAX_DEPTH = 20
_MAX_WIDTH = 100
_LONGEST_TEXT = 2_000
_EXACT_INTEGER = 2**53
_ANY_TEXT = "^"
_WIDE = frozenset({"$ne", "$nin", "$not_contains", "$not_regex"})


def push_down(condition: Condition, dialect: Dialect = LOCAL) -> Filter:
    """Split a condition into the requests for Chroma and the residual, as the dialect of the Chroma allows."""
    push_test = push_distributed if dialect == DISTRIBUTED else _push_test
    if condition == NEVER:
        return Filter(pieces=())
    if condition == ALWAYS:
        return Filter()
    parts = condition.parts if isinstance(condition, AllOf) else (condition,)
    present = _present(parts, push_test)
    pushed = [_push(part, present, push_test) for part in parts]
    pieces, kept = _meet([each.pieces for each in pushed], dialect.predicates)
    left = [part for part, each, at in zip(parts, pushed, kept, strict=True) if not (each.exact and at)]
    return Filter(pieces=pieces, residual=all_of(left) if left else None)


def finds_few(filter_: Filter) -> bool:
    """Tell whether each request asks for what few records may be; what they are not holds of most."""
    return all(
        piece.ids is not None or _narrows(piece.where) or _narrows(piece.where_document) for piece in filter_.pieces
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
            return bool(pattern != _ANY_TEXT)
        case _:
            ((key, operand),) = where.items()
            return _WIDE.isdisjoint({key} if key.startswith("$") else operand)


def _predicates_in(where: Any) -> int:
    """Count predicates as Chroma Cloud does: each element of a list is one."""
    if not isinstance(where, dict):
        return 0
    ((key, value),) = where.items()
    if key in ("$and", "$or"):
        return sum(map(_predicates_in, value))
    operand = next(iter(value.values())) if isinstance(value, dict) else value
    return len(operand) if isinstance(operand, list) else 1


def _push(condition: Condition, present: frozenset[Column], push_test: PushTest, depth: int = 0) -> Pushed:
    if depth > _MAX_DEPTH:
        return NOT_PUSHED
    match condition:
        case Test():
            return push_test(condition, condition.column in present)
        case AllOf(parts):
            return _push_all(parts, present | _present(parts, push_test), push_test, depth)
        case AnyOf(parts):
            return _push_any(parts, present, push_test, depth)
        case _:
            assert_never(condition)


def _push_all(parts: Sequence[Condition], present: frozenset[Column], push_test: PushTest, depth: int) -> Pushed:
    pushed = [_push(part, present, push_test, depth + 1) for part in parts]
    pieces, kept = _meet([each.pieces for each in pushed])
    return Pushed(pieces, all(kept) and all(each.exact for each in pushed))


def _push_any(parts: Sequence[Condition], present: frozenset[Column], push_test: PushTest, depth: int) -> Pushed:
    pushed = [_push(part, present, push_test, depth + 1) for part in parts]
    pieces = _united([piece for each in pushed for piece in each.pieces])
    if len(pieces) > MAX_PIECES or not all(piece.restricts for piece in pieces):
        return NOT_PUSHED
    return Pushed(pieces, all(each.exact for each in pushed))


# Requests


def _meet(
    unions: Sequence[tuple[Piece, ...]], most_predicates: int | None = None
) -> tuple[tuple[Piece, ...], list[bool]]:
    """
    Return the requests for records that are in all unions, and for each union whether they say all of it.

    One is left out where the requests would be too many or carry too much. Unions of few requests come first, so that a
    wide OR is what gives way. A filter gives way to the ids of another union.
    """
    kept = [False] * len(unions)
    count, variables, predicates = 1, 0, 0
    for at in sorted(range(len(unions)), key=lambda at: len(unions[at])):
        union = unions[at]
        count_now = count * len(union)
        variables_now = variables + max(map(_variables, union), default=0)
        predicates_now = predicates + max(map(_predicates, union), default=0)
        if count_now > MAX_PIECES or variables_now > MAX_VARIABLES:
            continue
        if most_predicates is not None and predicates_now > most_predicates:
            continue
        kept[at] = True
        count, variables, predicates = count_now, variables_now, predicates_now
    chosen = [union for union, is_kept in zip(unions, kept, strict=True) if is_kept]
    pieces = (_both(pieces) for pieces in product(*chosen))
    said = [is_kept and not _gives_way(union, chosen) for union, is_kept in zip(unions, kept, strict=True)]
    return tuple(piece for piece in pieces if piece.ids != ()), said


def _gives_way(union: tuple[Piece, ...], others: Sequence[tuple[Piece, ...]]) -> bool:
    """Tell whether a filter in the union is left out beside the ids of another one."""
    if all(piece.ids is not None for piece in union):
        return False
    return any(piece.ids is not None for other in others if other is not union for piece in other)


def _both(pieces: Sequence[Piece]) -> Piece:
    """Return the one request for records that are in all of the requests, by their ids alone where there are any."""
    ids = reduce(_common, (piece.ids for piece in pieces), None)
    if ids is not None:
        return Piece(ids=ids)
    return Piece(
        where=_nested("$and", [piece.where for piece in pieces if piece.where is not None]),
        where_document=_nested("$and", [piece.where_document for piece in pieces if piece.where_document is not None]),
    )


def _predicates(piece: Piece) -> int:
    return _predicates_in(piece.where) + _predicates_in(piece.where_document) + len(piece.ids or ())


def _variables(piece: Piece) -> int:
    return len(piece.ids or ()) + _values_in(piece.where)


def _values_in(value: Any) -> int:
    match value:
        case dict():
            return sum(1 + _values_in(each) for each in value.values())
        case list():
            return sum(map(_values_in, value))
        case None | str() | bool():
            return 1
        case _:
            return 2


def _united(pieces: Sequence[Piece]) -> tuple[Piece, ...]:
    """Unite requests that restrict the same single thing into one."""
    ids: list[str] = []
    wheres: list[dict[str, Any]] = []
    documents: list[dict[str, Any]] = []
    others: list[Piece] = []
    for piece in pieces:
        match piece:
            case Piece(tuple() as more, None, None):
                ids.extend(more)
            case Piece(None, dict() as where, None) if _values_in(where) <= MAX_LIST // 10:
                wheres.append(where)
            case Piece(None, None, dict() as document):
                documents.append(document)
            case _:
                others.append(piece)
    united = [Piece(ids=chunk) for chunk in _chunks(tuple(dict.fromkeys(ids)))]
    united += [Piece(where=_nested("$or", group)) for group in _chunks(tuple(wheres), MAX_LIST // 10)]
    if documents:
        united.append(Piece(where_document=_nested("$or", documents)))
    return (*united, *others)


def _common(left: tuple[str, ...] | None, right: tuple[str, ...] | None) -> tuple[str, ...] | None:
    if left is None or right is None:
        return right if left is None else left
    kept = set(right)
    return tuple(each for each in left if each in kept)


def _nested(operator: str, filters: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """Join filters by ``$and`` or ``$or``: flattened, without repeats, and never wider than Chroma can nest."""
    flat: list[dict[str, Any]] = []
    for each in filters:
        flat.extend(each[operator] if list(each) == [operator] else [each])
    # Not by equality, since to Python true equals 1 and 1 equals 1.0, and Chroma tells them apart.
    unique = list({repr(each): each for each in flat}.values())
    if not unique:
        return None
    if len(unique) == 1:
        return unique[0]
    if len(unique) <= _MAX_WIDTH:
        return {operator: unique}
    size = -(-len(unique) // _MAX_WIDTH)
    groups = [unique[at : at + size] for at in range(0, len(unique), size)]
    return {operator: [group[0] if len(group) == 1 else {operator: group} for group in groups]}


def _chunks(values: tuple[Any, ...], size: int = MAX_LIST) -> Iterable[tuple[Any, ...]]:
    return (values[at : at + size] for at in range(0, len(values), size))


# Tests

_POSITIVE = frozenset({"=", "<", "<=", ">", ">=", "in", "contains"})


def _present(parts: Iterable[Condition], push_test: PushTest) -> frozenset[Column]:
    """Return the columns that one of the parts, all of them true, proves to be there, as Chroma sees it."""
    found: set[Column] = set()
    for part in parts:
        if isinstance(part, Test) and part.operator in _POSITIVE and push_test(part, False).exact:
            found.add(part.column)
        elif isinstance(part, AnyOf):
            found |= frozenset.intersection(*(_present((each,), push_test) for each in part.parts))
        elif isinstance(part, AllOf):
            found |= _present(part.parts, push_test)
    return frozenset(found)


def _push_test(test: Test, present: bool) -> Pushed:
    match test.column.part:
        case "id":
            return _push_id(test)
        case "document":
            return _push_document(test)
        case "metadata" if test.column.key:
            return _push_metadata(test, test.column.key, present)
        case _:
            return NOT_PUSHED


def _push_id(test: Test) -> Pushed:
    match test.operator, test.operand:
        case "=", str(value):
            return Pushed((Piece(ids=(value,)),), exact=True)
        case "in", tuple(values):
            ids = tuple(dict.fromkeys(value for value in values if isinstance(value, str)))
            return Pushed(tuple(Piece(ids=chunk) for chunk in _chunks(ids)), exact=True)
        case "=", _:
            return Pushed((), exact=True)
        case _:
            return NOT_PUSHED


def _push_document(test: Test) -> Pushed:
    def exactly(*filters: dict[str, Any]) -> Pushed:
        return Pushed((Piece(where_document=_nested("$and", filters)),), exact=True)

    any_text = {"$regex": _ANY_TEXT}
    if _longest(test.operand) > _LONGEST_TEXT:
        # Chroma takes seconds for a long pattern and fails at a longer one.
        return NOT_PUSHED if test.operator == "is distinct" else Pushed(exactly(any_text).pieces, exact=False)
    match test.operator, test.operand:
        case "is null", _:
            return exactly({"$not_regex": _ANY_TEXT})
        case "is not null", _:
            return exactly(any_text)
        case "is distinct", value if not isinstance(value, str):
            return Pushed(EVERYTHING, exact=True)
        case "is distinct", str(value):
            return exactly({"$not_regex": equal_to_regex(value)})
        case "in", tuple(values):
            tests = [{"$regex": equal_to_regex(value)} for value in values if isinstance(value, str)]
            whole = _nested("$or", tests)
            return exactly(whole) if whole else Pushed((), exact=True)
        case "not in", tuple(values):
            tests = [{"$not_regex": equal_to_regex(value)} for value in values if isinstance(value, str)]
            return exactly(any_text, *tests)
        case (("<" | "<=" | ">" | ">="), _):
            return Pushed(exactly(any_text).pieces, exact=False)
        case ("=", value) if not isinstance(value, str):
            return Pushed((), exact=True)
        case ("!=", value) if not isinstance(value, str):
            return exactly(any_text)
        case operator, str(value):
            pattern = _document_pattern(operator.removeprefix("not "), value)
            if operator == "!=" or operator.startswith("not "):
                return exactly({"$not_regex": pattern}, any_text)
            return exactly({"$regex": pattern})
        case _:
            return NOT_PUSHED


def _longest(operand: Any) -> int:
    texts = operand if isinstance(operand, tuple) else (operand,)
    return max((len(text) for text in texts if isinstance(text, str)), default=0)


def _document_pattern(operator: str, value: str) -> str:
    match operator:
        case "contains":
            return escape_regex(value) or _ANY_TEXT
        case "like":
            return like_to_regex(value)
        case "ilike":
            return like_to_regex(value, ignore_case=True)
        case "regex":
            return value
        case _:
            return equal_to_regex(value)


def _push_metadata(test: Test, key: str, present: bool) -> Pushed:
    def request(where: dict[str, Any] | None, *, exact: bool = True) -> Pushed:
        return NOT_PUSHED if where is None else Pushed((Piece(where=where),), exact)

    match test.operator, test.operand:
        case "=", value:
            return request(_equal(key, value))
        case "!=", value:
            return request(_unequal(key, value), exact=present)
        case "is distinct", value:
            return request(_unequal(key, value))
        case ("<" | "<=" | ">" | ">=") as operator, value:
            return request(_ordered(key, operator, value))
        case "in", tuple(values):
            return _push_list(key, values)
        case "not in", tuple(values):
            return request(_not_in(key, values), exact=present)
        case "contains", value:
            return request(_nested("$or", [{key: {"$contains": each}} for each in _elements(value)]))
        case "not contains", value:
            return request(
                _nested("$and", [{key: {"$not_contains": each}} for each in _elements(value)]), exact=present
            )
        case "like", str(pattern) if "%" not in pattern:
            return request({key: {"$eq": pattern}})
        case "not like", str(pattern) if "%" not in pattern:
            return request({key: {"$ne": pattern}}, exact=present)
        case _:
            return NOT_PUSHED


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _pushable(value: Any) -> bool:
    """Whether Chroma compares the value as we do; integers and floats part ways beyond 2**53."""
    return not _is_number(value) or abs(value) <= _EXACT_INTEGER


def _is_fraction(value: Any) -> bool:
    return isinstance(value, float) and not value.is_integer()


def _whole(value: Any) -> Any:
    """Return 2.0 as 2: Chroma matches both by either."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _equal(key: str, value: Any) -> dict[str, Any] | None:
    if not _pushable(value):
        return None
    if _is_fraction(value):
        return {"$and": [{key: {"$eq": value}}, {key: {"$ne": int(value)}}]}
    return {key: {"$eq": _whole(value)}}


def _unequal(key: str, value: Any) -> dict[str, Any] | None:
    if not _pushable(value):
        return None
    if _is_fraction(value):
        return {"$or": [{key: {"$ne": value}}, {key: {"$eq": int(value)}}]}
    return {key: {"$ne": _whole(value)}}


_CHROMA = {"<": "$lt", "<=": "$lte", ">": "$gt", ">=": "$gte"}


def _ordered(key: str, operator: str, value: Any) -> dict[str, Any] | None:
    """Compare with a number; Chroma truncates a fraction toward zero where it meets an integer."""
    if not _is_number(value) or not _pushable(value):
        return None
    plain = {key: {_CHROMA[operator]: _whole(value)}}
    if not _is_fraction(value):
        return plain
    truncated = int(value)
    match operator, value > 0:
        case "<", True:
            return {"$or": [plain, {key: {"$lte": truncated}}]}
        case ">=", True:
            return {"$and": [plain, {key: {"$gt": truncated}}]}
        case ">", False:
            return {"$or": [plain, {key: {"$gte": truncated}}]}
        case "<=", False:
            return {"$and": [plain, {key: {"$lt": truncated}}]}
        case _:
            return plain


def _by_kind(values: Iterable[Any]) -> tuple[list[list[Any]], list[float]]:
    """Return whole numbers, strings and booleans in a list each, and fractions apart."""
    kinds: dict[type, dict[Any, None]] = {int: {}, str: {}, bool: {}}
    fractions: dict[float, None] = {}
    for value in values:
        if _is_fraction(value):
            fractions[value] = None
        else:
            whole = _whole(value)
            kinds[type(whole)][whole] = None
    return [list(kind) for kind in kinds.values() if kind], list(fractions)


def _push_list(key: str, values: tuple[Any, ...]) -> Pushed:
    if not all(_pushable(value) for value in values):
        return NOT_PUSHED
    kinds, fractions = _by_kind(values)
    tests = [
        {key: {"$in": list(chunk)}} if len(chunk) > 1 else {key: {"$eq": chunk[0]}}
        for kind in kinds
        for chunk in _chunks(tuple(kind))
    ]
    tests += [where for value in fractions if (where := _equal(key, value)) is not None]
    pieces = _united([Piece(where=test) for test in tests])
    return Pushed(pieces, exact=True) if len(pieces) <= MAX_PIECES else NOT_PUSHED


def _not_in(key: str, values: tuple[Any, ...]) -> dict[str, Any] | None:
    if len(values) > MAX_LIST or not all(_pushable(value) for value in values):
        return None
    kinds, fractions = _by_kind(values)
    if len(fractions) > _MAX_WIDTH:
        # Two tests for each fraction cost Chroma more than they spare us, as nearly every record passes them.
        return None
    tests = [{key: {"$nin": kind}} if len(kind) > 1 else {key: {"$ne": kind[0]}} for kind in kinds]
    tests += [where for value in fractions if (where := _unequal(key, value)) is not None]
    return _nested("$and", tests)


def _elements(value: Any) -> list[Any]:
    """Return the elements to look for in an array: Chroma tells 1 from 1.0 there."""
    if not _pushable(value):
        return []
    if _is_number(value) and not _is_fraction(value):
        return [int(value), float(value)]
    return [value]
