"""What a statement will do, as plain data."""

from __future__ import annotations

from chromasql import _publish
from chromasql.plan.columns import Column
from chromasql.plan.conditions import (
    ALWAYS,
    NEVER,
    And,
    ChromaRequest,
    Comparison,
    Condition,
    Filter,
    Holds,
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
    FEW_MATCHES,
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
from chromasql.plan.values import Computed, Read, columns_in

__all__ = [
    "ALWAYS",
    "EMBEDDING_KEY",
    "FEW_MATCHES",
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
    "Computed",
    "Condition",
    "DescribePlan",
    "Filter",
    "Holds",
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
    "Read",
    "RerankPlan",
    "ShowPlan",
    "SparseQuery",
    "StatementPlan",
    "TextQuery",
    "VectorQuery",
    "VisibleRecords",
    "columns_in",
    "columns_of",
    "plan_to_dict",
    "visible_records_of",
]

_publish(__name__)
