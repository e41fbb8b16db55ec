"""What single-node Chroma can test."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from chromasql.ast import is_number
from chromasql.operators.patterns import equal_to_regex, escape_regex, like_to_regex
from chromasql.plan import ChromaRequest, Comparison
from chromasql.plan.conditions import CHROMA_OPERATORS
from chromasql.planner.pushdown.lowering import ANY_TEXT, EVERYTHING, NOT_PUSHED, Pushed
from chromasql.planner.pushdown.requests import MAX_LIST, MAX_REQUESTS, MAX_WIDTH, chunked, nest, unite

__all__ = ["push_local"]

_LONGEST_TEXT = 2_000


_EXACT_INTEGER = 2**53


def push_local(test: Comparison, present: bool) -> Pushed:
    """Return the requests of single-node Chroma for one test."""
    match test.column.part:
        case "id":
            return _push_id(test)
        case "document":
            return _push_document(test)
        case "metadata" if test.column.key:
            return _push_metadata(test, test.column.key, present)
        case _:
            return NOT_PUSHED


def _push_id(test: Comparison) -> Pushed:
    match test.operator, test.operand:
        case "=", str(value):
            return Pushed((ChromaRequest(ids=(value,)),), exact=True)
        case "in", tuple(values):
            ids = tuple(dict.fromkeys(value for value in values if isinstance(value, str)))
            return Pushed(tuple(ChromaRequest(ids=chunk) for chunk in chunked(ids)), exact=True)
        case "=", _:
            return Pushed((), exact=True)
        case _:
            return NOT_PUSHED


def _push_document(test: Comparison) -> Pushed:
    """Lower a test of the document to ``$regex``, with a test for any text where a missing document would pass."""

    def exactly(*filters: dict[str, Any]) -> Pushed:
        return Pushed((ChromaRequest(where_document=nest("$and", filters)),), exact=True)

    any_text = {"$regex": ANY_TEXT}
    if _longest(test.operand) > _LONGEST_TEXT:
        # Chroma takes seconds for a long pattern and fails at a longer one.
        return NOT_PUSHED if test.operator == "is distinct" else Pushed(exactly(any_text).requests, exact=False)
    match test.operator, test.operand:
        case "is null", _:
            return exactly({"$not_regex": ANY_TEXT})
        case "is not null", _:
            return exactly(any_text)
        case "is distinct", value if not isinstance(value, str):
            return Pushed(EVERYTHING, exact=True)
        case "is distinct", str(value):
            return exactly({"$not_regex": equal_to_regex(value)})
        case "in", tuple(values):
            tests = [{"$regex": equal_to_regex(value)} for value in values if isinstance(value, str)]
            whole = nest("$or", tests)
            return exactly(whole) if whole else Pushed((), exact=True)
        case "not in", tuple(values):
            tests = [{"$not_regex": equal_to_regex(value)} for value in values if isinstance(value, str)]
            return exactly(any_text, *tests)
        case (("<" | "<=" | ">" | ">="), _):
            return Pushed(exactly(any_text).requests, exact=False)
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
            return escape_regex(value) or ANY_TEXT
        case "like":
            return like_to_regex(value)
        case "ilike":
            return like_to_regex(value, ignore_case=True)
        case "regex":
            return value
        case _:
            return equal_to_regex(value)


def _push_metadata(test: Comparison, key: str, present: bool) -> Pushed:
    """Lower a test of one key: negative ones are exact only where the key is ``present`` for certain."""

    def pushed(where: dict[str, Any] | None, *, exact: bool = True) -> Pushed:
        return NOT_PUSHED if where is None else Pushed((ChromaRequest(where=where),), exact)

    match test.operator, test.operand:
        case "=", value:
            return pushed(_equal(key, value))
        case "!=", value:
            return pushed(_unequal(key, value), exact=present)
        case "is distinct", value:
            return pushed(_unequal(key, value))
        case ("<" | "<=" | ">" | ">=") as operator, value:
            return pushed(_ordered(key, operator, value))
        case "in", tuple(values):
            return _push_list(key, values)
        case "not in", tuple(values):
            return pushed(_not_in(key, values), exact=present)
        case "contains", value:
            return pushed(nest("$or", [{key: {"$contains": item}} for item in _elements(value)]))
        case "not contains", value:
            return pushed(nest("$and", [{key: {"$not_contains": item}} for item in _elements(value)]), exact=present)
        case "like", str(pattern) if "%" not in pattern:
            return pushed({key: {"$eq": pattern}})
        case "not like", str(pattern) if "%" not in pattern:
            return pushed({key: {"$ne": pattern}}, exact=present)
        case _:
            return NOT_PUSHED


def _pushable(value: Any) -> bool:
    """Whether Chroma compares the value as we do; integers and floats part ways beyond 2**53."""
    return not is_number(value) or abs(value) <= _EXACT_INTEGER


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


def _ordered(key: str, operator: str, value: Any) -> dict[str, Any] | None:
    """Compare with a number; Chroma truncates a fraction toward zero where it meets an integer."""
    if not is_number(value) or not _pushable(value):
        return None
    plain = {key: {CHROMA_OPERATORS[operator]: _whole(value)}}
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
        for chunk in chunked(tuple(kind))
    ]
    tests += [where for value in fractions if (where := _equal(key, value)) is not None]
    requests = unite([ChromaRequest(where=test) for test in tests])
    return Pushed(requests, exact=True) if len(requests) <= MAX_REQUESTS else NOT_PUSHED


def _not_in(key: str, values: tuple[Any, ...]) -> dict[str, Any] | None:
    if len(values) > MAX_LIST or not all(_pushable(value) for value in values):
        return None
    kinds, fractions = _by_kind(values)
    if len(fractions) > MAX_WIDTH:
        # Two tests for each fraction cost Chroma more than they spare us, as nearly every record passes them.
        return None
    tests = [{key: {"$nin": kind}} if len(kind) > 1 else {key: {"$ne": kind[0]}} for kind in kinds]
    tests += [where for value in fractions if (where := _unequal(key, value)) is not None]
    return nest("$and", tests)


def _elements(value: Any) -> list[Any]:
    """Return the elements to look for in an array: Chroma tells 1 from 1.0 there."""
    if not _pushable(value):
        return []
    if is_number(value) and not _is_fraction(value):
        return [int(value), float(value)]
    return [value]
