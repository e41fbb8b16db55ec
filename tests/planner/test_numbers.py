"""Literals and numbers of a tree."""

from __future__ import annotations

from typing import Any

import pytest

from chromasql import ast
from chromasql.errors import ChromaSQLPlanningError
from chromasql.planner.numbers import count_of, flag_of, literal, number_of

pytestmark = pytest.mark.unit


def test_what_is_left_out_is_none() -> None:
    """An argument that a statement leaves out has no value, and nothing to check."""
    assert count_of(None, "k", least=1) is number_of(None, "k") is flag_of(None, "k") is None


@pytest.mark.parametrize("value", [0, 1.0, True, "1", None])
def test_a_count_is_a_whole_number(value: Any) -> None:
    """A count is an int of at least the minimum; 1.0, TRUE and text are refused."""
    with pytest.raises(ChromaSQLPlanningError, match="LIMIT takes a whole number of at least 1") as caught:
        count_of(ast.Literal(value), "LIMIT", least=1)
    assert caught.value.code == "invalid-argument"
    assert count_of(ast.Literal(1), "LIMIT", least=1) == 1


@pytest.mark.parametrize("value", [True, "1", None, 10**400])
def test_a_number_fits_into_a_float(value: Any) -> None:
    """A number is an int or a float that a double can hold."""
    with pytest.raises(ChromaSQLPlanningError, match="k1 takes a number"):
        number_of(ast.Literal(value), "k1")
    assert number_of(ast.Literal(2), "k1") == 2


@pytest.mark.parametrize("value", [0, 1, "true", None])
def test_a_flag_is_a_boolean(value: Any) -> None:
    """1 and 'true' are not TRUE."""
    with pytest.raises(ChromaSQLPlanningError, match="takes TRUE or FALSE"):
        flag_of(ast.Literal(value), "return_rank")
    assert flag_of(ast.Literal(False), "return_rank") is False


def test_a_parameter_must_be_bound() -> None:
    """A parameter that reaches the planner without a value is named in the error."""
    with pytest.raises(ChromaSQLPlanningError, match="has no value") as caught:
        literal(ast.Parameter("year"))
    assert caught.value.code == "missing-parameter"
