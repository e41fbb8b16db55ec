"""Distances that are measured here."""

from __future__ import annotations

import math

import pytest

from chromasql import ChromaSQLExecutionError
from chromasql.operators.distance import distances

pytestmark = pytest.mark.unit

VECTORS = [[3.0, 4.0], [0.0, 0.0], [-2.0, 0.0]]


@pytest.mark.parametrize(
    ("space", "expected"),
    [("l2", [20.0, 1.0, 9.0]), ("cosine", [0.4, 1.0, 2.0]), ("ip", [-2.0, 1.0, 3.0])],
)
def test_spaces(space: str, expected: list[float]) -> None:
    """l2 is squared, cosine is 1 - cos with 1 for a zero vector, ip is 1 - dot; all in single precision."""
    found = distances(space, [1.0, 0.0], VECTORS)

    assert all(math.isclose(one, other, rel_tol=1e-6, abs_tol=1e-6) for one, other in zip(found, expected, strict=True))


def test_another_space_is_an_error() -> None:
    """A space that is not one of Chroma's is refused by name; it failed before, when any other word meant ip."""
    with pytest.raises(ChromaSQLExecutionError, match="manhattan") as caught:
        distances("manhattan", [1.0, 0.0], VECTORS)

    assert caught.value.code == "unknown-space"
