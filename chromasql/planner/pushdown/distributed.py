"""
One test as a request to distributed Chroma (Chroma Cloud), read from its source.

What differs from local Chroma, and what is done about it:

- Integers and floats are indexed apart, so a whole number is asked for as both.
- Integers are compared as unsigned 32-bit numbers in compacted data, where negative ones come out above all others, so
  ``<`` also asks for those. (One of 2**32 or more comes out as its remainder, so Chroma Cloud does not find it by a
  lower bound; it has no request that would.)
- ``$eq`` and ``$in`` match an element of an array, and the bounds any element, so no test of a key is exact.
- ``#id`` works anywhere in a filter.
- Full-text ``$contains`` finds nothing for fewer than 3 characters, and a text is at most 256 long; ``$regex`` of a
  pattern that may match nothing, look-arounds apart, also matches records without a document.
- chromadb refuses ``$regex`` in the ``where`` of ``get`` and ``query``, so it goes by ``where_document``.
"""

from __future__ import annotations

import re
from typing import Any

from chromasql.ast import is_number
from chromasql.operators.patterns import compile_regex
from chromasql.plan import ChromaRequest, Comparison
from chromasql.plan.conditions import CHROMA_OPERATORS
from chromasql.plan.dialect import DISTRIBUTED
from chromasql.planner.pushdown.lowering import NOT_PUSHED, Pushed

__all__ = ["push_distributed"]

_SHORTEST = 3


_ANY_CHARACTER = "(?s)."


_LOOKS = re.compile(r"\\[AzbB]|[\^$]|(?P<other>\\[\s\S]|\[\^?\]?(?:\\[\s\S]|\[:\^?\w+:\]|[^\]\\])*\])")


_LARGEST = 2**31 - 1
"""Beyond this a whole number is wrapped, so nothing is sent for it."""


def push_distributed(test: Comparison, present: bool) -> Pushed:  # noqa: ARG001 - a negative test is never exact here
    """Lower one test; see `chromasql.planner.pushdown.push_down`."""
    match test.column.part:
        case "id":
            return _push_id(test)
        case "document":
            return _push_document(test)
        case "metadata" if test.column.key:
            return _superset(_metadata(test, test.column.key))
        case _:
            return NOT_PUSHED


def _superset(where: dict[str, Any] | None) -> Pushed:
    return NOT_PUSHED if where is None else Pushed((ChromaRequest(where=where),), exact=False)


def _push_id(test: Comparison) -> Pushed:
    if test.operator not in ("=", "!=", "in", "not in"):
        return NOT_PUSHED
    operator = CHROMA_OPERATORS[test.operator]
    if isinstance(test.operand, tuple):
        operand: Any = [value for value in dict.fromkeys(test.operand) if isinstance(value, str)]
        if not operand:
            return Pushed((), exact=True) if operator == "$in" else NOT_PUSHED
    elif isinstance(test.operand, str):
        operand = test.operand
    else:
        return Pushed((), exact=True) if operator == "$eq" else NOT_PUSHED
    return Pushed((ChromaRequest(where={"#id": {operator: operand}}),), exact=True)


def _push_document(test: Comparison) -> Pushed:
    """Lower a test of the document; a text that is too short or too long for Chroma is re-checked here."""
    value = test.operand
    if test.operator == "is null":
        return _matched("$not_regex", _ANY_CHARACTER, exact=False)
    if not isinstance(value, str):
        return NOT_PUSHED
    longest = DISTRIBUTED.text or 0
    match test.operator:
        case "contains" | "=":
            text = value[:longest]
            if len(text) < _SHORTEST:
                return NOT_PUSHED
            return _document("$contains", text, exact=test.operator == "contains" and text == value)
        case "like":
            text = max(re.split("%+", value), key=len)[:longest]
            return NOT_PUSHED if len(text) < _SHORTEST else _document("$contains", text, exact=value == f"%{text}%")
        case "regex" if len(value) <= longest:
            return _matched("$regex", value, exact=not _may_match_nothing(value))
        case "not contains" if _SHORTEST <= len(value) <= longest:
            return _document("$not_contains", value, exact=False)
        case "not regex" if len(value) <= longest and not _may_match_nothing(value):
            return _matched("$not_regex", value, exact=False)
        case _:
            return NOT_PUSHED


def _document(operator: str, text: str, *, exact: bool) -> Pushed:
    return Pushed((ChromaRequest(where={"#document": {operator: text}}),), exact)


def _matched(operator: str, pattern: str, *, exact: bool) -> Pushed:
    return Pushed((ChromaRequest(where_document={operator: pattern}),), exact)


def _may_match_nothing(pattern: str) -> bool:
    """Tell whether a match may be empty, as Chroma judges it: where each look-around holds."""
    return compile_regex(_LOOKS.sub(lambda found: found["other"] or "(?:)", pattern))("")


def _metadata(test: Comparison, key: str) -> dict[str, Any] | None:
    match test.operator, test.operand:
        case "=", value:
            return _either([{key: {"$eq": item}} for item in _typed(value)])
        case "in", tuple(values):
            return _either([{key: {"$in": item}} for item in _typed_lists(values)])
        case ("<" | "<=" | ">" | ">=") as operator, value if is_number(value):
            return _ordered(key, operator, value)
        case "contains", value:
            return _either([{key: {"$contains": item}} for item in _typed(value)])
        case "like", str(pattern) if "%" not in pattern:
            return {key: {"$eq": pattern}}
        case _:
            return None


def _either(tests: list[dict[str, Any]]) -> dict[str, Any] | None:
    if not tests:
        return None
    return tests[0] if len(tests) == 1 else {"$or": tests}


def _typed(value: Any) -> list[Any]:
    """Return the value in each of Chroma's types that may hold it."""
    if not is_number(value) or (isinstance(value, float) and not value.is_integer()):
        return [value]
    return [int(value), float(value)] if abs(value) <= _LARGEST else []


def _typed_lists(values: tuple[Any, ...]) -> list[list[Any]]:
    lists: dict[type, dict[Any, None]] = {}
    for value in values:
        typed = _typed(value)
        if not typed:
            return []
        for item in typed:
            lists.setdefault(type(item), {})[item] = None
    return [list(item) for item in lists.values()]


def _ordered(key: str, operator: str, value: float) -> dict[str, Any] | None:
    """Bound integers and floats; floats are rounded to single precision, so the bound itself is let through."""
    if not 0 <= value <= _LARGEST:
        return None
    below = operator in ("<", "<=")
    whole = -int(-value // 1) if below else int(value)
    tests = [{key: {"$lte" if below else "$gte": whole}}, {key: {"$lte" if below else "$gte": float(value)}}]
    return {"$or": [*tests, {key: {"$gt": _LARGEST}}] if below else tests}
