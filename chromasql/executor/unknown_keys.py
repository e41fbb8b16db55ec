"""Warnings for metadata keys that no record seems to have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from chromasql.dispatch.open_collection import CollectionHandle
from chromasql.errors import near_names
from chromasql.executor.state import StatementContext
from chromasql.plan import Column, PlanWarning, QueryPlan, columns_of, visible_records_of
from chromasql.plan.expressions import metadata_keys
from chromasql.retrieval.scan import scan

__all__ = ["warn_of_unknown_keys"]

_SAMPLED_RECORDS = 100


_SAMPLED_COLLECTIONS = 3


async def warn_of_unknown_keys(context: StatementContext, rows: Sequence[Mapping[str, Any]]) -> None:
    """Warn of each metadata key of the statement that neither its rows nor some sampled records have."""
    keys = _find_unknown_keys(context.plan, rows)
    opened = [handle for handle in context.handles if handle.collection is not None]
    if not keys or not opened:
        return
    work = partial(_sample_metadata, context, opened[:_SAMPLED_COLLECTIONS])
    sample = await context.dispatcher.best_effort(work)
    for warning in _unknown_key_warnings(keys, sample or ()):
        context.dispatcher.ledger.warn(warning)


async def _sample_metadata(context: StatementContext, handles: Sequence[CollectionHandle]) -> list[dict[str, Any]]:
    """Return the visible metadata of the first records of collections."""
    view = visible_records_of(context.plan)
    found: list[dict[str, Any]] = []
    for handle in handles:
        reader = context.reader(handle, "sample")
        async for rows in scan(reader, view.filter, ("metadata",), wanted=_SAMPLED_RECORDS, page=view.page):
            found.extend(view.shown(row.metadata or {}) for row in rows)
    return found


def _find_unknown_keys(plan: QueryPlan, rows: Sequence[Mapping[str, Any]]) -> list[str]:
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


def _unknown_key_warnings(keys: Iterable[str], sample: Iterable[Mapping[str, Any]]) -> list[PlanWarning]:
    """Warn of each key that no record of a sample has; an empty sample proves nothing."""
    known = {key for metadata in sample for key in metadata}
    if not known:
        return []
    return [
        PlanWarning("unknown-key", f"no record of a sample has the metadata key {key}{near_names(key, known)}")
        for key in keys
        if key not in known
    ]
