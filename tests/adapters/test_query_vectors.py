"""Vectors of requests: each is encoded once for all collections of a statement, and never that of another."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chromasql.adapters.http.session import encode_vectors
from chromasql.protocols import QueryVector

NUMBERS = st.lists(st.one_of(st.floats(allow_nan=False, allow_infinity=False), st.integers(-9, 9), st.booleans()))


@given(st.lists(st.tuples(NUMBERS, st.booleans())))
def test_law_encoding_changes_nothing(drawn: list[tuple[list[Any], bool]]) -> None:
    """A request with vectors of the engine, or of anybody else, is the same bytes as one with plain lists."""
    vectors = [QueryVector(numbers) if ours else numbers for numbers, ours in drawn]
    for _ in range(2):
        assert orjson.dumps(encode_vectors(vectors)) == orjson.dumps([numbers for numbers, _ in drawn])


def test_encoded_once() -> None:
    """A vector of the engine is encoded by the first call alone."""
    vector = QueryVector([0.5, 1.5])
    ((first,), (second,)) = encode_vectors([vector]), encode_vectors([vector])
    assert first is second


def test_lists_of_callers_are_not_kept() -> None:
    """A list that its owner changes between two calls is sent as it is at each of them."""
    numbers = [0.5, 1.5]
    assert orjson.dumps(encode_vectors([numbers])) == b"[[0.5,1.5]]"
    numbers[0] = 2.5
    assert orjson.dumps(encode_vectors([numbers])) == b"[[2.5,1.5]]"


def test_threads_never_see_the_vectors_of_others() -> None:
    """Threads that encode different vectors at the same time each get their own."""
    vectors = [QueryVector([float(number), 0.5]) for number in range(50)]

    def encode(number: int) -> bool:
        expected = orjson.dumps([[float(number % 50), 0.5]])
        return orjson.dumps(encode_vectors([vectors[number % 50]])) == expected

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(encode, range(2_000)))


@pytest.mark.parametrize(
    "vectors", [None, ((1.0,),), [(1.0,)], [[object()]]], ids=["none", "tuple", "tuples", "object"]
)
def test_other_values_are_left_alone(vectors: Any) -> None:
    """What is not a list of the engine's vectors is encoded, or refused, with the rest of the request."""
    assert encode_vectors(vectors) == vectors
