"""Numbers beyond a float, where seconds are expected."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from chromasql import ChromaSQLPlanningError, MemoryProvider, Scope, Settings, connect

HUGE = 10**400
PROVIDER = MemoryProvider({"docs": [{"id": "a", "embedding": [1.0, 0.0], "document": "x"}]})


@pytest.mark.parametrize(
    "run",
    [
        lambda: connect(PROVIDER).execute("SELECT id FROM docs", timeout=HUGE),
        lambda: connect(PROVIDER, settings=Settings(timeout=HUGE)).execute("SELECT id FROM docs"),
        lambda: connect(PROVIDER, scope=Scope(max_timeout=HUGE)).execute("SELECT id FROM docs"),
        lambda: connect(PROVIDER).execute("SELECT id FROM docs WITH (timeout = :t)", {"t": HUGE}),
    ],
)
def test_seconds_beyond_a_float_are_refused(run: Callable[[], Any]) -> None:
    """A number of seconds beyond a float is an error of ours; it was a bare OverflowError."""
    with pytest.raises(ChromaSQLPlanningError):
        run()


def test_no_score_is_minus_zero() -> None:
    """A fusion whose sum is 0 scores 0; it was shown as -0.0."""
    sql = "SELECT score FROM docs RANK BY RRF(KNN([0, 0]), BM25('x'), k = 1e308)"
    (row,) = connect(PROVIDER).execute(sql)
    assert str(row["score"]) == "0.0"
