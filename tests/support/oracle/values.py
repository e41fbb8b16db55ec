"""Records and values, as the language reference speaks of them; numbers in brackets name its sections."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

Truth = bool | None


# Records


@dataclass(frozen=True)
class Record:
    """One record of a collection; a missing document or metadata is None."""

    id: str
    vector: tuple[float, ...] = ()
    document: str | None = None
    metadata: dict[str, Any] | None = field(default=None, hash=False)

    @property
    def values(self) -> dict[str, Any]:
        """The metadata, empty where there is none."""
        return self.metadata or {}


@dataclass(frozen=True)
class Collection:
    """Records under a name, in record order; no id twice."""

    name: str
    records: tuple[Record, ...]
    space: str = "l2"


@dataclass(frozen=True)
class Hit:
    """A record on its way to the answer; ``place`` is that of its collection in FROM."""

    record: Record
    collection: str
    place: int
    distance: float | None = None
    score: Any = None

    @property
    def key(self) -> tuple[str, str]:
        """What tells it from all others."""
        return self.collection, self.record.id

    @property
    def tie(self) -> tuple[str, int]:
        """What decides where scores are equal."""
        return self.record.id, self.place


# SQL


@dataclass(frozen=True)
class Parameter:
    """A value that is given apart from the text."""

    value: Any


def plain(value: Any) -> Any:
    """Return the value itself, whether it is written in the text or given apart."""
    return value.value if isinstance(value, Parameter) else value


class Writer:
    """Writes values, and keeps those that are given apart under names of its own."""

    def __init__(self) -> None:
        self.params: dict[str, Any] = {}

    def value(self, value: Any) -> str:
        """Write one value: a literal, or the name of a parameter."""
        if isinstance(value, Parameter):
            name = f"p{len(self.params)}"
            self.params[name] = list(value.value) if isinstance(value.value, tuple) else value.value
            return f":{name}"
        return literal(value)

    def values(self, values: Any) -> str:
        """Write the list of IN, CONTAINS ANY or CONTAINS ALL."""
        if isinstance(values, Parameter):
            return self.value(values)
        return f"({', '.join(map(self.value, values))})"


def literal(value: Any) -> str:
    """Write a value as SQL text."""
    match value:
        case None:
            return "NULL"
        case bool():
            return "TRUE" if value else "FALSE"
        case str():
            return "'{}'".format(value.replace("\\", "\\\\").replace("'", "''"))
        case _:
            return repr(value)


# Values [3]


def kind(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    return "number" if isinstance(value, int | float) else "string" if isinstance(value, str) else "list"


def same(left: Any, right: Any) -> bool:
    """Different kinds are never equal; numbers are equal by value; a list is equal to nothing."""
    return kind(left) == kind(right) != "list" and left == right


def compare(operator: str, left: Any, right: Any) -> Truth:
    if left is None or right is None:
        return None
    if operator == "=":
        return same(left, right)
    if operator == "!=":
        return not same(left, right)
    if kind(left) != kind(right):
        return None
    return {"<": left < right, "<=": left <= right, ">": left > right, ">=": left >= right}[operator]


def negate(truth: Truth) -> Truth:
    return None if truth is None else not truth


def conjunction(truths: Iterable[Truth]) -> Truth:
    truths = list(truths)
    return False if False in truths else None if None in truths else True


def disjunction(truths: Iterable[Truth]) -> Truth:
    truths = list(truths)
    return True if True in truths else None if None in truths else False


def orderable(value: Any) -> tuple[int, Any]:
    """Return a key by which kinds order boolean < number < NaN < string < list."""
    rank = ("boolean", "number", "string", "list").index(kind(value))
    if rank == 1 and math.isnan(value):
        return 1, (True, 0)
    return rank, (False, value) if rank == 1 else tuple(map(orderable, value)) if rank == 3 else value


def kind_of_all(value: Any) -> Any:
    """Return the kinds in a value, so that TRUE is not taken for 1."""
    match value:
        case dict():
            return {key: kind_of_all(each) for key, each in value.items()}
        case list():
            return [kind_of_all(each) for each in value]
        case None:
            return None
        case _:
            return kind(value)


def distance(space: str, query: Sequence[float], vector: Sequence[float]) -> float:
    """Return Chroma's distance in single precision: squared Euclidean, 1 - cosine, 1 - dot product."""
    dot = math.fsum(a * b for a, b in zip(query, vector, strict=True))
    match space:
        case "l2":
            found = math.fsum((a - b) ** 2 for a, b in zip(query, vector, strict=True))
        case "ip":
            found = 1 - dot
        case _:
            lengths = math.sqrt(math.fsum(a * a for a in query) * math.fsum(b * b for b in vector))
            found = 1 - dot / lengths if lengths else 1.0
    return float(struct.unpack("f", struct.pack("f", found))[0])
