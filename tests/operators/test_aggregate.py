"""Groups and their aggregates, filled in any order and united in any order."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chromasql.operators.aggregate import Groups, group_key, keep_groups
from chromasql.operators.row import Row
from chromasql.plan import AggregateCall, Aggregation, Column, Keep, OrderKey

pytestmark = pytest.mark.unit

KIND, PRICE = Column("metadata", "kind"), Column("metadata", "price")
CALLS = (
    AggregateCall("COUNT", None),
    AggregateCall("COUNT", PRICE),
    AggregateCall("SUM", PRICE),
    AggregateCall("MIN", PRICE),
    AggregateCall("MAX", PRICE),
    AggregateCall("COUNT", PRICE, distinct=True),
)
PRICES = st.one_of(st.none(), st.integers(-5, 5), st.sampled_from([0.1, 0.2, 0.3, 1e16, -1e16]))
RECORDS = st.lists(st.tuples(st.sampled_from("ab"), PRICES), max_size=20)


def rows_of(records: list[tuple[str, Any]]) -> list[Row]:
    rows = []
    for number, (kind, price) in enumerate(records):
        row = Row("docs", 0, f"r{number:02d}")
        row.metadata = {"kind": kind} | ({} if price is None else {"price": price})
        rows.append(row)
    return rows


def results(groups: Groups) -> list[list[Any]]:
    return [[row.metadata[str(index)] for index in range(1 + len(CALLS))] for row in groups.rows()]  # type: ignore[index]


@given(RECORDS, st.integers(0, 20))
def test_groups_unite_to_the_same_result(records: list[tuple[str, Any]], cut: int) -> None:
    """Two parts that were grouped apart and united give what grouping all rows at once gives, sums to the last bit."""
    aggregation = Aggregation((KIND,), CALLS)
    whole, left, right = Groups(aggregation), Groups(aggregation), Groups(aggregation)
    rows = rows_of(records)
    whole.add(rows)
    left.add(rows[cut:])
    right.add(rows[:cut])
    left.merge(right)

    assert results(left) == results(whole)


@given(RECORDS)
def test_aggregates_are_those_of_a_loop(records: list[tuple[str, Any]]) -> None:
    """COUNT, SUM, MIN, MAX and COUNT(DISTINCT) of each group are what a plain loop over its values finds."""
    groups = Groups(Aggregation((KIND,), CALLS))
    groups.add(rows_of(records))
    expected = []
    for kind in sorted({kind for kind, _ in records}):
        prices = [price for of, price in records if of == kind and price is not None]
        total = sum(map(Fraction, prices))
        summed = int(total) if all(isinstance(price, int) for price in prices) else float(total)
        expected.append(
            [
                kind,
                sum(of == kind for of, _ in records),
                len(prices),
                summed if prices else None,
                min(prices, default=None),
                max(prices, default=None),
                len(set(prices)),
            ]
        )

    assert results(groups) == expected


def test_equal_values_make_one_group() -> None:
    """1 and 1.0 are one group and NaN is one; TRUE and 1, and lists of other values, are not."""
    assert group_key(1) == group_key(1.0)
    assert group_key(math.nan) == group_key(float("nan"))
    assert group_key(True) != group_key(1)
    assert group_key([1, "a"]) == group_key([1.0, "a"]) != group_key(["a", 1])


def test_keep_takes_the_first_of_each_group_in_its_own_order() -> None:
    """KEEP 1 BY price keeps the cheapest record of each kind, and leaves the records in the order they had."""
    rows = rows_of([("a", 3), ("b", 5), ("a", 1), ("b", 4)])
    kept = keep_groups(rows, Keep((KIND,), 1, (OrderKey(PRICE, descending=False, nulls_first=False),)))

    assert [row.id for row in kept] == ["r02", "r03"]
    assert [row.id for row in keep_groups(rows, Keep((KIND,), 1))] == ["r00", "r01"]
