"""How recall is computed, against plain Python."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chromasql.operators.recall import NearestKeeper, recall_at, spaces_that_fit

NUMBERS = st.integers(-4, 4).map(float)
VECTORS = st.lists(st.tuples(NUMBERS, NUMBERS, NUMBERS), min_size=1, max_size=30)


def distance(space, left, right):
    dot = math.fsum(one * other for one, other in zip(left, right, strict=True))
    if space == "l2":
        return math.fsum((one - other) ** 2 for one, other in zip(left, right, strict=True))
    if space == "ip":
        return 1 - dot
    lengths = math.hypot(*left) * math.hypot(*right)
    return 1 - (dot / lengths if lengths else 0)


@given(VECTORS, st.sampled_from(["cosine", "ip", "l2"]), st.integers(1, 8), st.integers(1, 7))
def test_the_nearest_are_those_of_plain_python(vectors, space, count, page):
    """However vectors are cut into pages, the distances kept are the smallest of the other records."""
    ids = [str(number) for number in range(len(vectors))]
    keeper = NearestKeeper(space, vectors[:3], ids[:3], count)
    for start in range(0, len(vectors), page):
        keeper.add(ids[start : start + page], vectors[start : start + page])

    for index, query in enumerate(vectors[:3]):
        others = sorted(distance(space, query, vector) for own, vector in enumerate(vectors) if own != index)
        assert list(keeper.nearest(index).values()) == pytest.approx(others[:count], abs=1e-9)
        assert ids[index] not in keeper.nearest(index)


def test_recall_is_the_share_of_the_neighbours_that_were_found():
    """Two of four neighbours are half."""
    nearest = {"a": 1.0, "b": 2.0, "c": 3.0, "d": 4.0}

    assert recall_at("l2", nearest, {"a": 1.0, "d": 4.0, "x": 9.0, "y": 9.5}) == 0.5
    assert recall_at("l2", nearest, nearest) == 1.0
    assert recall_at("l2", nearest, {}) == 0.0


def test_a_tie_with_the_farthest_neighbour_is_as_good():
    """Another record at the distance of the farthest neighbour counts, within single precision; a farther one does not."""
    nearest = {"a": 1.0, "b": 2.0}

    assert recall_at("l2", nearest, {"a": 1.0, "x": 2.000001}) == 1.0
    assert recall_at("l2", nearest, {"a": 1.0, "x": 2.001}) == 0.5
    assert recall_at("cosine", {"a": 0.0}, {"x": 1e-6}) == 1.0
    assert recall_at("l2", {"a": 1e-9}, {"x": 1e-6}) == 0.0


def test_without_neighbours_nothing_is_missed():
    """A record that is alone has recall 1."""
    assert recall_at("l2", {}, {}) == 1.0


def test_distances_tell_their_space():
    """Distances fit the space that they were computed in; those of vectors of length 1 fit two."""
    random = np.random.default_rng(7)
    query, vectors = random.normal(size=8), random.normal(size=(5, 8))
    ones = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    for space in ("cosine", "ip", "l2"):
        assert spaces_that_fit(query, vectors, [distance(space, query, vector) for vector in vectors]) == [space]
    assert spaces_that_fit(ones[0], ones, [distance("ip", ones[0], vector) for vector in ones]) == ["cosine", "ip"]
