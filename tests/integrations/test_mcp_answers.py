"""The size and the JSON of answers to language models, for any values."""

from __future__ import annotations

import json
import math
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from chromasql.integrations.mcp.answers import AnswerLimits, answer_of, compact
from chromasql.result import ExecutionResult

SCALARS = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(st.characters(), max_size=60)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=25) | st.dictionaries(st.text(st.characters(), max_size=5), inner, max_size=4)
    ),
)
ROWS = st.lists(st.fixed_dictionaries({"a": VALUES, "b": VALUES}), max_size=6)


def texts_in(value: Any) -> list[str]:
    """Return all texts in a value, but for the keys of dicts."""
    if isinstance(value, str):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    return [text for item in inner for text in texts_in(item)]


@given(rows=ROWS, cell=st.integers(5, 50), most=st.integers(1, 2_000))
def test_answers_are_bounded_json(rows: list[dict[str, Any]], cell: int, most: int) -> None:
    """Whatever the values are, an answer is JSON, within its size, and counts the rows that it leaves out."""
    answer = answer_of(ExecutionResult(rows, columns=("a", "b")), AnswerLimits(cell, most))

    text = compact(answer)
    assert json.loads(text) == answer
    assert len(compact(answer["rows"]).encode()) <= most + 2
    left_out = 0 if answer["truncated"] is None else answer["truncated"]["rows"]
    assert len(answer["rows"]) + left_out == len(rows)
    shown = [text for text in texts_in(answer["rows"]) if not text.endswith((" more", " numbers]"))]
    assert all(len(text) <= max(cell, 23) for text in shown)  # 2^70 with its sign has 23 characters


def plain(value: Any) -> bool:
    """Tell whether JSON has a value as it is, and every host reads it exactly."""
    match value:
        case bool() | None:
            return True
        case int():
            return abs(value) <= 2**53
        case float():
            return math.isfinite(value)
        case str():
            return not any("\ud800" <= character <= "\udfff" for character in value)
        case list():
            return all(map(plain, value)) and not (len(value) > 16 and all(isinstance(item, float) for item in value))
        case dict():
            return all(map(plain, [*value, *value.values()]))
    return False


@given(rows=ROWS)
def test_what_fits_is_kept(rows: list[dict[str, Any]]) -> None:
    """Values that JSON has and that are short enough are in the answer as they are."""
    answer = answer_of(ExecutionResult(rows, columns=("a", "b")), AnswerLimits(100_000, 10_000_000))

    for row, shown in zip(rows, answer["rows"], strict=True):
        for name, value in row.items():
            if plain(value):
                assert shown[name] == value
