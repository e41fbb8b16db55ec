"""Single values: what kinds of them there are. A boolean is not a number here, though it is one in Python."""

from __future__ import annotations

import sys
from typing import Literal, TypeAlias, TypeGuard

__all__ = ["MAX_NUMBER", "Kind", "Scalar", "is_number", "is_whole_number", "kind_of"]

Scalar: TypeAlias = str | int | float | bool | None
"""A value that a statement can write out, that a parameter can have and that metadata can hold."""


MAX_NUMBER = sys.float_info.max
"""The largest absolute value of a number: a larger one cannot be compared with a float."""


Kind: TypeAlias = Literal["null", "boolean", "number", "string", "list"]


_KINDS: dict[type, Kind] = {bool: "boolean", int: "number", float: "number", str: "string", list: "list"}


def kind_of(value: object) -> Kind:
    """Return the kind of a value of a record or a statement; values of different kinds are never equal."""
    known = _KINDS.get(type(value))
    if known is not None:
        return known
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, str):
        return "string"
    return "null" if value is None else "list"


def is_number(value: object) -> TypeGuard[int | float]:
    """Return whether this is an int or a float."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_whole_number(value: object) -> TypeGuard[int]:
    """Return whether this is an int; 1.0 is not one."""
    return isinstance(value, int) and not isinstance(value, bool)
