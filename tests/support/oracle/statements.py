"""
What a statement must answer, worked out the slow way from the language reference alone.

It shares no code with the package: it has its own form of predicates and statements, which render themselves as SQL and answer
over plain Python records. Numbers in brackets name sections of the reference.

Where the reference is silent: LIKE, REGEX and CONTAINS on a value of another kind are false, and so true under NOT;
FALSE orders before TRUE; the metadata of a record that has none shows as {}.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

Truth = bool | None


# Records


@dataclass(frozen=True)
class Record:
    """One record of a collection; a missing document or metadata is None."""

    id: str
    vector: tuple[float, ...] = ()
    document: str | None = None
    metadata: dict[str, Any] | None = None


@dataclass(frozen=True)
class Collection:
    """Records under a name, in record order; no id twice."""

    name: str
    records: tuple[Record, ...]
    space: str = "l2"


@dataclass
class Hit:
    """A record on its way to the answer; ``place`` is that of its collection in FROM."""

    record: Record
    collection: str
    place: int
    distance: float | None = None
    score: Any = None


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


# Predicates [3]


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


# Statements


@dataclass(frozen=True)
class OrderItem:
    column: Column
    descending: bool = False
    nulls: str | None = None

    def sql(self) -> str:
        nulls = "" if self.nulls is None else f" NULLS {self.nulls}"
        return f"{self.column} {'DESC' if self.descending else 'ASC'}{nulls}"


@dataclass(frozen=True)
class Statement:
    """A SELECT. With one vector it ranks; with ``batch`` each vector ranks on its own."""

    columns: tuple[Column, ...]
    where: Any = None
    vectors: tuple[tuple[float, ...], ...] = ()
    batch: bool = False
    merge: str = "SCORE"
    per_collection: int | None = None
    topk: int | None = None
    threshold: float | None = None
    order: tuple[OrderItem, ...] = ()
    limit: int | None = None
    offset: int | None = None

    def sql(self, sources: Sequence[str]) -> tuple[str, dict[str, Any]]:
        """Return the text and its parameters."""
        writer = Writer()
        text = " ".join(["SELECT", ", ".join(map(str, self.columns)), *self._clauses(sources, writer)])
        return text, writer.params

    def _clauses(self, sources: Sequence[str], writer: Writer) -> Iterator[str]:
        yield f"FROM {', '.join(sources)}"
        if self.where is not None:
            yield f"WHERE {self.where.sql(writer)}"
        if self.vectors:
            items = ", ".join(f"VECTOR [{', '.join(map(repr, vector))}]" for vector in self.vectors)
            yield f"USING EMBEDDING {'BATCH ' if self.batch else ''}({items})"
        if self.topk is not None:
            yield f"TOPK {self.topk}"
        if self.threshold is not None:
            yield f"WITH SCORE THRESHOLD {self.threshold!r}"
        if self.order:
            yield f"ORDER BY {', '.join(item.sql() for item in self.order)}"
        if self.limit is not None:
            yield f"LIMIT {self.limit}"
        if self.offset is not None:
            yield f"OFFSET {self.offset}"
        options = {"merge": None if self.merge == "SCORE" else self.merge, "per_collection": self.per_collection}
        given = [f"{name} = {value}" for name, value in options.items() if value is not None]
        if given:
            yield f"WITH ({', '.join(given)})"


def answer(statement: Statement, collections: Sequence[Collection]) -> list[list[dict[str, Any]]]:
    """
    Return the lists of rows that the statement must give over the collections, in the order of FROM.

    There is one list, but for a batch that is not fused. Where there is neither a ranking nor an ORDER BY, the order is free [6], and this is
    one of the possible answers.
    """
    lists = _rankings(statement, collections) if statement.vectors else [_matching(statement, collections)]
    return [[_shown(hit, statement) for hit in _page(hits, statement)] for hits in lists]


def matching(statement: Statement, collections: Sequence[Collection]) -> list[dict[str, Any]]:
    """Return the rows that satisfy WHERE, all of them, in record order."""
    return [_shown(hit, statement) for hit in _matching(statement, collections)]


def _shown(hit: Hit, statement: Statement) -> dict[str, Any]:
    return {column.name: column.read(hit) for column in statement.columns}


def _matching(statement: Statement, collections: Sequence[Collection]) -> list[Hit]:
    hits = [
        Hit(record, collection.name, place)
        for place, collection in enumerate(collections)
        for record in collection.records
    ]
    if statement.where is None:
        return hits
    return [hit for hit in hits if statement.where.truth(hit) is True]


def _page(hits: list[Hit], statement: Statement) -> list[Hit]:
    if statement.threshold is not None:
        hits = [hit for hit in hits if hit.score <= statement.threshold]
    if statement.order:
        hits = sorted(hits, key=lambda hit: (hit.record.id, hit.place))
        for item in reversed(statement.order):
            hits = _ordered(hits, item)
    start = statement.offset or 0
    return hits[start:] if statement.limit is None else hits[start : start + statement.limit]


def _ordered(hits: list[Hit], item: OrderItem) -> list[Hit]:
    """Sort by one item, keeping the order of equals [6]: NULL last for ASC, first for DESC, unless it says."""
    read = item.column.read
    null = [hit for hit in hits if read(hit) is None]
    rest = sorted(
        (hit for hit in hits if read(hit) is not None),
        key=lambda hit: orderable(read(hit)),
        reverse=item.descending,
    )
    first = item.descending if item.nulls is None else item.nulls == "FIRST"
    return null + rest if first else rest + null


def orderable(value: Any) -> tuple[int, Any]:
    """Return a key by which kinds order boolean < number < string < list."""
    rank = ("boolean", "number", "string", "list").index(kind(value))
    return rank, [orderable(each) for each in value] if rank == 3 else value


# Ranking [4, 5]


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


def _rankings(statement: Statement, collections: Sequence[Collection]) -> list[list[Hit]]:
    pool = statement.topk or (100 if statement.limit is None else max(1, statement.limit + (statement.offset or 0)))
    each = statement.per_collection or pool
    rankings = [
        [_nearest(statement, vector, place, collection, each) for place, collection in enumerate(collections)]
        for vector in statement.vectors
    ]
    if statement.merge == "RRF":
        comparable = len(statement.vectors) == 1 and len({each.space for each in collections}) == 1
        return [_fused([hits for lists in rankings for hits in lists], statement, comparable=comparable)[:pool]]
    return [
        sorted((hit for hits in lists for hit in hits), key=lambda hit: (hit.score, hit.record.id, hit.place))[:pool]
        for lists in rankings
    ]


def _nearest(
    statement: Statement, vector: Sequence[float], place: int, collection: Collection, count: int
) -> list[Hit]:
    hits = _matching(statement, [collection])
    for hit in hits:
        hit.place = place
        hit.distance = hit.score = distance(collection.space, vector, hit.record.vector)
    return sorted(hits, key=lambda hit: (hit.distance, hit.record.id))[:count]


def _fused(lists: Sequence[Sequence[Hit]], statement: Statement, *, comparable: bool) -> list[Hit]:
    """Sum -1 / (60 + rank) of each id; the record shown is the one that stands highest."""
    found: dict[str, list[tuple[int, float, int, Hit]]] = {}
    for hits in lists:
        for rank, hit in enumerate(hits):
            tie = hit.distance if comparable and hit.distance is not None else 0.0
            found.setdefault(hit.record.id, []).append((rank, tie, hit.place, hit))
    ranked = []
    for places in found.values():
        _, tie, place, hit = min(places, key=lambda each: each[:3])
        score = -sum(Fraction(1, 60 + rank) for rank, *_ in places)
        only = hit.distance if len(statement.vectors) == 1 else None
        fused = Hit(hit.record, hit.collection, place, only, score)
        ranked.append((score, tie, hit.record.id, place, fused))
    return [hit for *_, hit in sorted(ranked, key=lambda each: each[:4])]


# Agreement


def agree(got: Sequence[dict[str, Any]], expected: Sequence[dict[str, Any]], tolerance: float = 0.0) -> bool:
    """Tell whether rows are equal in order, but for rounding in distances, scores and embeddings."""
    return len(got) == len(expected) and all(
        list(left) == list(right) and all(_alike(name, left[name], right[name], tolerance) for name in right)
        for left, right in zip(got, expected, strict=True)
    )


def _alike(name: str, left: Any, right: Any, tolerance: float) -> bool:
    match name:
        case "embedding":
            return len(left) == len(right) and all(
                math.isclose(a, b, rel_tol=1e-6, abs_tol=1e-6) for a, b in zip(left, right, strict=True)
            )
        case "distance" | "score" if left is not None and right is not None:
            return abs(left - right) <= max(tolerance, 1e-12)
        case _:
            return bool(left == right and kind_of_all(left) == kind_of_all(right))


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


def same_set(got: Iterable[dict[str, Any]], expected: Iterable[dict[str, Any]]) -> bool:
    """Tell whether two lists hold the same rows in any order; rows are told apart by id and _collection."""

    def ordered(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
        return sorted(rows, key=lambda row: (row["id"], row["_collection"]))

    return agree(ordered(got), ordered(expected))
