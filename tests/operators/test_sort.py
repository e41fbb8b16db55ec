"""The order of values of any kind, of NULL and of ties."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chromasql.operators.row import Row
from chromasql.operators.sort import order_rows, score_order_key, sort_key
from chromasql.plan import Column, OrderKey

pytestmark = pytest.mark.unit

YEAR = Column("metadata", "year")
SCALARS = st.one_of(
    st.booleans(), st.integers(-3, 3), st.sampled_from([-1.5, 0.5, math.nan, math.inf]), st.text(max_size=2)
)
VALUES = st.one_of(st.none(), SCALARS, st.lists(SCALARS, max_size=2))


def row_of(number: int, value: Any, place: int = 0) -> Row:
    row = Row(f"c{place}", place, f"r{number:02d}")
    row.metadata = {} if value is None else {"year": value}
    return row


def kind_rank(value: Any) -> int:
    kinds = (bool, (int, float), str, list)
    return next(rank for rank, kind in enumerate(kinds) if isinstance(value, kind))


@given(st.lists(VALUES, max_size=12), st.booleans(), st.booleans())
def test_kinds_never_mix(values: list[Any], descending: bool, nulls_first: bool) -> None:
    """Booleans come before numbers, numbers before texts and texts before lists; NULL stands where the key says."""
    rows = [row_of(number, value) for number, value in enumerate(values)]
    ordered = [row.metadata.get("year") for row in order_rows(rows, [OrderKey(YEAR, descending, nulls_first)])]  # type: ignore[union-attr]
    nulls = [value is None for value in ordered]
    ranks = [kind_rank(value) for value in ordered if value is not None]

    assert nulls == sorted(nulls, reverse=nulls_first)
    assert ranks == sorted(ranks, reverse=descending)


@given(st.lists(st.integers(0, 2), min_size=1, max_size=12), st.integers(0, 12), st.randoms(use_true_random=False))
def test_ties_break_by_id_and_place(values: list[int], limit: int, random: Any) -> None:
    """Rows that compare equal come by id and then by place, in ascending and in descending order, however they came."""
    rows = [row_of(number // 2, value, place=number % 2) for number, value in enumerate(values)]
    random.shuffle(rows)

    for descending in (False, True):
        sign = -1 if descending else 1
        expected = sorted(rows, key=lambda row: (sign * row.metadata["year"], row.id, row.place))  # type: ignore[index]
        assert order_rows(rows, [OrderKey(YEAR, descending, nulls_first=False)], limit) == expected[:limit]


@pytest.mark.parametrize("score", [None, math.nan])
def test_rows_without_a_score_come_last(score: float | None) -> None:
    """A row whose score is NULL or NaN comes after the worst row that has one."""
    scored, unscored = row_of(2, 1), row_of(1, 1)
    scored.score, unscored.score = math.inf, score

    assert sorted([unscored, scored], key=score_order_key) == [scored, unscored]


def test_nan_is_the_largest_number() -> None:
    """NaN comes after every other number, and before text."""
    assert sorted(["a", math.nan, math.inf, 1], key=sort_key)[:2] == [1, math.inf]
    assert sort_key(math.inf) < sort_key(math.nan) < sort_key("")
