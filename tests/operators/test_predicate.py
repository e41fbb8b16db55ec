"""Conditions on rows."""

from __future__ import annotations

from typing import Any

import pytest

from chromasql.ast import kind_of
from chromasql.operators.predicate import compile_condition
from chromasql.operators.row import Row
from chromasql.plan import ALWAYS, NEVER, And, Column, Comparison, Or

pytestmark = pytest.mark.unit

NEGATED = {
    "=": "!=",
    "in": "not in",
    "contains": "not contains",
    "like": "not like",
    "ilike": "not ilike",
    "regex": "not regex",
}
OPERANDS = {"=": "ab", "in": ("ab", 1), "contains": "ab", "like": "a%", "ilike": "A%", "regex": "^a"}
VALUES = ["ab", "AB", "c", 1, 1.0, True, ["ab"], [1]]


def row(value: Any = None, document: str | None = None) -> Row:
    return Row("docs", 0, "a", document=document, metadata={} if value is None else {"key": value})


def holds(operator: Any, operand: Any, value: Any) -> bool:
    return compile_condition(Comparison(Column("metadata", "key"), operator, operand))(row(value))


@pytest.mark.parametrize("operator", NEGATED)
def test_null_is_neither_true_nor_false(operator: str) -> None:
    """A missing key satisfies neither a test nor its negation; a value satisfies one of the two."""
    operand = OPERANDS[operator]

    assert not holds(operator, operand, None)
    assert not holds(NEGATED[operator], operand, None)
    for value in VALUES:
        assert holds(operator, operand, value) is not holds(NEGATED[operator], operand, value)


def test_values_of_different_kinds_are_never_equal() -> None:
    """TRUE is not 1, though 1 is 1.0, and the order of values of two kinds is unknown."""
    assert holds("=", 1, 1.0)
    assert not holds("=", 1, True)
    assert not holds("in", (1, 0), True)
    assert not holds("contains", True, [1])
    assert not holds("<", 2, True)
    assert not holds("<", "b", 1)
    assert [kind_of(value) for value in (True, 1, 1.5, "a", [1])] == ["boolean", "number", "number", "string", "list"]


def test_distinct_treats_null_as_a_value() -> None:
    """IS DISTINCT FROM is true for NULL, and otherwise the same as inequality."""
    assert holds("is distinct", "a", None)
    assert holds("is distinct", "a", "b")
    assert not holds("is distinct", "a", "a")


def test_null_tests_see_whether_the_key_is_there() -> None:
    """IS NULL and IS NOT NULL are each other's opposite for every record."""
    assert holds("is null", None, None)
    assert not holds("is null", None, 0)
    assert holds("is not null", None, 0)
    assert not holds("is not null", None, None)


def test_a_document_contains_text() -> None:
    """CONTAINS looks for a substring of the document; without a document neither it nor its negation is true."""
    contains = compile_condition(Comparison(Column("document"), "contains", "cat"))
    lacks = compile_condition(Comparison(Column("document"), "not contains", "cat"))

    assert [contains(row(document=text)) for text in ("concatenate", "Cat", None)] == [True, False, False]
    assert [lacks(row(document=text)) for text in ("concatenate", "Cat", None)] == [False, True, False]


def test_conjunctions_and_disjunctions_combine_tests() -> None:
    """AND needs every part and OR needs one; with no parts they are true and false."""
    one, two = (Comparison(Column("metadata", "key"), "=", value) for value in (1, 2))

    assert not compile_condition(And((one, two)))(row(1))
    assert compile_condition(Or((one, two)))(row(1))
    assert compile_condition(ALWAYS)(row())
    assert not compile_condition(NEVER)(row())
