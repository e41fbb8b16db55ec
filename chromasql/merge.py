"""Many lists of rows to one: by distance or by reciprocal rank; then order and page. Pure functions."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Any

from chromasql.plan import OrderKey
from chromasql.rows import Row, reader

__all__ = ["RRF_K", "merge_by_distance", "merge_by_rank", "nearness", "order_rows", "sort_key"]

RRF_K = 60
"""The constant of reciprocal rank fusion, from Cormack, Clarke and Buettcher (SIGIR 2009)."""


def nearness(row: Row) -> tuple[float, str, int]:
    """The order of ranked rows: lower score first, ties by id, then by the collection's place."""
    assert row.score is not None
    return row.score, row.id, row.place


def merge_by_distance(lists: Sequence[Sequence[Row]], count: int) -> list[Row]:
    """Merge lists that are each sorted by `nearness` and return the best ``count`` rows."""
    return list(islice(heapq.merge(*lists, key=nearness), count))


def merge_by_rank(lists: Sequence[Sequence[Row]], count: int) -> list[Row]:
    """
    Fuse lists by reciprocal rank: the score of an id is the sum of -1 / (60 + rank) over the lists that hold it.

    Ranks count from 0. An id found in several lists is one row, the one that stands highest; equal scores go by distance.
    """
    scores: dict[str, float] = {}
    best: dict[str, tuple[int, float, int, Row]] = {}
    for rows in lists:
        for rank, row in enumerate(rows):
            scores[row.id] = scores.get(row.id, 0.0) - 1 / (RRF_K + rank)
            here = (rank, _or_infinite(row.distance), row.place, row)
            if row.id not in best or here[:3] < best[row.id][:3]:
                best[row.id] = here
    for row_id, (*_, row) in best.items():
        row.score = scores[row_id]
    fused = (row for *_, row in best.values())
    return heapq.nsmallest(count, fused, key=lambda row: (row.score, _or_infinite(row.distance), row.id, row.place))


def _or_infinite(distance: float | None) -> float:
    return float("inf") if distance is None else distance


_KINDS = {bool: 0, int: 1, float: 1, str: 2}


def sort_key(value: Any) -> tuple[int, Any]:
    """Return a key that orders values of any kind: boolean, number, string, list."""
    if isinstance(value, list):
        return 3, [sort_key(item) for item in value]
    return _KINDS[type(value)], value


def order_rows(rows: Iterable[Row], keys: Sequence[OrderKey], limit: int | None = None) -> list[Row]:
    """
    Sort rows by the keys of ORDER BY, ties by id and then by the collection's place; return at most ``limit``.

    Where NULL goes is in the key; what it is beside does not matter.
    """
    ordered = sorted(rows, key=lambda row: (row.id, row.place))
    for key in reversed(keys):
        read = reader(key.column)
        present = [row for row in ordered if read(row) is not None]
        absent = [row for row in ordered if read(row) is None]
        present.sort(key=_keyed(read), reverse=key.descending)
        ordered = absent + present if key.nulls_first else present + absent
    return ordered[:limit]


def _keyed(read: Callable[[Row], Any]) -> Callable[[Row], tuple[int, Any]]:
    return lambda row: sort_key(read(row))


