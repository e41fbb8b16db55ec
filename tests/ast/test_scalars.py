"""Kinds of values."""

import numpy as np
import pytest

from chromasql import ast


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (None, "null"),
        (True, "boolean"),
        (0, "number"),
        (1.0, "number"),
        (np.float64(1.0), "number"),
        ("", "string"),
        ([], "list"),
    ],
)
def test_kinds(value: object, kind: str) -> None:
    """Each value has one kind, and a boolean is not a number."""
    assert ast.kind_of(value) == kind
    assert ast.is_number(value) is (kind == "number")
    assert ast.is_whole_number(value) is (kind == "number" and isinstance(value, int))
