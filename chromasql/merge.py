"""Many lists of rows to one: by distance or by reciprocal rank; then order and page. Pure functions."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Sequence
from itertools import islice, repeat
from operator import attrgetter
from typing import Any, cast

from chromasql.plan import OrderKey
from chromasql.rows import Hits, Row, reader

__all__ = ["RRF_K", "merge_by_distance", "merge_by_rank", "nearness", "order_rows", "sort_key"]

RRF_K = 60
"""The constant of reciprocal rank fusion, from Cormack, Clarke and Buettcher (SIGIR 2009)."""


def nearness(row: Row) -> tuple[bool, float, str, int]:
    """Return the key of ranked rows: lower score first, NaN and NULL last, ties by id, then by collection."""
    score = row.score
    if score is None or score != score:  # noqa: PLR0124 - only NaN differs from itself
        return True, 0.0, row.id, row.place
    return False, score, row.id, row.place


def merge_by_distance(lists: Sequence[Sequence[Row]], count: int) -> list[Row]:
    """Merge lists that are each sorted by `nearness` and return the best ``count`` rows."""
    if all(isinstance(rows, Hits) for rows in lists):
        return _merge_columns(cast("Sequence[Hits]", lists), count)
    return list(islice(heapq.merge(*lists, key=nearness), count))


def _merge_columns(lists: Sequence[Hits], count: int) -> list[Row]:
    """Merge without making a row of a hit that loses."""
    entries = [
        zip(hits.distances, hits.ids, repeat(hits.place), range(len(hits)), repeat(at), strict=False)
        for at, hits in enumerate(lists)
    ]
    return [lists[at][position] for _, _, _, position, at in islice(heapq.merge(*entries), count)]


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
    ordered = sorted(best.values(), key=lambda each: (each[1].score, each[0][1], each[1].id))
    return [row for _, row in ordered[:count]]


def _distance(row: Row) -> float:
    return math.inf if row.distance is None else row.distance


_KINDS = {bool: 0, int: 1, float: 1, str: 2}
_COMPARABLE = ({int}, {str})


def sort_key(value: Any) -> tuple[float, Any]:
    """Return a key that orders values of any kind: boolean, number (NaN after all others), string, list."""
    if isinstance(value, list):
        return 3, [sort_key(item) for item in value]
    if value != value:  # noqa: PLR0124 - only NaN differs from itself
        return 1.5, None
    return _KINDS[type(value)], value


def order_rows(rows: Iterable[Row], keys: Sequence[OrderKey], limit: int | None = None) -> list[Row]:
    """
    Sort rows by the keys of ORDER BY, ties by id and then by the collection's place; return at most ``limit``.

    Where NULL goes is in the key; what it is beside does not matter.
    """
    ordered = sorted(rows, key=attrgetter("place"))
    ordered.sort(key=attrgetter("id"))
    for key in reversed(keys):
        ordered = _sorted_by(ordered, key)
    return ordered[:limit]


def _sorted_by(rows: Sequence[Row], key: OrderKey) -> list[Row]:
    values = list(map(reader(key.column), rows))
    present = [at for at, value in enumerate(values) if value is not None]
    absent = [rows[at] for at, value in enumerate(values) if value is None]
    # Most columns hold values of one kind, which compare as they are.
    if not any({type(values[at]) for at in present} <= kind for kind in _COMPARABLE):
        values = [None if value is None else sort_key(value) for value in values]
    present.sort(key=values.__getitem__, reverse=key.descending)
    ordered = [rows[at] for at in present]
    return absent + ordered if key.nulls_first else ordered + absent
