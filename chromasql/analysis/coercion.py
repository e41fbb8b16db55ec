"""A Python value as a literal of the language, where the slot that it fills allows it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from chromasql import ast
from chromasql._source import Span
from chromasql.analysis.slots import COUNT, NUMBER, VALUE, Slot

__all__ = ["MismatchError", "as_array", "as_list", "as_moment", "as_sparse_vector", "as_vector", "coerce"]


class MismatchError(Exception):
    """Why a value does not fit its slot: the end of the sentence "the parameter takes .."."""


def as_list(value: Any) -> Sequence[Any] | None:
    """Return the items of a list or an array; None for anything else."""
    if isinstance(value, set | frozenset):
        return sorted(value, key=repr)  # a set has no order, and a statement is to be the same on every run
    if hasattr(value, "tolist"):  # numpy and array.array, with no need to import either
        value = value.tolist()
    if isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray | memoryview):
        return value
    return None


def as_vector(values: Sequence[Any], slot: Slot, span: Span) -> ast.DenseVector:
    """Return a dense vector of single numbers; raise `MismatchError` if the slot takes something else."""
    if _are_plain_numbers(values):
        return ast.DenseVector(tuple(map(float, values)), span=span)
    numbers = (item.value for item in as_array(values, slot, span).items if isinstance(item, ast.Literal))
    return ast.DenseVector(tuple(float(number) for number in numbers if number is not None), span=span)


def _are_plain_numbers(values: Sequence[Any]) -> bool:
    """Whether a vector needs no closer look: its numbers are Python's own, and finite."""
    try:
        return bool(values) and set(map(type, values)) <= {int, float} and all(map(math.isfinite, values))
    except OverflowError:
        return False


def as_array(values: Sequence[Any], slot: Slot, span: Span) -> ast.Array:
    """Return the items as literals; raise `MismatchError` if they do not fit the slot."""
    if slot.items is None:
        hint = "; a list belongs after IN, CONTAINS ANY or CONTAINS ALL" if slot is VALUE else ""
        raise MismatchError(f", not a list{hint}")
    if not values and slot.items is not VALUE:
        raise MismatchError("; this one is empty")
    items: list[ast.Expression] = []
    for index, value in enumerate(values):
        try:
            moment = as_moment(value, span) if slot.items is VALUE else None
            items.append(moment or ast.Literal(coerce(value, slot.items), span=span))
        except MismatchError as mismatch:
            raise MismatchError(f"; item [{index}] is{str(mismatch).removeprefix(', not')}") from None
    return ast.Array(tuple(items), span=span)


def as_sparse_vector(weights: Mapping[Any, Any], slot: Slot, span: Span) -> ast.SparseVector:
    """Return a sparse vector by index; raise `MismatchError` if the slot does not take one."""
    if not slot.sparse:
        raise MismatchError(", not a dict")
    if not weights:
        raise MismatchError("; this one is empty")
    items = []
    for index, weight in weights.items():
        try:
            items.append((coerce(index, COUNT), ast.Literal(coerce(weight, NUMBER), span=span)))
        except MismatchError:
            raise MismatchError(
                f"; the keys of a dict are whole numbers from 0 and its values are numbers, "
                f"not {_described(index)}: {_described(weight)}"
            ) from None
    return ast.SparseVector(tuple(items), span=span)  # type: ignore[arg-type]


def as_moment(value: Any, span: Span) -> ast.TypedLiteral | None:
    """Return a date or a datetime, numpy's too, as the literal that it would be; None for anything else."""
    if hasattr(value, "item") and getattr(value, "ndim", None) == 0:
        value = value.item()
    if isinstance(value, datetime):
        return ast.TypedLiteral("TIMESTAMP", value.isoformat(), span=span)
    if isinstance(value, date):
        return ast.TypedLiteral("DATE", value.isoformat(), span=span)
    return None


def coerce(value: Any, slot: Slot) -> ast.Scalar:
    """Return the value as a plain Python scalar; raise `MismatchError` if it does not fit the slot."""
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
                raise MismatchError(", not a string with an unpaired surrogate, which is not valid Unicode") from None
        return str.__str__(value)  # an enum's member becomes its value
    if isinstance(value, int):
        if abs(value) > ast.MAX_NUMBER:
            raise MismatchError("; this one is too large")
        return int(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise MismatchError(f", not {float(value)}")
        return float(value)
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, Decimal):
        return _exact(value)
    if hasattr(value, "item") and getattr(value, "ndim", None) == 0:
        plain = value.item()
        if type(plain) is not type(value):
            return _scalar(plain)
    raise MismatchError(f", not {_described(value)}")


def _exact(value: Decimal) -> ast.Scalar:
    """Return a decimal number as the whole number or the float that is equal to it."""
    if value.is_finite():
        plain: int | float = int(value) if value == value.to_integral_value() else float(value)
        if plain == value:
            return _scalar(plain)
    raise MismatchError(", not a Decimal that no float is equal to; pass float(..) or str(..) of it")


def _described(value: Any) -> str:
    if value is None or isinstance(value, bool | float) or (isinstance(value, int) and value.bit_length() < 64):
        return str(value)
    if isinstance(value, str):
        return "a string" if value else "an empty one"
    hint = "; pass its isoformat()" if hasattr(value, "isoformat") else ""
    return f"{type(value).__name__}{hint}"
