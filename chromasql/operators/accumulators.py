"""
The aggregates: one accumulator for each call and group, filled row by row and united over the collections.

Sums are exact until the end, values that are equal count as one (of 1 and 1.0 the whole number is shown), and where an
order shows it is that of the ids, then of the collections: nothing depends on how the records are spread. COUNT, SUM,
AVG, MIN, MAX, STDDEV, VARIANCE, ANY_VALUE, BOOL_AND and BOOL_OR hold one value for each group. MEDIAN, QUANTILE,
DISTINCT and the aggregates of lists and texts hold their values, `MAX_SIZE` of them at most.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable
from fractions import Fraction
from typing import Any, Protocol

from chromasql.ast import kind_of
from chromasql.operators.functions.registry import check_size
from chromasql.operators.functions.texts import as_text
from chromasql.operators.row import Row
from chromasql.operators.sort import sort_key
from chromasql.plan import AggregateCall, Computed
from chromasql.plan.values import Unvarying

__all__ = ["Accumulator", "accumulator_of", "counted", "group_key", "takes_numbers", "whole"]

_NUMERIC = frozenset({"AVG", "MEDIAN", "QUANTILE_CONT", "STDDEV", "SUM", "VARIANCE"})


def takes_numbers(function: str) -> bool:
    """Tell whether an aggregate leaves out values that are not numbers."""
    return function in _NUMERIC


class Accumulator(Protocol):
    """One aggregate of one group, under way."""

    def add(self, value: Any, row: Row) -> None:
        """Take a value that is not NULL."""

    def merge(self, other: Any) -> None:
        """Take all that another accumulator of the same call has taken."""

    def result(self) -> Any:
        """Return the value of the aggregate."""


def accumulator_of(call: AggregateCall) -> Accumulator:
    """Return an empty accumulator for a call."""
    make = _MAKERS[call.function]
    if call.distinct and call.function not in ("ANY_VALUE", "BOOL_AND", "BOOL_OR", "MAX", "MIN"):
        return _Distinct(lambda: make(call))
    return make(call)


def group_key(value: Any) -> Hashable:
    """Return what equal values have in common."""
    if value is None:
        return None
    if isinstance(value, list | tuple):
        return "list", tuple(map(group_key, value))
    if value != value:  # noqa: PLR0124 - only NaN differs from itself
        return "number", "NaN"
    # A sparse vector, say, is not hashable.
    return kind_of(value), value if isinstance(value, Hashable) else repr(value)


def whole(known: Any, value: Any) -> Any:
    """Return which of two equal values stands for both: 1 rather than 1.0, in arrays, too."""
    if isinstance(known, list):
        return list(map(whole, known, value))
    return value if isinstance(value, int) else known


class _Count:
    __slots__ = ("count",)

    def __init__(self, _: AggregateCall) -> None:
        self.count = 0

    def add(self, value: Any, row: Row) -> None:  # noqa: ARG002 - as the protocol has it
        self.count += 1

    def merge(self, other: _Count) -> None:
        self.count += other.count

    def result(self) -> int:
        return self.count


def counted(call: AggregateCall, count: int) -> Accumulator:
    """Return the accumulator of a COUNT(*) that has counted so many records."""
    accumulator = _Count(call)
    accumulator.count = count
    return accumulator


class _Sum:
    __slots__ = ("count", "total")

    def __init__(self, _: AggregateCall) -> None:
        self.count = 0
        self.total: Fraction | float = 0

    def add(self, value: Any, row: Row) -> None:  # noqa: ARG002
        self.count += 1
        self.total = _plus(self.total, value)

    def merge(self, other: _Sum) -> None:
        self.count += other.count
        self.total = _plus(self.total, other.total)

    def result(self) -> int | float | None:
        return _plain(self.total) if self.count else None


class _Mean(_Sum):
    __slots__ = ()

    def result(self) -> int | float | None:
        return _plain(_mean(self.total, self.count)) if self.count else None


class _Variance(_Sum):
    """The variance of the sample, from exact sums: (sum of squares - square of the sum / n) / (n - 1)."""

    __slots__ = ("infinite", "squares")

    def __init__(self, call: AggregateCall) -> None:
        super().__init__(call)
        self.squares: Fraction | int = 0
        self.infinite = False

    def add(self, value: Any, row: Row) -> None:
        if isinstance(value, float) and not math.isfinite(value):
            self.infinite = True
            return
        super().add(value, row)
        self.squares += value * value if isinstance(value, int) else Fraction(value) ** 2

    def merge(self, other: Any) -> None:
        super().merge(other)
        self.squares += other.squares
        self.infinite |= other.infinite

    def variance(self) -> Fraction | None:
        if self.count < 2 or self.infinite:
            return None
        return (Fraction(self.squares) - Fraction(self.total) ** 2 / self.count) / (self.count - 1)

    def result(self) -> int | float | None:
        variance = self.variance()
        return None if variance is None else float(_plain(variance))


class _Deviation(_Variance):
    __slots__ = ()

    def result(self) -> int | float | None:
        variance = self.variance()
        return None if variance is None else math.sqrt(_plain(variance))


class _Extreme:
    """MIN or MAX."""

    __slots__ = ("least", "value")

    def __init__(self, call: AggregateCall) -> None:
        self.least = call.function == "MIN"
        self.value: Any = None

    def add(self, value: Any, row: Row) -> None:  # noqa: ARG002
        known = self.value
        if known is None:
            self.value = value
            return
        a, b = sort_key(known), sort_key(value)
        if a == b:
            self.value = whole(known, value)
        elif (b < a) is self.least:
            self.value = value

    def merge(self, other: Any) -> None:
        if other.value is not None:
            self.add(other.value, _NO_ROW)

    def result(self) -> Any:
        return self.value


_NO_ROW = Row("", 0, "")


class _Logic:
    """BOOL_AND or BOOL_OR."""

    __slots__ = ("decisive", "value")

    def __init__(self, call: AggregateCall) -> None:
        self.decisive = call.function == "BOOL_OR"
        self.value: bool | None = None

    def add(self, value: Any, row: Row) -> None:  # noqa: ARG002
        if isinstance(value, bool) and self.value is not self.decisive:
            self.value = value

    def merge(self, other: _Logic) -> None:
        if other.value is not None:
            self.add(other.value, _NO_ROW)

    def result(self) -> bool | None:
        return self.value


class _First:
    """ANY_VALUE: the value of the first record by id, then by collection."""

    __slots__ = ("place", "value")

    def __init__(self, _: AggregateCall) -> None:
        self.place: tuple[str, int] | None = None
        self.value: Any = None

    def add(self, value: Any, row: Row) -> None:
        place = row.id, row.place
        if self.place is None or place < self.place:
            self.place, self.value = place, value

    def merge(self, other: _First) -> None:
        if other.place is not None and (self.place is None or other.place < self.place):
            self.place, self.value = other.place, other.value

    def result(self) -> Any:
        return self.value


class _Listed:
    """The base of what holds all its values, each with the place of its record."""

    __slots__ = ("call", "items")

    def __init__(self, call: AggregateCall) -> None:
        self.call = call
        self.items: list[tuple[str, int, Any]] = []

    def add(self, value: Any, row: Row) -> None:
        self.items.append((row.id, row.place, value))
        check_size(len(self.items), self.call.function)

    def merge(self, other: _Listed) -> None:
        self.items.extend(other.items)
        check_size(len(self.items), self.call.function)

    def in_order(self) -> list[Any]:
        return [value for _, _, value in sorted(self.items, key=lambda item: item[:2])]

    def result(self) -> Any:
        return self.in_order() or None


class _Joined(_Listed):
    """STRING_AGG."""

    __slots__ = ()

    def result(self) -> str | None:
        texts = [text for text in map(as_text, self.in_order()) if text is not None]
        separator = str(_constant(self.call))
        check_size(sum(map(len, texts)) + len(separator) * len(texts), "STRING_AGG")
        return separator.join(texts) if texts else None


class _Quantile(_Listed):
    """QUANTILE: the first value, in order, that at least so large a share of the values does not exceed."""

    __slots__ = ()

    def result(self) -> Any:
        values = sorted((value for _, _, value in self.items), key=sort_key)
        if not values:
            return None
        return values[max(0, math.ceil(Fraction(_constant(self.call)) * len(values)) - 1)]


class _Between(_Listed):
    """MEDIAN and QUANTILE_CONT: between the two nearest values, in proportion."""

    __slots__ = ()

    def result(self) -> int | float | None:
        values = sorted(value for _, _, value in self.items)
        if not values:
            return None
        share = Fraction(1, 2) if self.call.function == "MEDIAN" else Fraction(_constant(self.call))
        position = share * (len(values) - 1)
        low, high = values[math.floor(position)], values[math.ceil(position)]
        if low == high or not (math.isfinite(low) and math.isfinite(high)):
            return float(low)
        return float(Fraction(low) + (Fraction(high) - Fraction(low)) * (position - math.floor(position)))


class _Distinct:
    """An aggregate of the values that differ."""

    __slots__ = ("make", "values")

    def __init__(self, make: Callable[[], Accumulator]) -> None:
        self.make = make
        self.values: dict[Hashable, tuple[Any, str, int]] = {}

    def add(self, value: Any, row: Row) -> None:
        self._keep(group_key(value), value, (row.id, row.place))

    def _keep(self, key: Hashable, value: Any, place: tuple[str, int]) -> None:
        known = self.values.get(key)
        if known is not None:
            value, place = whole(known[0], value), min(known[1:], place)
        self.values[key] = value, *place
        check_size(len(self.values), "DISTINCT")

    def merge(self, other: _Distinct) -> None:
        for key, (value, identity, place) in other.values.items():
            self._keep(key, value, (identity, place))

    def result(self) -> Any:
        inner = self.make()
        for value, identity, place in self.values.values():
            inner.add(value, Row("", place, identity))
        return inner.result()


_MAKERS: dict[str, Callable[[AggregateCall], Accumulator]] = {
    "ANY_VALUE": _First,
    "ARRAY_AGG": _Listed,
    "AVG": _Mean,
    "BOOL_AND": _Logic,
    "BOOL_OR": _Logic,
    "COUNT": _Count,
    "MAX": _Extreme,
    "MEDIAN": _Between,
    "MIN": _Extreme,
    "QUANTILE": _Quantile,
    "QUANTILE_CONT": _Between,
    "STDDEV": _Deviation,
    "STRING_AGG": _Joined,
    "SUM": _Sum,
    "VARIANCE": _Variance,
}


def _constant(call: AggregateCall) -> Any:
    """Return the second argument of a call, which the planner has checked."""
    (argument,) = call.others
    assert isinstance(argument, Computed)
    assert isinstance(argument.expression, Unvarying)
    return argument.expression.value


def _plus(left: Fraction | float, right: Fraction | float) -> Fraction | float:
    """Add exactly: whole numbers stay whole, and floats are added as fractions; an infinite score stays infinite."""
    if isinstance(left, int) and isinstance(right, int):
        return left + right
    infinite = [item for item in (left, right) if isinstance(item, float) and not math.isfinite(item)]
    return sum(infinite) if infinite else Fraction(left) + Fraction(right)


def _mean(total: Fraction | float, count: int) -> Fraction | float:
    return total if isinstance(total, float) else Fraction(total) / count


def _plain(total: Fraction | float) -> int | float:
    """Round a sum once; one that no float can hold is infinite."""
    if isinstance(total, int):
        return total
    try:
        return float(total)
    except OverflowError:
        return math.inf if total > 0 else -math.inf
