"""
What a statement with RANK BY must answer, worked out the slow way from sections 4 to 6 of the language reference.

It shares no code with the package. A statement writes itself as SQL and answers over plain records. Every step of a rank
expression is in single precision, as in Chroma.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from tests.support.oracle.predicates import Filter
from tests.support.oracle.values import Collection, Hit, distance, orderable

F = np.float32


# Leaves


@dataclass(frozen=True, kw_only=True)
class Leaf:
    limit: int | None = None
    default: float | None = None
    return_rank: bool | None = None

    def arguments(self) -> str:
        given = {"limit": self.limit, "default": self.default, "return_rank": self.return_rank}
        return "".join(f", {name} = {value!r}".upper() for name, value in given.items() if value is not None)


@dataclass(frozen=True)
class Knn(Leaf):
    vector: tuple[float, ...]

    def sql(self) -> str:
        return f"KNN([{', '.join(map(repr, self.vector))}]{self.arguments()})"

    def measure(self, hits: Sequence[Hit], space: str) -> list[tuple[float, Hit]]:
        return [(distance(space, self.vector, hit.record.vector), hit) for hit in hits]


@dataclass(frozen=True)
class Bm25(Leaf):
    text: str
    k1: float = 1.2
    b: float = 0.75

    def sql(self) -> str:
        quoted = self.text.replace("\\", "\\\\").replace("'", "''")
        return f"BM25('{quoted}'{self.arguments()}, k1 = {self.k1!r}, b = {self.b!r})"

    def measure(self, hits: Sequence[Hit], space: str) -> list[tuple[float, Hit]]:
        return bm25(self.text, hits, self.k1, self.b)


UNSPACED = ("CJK UNIFIED", "HIRAGANA", "KATAKANA", "THAI CHARACTER", "LAO", "KHMER", "MYANMAR")
"""How the names of the letters begin of which BM25 takes pairs."""


def words_of(text: str) -> list[str]:
    """Read a text letter by letter: a state for words between blanks, one for runs of scripts without them."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text.replace("\u2019", "'")).casefold())
    units: list[list[str]] = []
    kind = ""
    for place, letter in enumerate(folded):
        category = unicodedata.category(letter)[0]
        if category == "M" and kind:
            units[-1][-1] += letter
        elif unicodedata.name(letter, "").startswith(UNSPACED) and category == "L":
            if kind != "pairs":
                units.append([])
            units[-1].append(letter)
            kind = "pairs"
        elif category in "LN" or letter == "_":
            if kind != "word":
                units.append([""])
            units[-1][-1] += letter
            kind = "word"
        elif letter == "'" and kind == "word" and _begins_word(folded[place + 1 : place + 2]):
            units[-1][-1] += letter
        else:
            kind = ""
    return [word for unit in units for word in (unit if len(unit) == 1 else map("".join, pairwise(unit)))]


def _begins_word(letter: str) -> bool:
    unspaced = unicodedata.name(letter, "").startswith(UNSPACED) if letter else True
    return not unspaced and (unicodedata.category(letter)[0] in "LN" or letter == "_")


def bm25(text: str, hits: Sequence[Hit], k1: float = 1.2, b: float = 0.75) -> list[tuple[float, Hit]]:
    """Return the score of each document that holds one of the words, by the formula of the reference."""
    wanted = set(words_of(text))
    documents = {hit: words_of(hit.record.document) for hit in hits if hit.record.document is not None}
    matching = {hit: words for hit, words in documents.items() if wanted & set(words)}
    frequency = {word: sum(word in words for words in matching.values()) for word in wanted}
    mean = sum(map(len, documents.values())) / max(1, len(documents))
    found = []
    for hit, words in matching.items():
        score = 0.0
        for word in wanted & set(words):
            rarity = math.log(1 + (len(documents) - frequency[word] + 0.5) / (frequency[word] + 0.5))
            tf = words.count(word)
            score -= rarity * tf / (tf + k1 * (1 - b + b * len(words) / mean))
        found.append((score, hit))
    return found


# Expressions: None is NULL


@dataclass(frozen=True)
class Number:
    value: float

    def sql(self) -> str:
        return repr(self.value)


@dataclass(frozen=True)
class Metadata:
    key: str

    def sql(self) -> str:
        return f"metadata.{self.key}"


@dataclass(frozen=True)
class Operation:
    operator: str
    left: Any
    right: Any

    def sql(self) -> str:
        return f"({self.left.sql()} {self.operator} {self.right.sql()})"


@dataclass(frozen=True)
class Function:
    name: str
    arguments: tuple[Any, ...]

    def sql(self) -> str:
        return f"{self.name}({', '.join(each.sql() for each in self.arguments)})"


@dataclass(frozen=True)
class Rrf:
    ranks: tuple[Any, ...]
    k: float | None = None
    weights: tuple[float, ...] | None = None
    normalize: bool = False
    default: float | None = None
    require_all: bool = False

    def sql(self) -> str:
        parts = [rank.sql() for rank in self.ranks]
        if self.k is not None:
            parts.append(f"k = {self.k!r}")
        if self.weights is not None:
            parts.append(f"weights = [{', '.join(map(repr, self.weights))}]")
        if self.normalize:
            parts.append("normalize = TRUE")
        if self.default is not None:
            parts.append(f"default = {self.default!r}")
        if self.require_all:
            parts.append("require_all = TRUE")
        return f"RRF({', '.join(parts)})"


