"""
GROUP BY: the first rows of each group, and COUNT, SUM, AVG, MIN, MAX. Pure functions that hold one entry per group.

Values that are equal in SQL make one group: 1 and 1.0 do, TRUE and 1 do not. Of 1 and 1.0 the whole number counts and
is shown, and sums are exact until the end, so nothing depends on the order of the rows, nor on how they are spread.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from chromasql.ast import kind_of
from chromasql.operators.predicate import compile_condition
from chromasql.operators.row import Row, reader
from chromasql.operators.sort import order_rows, sort_key
from chromasql.plan import AggregateCall, Aggregation, Keep

__all__ = ["Groups", "group_key", "keep_groups"]


def group_key(value: Any) -> Hashable:
    """Return what equal values have in common."""
    if value is None:
        return None
    if isinstance(value, list):
        return "list", tuple(map(group_key, value))
    if value != value:  # noqa: PLR0124 - only NaN differs from itself
        return "number", "NaN"
    # A sparse vector, say, is not hashable.
    return kind_of(value), value if isinstance(value, Hashable) else repr(value)


def keep_groups(rows: Sequence[Row], keep: Keep) -> list[Row]:
    """Return, in the order given, the first rows of each group by the order of KEEP, or by the order given."""
    reads = [reader(column) for column in keep.keys]
    groups: dict[Hashable, list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(group_key(read(row)) for read in reads), []).append(row)
    kept: set[int] = set()
    for group in groups.values():
        ordered = order_rows(group, keep.order) if keep.order else group
        kept.update(id(row) for row in ordered[: keep.count])
    return [row for row in rows if id(row) in kept]


@dataclass(slots=True)
class _Entry:
    """One aggregate of one group, under way."""

    count: int = 0
    total: Fraction | float | int = 0
    least: Any = None
    most: Any = None
    distinct: dict[Hashable, Any] = field(default_factory=dict)


class Groups:
    """The groups of a statement, filled by `add` and united by `merge`."""

    def __init__(self, aggregation: Aggregation) -> None:
        self._aggregation = aggregation
        self._reads = [reader(column) for column in aggregation.keys]
        self._values: list[Callable[[Row], Any] | None] = [
            None if call.column is None else reader(call.column) for call in aggregation.calls
        ]
        self._groups: dict[Hashable, tuple[list[Any], list[_Entry]]] = {}
        self.left_out: Counter[AggregateCall] = Counter()
        """How many values that are not numbers each SUM and AVG left out, over all groups."""
        if not aggregation.keys:
            self._entry_of([])

    def _entry_of(self, keys: list[Any]) -> list[_Entry]:
        found = self._groups.setdefault(
            tuple(map(group_key, keys)), (keys, [_Entry() for _ in self._aggregation.calls])
        )
        for index, key in enumerate(keys):
            found[0][index] = _whole(found[0][index], key)
        return found[1]

    def add(self, rows: Iterable[Row]) -> None:
        """Count rows in."""
        for row in rows:
            entries = self._entry_of([read(row) for read in self._reads])
            for call, read, entry in zip(self._aggregation.calls, self._values, entries, strict=True):
                if not _count_in(call, entry, None if read is None else read(row)):
                    self.left_out[call] += 1

    def add_count(self, keys: list[Any], count: int) -> None:
        """Count records in that need not be looked at."""
        for entry in self._entry_of(keys):
            entry.count += count

    def merge(self, other: Groups) -> None:
        """Add the groups of another part of the records."""
        self.left_out.update(other.left_out)
        for keys, theirs in other._groups.values():
            for call, mine, entry in zip(self._aggregation.calls, self._entry_of(list(keys)), theirs, strict=True):
                _merge(call, mine, entry)

    def rows(self) -> list[Row]:
        """Return a row for each group that HAVING keeps, in the order of the keys."""
        finished = [
            Row("", 0, "", metadata=dict(zip(map(str, range(len(values))), values, strict=True)))
            for keys, entries in self._groups.values()
            for values in [
                [*keys, *(_value(call, entry) for call, entry in zip(self._aggregation.calls, entries, strict=True))]
            ]
        ]
        if self._aggregation.having is not None:
            finished = list(filter(compile_condition(self._aggregation.having), finished))
        width = len(self._aggregation.keys)
        finished.sort(key=lambda row: [_last_if_null((row.metadata or {})[str(index)]) for index in range(width)])
        for index, row in enumerate(finished):
            row.place = index
        return finished


def _last_if_null(value: Any) -> tuple[bool, Any]:
    return (True, ()) if value is None else (False, sort_key(value))


def _whole(known: Any, value: Any) -> Any:
    """Return which of two equal values stands for both: 1 rather than 1.0, in arrays, too."""
    if isinstance(known, list):
        return list(map(_whole, known, value))
    return value if isinstance(value, int) else known


def _count_in(call: AggregateCall, entry: _Entry, value: Any) -> bool:
    """Count a value in, and tell whether it was one that the aggregate can take (as it can NULL)."""
    if call.column is None:
        entry.count += 1
        return True
    if value is None:
        return True
    if call.function in ("SUM", "AVG") and kind_of(value) != "number":
        return False
    if call.distinct:
        _keep_distinct(entry, group_key(value), value)
        return True
    entry.count += 1
    match call.function:
        case "SUM" | "AVG":
            entry.total = _plus(entry.total, value)
        case "MIN" | "MAX":
            entry.least = _first(entry.least, value, least=True)
            entry.most = _first(entry.most, value, least=False)
    return True


def _keep_distinct(entry: _Entry, key: Hashable, value: Any) -> None:
    entry.distinct[key] = _whole(entry.distinct.get(key, value), value)


def _merge(call: AggregateCall, mine: _Entry, theirs: _Entry) -> None:
    mine.count += theirs.count
    mine.total = _plus(mine.total, theirs.total)
    for key, value in theirs.distinct.items():
        _keep_distinct(mine, key, value)
    if call.function in ("MIN", "MAX") and theirs.count:
        mine.least = _first(mine.least, theirs.least, least=True)
        mine.most = _first(mine.most, theirs.most, least=False)


def _plus(left: Fraction | float, right: Fraction | float) -> Fraction | float:
    """Add exactly: whole numbers stay whole, and floats are added as fractions; an infinite score stays infinite."""
    if isinstance(left, int) and isinstance(right, int):
        return left + right
    infinite = [item for item in (left, right) if isinstance(item, float) and not math.isfinite(item)]
    return sum(infinite) if infinite else Fraction(left) + Fraction(right)


def _first(known: Any, value: Any, *, least: bool) -> Any:
    if known is None:
        return value
    a, b = sort_key(known), sort_key(value)
    if a == b:
        return _whole(known, value)
    return value if (b < a) is least else known


def _value(call: AggregateCall, entry: _Entry) -> Any:
    values = list(entry.distinct.values())
    count = len(values) if call.distinct else entry.count
    match call.function:
        case "COUNT":
            return count
        case "MIN" | "MAX":
            if call.distinct and values:
                return (min if call.function == "MIN" else max)(values, key=sort_key)
            return entry.least if call.function == "MIN" else entry.most
        case _:
            total = entry.total
            for value in values:
                total = _plus(total, value)
            if count == 0:
                return None
            return _plain(total) if call.function == "SUM" else _plain(_mean(total, count))


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
