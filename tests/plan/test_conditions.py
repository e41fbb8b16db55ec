"""Conditions as data."""

from __future__ import annotations

import pytest

from chromasql.plan import ALWAYS, NEVER, And, ChromaRequest, Column, Comparison, Filter, Or, columns_of
from chromasql.plan.conditions import NO_FILTER, all_of, any_of

pytestmark = pytest.mark.unit

YEAR = Comparison(Column("metadata", "year"), "=", 2024)
ID = Comparison(Column("id"), "=", "a")


def test_conjunctions_are_folded() -> None:
    """AND with TRUE is the other part, with FALSE it is FALSE, and nested ANDs are one."""
    assert all_of([ALWAYS, YEAR]) == YEAR
    assert all_of([YEAR, NEVER]) == NEVER
    assert all_of([And((YEAR, ID)), ID]) == And((YEAR, ID, ID))
    assert all_of([]) == ALWAYS


def test_disjunctions_are_folded() -> None:
    """OR with FALSE is the other part, with TRUE it is TRUE, and nested ORs are one."""
    assert any_of([NEVER, YEAR]) == YEAR
    assert any_of([YEAR, ALWAYS]) == ALWAYS
    assert any_of([Or((YEAR, ID)), ID]) == Or((YEAR, ID, ID))
    assert any_of([]) == NEVER


def test_columns_are_those_of_every_test() -> None:
    """The columns that a condition reads are those of all its tests, however deep."""
    assert columns_of(And((YEAR, Or((ID, YEAR))))) == {YEAR.column, ID.column}
    assert columns_of(None) == columns_of(ALWAYS) == set()


def test_a_filter_restricts_unless_it_sends_and_checks_nothing() -> None:
    """A filter that asks for everything and re-checks nothing does not restrict; any other does."""
    assert not NO_FILTER.restricts
    assert Filter(residual=YEAR).restricts
    assert Filter(requests=()).restricts
    assert Filter(requests=(ChromaRequest(ids=("a",)),)).restricts
