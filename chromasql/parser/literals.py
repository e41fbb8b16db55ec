"""Tokens to values: strings, numbers, names and parameters."""

from __future__ import annotations

import math
import re
import unicodedata
from typing import TYPE_CHECKING, Any

from chromasql import ast
from chromasql._source import Span
from chromasql.errors import ChromaSQLParseError

if TYPE_CHECKING:
    from lark import Token

__all__ = ["number_of_text", "read_name", "read_number", "read_parameter", "read_string", "span_of"]

_ESCAPES = {
    "\n": "",
    "\\": "\\",
    "'": "'",
    '"': '"',
    "a": "\a",
    "b": "\b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "v": "\v",
}


_ESCAPE = re.compile(r"\\(N\{[^}]*\}|U[0-9a-fA-F]{8}|u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|[0-7]{1,3}|[\s\S])|''|\"\"")


def span_of(part: Any) -> Span:
    """Return the span of a token (a str in Lark), a node or a part of a statement."""
    token: Any = part if isinstance(part, str) else None
    return part.span if token is None else Span(token.start_pos, token.end_pos)


def read_string(token: Token) -> str:
    """Return the text of a string token: with Python's escapes and doubled quotes, or r'..' without escapes."""
    text = str(token)
    if text[0] in "rR":
        return text[2:-1]
    quote, body = text[0], text[1:-1]
    if "\\" not in body:
        return body.replace(quote * 2, quote)

    def unescaped(match: re.Match[str]) -> str:
        escape = match[1]
        if escape is None:
            return quote if match[0][0] == quote else match[0]
        if escape in _ESCAPES:
            return _ESCAPES[escape]
        if escape[0] in "01234567":
            return chr(int(escape, 8))
        if escape[0] not in "NUux":
            return match[0]
        try:
            value = unicodedata.lookup(escape[2:-1]) if escape[0] == "N" else chr(int(escape[1:], 16))
            value.encode()
        except (KeyError, ValueError, OverflowError):
            start = (token.start_pos or 0) + 1
            raise ChromaSQLParseError(
                f"{match[0]} is not a character; write \\\\ for a backslash, or r'..' for a raw string",
                code="invalid-literal",
                span=Span(start + match.start(), start + match.end()),
            ) from None
        return value

    return _ESCAPE.sub(unescaped, body)


def read_number(token: Token, sign: Token | None = None) -> int | float:
    """Return the value of a number token with the sign before it."""
    return number_of_text(str(token), "" if sign is None else str(sign), span_of(token))


def number_of_text(text: str, sign: str, span: Span) -> int | float:
    """Return the value of a number as it is written, with the sign before it."""
    try:
        value = int(text) if text.isdigit() else float(text)
    except ValueError:  # Python limits the digits of an int
        value = math.inf
    if value > ast.MAX_NUMBER:
        raise ChromaSQLParseError("the number is too large", code="invalid-literal", span=span)
    return -value if sign == "-" else value


def read_name(token: Token) -> str:
    """Return a name without its quotes."""
    text = str(token)
    if text[0] not in '`"':
        return text
    name = text[1:-1].replace(text[0] * 2, text[0])
    if not name:
        raise ChromaSQLParseError("a quoted name is empty", code="invalid-literal", span=span_of(token))
    return name


def read_parameter(token: Token) -> str | int:
    """Return the name of a parameter or its position, counted from 1; 0 stands for ``?``."""
    text = str(token)
    if text == "?":
        return 0  # numbered by `parse`, which knows the whole statement
    key = text[1:]
    if not key.isdigit():
        return key
    if int(key) == 0:
        raise ChromaSQLParseError("positions of parameters count from $1", code="invalid-literal", span=span_of(token))
    return int(key)
