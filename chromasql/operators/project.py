"""The last step: rows of the engine to rows of the answer."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any

from chromasql.operators.aggregate import Groups, group_key
from chromasql.operators.row import Row
from chromasql.operators.sort import order_rows
from chromasql.operators.values import reader
from chromasql.plan import Column, Output, QueryPlan

__all__ = ["EXPLAIN_COLUMN", "ordered_groups", "project_rows"]

EXPLAIN_COLUMN = "_explain"
"""The column that holds the audit trail of a row."""


def ordered_groups(groups: Groups, plan: QueryPlan) -> list[Row]:
    """Return the groups of a statement in their order, each combination of a SELECT DISTINCT once."""
    rows = groups.rows()
    if plan.order:
        rows = order_rows(rows, plan.order)
    if plan.distinct:
        reads = [reader(output.column) for output in plan.outputs]
        first: dict[Hashable, Row] = {}
        for row in rows:
            first.setdefault(tuple(group_key(read(row)) for read in reads), row)
        rows = list(first.values())
    return rows


def project_rows(rows: Sequence[Row], plan: QueryPlan, *, explain_rows: bool) -> list[dict[str, Any]]:
    """Return the rows as dicts in the columns of SELECT; with ``explain_rows``, how each came to its score."""
    columns = [(output.name, _shown_value(output)) for output in plan.outputs]
    projected = [{name: read(row) for name, read in columns} for row in rows]
    if explain_rows and plan.rankings and plan.aggregation is None:
        for shown, row in zip(projected, rows, strict=True):
            shown[EXPLAIN_COLUMN] = {
                "score": row.score,
                "leaves": [None if hit is None else {"rank": hit.rank, "distance": hit.distance} for hit in row.hits],
            }
    return projected


def _shown_value(output: Output) -> Callable[[Row], Any]:
    read = reader(output.column)
    if output.column != Column("metadata"):
        return read
    left_out, only = frozenset(output.without), output.only
    # Chroma gives the keys in another order on each run.
    return lambda row: {
        key: value for key, value in sorted(read(row).items()) if key not in left_out and (only is None or key in only)
    }
