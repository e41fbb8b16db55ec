"""
A result as text: for programs as JSON, JSON lines, CSV or tab-separated columns, for people as a table.

What goes to a pipe has no colour and nothing is cut; what goes to a terminal is laid out for its width.
"""

from __future__ import annotations

import csv
import io
import json
import math
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import StrEnum
from typing import Any, TypeAlias, assert_never

import typer

from chromasql.ast import is_number

__all__ = ["Format", "Rows", "guarded_output", "print_table", "render", "shorten"]

Rows: TypeAlias = Sequence[Mapping[str, Any]]


_READER_GONE = 141  # 128 + SIGPIPE, what a shell reports of any program whose reader left


_WIDEST_CELL = 160


_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


_ITEM = "_item"


class Format(StrEnum):
    """How a result is written."""

    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"
    CSV = "csv"


@contextmanager
def guarded_output() -> Iterator[None]:
    """Write to standard output and flush it; where the reader has left, exit without a word."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        # What is still buffered must not fail once more when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(_READER_GONE) from None


def render(columns: Sequence[str], lists: Sequence[Rows], form: Format, *, batch: bool) -> Iterator[str]:
    """
    Yield the lines of a result.

    ``lists`` holds the rows of each item of a batch, or the only rows there are. JSON then is a list of
    lists; the other formats, which know rows only, get a first column ``_item``, counted from 1.
    """
    names = (_ITEM, *columns) if batch else tuple(columns)
    numbered = ({**row, _ITEM: item} for item, rows in enumerate(lists, start=1) for row in rows)
    match form:
        case Format.JSON:
            yield from _render_json([[_row(columns, row) for row in rows] for rows in lists], batch=batch)
        case Format.JSONL:
            yield from (_to_json(_row(names, row)) for row in numbered)
        case Format.CSV:
            yield _csv_line(names)
            yield from (_csv_line([_cell(row.get(name)) for name in names]) for row in numbered)
        case Format.TABLE:
            yield "\t".join(map(_visible, names))
            yield from ("\t".join(_visible(_cell(row.get(name))) for name in names) for row in numbered)
        case _:
            assert_never(form)


def print_table(columns: Sequence[str], rows: Rows) -> None:
    """Draw a table on the terminal: texts on few lines, numbers short and to the right."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name in columns:
        numeric = any(is_number(row.get(name)) for row in rows)
        table.add_column(Text(_visible(name)), justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(_visible(shorten(_cell(shorten(row.get(name)))))) for name in columns))
    Console(highlight=False).print(table)


def shorten(value: Any) -> Any:
    """Return a value as a person wants to see it: a number to four digits, the beginning of a text on one line."""
    match value:
        case float():
            return float(f"{value:.4g}")
        case str():
            line = " ".join(value.split())
            return line if len(line) <= _WIDEST_CELL else line[: _WIDEST_CELL - 1] + "…"
        case _:
            return value


def _render_json(lists: Sequence[Sequence[dict[str, Any]]], *, batch: bool) -> Iterator[str]:
    """Yield one row per line, so that both ``jq`` and a reader are served."""
    if not batch:
        yield from _json_list([_to_json(row) for rows in lists for row in rows])
    else:
        yield from _json_list(["\n".join(_json_list([_to_json(row) for row in rows])) for rows in lists])


def _json_list(items: Sequence[str]) -> Iterator[str]:
    yield "["
    for position, item in enumerate(items, start=1):
        yield item + ("," if position < len(items) else "")
    yield "]"


def _row(columns: Sequence[str], row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _plain(row.get(name)) for name in columns}


def _plain(value: Any) -> Any:
    """Return the value as JSON has it: arrays as lists, and no number that is not finite."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    match value:
        case float():
            return value if math.isfinite(value) else None
        case list() | tuple():
            return [_plain(item) for item in value]
        case Mapping():
            return {str(key): _plain(item) for key, item in value.items()}
        case _:
            return value


def _to_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _cell(value: Any) -> str:
    """Return a value as one cell: NULL is empty, lists and maps are JSON."""
    match value:
        case None:
            return ""
        case str():
            return value
        case float():
            return repr(float(value))
        case _:
            return _to_json(_plain(value))


def _csv_line(cells: Sequence[str]) -> str:
    buffer = io.StringIO()
    # The terminator decides which line breaks inside a cell are quoted, so it names both.
    csv.writer(buffer, lineterminator="\r\n").writerow(cells)
    return buffer.getvalue().removesuffix("\r\n")


def _visible(text: str) -> str:
    r"""Escape control characters: a row stays on its line, and no document moves the cursor of a terminal."""
    return _CONTROL.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode("ascii")
