"""Conjunctions and unions of requests."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chromasql.plan import ChromaRequest
from chromasql.planner.pushdown.requests import chunked, intersect, unite

pytestmark = pytest.mark.unit

IDS = st.lists(st.sampled_from("abcd"), min_size=1, max_size=3, unique=True)
REQUESTS = st.one_of(
    IDS.map(lambda ids: ChromaRequest(ids=tuple(ids))),
    st.sampled_from("xyz").map(lambda value: ChromaRequest(where={"k": {"$eq": value}})),
)
RECORDS = [(row_id, value) for row_id in "abcde" for value in "xyzw"]


def finds(request: ChromaRequest, record: tuple[str, str]) -> bool:
    row_id, value = record
    if request.ids is not None and row_id not in request.ids:
        return False
    return holds(request.where, value)


def holds(where: dict[str, object] | None, value: str) -> bool:
    if where is None:
        return True
    ((key, operand),) = where.items()
    if key == "$and":
        return all(holds(part, value) for part in operand)  # type: ignore[attr-defined]
    if key == "$or":
        return any(holds(part, value) for part in operand)  # type: ignore[attr-defined]
    assert isinstance(operand, dict)
    ((operator, wanted),) = operand.items()
    return value in wanted if operator == "$in" else value == wanted


@given(st.lists(REQUESTS, min_size=1, max_size=5))
def test_a_union_finds_what_one_of_its_parts_finds(requests: list[ChromaRequest]) -> None:
    """Uniting requests, which may join them into fewer, neither loses nor adds a record."""
    united = unite(requests)

    for record in RECORDS:
        assert any(finds(request, record) for request in united) == any(finds(part, record) for part in requests)


@given(st.lists(st.lists(REQUESTS, min_size=1, max_size=3), min_size=1, max_size=3))
def test_an_intersection_loses_no_record(unions: list[list[ChromaRequest]]) -> None:
    """What is in every union is found by their intersection, whatever it had to leave to the re-check."""
    requests, kept = intersect([tuple(union) for union in unions])

    assert len(kept) == len(unions)
    for record in RECORDS:
        if all(any(finds(part, record) for part in union) for union in unions):
            assert any(finds(request, record) for request in requests)


@given(st.lists(st.integers(), max_size=30), st.integers(1, 7))
def test_chunks_hold_every_value_once(values: list[int], size: int) -> None:
    """A list is cut into parts of at most the size, which hold its values in order."""
    parts = list(chunked(tuple(values), size))

    assert [value for part in parts for value in part] == values
    assert all(len(part) <= size for part in parts)
