"""Scopes as values."""

from __future__ import annotations

from typing import Any

import pytest

from chromasql import ast
from chromasql.errors import ChromaSQLPlanningError
from chromasql.parser import parse
from chromasql.plan import Column
from chromasql.planner.scope import OPEN, Scope

pytestmark = pytest.mark.unit


def test_names_and_patterns_allow_collections() -> None:
    """A collection is inside if one of the names or patterns fits it; without names every one is."""
    scope = Scope(collections=["notes", "docs_*"])

    assert [scope.allows_collection(name) for name in ("notes", "docs_1", "docs", "notes2")] == [
        True,
        True,
        False,
        False,
    ]
    assert OPEN.allows_collection("anything")
    assert not OPEN.restricts


def test_a_server_is_allowed_if_one_of_its_collections_may_be() -> None:
    """A server is outside only if no name can begin with its own."""
    scope = Scope(collections=["eu.docs", "*_shared"])

    assert scope.allows_server("eu")
    assert scope.allows_server("us")
    assert not Scope(collections=["eu.docs"]).allows_server("us")


def test_fields_allow_columns() -> None:
    """A key is allowed by name or with all the metadata; the collection and the score always are."""
    scope = Scope(fields=["id", "year"])

    assert scope.allows_column(Column("metadata", "year"))
    assert not scope.allows_column(Column("metadata", "author"))
    assert not scope.allows_column(Column("document"))
    assert scope.allows_column(Column("_collection"))
    assert scope.keys == ("year",)
    assert Scope(fields=["metadata"]).keys is None


def test_an_intersection_allows_what_both_allow() -> None:
    """Of two scopes both hold: names, fields, predicates, and the smaller limit."""
    inner = Scope(collections=["docs*"], fields=["year", "id"], where="year > 1", max_limit=5)
    outer = Scope(collections=["*1"], fields=["year"], where="year < 9", max_limit=9, max_cost=3)
    both = inner.intersect(outer)

    assert [both.allows_collection(name) for name in ("docs1", "docs2", "x1")] == [True, False, False]
    assert not both.allows_column(Column("id"))
    assert (both.limit("max_limit"), both.limit("max_cost"), both.limit("max_timeout")) == (5, 3, None)
    assert isinstance(both.predicate, ast.BooleanPredicate)
    assert inner.intersect(OPEN) is inner


def test_the_predicate_stands_beside_where() -> None:
    """A statement in a scope has the predicate of the scope and its own WHERE, joined by AND."""
    statement = parse("SELECT id FROM docs WHERE year = 1 OR year = 2")
    applied = Scope(where="author = :who", params={"who": "ada"}).apply_to(statement)

    assert isinstance(applied, ast.Query)
    assert isinstance(applied.where, ast.BooleanPredicate)
    assert (applied.where.operator, len(applied.where.predicates)) == ("AND", 2)
    assert OPEN.apply_to(statement) is statement


@pytest.mark.parametrize(
    "options",
    [
        {"collections": "docs"},
        {"fields": [1]},
        {"max_limit": 0},
        {"max_limit": 1.5},
        {"max_timeout": float("nan")},
        {"where": 1},
        {"params": {"a": 1}},
        {"within": "open"},
    ],
)
def test_a_scope_that_cannot_hold_is_refused(options: dict[str, Any]) -> None:
    """A scope with a mistake is refused when it is made rather than by the first statement."""
    with pytest.raises(ChromaSQLPlanningError) as caught:
        Scope(**options)
    assert caught.value.code == "invalid-scope"


def test_names_of_a_scope_are_exact() -> None:
    """Exact names are inside beside the patterns, and a star in a name is refused: it came by a value."""
    scope = Scope(names=["acme-api"], collections=["docs-*"])

    assert [name for name in ("acme-api", "acme-faq", "docs-1") if scope.allows_collection(name)] == [
        "acme-api",
        "docs-1",
    ]
    assert not Scope(names=[]).allows_collection("acme-api")
    assert Scope(names=["eu.docs"]).allows_server("eu")
    assert not Scope(names=["eu.docs"]).allows_server("us")
    with pytest.raises(ChromaSQLPlanningError, match="names of a Scope are exact") as caught:
        Scope(names=["*-api"])
    assert caught.value.code == "invalid-scope"


@pytest.mark.parametrize("name", ["two words", "docs/other", "docs\n"])
@pytest.mark.parametrize("option", ["collections", "names"])
def test_a_scope_refuses_names_that_chroma_does_not_allow(option: str, name: str) -> None:
    """A name with a character outside Chroma's rules is refused when the scope is made; it was taken."""
    with pytest.raises(ChromaSQLPlanningError) as caught:
        Scope(**{option: ["docs", name]})
    assert caught.value.code == "invalid-scope"
