"""A span of the query text, and how to draw a caret under it."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["NO_SPAN", "Position", "Span", "draw_caret", "locate"]

_TABS = str.maketrans("\t", " ")


_MAX_WIDTH = 100


class Span(NamedTuple):
    """A half-open range of character offsets into the query text."""

    start: int
    end: int


NO_SPAN = Span(0, 0)
"""The span of nodes that were built by hand. Spans never take part in equality."""


class Position(NamedTuple):
    """The line and the column of an offset, both counted from 1."""

    line: int
    column: int


def locate(source: str, offset: int) -> Position:
    """Return the line and column of a character offset; the end of the text is a legal offset."""
    before = source[:offset]
    line = before.count("\n") + 1
    return Position(line, offset - (before.rfind("\n") + 1) + 1)


def draw_caret(source: str, span: Span) -> str:
    """
    Draw the line of the span with carets under it.

    A span over several lines is cut at the end of its first line; of a line of more than 100 characters only the part
    around the span is drawn.
    """
    line, column = locate(source, span.start)
    text = source.split("\n")[line - 1].translate(_TABS).rstrip("\r")
    start = column - 1
    width = max(1, min(span.end - span.start, len(text) - start))
    if len(text) > _MAX_WIDTH:
        first = max(0, min(start - _MAX_WIDTH // 3, len(text) - _MAX_WIDTH))
        last = first + _MAX_WIDTH
        head, tail = "..." if first else "", "..." if last < len(text) else ""
        text = head + text[first:last] + tail
        start = start - first + len(head)
        width = max(1, min(width, len(text) - len(tail) - start))
    margin = f"{line:>3} | "
    return f"{margin}{text}\n{' ' * (len(margin) - 2)}| {' ' * start}{'^' * width}"
