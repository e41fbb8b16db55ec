"""Results: what an application reads of an answer."""

from __future__ import annotations

import pytest

from chromasql.errors import ChromaSQLExecutionError, Failure
from chromasql.result import ExecutionResult, Outcome


def test_an_incomplete_result_is_refused_with_a_code_and_its_failures() -> None:
    """require_complete raises an error whose code is incomplete-result and whose failures name the missing collections."""
    failure = Failure("b", "ConnectionError", "connection reset")
    outcomes = (Outcome("a", rows=1), Outcome("b", status="failed", error=failure))

    with pytest.raises(ChromaSQLExecutionError, match=r"^1 of 2 collections") as raised:
        ExecutionResult([{"id": "x"}], outcomes=outcomes).require_complete()

    assert raised.value.code == "incomplete-result"
    assert raised.value.to_dict()["collection"] == "b"
