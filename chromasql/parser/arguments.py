"""What a rule may be given: named arguments, single values, vectors."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

from chromasql import ast
from chromasql.errors import ChromaSQLParseError, near_names

__all__ = [
    "bare_word_as_string",
    "check_positive",
    "check_string",
    "check_vector",
    "check_whole",
    "named_arguments",
    "single_value",
]


def named_arguments(arguments: Iterable[ast.Argument], known: Sequence[str], where: str) -> dict[str, ast.Argument]:
    """Return arguments by name, each of them known and given once."""
    found: dict[str, ast.Argument] = {}
    for argument in arguments:
        if argument.name not in known:
            hint = near_names(argument.name, known) or f"; it takes {', '.join(known)}"
            raise ChromaSQLParseError(
                f"{where} has no argument {argument.name}{hint}",
                span=argument.span,
            )
        if argument.name in found:
            raise ChromaSQLParseError(f"{where} has {argument.name} twice", span=argument.span)
        found[argument.name] = argument
    return found


def single_value(found: dict[str, ast.Argument], name: str) -> ast.Value | None:
    """Return an argument that must be a single value."""
    argument = found.get(name)
    if argument is None:
        return None
    if not isinstance(argument.value, ast.Literal | ast.Parameter):
        raise ChromaSQLParseError(f"{name} takes a single value", span=argument.value.span)
    return argument.value


def check_positive(value: ast.Value | None, what: str) -> ast.Value | None:
    """Return a value that, unless it is a parameter, must be a whole number from 1 on."""
    if isinstance(value, ast.Literal) and (type(value.value) is not int or value.value < 1):
        raise ChromaSQLParseError(f"{what} takes a whole number of at least 1", span=value.span)
    return value


def check_whole(value: ast.Value, what: str) -> ast.Value:
    """Return a value that, unless it is a parameter, must be a whole number."""
    if isinstance(value, ast.Literal) and type(value.value) is not int:
        raise ChromaSQLParseError(f"{what} takes a whole number", span=value.span)
    return value


def check_string(value: ast.Value, what: str) -> ast.Value:
    """Return a value that, unless it is a parameter, must be a string."""
    if isinstance(value, ast.Literal) and not isinstance(value.value, str):
        raise ChromaSQLParseError(f"{what} takes a string", span=value.span)
    return value


def check_vector(
    values: ast.Array | ast.SparseVector | ast.Parameter,
) -> ast.Array | ast.SparseVector | ast.Parameter:
    """Return a vector, which must hold numbers if its items are written out."""
    if isinstance(values, ast.Array):
        if not values.items:
            raise ChromaSQLParseError("a vector needs at least one number", span=values.span)
        for item in values.items:
            if isinstance(item, ast.Literal) and (
                isinstance(item.value, bool) or not isinstance(item.value, int | float)
            ):
                raise ChromaSQLParseError("a vector holds numbers only", span=item.span)
    return values


def bare_word_as_string(argument: ast.Argument) -> ast.Argument:
    """Read a bare word after WITH or RERANK BY as a string: ``merge = RRF``."""
    value = argument.value
    if isinstance(value, ast.Field):
        return dataclasses.replace(argument, value=ast.Literal(value.name, span=value.span))
    return argument
