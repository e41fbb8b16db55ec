"""A plan as JSON."""

from __future__ import annotations

import dataclasses
from datetime import datetime
from typing import Any

from chromasql.plan.columns import Column
from chromasql.plan.conditions import And, Comparison, Holds, Or
from chromasql.plan.expressions import (
    Arithmetic,
    ComputedValue,
    Constant,
    Fusion,
    LeafValue,
    MetadataValue,
    ScalarFunction,
)
from chromasql.plan.rankings import Bm25Leaf, KnnLeaf, SparseQuery, TextQuery, VectorQuery
from chromasql.plan.statements import DescribePlan, QueryPlan, ShowPlan, StatementPlan
from chromasql.plan.values import Cases, Computed, Interval, Operation, Unvarying

__all__ = ["plan_to_dict"]


def plan_to_dict(plan: StatementPlan) -> dict[str, Any]:
    """
    Return the plan as plain dicts, lists and scalars, ready for JSON.

    Every field is there under its own name, and each nested part says its kind under ``kind`` where kinds mix.
    """
    fields: dict[str, Any] = _plain(plan)
    if isinstance(plan, QueryPlan):
        fields["mode"] = plan.mode
    return fields


_KINDS: dict[type, str] = {
    And: "all",
    Or: "any",
    Arithmetic: "arithmetic",
    Bm25Leaf: "bm25",
    Cases: "case",
    ComputedValue: "computed",
    Constant: "constant",
    Holds: "expression",
    Interval: "interval",
    Operation: "operation",
    Unvarying: "value",
    DescribePlan: "describe",
    Fusion: "rrf",
    KnnLeaf: "knn",
    LeafValue: "leaf",
    MetadataValue: "metadata",
    QueryPlan: "select",
    ScalarFunction: "function",
    ShowPlan: "show",
    SparseQuery: "sparse",
    Comparison: "test",
    TextQuery: "text",
    VectorQuery: "vector",
}


def _plain(value: Any) -> Any:
    if isinstance(value, Column | Computed):
        return str(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        kind = _KINDS.get(type(value))
        fields = {part.name: _plain(getattr(value, part.name)) for part in dataclasses.fields(value)}
        return fields if kind is None else {"kind": kind, **fields}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value
