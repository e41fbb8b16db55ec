"""What Chroma may have stored or measured, and what it cannot have."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from chromadb.base_types import SparseVector
from hypothesis import given
from hypothesis import strategies as st

from chromasql import MemoryProvider, connect
from chromasql.operators.aggregate import group_key
from chromasql.operators.sort import sort_key
from chromasql.plan.stored_values import are_distances, is_metadata

pytestmark = pytest.mark.unit

SPARSE = {"#type": "sparse_vector", "indices": [1], "values": [0.5]}


@pytest.mark.parametrize(
    "value", [None, "a", 1, 1.5, True, ["a"], [1, 2.5], [True], SPARSE, SparseVector([1], [0.5]), np.float32(1)]
)
def test_metadata_that_chroma_stores(value: Any) -> None:
    """Scalars, None, lists of scalars and sparse vectors, in either form, are metadata."""
    assert is_metadata({"key": value, "other": 1})


@pytest.mark.parametrize("value", [{"k": 1}, [None], [["a"]], [{}], object(), {1}, b"x"])
def test_metadata_that_chroma_does_not_store(value: Any) -> None:
    """Mappings, lists with null and foreign objects are refused; sorting by them ended in a bare KeyError."""
    assert not is_metadata({"key": value, "other": 1})
    assert not is_metadata([value])


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_single_precision_is_the_range_of_distances(value: float) -> None:
    """Each finite number of single precision may be a distance; a number that rounds to infinity may not."""
    assert are_distances([value])
    with np.errstate(over="ignore"):
        assert are_distances([value * 1e10]) is bool(np.isfinite(np.float32(value * 1e10)))


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(st.lists(ANY_JSON, min_size=2))
def test_any_value_is_sorted_and_grouped(values: list[Any]) -> None:
    """Any JSON can be sorted and grouped; a mapping ended in a KeyError, a mapping as a group in a TypeError."""
    ordered = sorted((value for value in values if value is not None), key=sort_key)
    assert len({group_key(value) for value in ordered}) <= len(ordered)


@pytest.mark.parametrize("clause", ["ORDER BY key", "GROUP BY key KEEP 1"])
def test_sparse_vectors_as_keys(clause: str) -> None:
    """A statement may sort and group by a key that holds a sparse vector; it ended in a bare KeyError or TypeError."""
    records = {"docs": [{"id": "a", "metadata": {"key": SPARSE}}, {"id": "b", "metadata": {"key": 1}}]}
    found = connect(MemoryProvider(records)).execute(f"SELECT id FROM docs {clause}")
    assert {row["id"] for row in found} == {"a", "b"}
