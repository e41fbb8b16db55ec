"""What a statement will do, as plain data."""

from __future__ import annotations

# `typing.get_type_hints` evaluates the annotations of what is published in this namespace.
from typing import Any  # noqa: F401

from chromasql import _publish
from chromasql.ast import Scalar
from chromasql.plan.conditions import (
    ALWAYS,
    NEVER,
    And,
    ChromaRequest,
    Column,
    Comparison,
    Condition,
    Filter,
    Operator,
    Or,
    columns_of,
)
from chromasql.plan.expressions import Expression
from chromasql.plan.rankings import EMBEDDING_KEY, Bm25Leaf, KnnLeaf, Leaf, Ranking, SparseQuery, TextQuery, VectorQuery
from chromasql.plan.serialize import plan_to_dict
from chromasql.plan.statements import (
    AggregateCall,
    Aggregation,
    CandidateSearch,
    DescribePlan,
    Keep,
    Materialization,
    OrderKey,
    Output,
    PlanWarning,
    QueryPlan,
    RerankPlan,
    ShowPlan,
    StatementPlan,
    VisibleRecords,
    visible_records_of,
)

__all__ = [
    "ALWAYS",
    "EMBEDDING_KEY",
    "NEVER",
    "AggregateCall",
    "Aggregation",
    "And",
    "Bm25Leaf",
    "CandidateSearch",
    "ChromaRequest",
    "Column",
    "Comparison",
    "Condition",
    "DescribePlan",
    "Expression",
    "Filter",
    "Keep",
    "KnnLeaf",
    "Leaf",
    "Materialization",
    "Operator",
    "Or",
    "OrderKey",
    "Output",
    "PlanWarning",
    "QueryPlan",
    "Ranking",
    "RerankPlan",
    "Scalar",
    "ShowPlan",
    "SparseQuery",
    "StatementPlan",
    "TextQuery",
    "VectorQuery",
    "VisibleRecords",
    "columns_of",
    "plan_to_dict",
    "visible_records_of",
]

_publish(__name__)
