"""What Chroma stores and measures, whichever client hands it on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["are_distances", "is_metadata"]

_LARGEST_SINGLE = 3.4028235677973366e38
"""Half a step above the largest number in single precision: from here on, a number is rounded to infinity."""


_SCALARS = frozenset({str, int, float, bool})


_PLAIN = _SCALARS | {type(None)}


def are_distances(values: Iterable[Any]) -> bool:
    """Tell whether all are numbers that are finite in single precision, in which Chroma measures."""
    try:
        return all(-_LARGEST_SINGLE < value < _LARGEST_SINGLE for value in values)
    except (TypeError, ValueError):
        return False


def is_metadata(value: Any) -> bool:
    """
    Tell whether Chroma may have returned this as the metadata of a record: None, or values by key.

    A value is a string, a number, a boolean, None, a list of the first three, or a sparse vector.
    """
    if value is None:
        return True
    # Asking the type first is much of the cost of a scan.
    if type(value) is not dict and not isinstance(value, Mapping):
        return False
    if set(map(type, value.values())) <= _PLAIN:
        return True
    return all(map(_is_value, value.values()))


def _is_value(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return set(map(type, value)) <= _SCALARS or all(map(_is_scalar, value))
    if isinstance(value, Mapping):
        return value.get("#type") == "sparse_vector"
    return value is None or _is_scalar(value) or type(value).__name__ == "SparseVector"


def _is_scalar(value: Any) -> bool:
    # numpy's single-precision numbers and integers are no subclasses of Python's.
    return isinstance(value, str | int | float) or (hasattr(value, "dtype") and getattr(value, "ndim", None) == 0)
