from __future__ import annotations

import io
import json
import sys

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from chromasql.cli.arguments import parse_headers, parse_parameters, read_statement

NAMES = st.from_regex(r"[a-z_][a-z_0-9]*", fullmatch=True)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4),
    max_leaves=8,
)


@given(st.dictionaries(NAMES, JSON_VALUES, max_size=5))
def test_json_values_are_what_they_say(values):
    """A parameter whose text is JSON is the value that the JSON stands for."""
    arguments = [f"{name}={json.dumps(value)}" for name, value in values.items()]

    assert (parse_parameters(arguments) or {}) == values


@pytest.mark.parametrize(
    "text", ["json", "", "a=b", "'quoted'", "2024-01-01", "NaN", "-Infinity", "[1,", "01", "True", "[" * 100_000]
)
def test_what_is_not_json_is_text(text):
    """A value that JSON does not know is taken as text, to the letter."""
    assert parse_parameters([f"x={text}"]) == {"x": text}


@given(st.permutations(range(1, 6)))
def test_positions_make_a_list(order):
    """`--param 1=.. --param 2=..` is the list for ? and $1, in the order of positions, however they are typed."""
    assert parse_parameters([f"{position}={position * 10}" for position in order]) == [10, 20, 30, 40, 50]


def test_no_parameters_are_none():
    """Without --param nothing is passed, neither a mapping nor a list."""
    assert parse_parameters([]) is None


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["year"], "'year' is not of the form name=value"),
        (["=1"], "'=1' is not of the form name=value"),
        (["a=1", "a=2"], "a is given twice"),
        (["1=x", "3=y"], "2 is missing"),
        (["1=x", "name=y"], "2 is missing"),
        (["0=x"], "1 is missing"),
    ],
)
def test_wrong_parameters_are_wrong_usage(arguments, told):
    """A parameter that cannot be meant is refused with a sentence that says what is wrong."""
    with pytest.raises(typer.BadParameter, match=told):
        parse_parameters(arguments)


def test_headers_are_name_and_value():
    """A header is split at its first colon, and blanks around the value do not count."""
    headers = parse_headers(["X-Team:  search ", "Authorization: Bearer a:b", "X-Empty:"])

    assert headers == {"X-Team": "search", "Authorization": "Bearer a:b", "X-Empty": ""}


@pytest.mark.parametrize("header", ["secret", ": secret", "X Y: secret", "X: secret\r\nEvil: 1", "X: secret\n"])
def test_wrong_headers_are_refused_without_repeating_them(header):
    """A header that is none, or smuggles another one, is refused, and its value is not shown."""
    with pytest.raises(typer.BadParameter) as caught:
        parse_headers([header])

    assert "secret" not in str(caught.value)


def test_a_dash_reads_standard_input(monkeypatch):
    """The statement - is read from standard input as UTF-8, with or without a byte order mark."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("\ufeffSELECT 'ä'".encode())))

    assert read_statement("-") == "SELECT 'ä'"


def test_standard_input_must_be_utf8(monkeypatch):
    """Bytes that are not UTF-8 are refused, and the first wrong one is named."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"SELECT '\xe4'")))

    with pytest.raises(typer.BadParameter, match=r"not UTF-8: .* at byte 8"):
        read_statement("-")
