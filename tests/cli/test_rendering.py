from __future__ import annotations

import csv
import io
import json
import math
import os
import sys

import numpy as np
import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from chromasql.cli.rendering import Format, guarded_output, print_table, render, shorten

TEXTS = st.text(st.characters(codec="utf-8"), max_size=20)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | TEXTS
VALUES = SCALARS | st.lists(SCALARS, max_size=4) | st.dictionaries(TEXTS, SCALARS, max_size=3)
COLUMNS = st.lists(TEXTS.filter(bool), unique=True, min_size=1, max_size=4)


@st.composite
def tables(draw):
    """Columns and rows; a row may hold more than the columns, and in another order, as dicts may."""
    columns = draw(COLUMNS)
    row = st.fixed_dictionaries(dict.fromkeys(reversed([*columns, "not selected"]), VALUES))
    return columns, draw(st.lists(row, max_size=4))


def finite(value):
    """What JSON can say of a value, written down independently."""
    if isinstance(value, float) and (math.isnan(value) or math.isinf(value)):
        return None
    if isinstance(value, list):
        return [finite(item) for item in value]
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    return value


def strict_json(text):
    """Parse JSON by the standard: no NaN."""

    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    return json.loads(text, parse_constant=refuse)


@given(tables())
def test_json_says_the_rows(table):
    """JSON output is one valid list: the selected columns in their order, NULL and what is not finite as null."""
    columns, rows = table

    parsed = strict_json("\n".join(render(columns, [rows], Format.JSON, batch=False)))

    assert parsed == [{name: finite(row[name]) for name in columns} for row in rows]
    assert all(list(row) == columns for row in parsed)


@given(tables(), tables())
def test_json_of_a_batch_is_a_list_of_lists(first, second):
    """JSON output of a batch holds one list per item, empty ones too."""
    columns = first[0]
    lists = [first[1], [{**dict.fromkeys(columns), **row} for row in second[1]]]

    parsed = strict_json("\n".join(render(columns, lists, Format.JSON, batch=True)))

    assert parsed == [[{name: finite(row[name]) for name in columns} for row in rows] for rows in lists]


@given(tables())
def test_json_lines_are_one_row_per_line(table):
    """Each line of JSON lines is the JSON of one row, whatever line breaks its texts hold."""
    columns, rows = table

    lines = list(render(columns, [rows], Format.JSONL, batch=False))

    assert [strict_json(line) for line in lines] == [{name: finite(row[name]) for name in columns} for row in rows]
    assert not any("\n" in line or "\r" in line for line in lines)


@given(st.lists(st.lists(TEXTS, min_size=2, max_size=2), max_size=5))
def test_csv_reads_back(cells):
    """CSV output, read by a CSV reader, gives the header and every text to the letter."""
    rows = [dict(zip(["a", "b,c"], row, strict=True)) for row in cells]

    text = "\n".join(render(["a", "b,c"], [rows], Format.CSV, batch=False))

    assert list(csv.reader(io.StringIO(text, newline=""))) == [["a", "b,c"], *cells]


@given(tables())
def test_a_plain_table_has_a_line_per_row_and_a_tab_between_cells(table):
    """Tab-separated output keeps a row on its line: control characters of the data are escaped."""
    columns, rows = table

    lines = list(render(columns, [rows], Format.TABLE, batch=False))

    assert len(lines) == 1 + len(rows)
    assert all(line.count("\t") == len(columns) - 1 for line in lines)
    assert not any(ord(character) < 32 for line in lines for character in line.replace("\t", ""))


def test_cells_of_csv_and_tables():
    """NULL is an empty cell, numbers are written in full, lists and maps as JSON, arrays as lists."""
    row = {
        "null": None,
        "yes": True,
        "float": 0.1,
        "list": ["a", 1],
        "vector": np.array([0.5, 1.5]),
        "f": np.float32(2),
    }

    _, line = render(tuple(row), [[row]], Format.TABLE, batch=False)

    assert line.split("\t") == ["", "true", "0.1", '["a", 1]', "[0.5, 1.5]", "2.0"]


def test_rows_of_a_batch_are_numbered():
    """Formats that know rows only put the number of the batch item in a first column _item."""
    lists = [[{"id": "a"}, {"id": "b"}], [], [{"id": "a"}]]

    assert list(render(["id"], lists, Format.CSV, batch=True)) == ["_item,id", "1,a", "1,b", "3,a"]
    assert list(render(["id"], lists, Format.JSONL, batch=True))[-1] == '{"_item": 3, "id": "a"}'
    assert list(render(["id"], lists, Format.TABLE, batch=True))[1] == "1\ta"


def test_a_table_for_a_terminal(capsys, monkeypatch):
    """A drawn table has NULL as an empty cell, short numbers, one-line texts, and no control characters of the data."""
    monkeypatch.setenv("COLUMNS", "60")
    rows = [
        {"id": "a\x1b[31m", "score": 0.123456, "document": "two\n  lines"},
        {"id": "b", "score": None, "document": None},
    ]

    print_table(["id", "score", "document"], rows)

    header, rule, first, second = (line.split() for line in capsys.readouterr().out.splitlines() if line.strip())
    assert header == ["id", "score", "document"]
    assert set("".join(rule)) == {"─"}
    assert first == ["a\\x1b[31m", "0.1235", "two", "lines"]
    assert second == ["b"]


def test_a_reader_that_is_gone_ends_the_command(monkeypatch):
    """Writing to a pipe that nobody reads leaves by 141, and Python has nothing left to fail on when it ends."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w", encoding="utf-8") as pipe:
        monkeypatch.setattr(sys, "stdout", pipe)
        with pytest.raises(typer.Exit) as left, guarded_output():
            print("lost")

    assert left.value.exit_code == 141


def test_shortened_values():
    """For a person a number has four digits, and a text is one line of at most 160 characters."""
    assert shorten(0.123456) == 0.1235
    assert shorten("a\n  b") == "a b"
    assert len(shorten("word " * 100)) == 160
    assert shorten("word " * 100).endswith("…")
    assert shorten(123456) == 123456
