"""Merging lists of rows by distance and by rank."""

from __future__ import annotations

from array import array
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chromasql.operators.merge import merge_by_distance, merge_by_rank
from chromasql.operators.row import HitColumns, Row
from chromasql.plan.expressions import RRF_K

pytestmark = pytest.mark.unit

HITS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 20)), max_size=12, unique_by=lambda hit: hit[1])


def rows_of(place: int, hits: list[tuple[int, int]]) -> list[Row]:
    rows = []
    for distance, number in sorted((float(distance), f"r{number:02d}") for distance, number in hits):
        row = Row(f"c{place}", place, number)
        row.distance = row.score = distance
        rows.append(row)
    return rows


def columns_of(place: int, hits: list[tuple[int, int]]) -> HitColumns:
    rows = rows_of(place, hits)
    make = partial(Row, f"c{place}", place)
    return HitColumns(make, place, [row.id for row in rows], array("f", [row.distance or 0.0 for row in rows]), {})


def shown(rows: list[Row]) -> list[tuple[Any, ...]]:
    return [(row.score, row.id, row.place) for row in rows]


@given(st.lists(HITS, max_size=4), st.integers(0, 20))
def test_merging_by_distance_is_sorting_all_rows(lists: list[list[tuple[int, int]]], count: int) -> None:
    """The merge of sorted lists is the start of one sorted list of all rows: by distance, then id, then place."""
    rows = [rows_of(place, hits) for place, hits in enumerate(lists)]
    everything = sorted((row.score, row.id, row.place) for part in rows for row in part)

    assert shown(merge_by_distance(rows, count)) == everything[:count]


@given(st.lists(HITS, max_size=4), st.integers(0, 20))
def test_columns_merge_like_rows(lists: list[list[tuple[int, int]]], count: int) -> None:
    """Hits that are kept as columns merge to the same rows as hits that are rows already."""
    rows = [rows_of(place, hits) for place, hits in enumerate(lists)]
    columns = [columns_of(place, hits) for place, hits in enumerate(lists)]

    assert shown(merge_by_distance(columns, count)) == shown(merge_by_distance(rows, count))


@given(st.lists(HITS, min_size=1, max_size=4), st.randoms(use_true_random=False))
def test_the_order_of_the_lists_does_not_matter_to_ranks(lists: list[list[tuple[int, int]]], random: Any) -> None:
    """Reciprocal rank fusion gives the same rows in the same order, however the lists are ordered."""
    plain = [rows_of(place, hits) for place, hits in enumerate(lists)]
    shuffled = [rows_of(place, hits) for place, hits in enumerate(lists)]
    random.shuffle(shuffled)

    assert shown(merge_by_rank(plain, 50, comparable=False)) == shown(merge_by_rank(shuffled, 50, comparable=False))


def test_a_rank_counts_as_cormack_says() -> None:
    """The first row of a list has the score -1 / k and the second -1 / (k + 1), with k = 60."""
    merged = merge_by_rank([rows_of(0, [(1, 1), (2, 2)])], 5, comparable=False)

    assert RRF_K == 60
    assert [row.score for row in merged] == [-1 / 60, -1 / 61]
