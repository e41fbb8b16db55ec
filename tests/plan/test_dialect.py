"""The kinds of Chroma."""

from __future__ import annotations

import pytest

from chromasql.errors import ChromaSQLPlanningError
from chromasql.plan.dialect import DISTRIBUTED, LOCAL, dialect_named

pytestmark = pytest.mark.unit


def test_dialects_have_names() -> None:
    """A dialect is found by its name."""
    assert dialect_named("local") is LOCAL
    assert dialect_named("distributed") is DISTRIBUTED


def test_an_unknown_dialect_is_refused_with_the_nearest_name() -> None:
    """A name that is misspelled gets the one that may be meant, and any other the list."""
    with pytest.raises(ChromaSQLPlanningError, match="did you mean distributed") as caught:
        dialect_named("distributd")
    assert caught.value.code == "invalid-argument"
    with pytest.raises(ChromaSQLPlanningError, match="local, distributed"):
        dialect_named("x")