def parts_of(expression: Any) -> tuple[Any, ...]:
    match expression:
        case Operation(_, left, right):
            return left, right
        case Function(_, arguments):
            return arguments
        case Rrf(ranks):
            return ranks
        case _:
            return ()


def leaves_of(expression: Any, fusion: Rrf | None = None) -> Iterator[tuple[Any, Rrf | None]]:
    """Yield each leaf with the fusion that it stands in, from left to right."""
    if isinstance(expression, Leaf):
        yield expression, fusion
    for part in parts_of(expression):
        yield from leaves_of(part, expression if isinstance(expression, Rrf) else fusion)


# Statements


@dataclass(frozen=True)
class Keep:
    keys: tuple[str, ...]
    count: int
    items: tuple[tuple[str, bool], ...] = ()
    """Columns, and whether they descend."""

    def sql(self) -> str:
        items = ", ".join(f"{column} {'DESC' if descending else 'ASC'}" for column, descending in self.items)
        return f"GROUP BY {', '.join(self.keys)} KEEP {self.count}{f' BY {items}' if items else ''}"


@dataclass(frozen=True)
class Statement:
    rank: Any
    where: Filter | None = None
    threshold: float | None = None
    keep: Keep | None = None
    limit: int | None = None
    offset: int = 0
    shown: tuple[str, ...] = ()

    def sql(self, sources: Sequence[str]) -> str:
        clauses = [
            f"SELECT _collection, id, score{''.join(f', {each}' for each in self.shown)} FROM {', '.join(sources)}",
        ]
        if self.where is not None:
            clauses.append(f"WHERE {self.where.sql}")
        clauses.append(f"RANK BY {self.rank.sql()}")
        if self.threshold is not None:
            clauses.append(f"WITH SCORE THRESHOLD {self.threshold!r}")
        if self.keep is not None:
            clauses.append(self.keep.sql())
        if self.limit is not None:
            clauses.append(f"LIMIT {self.limit}")
        if self.offset:
            clauses.append(f"OFFSET {self.offset}")
        return " ".join(clauses)

    def ranked(self, collections: Sequence[Collection], space: str) -> list[tuple[Hit, float | None]]:
        """Return all that is ranked, best first, with its score."""
        hits = [
            Hit(record, collection.name, place)
            for place, collection in enumerate(collections)
            for record in collection.records
            if self.where is None or self.where.truth(record)
        ]
        leaves = list(leaves_of(self.rank))
        lists = [self._found(leaf, hits, space) for leaf, _ in leaves]
        found = [{hit.key: (place, value) for place, (value, hit) in enumerate(each)} for each in lists]
        needed = [keys for (leaf, fusion), keys in zip(leaves, found, strict=True) if not _is_optional(leaf, fusion)]
        chosen = [
            hit for hit in hits if any(hit.key in keys for keys in found) and all(hit.key in keys for keys in needed)
        ]
        scored = [(hit, self._score(hit, found)) for hit in chosen]
        return sorted(scored, key=lambda each: order(*each))

    def page(self, ranked: Sequence[tuple[Hit, float | None]]) -> list[tuple[Hit, float | None]]:
        """Apply threshold, groups and page to what is ranked."""
        rows = list(ranked)
        if self.threshold is not None:
            rows = [(hit, score) for hit, score in rows if score is not None and score <= self.threshold]
        if self.keep is not None:
            rows = _kept(rows, self.keep)
        return rows[self.offset :] if self.limit is None else rows[self.offset : self.offset + self.limit]

    def _found(self, leaf: Any, hits: Sequence[Hit], space: str) -> list[tuple[float, Hit]]:
        best = sorted(leaf.measure(hits, space), key=lambda each: (each[0], each[1].tie))
        return best[: leaf.limit or self._pool(leaf)]

    def _pool(self, leaf: Any) -> int:
        reaches = None if self.limit is None else max(1, self.limit + self.offset)
        if leaf is self.rank and isinstance(leaf, Knn) and self.keep is None:
            return reaches or 100
        return max(100, reaches or 0)

    def _score(self, hit: Hit, found: Sequence[dict[Any, tuple[int, float]]]) -> float | None:
        hits = iter([keys.get(hit.key) for keys in found])

        def value(expression: Any, fusion: Rrf | None = None) -> Any:
            match expression:
                case Leaf():
                    return _given(expression, fusion, next(hits))
                case Number(number):
                    return F(number)
                case Metadata(key):
                    number = hit.record.values.get(key)
                    return F(number) if type(number) in (int, float) else None
                case Operation(operator, left, right):
                    a, b = value(left, fusion), value(right, fusion)
                    return None if a is None or b is None else _OPERATORS[operator](a, b)
                case Function(name, arguments):
                    return _FUNCTIONS[name]([value(each, fusion) for each in arguments])
                case Rrf():
                    return _fused(expression, [value(rank, expression) for rank in expression.ranks])

        with np.errstate(all="ignore"):
            score = value(self.rank)
        return None if score is None else float(score)


