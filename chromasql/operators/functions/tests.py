"""Comparisons and logic with three values: TRUE, FALSE and NULL (unknown)."""

from __future__ import annotations

import operator
from collections.abc import Callable
from datetime import datetime
from typing import Any

from chromasql.ast import kind_of
from chromasql.operators.functions.registry import Function
from chromasql.operators.patterns import compile_like, compile_regex

__all__ = ["TESTS", "equal"]


def equal(left: Any, right: Any) -> bool:
    """Tell whether two values that are not NULL are equal: values of different kinds never are."""
    return bool(left == right) and _kind(left) == _kind(right)


def _kind(value: Any) -> str:
    return "moment" if isinstance(value, datetime) else kind_of(value)


def _unequal(left: Any, right: Any) -> bool:
    return not equal(left, right)


def _ordering(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], Any]:
    """Return a comparison that is unknown for values of different kinds, and for lists."""

    def compared(left: Any, right: Any) -> Any:
        kind = _kind(left)
        return compare(left, right) if kind == _kind(right) and kind != "list" else None

    return compared


_ORDERINGS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


def _distinct(left: Any, right: Any) -> bool:
    if left is None or right is None:
        return left is not right
    return not equal(left, right)


def _like(value: Any, pattern: Any) -> Any:
    return isinstance(value, str) and isinstance(pattern, str) and compile_like(pattern)(value)


def _ilike(value: Any, pattern: Any) -> Any:
    return isinstance(value, str) and isinstance(pattern, str) and compile_like(pattern, ignore_case=True)(value)


def _regex(value: Any, pattern: Any) -> Any:
    return isinstance(value, str) and compile_regex(pattern)(value)


def _contains(value: Any, wanted: Any) -> bool:
    return isinstance(value, list) and any(item is not None and equal(item, wanted) for item in value)


def _contains_text(value: Any, wanted: Any) -> bool:
    return isinstance(value, str) and isinstance(wanted, str) and wanted in value


def _in(value: Any, *items: Any) -> Any:
    if value is None:
        return None
    unknown = False
    for item in items:
        if item is None:
            unknown = True
        elif equal(value, item):
            return True
    return None if unknown else False


def _quantified(any_: bool, compare: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """Return a comparison with the elements of a list; anything but a list is unknown."""

    def compared(value: Any, items: Any) -> Any:
        if not isinstance(items, list):
            return None
        results = [None if item is None else compare(value, item) for item in items]
        if any_ in results:
            return any_
        return None if None in results else not any_

    return compared


TESTS = (
    Function("=", equal, 2, 2, "boolean"),
    Function("!=", _unequal, 2, 2, "boolean"),
    *(Function(name, _ordering(compare), 2, 2, "boolean") for name, compare in _ORDERINGS.items()),
    Function("is distinct", _distinct, 2, 2, "boolean", strict=False),
    Function("is null", lambda value: value is None, result="boolean", strict=False),
    Function("is true", lambda value: value is True, result="boolean", strict=False),
    Function("is false", lambda value: value is False, result="boolean", strict=False),
    Function("not", lambda value: not value if isinstance(value, bool) else None, result="boolean"),
    Function("in", _in, 1, None, "boolean", strict=False),
    Function("like", _like, 2, 2, "boolean"),
    Function("ilike", _ilike, 2, 2, "boolean"),
    Function("regex", _regex, 2, 2, "boolean"),
    Function("contains", _contains, 2, 2, "boolean"),
    Function("contains text", _contains_text, 2, 2, "boolean"),
    *(
        Function(f"{name} {word}", _quantified(word == "any", compare), 2, 2, "boolean")
        for name, compare in (
            ("=", equal),
            ("!=", _unequal),
            *((name, _ordering(one)) for name, one in _ORDERINGS.items()),
        )
        for word in ("any", "all")
    ),
)
