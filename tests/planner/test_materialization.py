"""When the parts of the records are fetched."""

from __future__ import annotations

import pytest

from chromasql.parser import parse
from chromasql.plan import Materialization
from chromasql.planner import bind_collections, build_plan

pytestmark = pytest.mark.unit


def materialization(sql: str, collections: int = 1) -> Materialization:
    names = [f"docs{number}" for number in range(collections)]
    return bind_collections(build_plan(parse(sql)), names).materialization


def test_parts_that_only_the_page_shows_come_late() -> None:
    """A sorted scan reads what it sorts by, and the document of the page alone."""
    plan = materialization("SELECT id, document FROM docs ORDER BY year LIMIT 3")

    assert (plan.with_candidates, plan.for_page) == (("metadata",), ("document",))


@pytest.mark.parametrize("sql", ["SELECT document FROM docs ORDER BY year", "SELECT document FROM docs LIMIT 3"])
def test_parts_of_rows_that_are_all_shown_come_at_once(sql: str) -> None:
    """Without LIMIT, and without an order, every row that is read is shown."""
    plan = materialization(sql)

    assert "document" in plan.with_candidates
    assert plan.for_page == ()


def test_few_candidates_bring_their_parts_and_many_do_not() -> None:
    """The same statement fetches late once the candidates cost more than another request."""
    sql = "SELECT id, document, embedding FROM docs RANK BY KNN([1, 2], limit => {}) LIMIT 5"

    assert materialization(sql.format(5)).with_candidates == ("document", "embedding")
    late = materialization(sql.format(200), collections=16)
    assert (late.with_candidates, late.for_page) == ((), ("document", "embedding"))


def test_no_part_is_fetched_twice() -> None:
    """Each part comes in one step only, the first that needs it."""
    sql = (
        "SELECT document, uri, metadata FROM docs WHERE title ILIKE '%a%' "
        "RANK BY KNN([1, 2], limit => 200) + year ORDER BY embedding.x, score LIMIT 5"
    )
    plan = materialization(sql.replace("embedding.x", "author"), collections=16)
    parts = [*plan.with_candidates, *plan.for_scoring, *plan.for_ordering, *plan.for_page]

    assert sorted(parts) == ["document", "metadata", "uri"]
    assert "metadata" in plan.with_candidates
