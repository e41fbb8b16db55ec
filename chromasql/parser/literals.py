"""Tokens to values: what strings, numbers, names and parameters stand for."""

from __future__ import annotations

import math
import re
import unicodedata
from typing import TYPE_CHECKING

from chromasql._source import Span
from chromasql.errors import ChromaSQLParseError
from chromasql.parser.syntax_errors import span_of

if TYPE_CHECKING:
    from lark import Token

__all__ = ["read_name", "read_number", "read_parameter", "read_string"]

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


def read_string(token: Token) -> str:
    """Return what a string token stands for: Python's escapes, a doubled quote, or r'..' as it is."""
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
            at = (token.start_pos or 0) + 1
            raise ChromaSQLParseError(
                f"{match[0]} is no character; write \\\\ for a backslash, or r'..' for a raw string",
                span=Span(at + match.start(), at + match.end()),
            ) from None
        return value

    return _ESCAPE.sub(unescaped, body)


def read_number(token: Token, sign: Token | None = None) -> int | float:
    """Return what a number token and the sign before it stand for."""
    text = str(token)
    try:
        value = int(text) if text.isdigit() else float(text)
    except ValueError:  # Python limits the digits of an int
        value = math.inf
    if value == math.inf:
        raise ChromaSQLParseError("the number is too large", span=span_of(token))
    return -value if sign is not None and sign == "-" else value


def read_name(token: Token) -> str:
    """Return a name without its quotes."""
    text = str(token)
    if text[0] not in '`"':
        return text
    name = text[1:-1].replace(text[0] * 2, text[0])
    if not name:
        raise ChromaSQLParseError("a quoted name is empty", span=span_of(token))
    return name


def read_parameter(token: Token) -> str | int:
    """Return the name of a parameter or its position, counted from 1; 0 is a position that is left open."""
    text = str(token)
    if text == "?":
        return 0  # numbered once the whole statement is known
    key = text[1:]
    if not key.isdigit():
        return key
    if int(key) == 0:
        raise ChromaSQLParseError("positions of parameters count from $1", span=span_of(token))
    return int(key)
