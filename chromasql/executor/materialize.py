"""Late materialization: parts of records, fetched for the rows that need them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chromasql.dispatch.open_collection import CollectionHandle
from chromasql.executor.state import StatementContext
from chromasql.operators.row import Row
from chromasql.plan import PlanWarning, visible_records_of
from chromasql.retrieval.scan import fetch_by_ids
from chromasql.retrieval.stale_index import is_still_indexed, report_stale_index

__all__ = ["materialize"]


async def materialize(context: StatementContext, rows: list[Row], parts: Sequence[str]) -> list[Row]:
    """
    Fetch parts of rows from the collections that own them, and return the rows that are still there.

    A row that is gone by now is left out, with a warning. Raises `ChromaSQLExecutionError` where too many collections
    have failed.
    """
    if not parts or not rows:
        return rows
    plan, ledger = context.plan, context.dispatcher.ledger
    by_place: dict[int, list[Row]] = {}
    for row in rows:
        by_place.setdefault(row.place, []).append(row)
    owners = [handle for handle in context.handles if handle.place in by_place]
    condition = visible_records_of(plan).condition
    stale: set[int] = set()

    async def fetch(handle: CollectionHandle) -> dict[str, dict[str, Any]]:
        ids = [row.id for row in by_place[handle.place]]
        reader = context.reader(handle, "fetch")
        records = await fetch_by_ids(reader, ids, parts, page=plan.page, condition=condition)
        gone = [row_id for row_id in ids if row_id not in records]
        if gone and plan.rankings and await is_still_indexed(reader, gone[0]):
            report_stale_index(reader, len(gone))
            stale.add(handle.place)
        reader.count_rows(len(records))
        return records

    found = {handle.place: records for handle, records in await context.dispatcher.fan_out("fetch", owners, fetch)}
    ledger.require_some()
    kept: list[Row] = []
    for row in rows:
        record = found.get(row.place, {}).get(row.id)
        if record is not None:
            for part, value in record.items():
                setattr(row, part, value)
            kept.append(row)
        elif row.place in found and row.place not in stale:
            # A scope may hide the id by now.
            gone = row.id if plan.view is None else "a record"
            message = f"{gone} was deleted from {row.collection} while the statement ran"
            ledger.warn(PlanWarning("record-gone", message))
    return kept
