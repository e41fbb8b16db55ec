"""
What a statement must answer, worked out the slow way from the language reference alone.

It shares no code with the package: statements render themselves as SQL and answer over plain Python records. Numbers in
brackets name sections of the reference. Those with RANK BY and KEEP are in `tests.support.oracle.ranks`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from tests.support.oracle.predicates import Column
from tests.support.oracle.values import Collection, Hit, Writer, distance, kind_of_all, orderable


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


# Ranking [4, 5]


def _rankings(statement: Statement, collections: Sequence[Collection]) -> list[list[Hit]]:
    pool = statement.topk or max(10, (statement.limit or 0) + (statement.offset or 0))
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
    hits = []
    for hit in _matching(statement, [collection]):
        found = distance(collection.space, vector, hit.record.vector)
        hits.append(Hit(hit.record, hit.collection, place, found, found))
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


def same_set(got: Iterable[dict[str, Any]], expected: Iterable[dict[str, Any]]) -> bool:
    """Tell whether two lists hold the same rows in any order; rows are told apart by id and _collection."""

    def ordered(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
        return sorted(rows, key=lambda row: (row["id"], row["_collection"]))

    return agree(ordered(got), ordered(expected))
