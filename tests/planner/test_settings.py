"""Options of the caller and of WITH (..)."""

from __future__ import annotations

from typing import Any

import pytest

from chromasql import ast
from chromasql.errors import ChromaSQLPlanningError
from chromasql.planner.settings import OPTIONS, Settings, with_options

pytestmark = pytest.mark.unit


def option(name: str, value: Any) -> ast.Argument:
    return ast.Argument(name, ast.Literal(value))


def test_a_statement_overrides_its_caller() -> None:
    """The value of WITH (..) stands before the caller's, in its canonical form; the rest is the caller's."""
    values = with_options(Settings(timeout=3, on_error="FAIL"), [option("merge", "SCORE"), option("timeout", 2)])

    assert values == {
        "exact": None,
        "merge": "distance",
        "on_error": "fail",
        "per_collection": None,
        "read_level": None,
        "total": False,
        "timeout": 2.0,
    }
    assert set(values) == set(OPTIONS)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("merge", "sum"),
        ("on_error", True),
        ("timeout", 0),
        ("timeout", float("inf")),
        ("timeout", float("nan")),
        ("timeout", True),
        ("per_collection", 0),
        ("per_collection", 1.0),
        ("read_level", "all"),
        ("retries", -1),
        ("min_success", 0),
        ("min_success", 1.5),
        ("collection_timeout", -1),
    ],
)
def test_a_value_out_of_range_is_refused(name: str, value: Any) -> None:
    """A value that an option does not take is refused with what it takes."""
    with pytest.raises(ChromaSQLPlanningError, match=f"{name} takes ") as caught:
        Settings(**{name: value})
    assert caught.value.code == "invalid-option"


def test_a_share_and_a_number_of_collections_differ() -> None:
    """For min_success the int 1 and the float 1.0 are kept apart: one collection, and all of them."""
    assert type(Settings(min_success=1).min_success) is int
    assert type(Settings(min_success=1.0).min_success) is float


def test_a_fixed_option_is_closed_to_statements() -> None:
    """What the application fixes no statement sets, and what it fixes has to be an option."""
    with pytest.raises(ChromaSQLPlanningError, match="merge is fixed") as caught:
        with_options(Settings(fixed=frozenset({"merge"})), [option("merge", "rrf")])
    assert caught.value.code == "scope-denied"
    with pytest.raises(ChromaSQLPlanningError, match="there is no option retries") as unknown:
        Settings(fixed=frozenset({"retries"}))
    assert unknown.value.code == "unknown-option"


def test_an_unknown_option_is_refused_with_the_nearest() -> None:
    """A misspelled option gets the one that may be meant."""
    with pytest.raises(ChromaSQLPlanningError, match="did you mean timeout"):
        with_options(Settings(), [option("timeot", 1)])
