"""Ordering rows: kinds of values, NULLs and ties."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Any

from chromasql.operators.row import Row
from chromasql.operators.values import reader
from chromasql.plan import OrderKey

__all__ = ["order_rows", "score_order_key", "sort_key"]


def score_order_key(row: Row) -> tuple[bool, float, str, int]:
    """Return the key of ranked rows: lower score first, NaN and NULL last, ties by id, then by collection."""
    score = row.score
    if score is None or score != score:  # noqa: PLR0124 - only NaN differs from itself
        return True, 0.0, row.id, row.place
    return False, score, row.id, row.place


_KINDS = {bool: 0, int: 1, float: 1, str: 2}


_COMPARABLE = ({int}, {str})


def sort_key(value: Any) -> tuple[float, Any]:
    """
    Return a key that orders values of any kind: boolean, number (NaN after all others), string, list, anything else.

    Anything else is a sparse vector, say, or a None in a list.
    """
    if isinstance(value, list):
        return 3, [sort_key(item) for item in value]
    kind = _KINDS.get(type(value))
    if kind is None:
        return 4, repr(value)
    if value != value:  # noqa: PLR0124 - only NaN differs from itself
        return 1.5, None
    return kind, value


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
    present = [index for index, value in enumerate(values) if value is not None]
    absent = [rows[index] for index, value in enumerate(values) if value is None]
    # Most columns hold values of one kind, which compare as they are.
    if not any({type(values[index]) for index in present} <= kind for kind in _COMPARABLE):
        values = [None if value is None else sort_key(value) for value in values]
    present.sort(key=values.__getitem__, reverse=key.descending)
    ordered = [rows[index] for index in present]
    return absent + ordered if key.nulls_first else ordered + absent
