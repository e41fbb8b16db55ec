"""Functions of values of any kind: choices, kinds, casts and lists."""

from __future__ import annotations

import math
from typing import Any

from chromasql.ast import is_number, is_whole_number, kind_of
from chromasql.errors import ChromaSQLExecutionError
from chromasql.operators.functions.dates import read_moment
from chromasql.operators.functions.numbers import NUMBERS
from chromasql.operators.functions.registry import Function, ResultType, check_size
from chromasql.operators.functions.texts import as_text

__all__ = ["VALUES"]

_ROUND = next(function for function in NUMBERS if function.name == "ROUND").apply


_TRUE = frozenset({"1", "on", "t", "true", "y", "yes"})


_FALSE = frozenset({"0", "f", "false", "n", "no", "off"})


def _nullif(value: Any, other: Any) -> Any:
    same = value is not None and other is not None and kind_of(value) == kind_of(other) and value == other
    return None if same else value


def _typeof(value: Any) -> str:
    return "null" if value is None else {"string": "text"}.get(kind_of(value), kind_of(value))


def _element(items: Any, index: Any) -> Any:
    if not is_whole_number(index) or not isinstance(items, list | str):
        return None
    position = index - 1 if index > 0 else len(items) + index if index < 0 else -1
    return items[position] if 0 <= position < len(items) else None


def _cardinality(items: Any) -> Any:
    return len(items) if isinstance(items, list) else None


def _array_join(items: Any, separator: Any) -> Any:
    if not isinstance(items, list) or not isinstance(separator, str):
        return None
    texts = [text for text in map(as_text, items) if text is not None]
    check_size(sum(map(len, texts)) + len(separator) * max(0, len(texts) - 1), "ARRAY_JOIN")
    return separator.join(texts)


# Casts


def _to_integer(value: Any) -> Any:
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, str):
        text = value.strip()
        try:
            value = int(text) if text.lstrip("+-").isdigit() and text.isascii() else float(text)
        except ValueError:
            return None
    if not is_number(value) or not math.isfinite(value):
        return None
    return value if isinstance(value, int) else int(_ROUND(value))


def _to_double(value: Any) -> Any:
    if isinstance(value, bool):
        return float(value)
    try:
        return float(value) if isinstance(value, str) or is_number(value) else None
    except (ValueError, OverflowError):
        return None


def _to_boolean(value: Any) -> Any:
    if isinstance(value, bool):
        return value
    if is_number(value):
        return value != 0
    word = value.strip().lower() if isinstance(value, str) else ""
    return True if word in _TRUE else False if word in _FALSE else None


_CASTS = {
    "INTEGER": _to_integer,
    "DOUBLE": _to_double,
    "TEXT": as_text,
    "BOOLEAN": _to_boolean,
    "TIMESTAMP": read_moment,
}


_RESULTS: dict[str, ResultType] = {
    "INTEGER": "number",
    "DOUBLE": "number",
    "TEXT": "text",
    "BOOLEAN": "boolean",
    "TIMESTAMP": "timestamp",
}


def _cast(to: str) -> Any:
    convert = _CASTS[to]

    def cast(value: Any) -> Any:
        converted = convert(value)
        if converted is None:
            raise ChromaSQLExecutionError(
                f"CAST cannot read {_shown(value)} as {to}; TRY_CAST gives NULL for what it cannot read",
                code="invalid-cast",
            )
        return converted

    return cast


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


VALUES = (
    Function(
        "COALESCE",
        lambda *values: next((value for value in values if value is not None), None),
        1,
        None,
        strict=False,
        doc="The first that is not NULL.",
        example="COALESCE(NULL, 'a') = 'a'",
    ),
    Function(
        "NULLIF",
        _nullif,
        2,
        2,
        strict=False,
        doc="NULL where both are equal, else the first.",
        example="NULLIF('a', 'b') = 'a'",
    ),
    Function(
        "TYPEOF",
        _typeof,
        result="text",
        strict=False,
        doc="null, boolean, number, text or list.",
        example="TYPEOF(1.5) = 'number'",
    ),
    Function(
        "CARDINALITY",
        _cardinality,
        result="number",
        doc="How many elements a list has.",
        example="TYPEOF(CARDINALITY(NULL)) = 'null'",
    ),
    Function(
        "ARRAY_JOIN",
        _array_join,
        2,
        2,
        "text",
        doc="The elements of a list, with a text between them.",
        example="ARRAY_JOIN(NULL, ', ') IS NULL",
    ),
    Function("element", _element, 2, 2),
    *(Function(f"cast {name}", _cast(name), result=result) for name, result in _RESULTS.items()),
    *(Function(f"try_cast {name}", _CASTS[name], result=result) for name, result in _RESULTS.items()),
)
