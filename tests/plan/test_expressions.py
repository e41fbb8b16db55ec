"""Rank expressions as data."""

from __future__ import annotations

import pytest

from chromasql.plan.expressions import (
    RRF_K,
    Arithmetic,
    Constant,
    Fusion,
    LeafValue,
    MetadataValue,
    ScalarFunction,
    metadata_keys,
)

pytestmark = pytest.mark.unit


def test_metadata_keys_are_found_however_deep() -> None:
    """The keys that an expression reads are those below arithmetic, functions and fusions."""
    deep = ScalarFunction("MAX", (Constant(1), Fusion((MetadataValue("a"), LeafValue(0)), (1.0, 1.0))))

    assert metadata_keys(Arithmetic("+", MetadataValue("b"), deep)) == {"a", "b"}
    assert metadata_keys(LeafValue(0)) == frozenset()


def test_a_fusion_has_the_constant_of_the_paper() -> None:
    """Unless a statement says otherwise, k is 60."""
    assert Fusion((), ()).k == RRF_K == 60
