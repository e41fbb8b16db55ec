"""Checks of what a rule holds: named arguments, and values against the slots that they fill."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from chromasql import ast
from chromasql.analysis.slots import VALUE, Slot, slot_of
from chromasql.errors import ChromaSQLParseError, near_names

__all__ = ["argument_values", "bare_word_as_string", "check_value", "named_arguments", "nodes_in"]

AnyValue = TypeVar("AnyValue", bound=ast.Node)


def nodes_in(parts: Iterable[Any]) -> tuple[Any, ...]:
    """Return the nodes among the parts of a rule, without the tokens."""
    return tuple([part for part in parts if isinstance(part, ast.Node)])


def named_arguments(parts: Iterable[Any], function: str, known: Sequence[str] | None = None) -> dict[str, ast.Argument]:
    """Return the named arguments among the parts of a rule by name; with ``known`` no other names are allowed."""
    found: dict[str, ast.Argument] = {}
    for argument in parts:
        if not isinstance(argument, ast.Argument):
            continue
        if known is not None and argument.name not in known:
            hint = near_names(argument.name, known) or f"; it takes {', '.join(known)}"
            raise ChromaSQLParseError(
                f"{function} has no argument {argument.name}{hint}", code="unknown-argument", span=argument.span
            )
        if argument.name in found:
            raise ChromaSQLParseError(
                f"{function} has {argument.name} twice", code="duplicate-argument", span=argument.span
            )
        found[argument.name] = argument
    return found


def argument_values(kind: type[ast.Node], found: dict[str, ast.Argument]) -> dict[str, Any]:
    """Return the values of named arguments, each checked against the field of its name in a class of nodes."""
    return {name: check_value(argument.value, kind, name, name) for name, argument in found.items()}


def check_value(value: AnyValue, kind: type[ast.Node], field: str, name: str) -> AnyValue:
    """
    Return the value if it may stand in a field of a class of nodes.

    ``name`` is what messages call the place, such as ``LIMIT``. A parameter is checked when it is bound.
    """
    slot = slot_of(kind, field)
    match value:
        case ast.Parameter():
            pass
        case ast.Literal(scalar):
            if slot.fits is None or not slot.fits(scalar):
                raise _misfit(name, slot, value)
        case ast.Array(items) if slot.items is not None:
            if not items and slot.items is not VALUE:
                raise _misfit(name, slot, value, "; this one is empty")
            fits = slot.items.fits
            assert fits is not None
            for item in items:
                if isinstance(item, ast.Literal) and not fits(item.value):
                    raise _misfit(name, slot, item)
        case ast.SparseVector() if slot.sparse:
            pass
        case _:
            raise _misfit(name, slot, value)
    return value


def _misfit(name: str, slot: Slot, node: ast.Node, detail: str = "") -> ChromaSQLParseError:
    return ChromaSQLParseError(f"{name} takes {slot.what}{detail}", code="invalid-argument", span=node.span)


def bare_word_as_string(argument: ast.Argument) -> ast.Argument:
    """Read a bare word after WITH or RERANK BY as a string: ``merge = RRF``."""
    value = argument.value
    if isinstance(value, ast.Field):
        return dataclasses.replace(argument, value=ast.Literal(value.name, span=value.span))
    return argument
