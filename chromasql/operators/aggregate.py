"""
GROUP BY: the first rows of each group, and groups with their aggregates.

Values that are equal in SQL make one group: 1 and 1.0 do, TRUE and 1 do not. Of 1 and 1.0 the whole number counts and
is shown, so nothing depends on the order of the rows, nor on how they are spread.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from typing import Any

from chromasql.ast import is_number
from chromasql.operators.accumulators import (
    Accumulator,
    accumulator_of,
    counted,
    group_key,
    takes_numbers,
    whole,
)
from chromasql.operators.predicate import compile_condition
from chromasql.operators.row import Row
from chromasql.operators.sort import order_rows, sort_key
from chromasql.operators.values import compile_value, reader
from chromasql.plan import AggregateCall, Aggregation, Keep

__all__ = ["Groups", "group_key", "keep_groups"]


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


class Groups:
    """The groups of a statement, filled by `add` and united by `merge`."""

    def __init__(self, aggregation: Aggregation) -> None:
        self._aggregation = aggregation
        self._reads = [reader(key) for key in aggregation.keys]
        self._calls = [_Counted(call) for call in aggregation.calls]
        self._groups: dict[Hashable, tuple[list[Any], list[Accumulator]]] = {}
        self.left_out: Counter[AggregateCall] = Counter()
        """How many values that are not numbers each aggregate of numbers left out, over all groups."""
        if not aggregation.keys:
            self._accumulators_of([])

    def _accumulators_of(self, keys: list[Any]) -> list[Accumulator]:
        key = tuple(map(group_key, keys))
        found = self._groups.get(key)
        if found is None:
            found = self._groups[key] = keys, [accumulator_of(call) for call in self._aggregation.calls]
            return found[1]
        known = found[0]
        for index, value in enumerate(keys):
            known[index] = whole(known[index], value)
        return found[1]

    def add(self, rows: Iterable[Row]) -> None:
        """Count rows in."""
        for row in rows:
            accumulators = self._accumulators_of([read(row) for read in self._reads])
            for call, accumulator in zip(self._calls, accumulators, strict=True):
                if not call.count_in(accumulator, row):
                    self.left_out[call.call] += 1

    def add_count(self, keys: list[Any], count: int) -> None:
        """Count records in that need not be looked at; all aggregates are COUNT(*)."""
        for call, accumulator in zip(self._aggregation.calls, self._accumulators_of(keys), strict=True):
            accumulator.merge(counted(call, count))

    def merge(self, other: Groups) -> None:
        """Add the groups of another part of the records."""
        self.left_out.update(other.left_out)
        for keys, theirs in other._groups.values():
            for mine, accumulator in zip(self._accumulators_of(list(keys)), theirs, strict=True):
                mine.merge(accumulator)

    def rows(self) -> list[Row]:
        """Return a row for each group that HAVING keeps, in the order of the keys."""
        finished = [
            Row("", 0, "", metadata=dict(zip(map(str, range(len(values))), values, strict=True)))
            for keys, accumulators in self._groups.values()
            for values in [[*keys, *(accumulator.result() for accumulator in accumulators)]]
        ]
        if self._aggregation.having is not None:
            finished = list(filter(compile_condition(self._aggregation.having), finished))
        width = len(self._aggregation.keys)
        finished.sort(key=lambda row: [_last_if_null((row.metadata or {})[str(index)]) for index in range(width)])
        for index, row in enumerate(finished):
            row.place = index
        return finished


class _Counted:
    """How one aggregate reads a row."""

    def __init__(self, call: AggregateCall) -> None:
        self.call = call
        self._where = None if call.where is None else compile_value(call.where.expression)
        self._read = None if call.column is None else reader(call.column)
        self._others = [reader(other) for other in call.others] if call.function == "COUNT" else []
        self._keeps_null = call.function == "ARRAY_AGG"
        self._numeric = takes_numbers(call.function)

    def count_in(self, accumulator: Accumulator, row: Row) -> bool:
        """Count a row in, and tell whether its value was one that the aggregate can take (as it can NULL)."""
        if self._where is not None and self._where(row) is not True:
            return True
        if self._read is None:
            accumulator.add(None, row)
            return True
        value = self._read(row)
        if value is None and not self._keeps_null:
            return True
        if self._numeric and not is_number(value):
            return False
        if self._others:
            values = (value, *[read(row) for read in self._others])
            if None not in values:
                accumulator.add(values, row)
            return True
        accumulator.add(value, row)
        return True


def _last_if_null(value: Any) -> tuple[bool, Any]:
    return (True, ()) if value is None else (False, sort_key(value))
