"""Plans set on their collections."""

from __future__ import annotations

import pytest

from chromasql.parser import parse
from chromasql.planner import DISTRIBUTED, bind_collections, build_plan, with_vector

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("where", "names"),
    [
        ("_collection = 'a'", ("a",)),
        ("_collection != 'a'", ("b", "c")),
        ("_collection IN ('a', 'c') AND year = 1", ("a", "c")),
        ("_collection = 'a' OR year = 1", ("a", "b", "c")),
        ("NOT (_collection = 'a' OR _collection = 'b')", ("c",)),
        ("_collection = 'x'", ()),
    ],
)
def test_collections_that_cannot_hold_the_answer_are_left_out(where: str, names: tuple[str, ...]) -> None:
    """A collection is left out if WHERE, judged by _collection alone, is false in it."""
    plan = build_plan(parse(f"SELECT id FROM docs WHERE {where}"))

    assert bind_collections(plan, ["a", "b", "c"]).collections == names


def test_another_kind_of_chroma_gets_its_own_requests() -> None:
    """On distributed Chroma the filter, the page and the way to search are decided anew."""
    plan = build_plan(parse("SELECT id FROM docs WHERE id = 'a' RANK BY KNN([1, 2]) LIMIT 3"))
    bound = bind_collections(plan, ["docs"], dialect=DISTRIBUTED)

    assert (bound.dialect, bound.page, bound.search) == ("distributed", DISTRIBUTED.page, "whole")
    assert bound.filter.requests[0].where == {"#id": {"$eq": "a"}}
    assert bind_collections(plan, ["docs"]).filter.requests[0].ids == ("a",)


def test_another_vector_changes_nothing_else() -> None:
    """A plan for one vector serves another as if it had been planned for it."""
    sql = "SELECT id FROM docs USING EMBEDDING (VECTOR {}) LIMIT 3"
    one, two = (build_plan(parse(sql.format(vector))) for vector in ("[1, 2]", "[3, 4]"))

    assert with_vector(one, (3.0, 4.0)).rankings == two.rankings
