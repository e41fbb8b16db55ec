"""Names of a statement as columns."""

from __future__ import annotations

import pytest

from chromasql.errors import ChromaSQLPlanningError
from chromasql.parser import parse
from chromasql.planner import build_plan
from chromasql.planner.scope import Scope

pytestmark = pytest.mark.unit


def names(sql: str, scope: Scope | None = None) -> list[str]:
    return [output.name for output in build_plan(parse(sql), scope=scope).outputs]


def test_a_star_shows_what_there_is() -> None:
    """* is id, document and metadata, and the distance in a ranked statement."""
    assert names("SELECT * FROM docs") == ["id", "document", "metadata"]
    assert names("SELECT * FROM docs RANK BY KNN([1])") == ["id", "document", "metadata", "distance"]


def test_a_star_shows_what_the_scope_allows() -> None:
    """In a scope * leaves out the columns outside, and of the metadata it shows the keys inside."""
    plan = build_plan(parse("SELECT * FROM docs"), scope=Scope(fields=["id", "year"]))

    assert [(output.name, output.only) for output in plan.outputs] == [("id", None), ("metadata", ("year",))]


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("SELECT id, year AS id FROM docs", "duplicate-column"),
        ("SELECT id FROM docs ORDER BY distance", "ranking-required"),
        ("SELECT id FROM docs WHERE score < 1", "not-allowed-here"),
        ("SELECT id FROM docs WHERE metadata = 1", "not-allowed-here"),
        ("SELECT id FROM docs WHERE COUNT(*) = 1", "not-allowed-here"),
        ("SELECT document.year FROM docs", "not-allowed-here"),
    ],
)
def test_a_name_in_the_wrong_place_is_refused(sql: str, code: str) -> None:
    """A name that does not mean anything where it stands is an error with a code."""
    with pytest.raises(ChromaSQLPlanningError) as caught:
        build_plan(parse(sql))
    assert caught.value.code == code


def test_an_alias_stands_for_its_field() -> None:
    """ORDER BY reads an alias as what SELECT gives that name."""
    (key,) = build_plan(parse("SELECT year AS y FROM docs ORDER BY y")).order

    assert str(key.column) == "metadata.year"
