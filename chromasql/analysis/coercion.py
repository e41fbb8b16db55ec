"""A Python value as a literal of the language, where the slot that it fills allows it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chromasql import ast
from chromasql._source import Span

__all__ = [
    "ARGUMENT",
    "LIST",
    "NAME",
    "NUMBER",
    "NUMBERS",
    "POSITIVE",
    "QUERY",
    "TEXT",
    "VALUE",
    "VECTOR",
    "WHOLE",
    "MismatchError",
    "Slot",
    "as_array",
    "as_list",
    "as_sparse_vector",
    "as_vector",
    "coerce",
]

_MOST_BITS = 1024  # of the largest float: no number that is larger can be compared with one


@dataclass(frozen=True, slots=True)
class Slot:
    """
    What a parameter may be in one place of a statement.

    ``fits`` tests a single value where one may stand there, ``items`` says what the items of a list must be
    where a list may, ``sparse`` whether a dict may.
    """

    what: str
    fits: Callable[[ast.Scalar], bool] | None = None
    items: Slot | None = None
    sparse: bool = False


def _is_text(value: ast.Scalar) -> bool:
    return isinstance(value, str)


def _is_number(value: ast.Scalar) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


VALUE = Slot("a string, a number, a boolean or None", fits=lambda _: True)


TEXT = Slot("a string", fits=_is_text)


NAME = Slot("the name of a collection", fits=lambda value: isinstance(value, str) and value != "")


NUMBER = Slot("a number", fits=_is_number)


WHOLE = Slot("a whole number", fits=lambda value: type(value) is int)


POSITIVE = Slot("a whole number of at least 1", fits=lambda value: type(value) is int and value >= 1)


LIST = Slot("a list of values", items=VALUE)


NUMBERS = Slot("a list of numbers", items=NUMBER)


VECTOR = Slot("a vector, as a list of numbers or a dict {index: weight}", items=NUMBER, sparse=True)


QUERY = Slot(
    "a text, or a vector as a list of numbers or a dict {index: weight}",
    fits=_is_text,
    items=NUMBER,
    sparse=True,
)


ARGUMENT = Slot("a value, a list or a dict {index: weight}", fits=lambda _: True, items=VALUE, sparse=True)


class MismatchError(Exception):
    """How a value fails its slot: what follows 'the parameter takes ..'."""


def as_list(value: Any) -> Sequence[Any] | None:
    """Return the items of a list or an array; None for anything else."""
    if hasattr(value, "tolist"):  # numpy and array.array, with no need to import either
        value = value.tolist()
    if isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray | memoryview):
        return value
    return None


def as_vector(values: Sequence[Any], slot: Slot, span: Span) -> ast.Vector:
    """Return a dense vector of single numbers; raise `MismatchError` where the slot takes something else."""
    if _are_plain_numbers(values):
        return ast.Vector(tuple(map(float, values)), span=span)
    numbers = (item.value for item in as_array(values, slot, span).items if isinstance(item, ast.Literal))
    return ast.Vector(tuple(float(number) for number in numbers if number is not None), span=span)


def _are_plain_numbers(values: Sequence[Any]) -> bool:
    """Tell whether a vector needs no closer look: its numbers are Python's own and finite."""
    try:
        return bool(values) and set(map(type, values)) <= {int, float} and all(map(math.isfinite, values))
    except OverflowError:
        return False


def as_array(values: Sequence[Any], slot: Slot, span: Span) -> ast.Array:
    """Return the items as literals; raise `MismatchError` where the slot takes no list of them."""
    if slot.items is None:
        hint = "; a list belongs after IN, CONTAINS ANY or CONTAINS ALL" if slot is VALUE else ""
        raise MismatchError(f", not a list{hint}")
    if not values and slot.items is NUMBER:
        raise MismatchError("; this one is empty")
    items = []
    for index, value in enumerate(values):
        try:
            items.append(ast.Literal(coerce(value, slot.items), span=span))
        except MismatchError as mismatch:
            raise MismatchError(f"; item [{index}] is{str(mismatch).removeprefix(', not')}") from None
    return ast.Array(tuple(items), span=span)


def as_sparse_vector(weights: Mapping[Any, Any], slot: Slot, span: Span) -> ast.SparseVector:
    """Return a sparse vector by index; raise `MismatchError` where the slot takes none."""
    if not slot.sparse:
        raise MismatchError(", not a dict")
    if not weights:
        raise MismatchError("; this one is empty")
    items = []
    for index, weight in weights.items():
        try:
            position = coerce(index, WHOLE)
            items.append((position, ast.Literal(coerce(weight, NUMBER), span=span)))
        except MismatchError:
            position = None
        if not isinstance(position, int) or position < 0:
            raise MismatchError(
                f"; in a dict, whole numbers from 0 stand for the indices and numbers for the weights, "
                f"not {_described(index)}: {_described(weight)}"
            )
    return ast.SparseVector(tuple(items), span=span)  # type: ignore[arg-type]


def coerce(value: Any, slot: Slot) -> ast.Scalar:
    """Return the value as a plain Python scalar, if the slot takes it."""
    plain = _scalar(value)
    if slot.fits is None or not slot.fits(plain):
        raise MismatchError(f", not {_described(plain)}")
    return plain


def _scalar(value: Any) -> ast.Scalar:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        if not value.isascii():
            try:
                value.encode()
            except UnicodeEncodeError:
                raise MismatchError(", not a string with half of a surrogate pair, which is no character") from None
        return str.__str__(value)  # an enum's member, too, is what it holds
    if isinstance(value, int):
        if value.bit_length() > _MOST_BITS:
            raise MismatchError("; this one is too large")
        return int(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise MismatchError(f", not {float(value)}")
        return float(value)
    if hasattr(value, "item") and getattr(value, "ndim", None) == 0:
        plain = value.item()
        if type(plain) is not type(value):
            return _scalar(plain)
    raise MismatchError(f", not {_described(value)}")


def _described(value: Any) -> str:
    if value is None or isinstance(value, bool | float) or (isinstance(value, int) and value.bit_length() < 64):
        return str(value)
    hint = "; pass its isoformat()" if hasattr(value, "isoformat") else ""
    return f"{type(value).__name__}{hint}"
