"""
Predicates, each as SQL and as a function of three values; numbers in brackets name sections of the language reference.

Where the reference is silent: LIKE, REGEX and CONTAINS on a value of another kind are false, and so true under NOT; the
metadata of a record that has none shows as {}.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.support.oracle.values import (
    Hit,
    Parameter,
    Record,
    Truth,
    Writer,
    compare,
    conjunction,
    disjunction,
    negate,
    plain,
    same,
)


@dataclass(frozen=True)
class Column:
    """
    A column: ``part`` is id, document, metadata, embedding, _collection, distance or score.

    ``written`` is the SQL of it, ``bare`` tells ``year`` from ``metadata.year``, which names the column of the result.
    """

    part: str
    key: str | None = None
    written: str = ""
    bare: bool = False

    @property
    def name(self) -> str:
        if self.key is None:
            return self.part
        return self.key if self.bare else f"metadata.{self.key}"

    def read(self, hit: Hit) -> Any:
        match self.part:
            case "metadata" if self.key is not None:
                return (hit.record.metadata or {}).get(self.key)
            case "metadata":
                return hit.record.metadata or {}
            case "embedding":
                return list(hit.record.vector)
            case "_collection":
                return hit.collection
            case "distance":
                return hit.distance
            case "score":
                return None if hit.score is None else float(hit.score)
            case part:
                return getattr(hit.record, part)

    def __str__(self) -> str:
        return self.written or self.part


@dataclass(frozen=True)
class And:
    parts: tuple[Any, ...]
    word = "AND"
    join = staticmethod(conjunction)

    def truth(self, hit: Hit) -> Truth:
        return self.join(part.truth(hit) for part in self.parts)

    def sql(self, writer: Writer) -> str:
        return f" {self.word} ".join(f"({part.sql(writer)})" for part in self.parts)


@dataclass(frozen=True)
class Or(And):
    word = "OR"
    join = staticmethod(disjunction)


@dataclass(frozen=True)
class Not:
    part: Any

    def truth(self, hit: Hit) -> Truth:
        return negate(self.part.truth(hit))

    def sql(self, writer: Writer) -> str:
        return f"NOT ({self.part.sql(writer)})"


@dataclass(frozen=True)
class Compare:
    column: Column
    operator: str
    value: Any

    def truth(self, hit: Hit) -> Truth:
        return compare(self.operator, self.column.read(hit), plain(self.value))

    def sql(self, writer: Writer) -> str:
        return f"{self.column} {self.operator} {writer.value(self.value)}"


@dataclass(frozen=True)
class _Negatable:
    """A test that has a NOT of its own: ``x NOT IN (..)`` is ``NOT (x IN (..))``."""

    column: Column
    negated: bool = field(default=False, kw_only=True)

    def truth(self, hit: Hit) -> Truth:
        truth = self.positive(hit)
        return negate(truth) if self.negated else truth

    def positive(self, hit: Hit) -> Truth:
        raise NotImplementedError

    @property
    def not_(self) -> str:
        return "NOT " if self.negated else ""


@dataclass(frozen=True)
class In(_Negatable):
    values: Any

    def positive(self, hit: Hit) -> Truth:
        given = self.values
        values = given.value if isinstance(given, Parameter) else [plain(each) for each in given]
        value = self.column.read(hit)
        if value is None:
            return None if values else False
        return any(same(value, each) for each in values if each == value) or (None if None in values else False)

    def sql(self, writer: Writer) -> str:
        return f"{self.column} {self.not_}IN {writer.values(self.values)}"


@dataclass(frozen=True)
class Between(_Negatable):
    low: Any
    high: Any

    def positive(self, hit: Hit) -> Truth:
        value = self.column.read(hit)
        return conjunction([compare(">=", value, plain(self.low)), compare("<=", value, plain(self.high))])

    def sql(self, writer: Writer) -> str:
        return f"{self.column} {self.not_}BETWEEN {writer.value(self.low)} AND {writer.value(self.high)}"


@dataclass(frozen=True)
class IsNull(_Negatable):
    def positive(self, hit: Hit) -> Truth:
        return self.column.read(hit) is None

    def sql(self, writer: Writer) -> str:
        return f"{self.column} IS {self.not_}NULL"


@dataclass(frozen=True)
class IsDistinct(_Negatable):
    value: Any

    def positive(self, hit: Hit) -> Truth:
        value, other = self.column.read(hit), plain(self.value)
        if value is None or other is None:
            return value is not other
        return not same(value, other)

    def sql(self, writer: Writer) -> str:
        return f"{self.column} IS {self.not_}DISTINCT FROM {writer.value(self.value)}"


@dataclass(frozen=True)
class Contains(_Negatable):
    """Holds the value: an array an element, a document a text. ``quantifier`` ANY or ALL takes several values."""

    value: Any
    quantifier: str = ""

    def positive(self, hit: Hit) -> Truth:
        held = self.column.read(hit)
        if not self.quantifier:
            return self._holds(held, plain(self.value))
        truths = [self._holds(held, plain(each)) for each in plain(self.value)]
        return disjunction(truths) if self.quantifier == "ANY" else conjunction(truths)

    def _holds(self, held: Any, value: Any) -> Truth:
        if held is None or value is None:
            return None
        if self.column.part == "document":
            return value in held
        return isinstance(held, list) and any(same(each, value) for each in held)

    def sql(self, writer: Writer) -> str:
        words = f"{self.column} {self.not_}CONTAINS"
        if self.quantifier:
            return f"{words} {self.quantifier} {writer.values(self.value)}"
        return f"{words} {writer.value(self.value)}"


@dataclass(frozen=True)
class Like(_Negatable):
    pattern: Any
    ignore_case: bool = False

    def positive(self, hit: Hit) -> Truth:
        value, pattern = self.column.read(hit), plain(self.pattern)
        if value is None or pattern is None:
            return None
        if not isinstance(value, str):
            return False
        return like(fold(value), fold(pattern)) if self.ignore_case else like(value, pattern)

    def sql(self, writer: Writer) -> str:
        return f"{self.column} {self.not_}{'ILIKE' if self.ignore_case else 'LIKE'} {writer.value(self.pattern)}"


def like(text: str, pattern: str) -> bool:
    """Match the whole text; ``%`` is any text, and nothing else is special."""
    first, *rest = pattern.split("%")
    if not rest:
        return text == pattern
    if not text.startswith(first):
        return False
    at = len(first)
    *middle, last = rest
    for part in middle:
        at = text.find(part, at)
        if at < 0:
            return False
        at += len(part)
    return len(text) - at >= len(last) and text.endswith(last)


def fold(text: str) -> str:
    """Fold case one character to one, as regular expressions do: Unicode's simple case folding."""
    return "".join(map(_fold_one, text))


def _fold_one(character: str) -> str:
    return next((each for each in (character.casefold(), character.lower()) if len(each) == 1), character)


@dataclass(frozen=True)
class Pattern:
    """A regular expression twice: in the dialect of Rust's regex crate, and with the same meaning in Python's."""

    rust: str
    python: str


@dataclass(frozen=True)
class Regex(_Negatable):
    pattern: Pattern
    as_parameter: bool = False

    def positive(self, hit: Hit) -> Truth:
        value = self.column.read(hit)
        if value is None:
            return None
        return isinstance(value, str) and re.search(self.pattern.python, value) is not None

    def sql(self, writer: Writer) -> str:
        text = self.pattern.rust
        return f"{self.column} {self.not_}REGEX {writer.value(Parameter(text) if self.as_parameter else text)}"


@dataclass(frozen=True)
class Filter:
    """A WHERE that is written by hand, and whether it is true of a record."""

    sql: str
    truth: Callable[[Record], bool]
