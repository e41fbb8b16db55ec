"""What is typed on the command line, turned into values; wrong usage is a `typer.BadParameter`."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, NoReturn

import typer

__all__ = ["parse_headers", "parse_parameters", "read_statement"]

_HEADER = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\x00-\x1f\x7f]*)")


def read_statement(argument: str) -> str:
    """Return the statement itself, or standard input for ``-``."""
    if argument != "-":
        return argument
    try:
        return typer.get_binary_stream("stdin").read().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise typer.BadParameter(f"standard input is not UTF-8: {error.reason} at byte {error.start}") from None


def parse_parameters(arguments: Sequence[str]) -> dict[str, Any] | list[Any] | None:
    """
    Turn ``name=value`` pairs into a mapping, and ``1=value 2=value`` into a list for ``?`` and ``$1``.

    A value that reads as JSON is what it says (a number, a list, true, null); any other is text.
    """
    values: dict[str, Any] = {}
    for argument in arguments:
        name, equals, text = argument.partition("=")
        if not equals or not name:
            raise typer.BadParameter(f"{argument!r} is not of the form name=value")
        if name in values:
            raise typer.BadParameter(f"{name} is given twice")
        values[name] = _parse_value(text)
    if not any(name.isdecimal() for name in values):
        return values or None
    try:
        return [values[str(position)] for position in range(1, len(values) + 1)]
    except KeyError as error:
        raise typer.BadParameter(
            f"positions count from 1 without gaps and do not mix with names; {error.args[0]} is missing"
        ) from None


def parse_headers(arguments: Sequence[str]) -> dict[str, str]:
    """Turn ``Name: value`` lines into a mapping."""
    headers = {}
    for argument in arguments:
        match = _HEADER.fullmatch(argument)
        if match is None:
            # The value may be a secret: it is not repeated.
            raise typer.BadParameter("a header is of the form 'Name: value', on one line")
        headers[match[1]] = match[2].rstrip()
    return headers


def _parse_value(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return text


def _refuse(constant: str) -> NoReturn:
    """Leave NaN and Infinity as text: Python reads them, JSON does not know them."""
    raise ValueError(constant)
