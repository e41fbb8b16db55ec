"""Rank expressions as data."""

from __future__ import annotations

import pytest

from chromasql.plan import Column, Computed
from chromasql.plan.expressions import (
    RRF_K,
    Arithmetic,
    ComputedValue,
    Constant,
    Fusion,
    LeafValue,
    MetadataValue,
    ScalarFunction,
    columns_of_score,
)
from chromasql.plan.values import Operation

pytestmark = pytest.mark.unit


def test_columns_are_found_however_deep() -> None:
    """The columns that a score reads are those below arithmetic, functions, fusions and computed values."""
    length = ComputedValue(Computed(Operation("LENGTH", (Column("document"),)), "LENGTH(document)"))
    deep = ScalarFunction("MAX", (Constant(1), Fusion((MetadataValue("a"), LeafValue(0), length), (1.0, 1.0, 1.0))))

    found = columns_of_score(Arithmetic("+", MetadataValue("b"), deep))

    assert found == {Column("metadata", "a"), Column("metadata", "b"), Column("document")}
    assert columns_of_score(LeafValue(0)) == frozenset()


def test_a_fusion_has_the_constant_of_the_paper() -> None:
    """Unless a statement says otherwise, k is 60."""
    assert Fusion((), ()).k == RRF_K == 60