def order(hit: Hit, score: float | None) -> tuple[bool, float, tuple[str, int]]:
    """Lower is better; NULL and NaN are last; ties go by id, then by collection."""
    nothing = score is None or math.isnan(score)
    return nothing, 0.0 if nothing else score, hit.tie  # type: ignore[return-value]


def _is_optional(leaf: Any, fusion: Rrf | None) -> bool:
    return leaf.default is not None or (fusion is not None and not fusion.require_all)


def _given(leaf: Any, fusion: Rrf | None, found: tuple[int, float] | None) -> Any:
    """Return the rank or the distance of a record in a leaf, or what stands for it where it is absent."""
    default = leaf.default if leaf.default is not None or fusion is None else fusion.default
    if found is None:
        return None if default is None else F(default)
    return F(found[0] if leaf.return_rank or fusion is not None else found[1])


def _fused(rrf: Rrf, ranks: Sequence[Any]) -> Any:
    weights = rrf.weights or (1.0,) * len(ranks)
    total = sum(weights) if rrf.normalize else 1.0
    k = 60 if rrf.k is None else rrf.k
    score = F(0)
    for rank, weight in zip(ranks, weights, strict=True):
        if rank is not None:
            score = score + F(weight / total) / (F(k) + rank)
    return -score


_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
}


def _unless_null(function: Callable[..., Any]) -> Callable[[Sequence[Any]], Any]:
    return lambda values: None if None in values else function(*values)


def _least(*values: Any) -> Any:
    return min((each for each in values if not np.isnan(each)), default=F("nan"))


def _most(*values: Any) -> Any:
    return max((each for each in values if not np.isnan(each)), default=F("nan"))


_FUNCTIONS: dict[str, Callable[[Sequence[Any]], Any]] = {
    "ABS": _unless_null(np.abs),
    "EXP": _unless_null(np.exp),
    "LOG": _unless_null(np.log),
    "LN": _unless_null(np.log),
    "MIN": _unless_null(_least),
    "LEAST": _unless_null(_least),
    "MAX": _unless_null(_most),
    "GREATEST": _unless_null(_most),
    "COALESCE": lambda values: next((each for each in values if each is not None), None),
}


def _kept(rows: Sequence[tuple[Hit, float | None]], keep: Keep) -> list[tuple[Hit, float | None]]:
    groups: dict[Any, list[tuple[Hit, float | None]]] = {}
    for hit, score in rows:
        groups.setdefault(tuple(_group_value(hit, key) for key in keep.keys), []).append((hit, score))
    kept = []
    for group in groups.values():
        first = sorted(group, key=lambda each: each[0].tie)
        for column, descending in reversed(keep.items or (("score", False),)):
            first = _sorted_by(first, column, descending=descending)
        kept += first[: keep.count]
    return sorted(kept, key=lambda each: order(*each))


def _group_value(hit: Hit, key: str) -> Any:
    value = hit.collection if key == "_collection" else hit.record.values.get(key)
    if isinstance(value, list):
        return "list", tuple((isinstance(each, bool), each) for each in value)
    return isinstance(value, bool), value


def _sorted_by(rows: Sequence[tuple[Hit, float | None]], column: str, *, descending: bool) -> list[Any]:
    """Sort by one column, keeping the order of equals; NULL is last in either direction."""

    def read(row: tuple[Hit, float | None]) -> Any:
        return row[1] if column == "score" else row[0].record.values.get(column)

    present = [row for row in rows if read(row) is not None]
    present.sort(key=lambda row: orderable(read(row)), reverse=descending)
    return present + [row for row in rows if read(row) is None]


# Agreement


def disagreement(
    statement: Statement,
    ranked: Sequence[tuple[Hit, float | None]],
    rows: Sequence[dict[str, Any]],
    *,
    scale: float,
) -> str | None:
    """
    Say where rows are not the page of a statement, or return None.

    Scores may differ by 1e-5, relative or of ``scale``; rows whose scores are that close may stand in any order.
    """
    expected = statement.page(ranked)
    if len(rows) != len(expected):
        return f"{len(rows)} rows, not {len(expected)}"
    scores = {hit.key: score for hit, score in ranked}
    got = [(row["_collection"], row["id"]) for row in rows]
    if len(set(got)) < len(got):
        return "a row twice"
    for row, key, (hit, score) in zip(rows, got, expected, strict=True):
        if key not in scores:
            return f"{key} is not ranked"
        if not close(row["score"], scores[key], scale) or not close(scores[key], score, scale):
            return f"{key} at {row['score']}, where {hit.key} stands at {score}"
    return None


def close(left: float | None, right: float | None, scale: float) -> bool:
    if left is None or right is None:
        return left is right
    if math.isnan(left) or math.isnan(right):
        return math.isnan(left) and math.isnan(right)
    return left == right or math.isclose(left, right, rel_tol=1e-5, abs_tol=1e-5 * scale)
