"""The shape that an answer of a server must have before it is read."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import NoneType
from typing import Any

from chromasql.plan.stored_values import are_distances, is_metadata

__all__ = ["CELLS", "find_misfit"]

_NUMBERS = frozenset({float, int})


# What a column may hold. JSON has no infinity: where Chroma's arithmetic yields one, it sends null.
CELLS: Mapping[str, frozenset[type]] = {
    "distances": _NUMBERS,
    "documents": frozenset({str, NoneType}),
    "embeddings": frozenset({list, NoneType}),
    "metadatas": frozenset({dict, NoneType}),
    "uris": frozenset({str, NoneType}),
}


_STRINGS = frozenset({str})


def find_misfit(ids: Any, columns: Mapping[str, Any]) -> str | None:
    """Say what is wrong with one list of records, or return None."""
    if not _holds(ids, _STRINGS):
        return "ids are not a list of strings"
    if len(set(ids)) < len(ids):
        return "an id is repeated"
    for name, column in columns.items():
        if not _holds(column, CELLS[name]):
            if name == "distances":
                return "a distance is not a finite number; check the vectors for huge values"
            return f"{name} is missing, or not a list of what it should hold"
        if len(column) != len(ids):
            return f"{len(ids)} ids, but {len(column)} {name}"
        if name == "distances" and not are_distances(column):
            return "a distance is beyond single precision; check the vectors for huge values"
        if name == "metadatas" and not all(map(is_metadata, column)):
            return "the metadata of a record hold what Chroma does not store, such as an object or a list with null"
        if name == "embeddings" and not all(vector is None or _holds(vector, _NUMBERS) for vector in column):
            return "an embedding is not a list of numbers"
        if name == "embeddings" and not all(map(_is_single, column)):
            return "a component of an embedding is beyond single precision"
    return None


def _is_single(vector: list[float] | None) -> bool:
    # Two numbers decide, as JSON has no NaN.
    return not vector or are_distances((min(vector), max(vector)))


def _holds(value: Any, kinds: Collection[type]) -> bool:
    """Whether this is a list of values of these very types; True is not a number here."""
    return type(value) is list and all(kind in kinds for kind in set(map(type, value)))
