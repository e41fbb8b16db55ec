"""Arithmetic and functions of numbers: whole numbers are exact, others are doubles; a boolean is not a number."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from chromasql.ast import is_number, is_whole_number
from chromasql.operators.functions.registry import Function, check_size

__all__ = ["NUMBERS"]


def _plus(left: Any, right: Any) -> Any:
    return _finite_or_infinite(lambda: left + right) if is_number(left) and is_number(right) else None


def _minus(left: Any, right: Any) -> Any:
    return _finite_or_infinite(lambda: left - right) if is_number(left) and is_number(right) else None


def _times(left: Any, right: Any) -> Any:
    if not is_number(left) or not is_number(right):
        return None
    if isinstance(left, int) and isinstance(right, int):
        check_size(left.bit_length() + right.bit_length(), "*")
    return _finite_or_infinite(lambda: left * right)


def _over(left: Any, right: Any) -> Any:
    """Divide truly; division by zero is NULL."""
    if not is_number(left) or not is_number(right) or right == 0:
        return None
    return _finite_or_infinite(lambda: left / right)


def _remainder(left: Any, right: Any) -> Any:
    """Return the rest of a division, with the sign of the left side, as in SQL."""
    if not is_number(left) or not is_number(right) or right == 0:
        return None
    if isinstance(left, int) and isinstance(right, int):
        rest = abs(left) % abs(right)
        return -rest if left < 0 else rest
    try:
        return math.fmod(left, right)
    except (OverflowError, ValueError):
        return None


def _finite_or_infinite(compute: Callable[[], Any]) -> Any:
    try:
        return compute()
    except OverflowError:  # a whole number that no double can hold
        return None


def _negative(value: Any) -> Any:
    return -value if is_number(value) else None


def _positive(value: Any) -> Any:
    return value if is_number(value) else None


def _abs(value: Any) -> Any:
    return abs(value) if is_number(value) else None


def _sign(value: Any) -> Any:
    return (value > 0) - (value < 0) if is_number(value) else None


def _round(value: Any, digits: Any = 0) -> Any:
    """Round half away from zero, as the number is written: ROUND(2.675, 2) is 2.68."""
    if not is_number(value) or not is_whole_number(digits):
        return None
    if isinstance(value, int):
        if digits >= 0:
            return value
        unit = 10 ** min(-digits, 400)
        return int((abs(value) + unit // 2) // unit * unit) * (1 if value >= 0 else -1)
    if not math.isfinite(value) or digits > 330:
        return value
    if digits < -330:
        return 0.0
    return (
        float(Decimal(repr(value)).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP))
        if _fits(value, digits)
        else value
    )


def _fits(value: float, digits: int) -> bool:
    """Whether the rounded number has few enough digits for decimal arithmetic; one with more is rounded already."""
    return value == 0 or math.log10(abs(value)) + digits < 27


def _whole(function: Callable[[float], int]) -> Callable[[Any], Any]:
    def rounded(value: Any) -> Any:
        if not is_number(value):
            return None
        return function(value) if math.isfinite(value) else value

    return rounded


def _real(function: Callable[..., float]) -> Callable[..., Any]:
    """Return a function of real numbers: NULL where it has no real value."""

    def computed(*values: Any) -> Any:
        if not all(map(is_number, values)):
            return None
        try:
            result = function(*map(float, values))
        except (ValueError, OverflowError, ZeroDivisionError):
            return None
        return None if result != result else result  # noqa: PLR0124 - only NaN differs from itself

    return computed


def _power(base: Any, exponent: Any) -> Any:
    if not is_number(base) or not is_number(exponent):
        return None
    if isinstance(base, int) and isinstance(exponent, int) and exponent >= 0:
        check_size(base.bit_length() * exponent if base not in (-1, 0, 1) else 1, "POWER")
        return base**exponent
    return _real(math.pow)(base, exponent)


def _log(*values: Any) -> Any:
    """Return the logarithm to base 10, or to the base that comes first, as in PostgreSQL."""
    if len(values) == 1:
        return _real(math.log10)(*values)
    base, value = values
    return _real(lambda one, other: math.log(other) / math.log(one))(base, value)


def _extreme(choose: Callable[..., Any]) -> Callable[..., Any]:
    """Return GREATEST or LEAST: NULL is passed over, and values of different kinds cannot be compared."""

    def chosen(*values: Any) -> Any:
        known = [value for value in values if value is not None]
        comparable = all(map(is_number, known)) or all(isinstance(value, str) for value in known)
        return choose(known) if known and comparable else None

    return chosen


NUMBERS = (
    Function("+", _plus, 2, 2, "number"),
    Function("-", _minus, 2, 2, "number"),
    Function("*", _times, 2, 2, "number"),
    Function("/", _over, 2, 2, "number"),
    Function("%", _remainder, 2, 2, "number"),
    Function("negative", _negative, result="number"),
    Function("positive", _positive, result="number"),
    Function("ABS", _abs, result="number", doc="Without its sign.", example="ABS(-2) = 2"),
    Function("SIGN", _sign, result="number", doc="-1, 0 or 1.", example="SIGN(-2.5) = -1"),
    Function(
        "ROUND",
        _round,
        1,
        2,
        "number",
        doc="To n digits after the point, half away from zero.",
        example="ROUND(2.675, 2) = 2.68",
    ),
    Function(
        "FLOOR", _whole(math.floor), result="number", doc="The next whole number below.", example="FLOOR(-1.5) = -2"
    ),
    Function("CEIL", _whole(math.ceil), result="number", doc="The next whole number above.", example="CEIL(1.2) = 2"),
    Function(
        "TRUNC", _whole(math.trunc), result="number", doc="Without what is after the point.", example="TRUNC(-1.5) = -1"
    ),
    Function("SQRT", _real(math.sqrt), result="number", doc="The square root; NULL below 0.", example="SQRT(9) = 3"),
    Function("POWER", _power, 2, 2, "number", doc="To a power.", example="POWER(2, 10) = 1024"),
    Function("EXP", _real(math.exp), result="number", doc="e to a power.", example="EXP(0) = 1"),
    Function(
        "LN", _real(math.log), result="number", doc="The natural logarithm; NULL for 0 and below.", example="LN(1) = 0"
    ),
    Function(
        "LOG",
        _log,
        1,
        2,
        "number",
        doc="The logarithm to base 10, or to the base that comes first. In RANK BY, as in Chroma, the natural one.",
        example="LOG(2, 8) = 3",
    ),
    Function(
        "MOD",
        _remainder,
        2,
        2,
        "number",
        doc="The rest of a division, with the sign of the left side.",
        example="MOD(-7, 3) = -1",
    ),
    Function(
        "GREATEST",
        _extreme(max),
        1,
        None,
        strict=False,
        doc="The largest, NULL passed over; all numbers or all texts.",
        example="GREATEST(1, 3, 2) = 3",
    ),
    Function(
        "LEAST",
        _extreme(min),
        1,
        None,
        strict=False,
        doc="The smallest, NULL passed over.",
        example="LEAST(3, 1, 2) = 1",
    ),
)
