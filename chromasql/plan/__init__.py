"""What a statement will do, as plain data."""

from __future__ import annotations

from chromasql import _publish
from chromasql.plan.conditions import (
    ALWAYS,
    NEVER,
    And,
    ChromaRequest,
    Column,
    Comparison,
    Condition,
    Filter,
    Or,
    columns_of,
)
from chromasql.plan.rankings import (
    EMBEDDING_KEY,
    Bm25Leaf,
    Bm25Weights,
    KnnLeaf,
    Leaf,
    Ranking,
    SparseQuery,
    TextQuery,
    VectorQuery,
)
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
    "Bm25Weights",
    "CandidateSearch",
    "ChromaRequest",
    "Column",
    "Comparison",
    "Condition",
    "DescribePlan",
    "Filter",
    "Keep",
    "KnnLeaf",
    "Leaf",
    "Materialization",
    "Or",
    "OrderKey",
    "Output",
    "PlanWarning",
    "QueryPlan",
    "Ranking",
    "RerankPlan",
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
