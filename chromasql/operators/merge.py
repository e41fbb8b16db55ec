"""Many lists of rows to one: by distance or by reciprocal rank; then order and page. Pure functions."""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from itertools import islice, repeat
from typing import cast

from chromasql.operators.row import HitColumns, Row
from chromasql.operators.sort import score_order_key
from chromasql.plan.expressions import RRF_K

__all__ = ["merge_by_distance", "merge_by_rank"]
"""The constant of reciprocal rank fusion, from Cormack, Clarke and Buettcher (SIGIR 2009)."""


def merge_by_distance(lists: Sequence[Sequence[Row]], count: int) -> list[Row]:
    """Merge lists that are each sorted by `score_order_key` and return the best ``count`` rows."""
    if all(isinstance(rows, HitColumns) for rows in lists):
        return _merge_columns(cast("Sequence[HitColumns]", lists), count)
    return list(islice(heapq.merge(*lists, key=score_order_key), count))


def _merge_columns(lists: Sequence[HitColumns], count: int) -> list[Row]:
    """Merge without making a row of a hit that loses."""
    entries = [
        zip(hits.distances, hits.ids, repeat(hits.place), range(len(hits)), repeat(index), strict=False)
        for index, hits in enumerate(lists)
    ]
    return [lists[index][position] for _, _, _, position, index in islice(heapq.merge(*entries), count)]


def merge_by_rank(lists: Sequence[Sequence[Row]], count: int, *, comparable: bool) -> list[Row]:
    """
    Fuse lists by reciprocal rank: the score of an id is the sum of -1 / (60 + rank) over the lists that hold it.

    Ranks count from 0. An id found in several lists is one row, the one that stands highest. Ties go by distance where
    the distances of the lists are ``comparable``, then by id. The sum is rounded once, so that the order of the lists
    cannot break a tie.
    """
    ranks: dict[str, list[int]] = {}
    best: dict[str, tuple[tuple[int, float, int], Row]] = {}
    for rows in lists:
        for rank, row in enumerate(rows):
            ranks.setdefault(row.id, []).append(rank)
            stands = (rank, _distance(row) if comparable else 0.0, row.place)
            if row.id not in best or stands < best[row.id][0]:
                best[row.id] = stands, row
    for row_id, (_, row) in best.items():
        row.score = -math.fsum(1 / (RRF_K + rank) for rank in ranks[row_id])
    ordered = sorted(best.values(), key=lambda item: (item[1].score, item[0][1], item[1].id))
    return [row for _, row in ordered[:count]]


def _distance(row: Row) -> float:
    return math.inf if row.distance is None else row.distance
