"""Warnings for metadata keys that no record seems to have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from chromasql.errors import near_names
from chromasql.plan import Column, PlanWarning, QueryPlan, columns_of, visible_records_of
from chromasql.plan.expressions import metadata_keys

__all__ = ["find_unknown_keys", "warn_of_unknown"]


def find_unknown_keys(plan: QueryPlan, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """
    Return the metadata keys of a statement that its rows do not show, in the order of the names.

    Keys of WHERE are suspicious where there are no rows at all, keys of SELECT where they are NULL in every row.
    """
    shown = {output.name: output.column for output in plan.outputs if output.column.part == "metadata"}
    empty = {column for name, column in shown.items() if all(row.get(name) is None for row in rows)}
    if not rows:
        empty |= columns_of(plan.condition) | {key.column for key in plan.order}
        empty |= {Column("metadata", key) for ranking in plan.rankings for key in metadata_keys(ranking.score)}
    if plan.aggregation is not None and not rows:
        empty |= {*plan.aggregation.keys}
    seen = visible_records_of(plan).keys
    empty -= columns_of(visible_records_of(plan).condition)
    keys = {column.key for column in empty if column.part == "metadata" and column.key is not None}
    return sorted(key for key in keys if seen is None or key in seen)


def warn_of_unknown(keys: Iterable[str], sample: Iterable[Mapping[str, Any]]) -> list[PlanWarning]:
    """Warn of each key that no record of a sample has; without a sample there is nothing to tell."""
    known = {key for metadata in sample for key in metadata}
    if not known:
        return []
    return [
        PlanWarning("unknown-key", f"no record of a sample has the metadata key {key}{near_names(key, known)}")
        for key in keys
        if key not in known
    ]
