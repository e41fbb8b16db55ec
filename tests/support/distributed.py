"""
A distributed Chroma that is not there: its collections, written from notes on its source.

Of ours it has the regular expressions alone, which stand in for those of Rust.

It reads filters as Chroma Cloud does, quirks and all: whole numbers and floats are indexed apart, whole numbers as
unsigned 32-bit and floats in single precision once the data is compacted, arrays by element, texts by trigrams. Ranks
are single precision, ties go by record order. What Cloud's quotas forbid is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from chromasql.operators.patterns import compile_regex

MOST_RESULTS = 300
MOST_PREDICATES = 8
MOST_PAYLOADS = 5
MOST_KNN = 5
LONGEST_TEXT = 256


class ChromaError(Exception):
    """What a server answers to a request that it refuses."""


@dataclass
class Record:
    """One record, in the order in which it was first added."""

    id: str
    embedding: Sequence[float] | None = None
    document: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    uri: str | None = None


class DistributedCollection:
    """
    A collection of Chroma Cloud.

    ``calls`` holds what was sent: the method and its arguments. With ``compacted`` false all records are still in the
    write-ahead log. ``sparse`` names the keys that have a sparse index.
    """

    def __init__(
        self,
        name: str,
        records: Iterable[Record] = (),
        *,
        space: str = "l2",
        compacted: bool = True,
        sparse: Sequence[str] = (),
    ) -> None:
        self.name = name
        self.records = list(records)
        self.configuration_json = {"spann": {"space": space}}
        self.dimension = next((len(each.embedding) for each in self.records if each.embedding is not None), None)
        self.metadata = None
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self._space = space
        self._index = Index(self.records, compacted=compacted)
        self._compacted = compacted
        self._sparse = sparse

    # The classic methods, as chromadb's client lets them pass

    async def count(self) -> int:
        self.calls.append(("count", {}))
        return len(self.records)

    async def get(
        self,
        *,
        ids: Sequence[str] | None = None,
        where: Mapping[str, Any] | None = None,
        where_document: Mapping[str, Any] | None = None,
        limit: int | None = None,
        offset: int = 0,
        include: Sequence[str] = ("metadatas", "documents"),
    ) -> dict[str, Any]:
        arguments = {"ids": ids, "where": where, "where_document": where_document, "limit": limit}
        self.calls.append(("get", {**arguments, "offset": offset, "include": include}))
        if ids is not None and len(ids) > MOST_RESULTS:
            raise ChromaError("Quota exceeded: ids")
        found = self._found(ids, where, where_document)
        found = found[offset:][: min(limit or MOST_RESULTS, MOST_RESULTS)]
        return {"ids": [each.id for each in found], **_columns(found, include), "included": list(include)}

    async def query(
        self,
        *,
        query_embeddings: Sequence[Sequence[float]],
        n_results: int = 10,
        ids: Sequence[str] | None = None,
        where: Mapping[str, Any] | None = None,
        where_document: Mapping[str, Any] | None = None,
        include: Sequence[str] = ("metadatas", "documents", "distances"),
    ) -> dict[str, Any]:
        arguments = {"ids": ids, "where": where, "where_document": where_document, "n_results": n_results}
        self.calls.append(("query", {**arguments, "query_embeddings": query_embeddings, "include": include}))
        if n_results > MOST_RESULTS or len(ids or ()) > MOST_RESULTS:
            raise ChromaError("Quota exceeded: results")
        found = [each for each in self._found(ids, where, where_document) if each.embedding is not None]
        pages = []
        for vector in query_embeddings:
            near = [(self._distance(vector, record), at) for at, record in enumerate(found)]
            pages.append([(distance, found[at]) for distance, at in sorted(near)[:n_results]])
        answer = {
            name: [_columns([record for _, record in page], include).get(name) for page in pages]
            for name in ("documents", "metadatas", "embeddings", "uris")
            if name in include
        }
        return {
            "ids": [[record.id for _, record in page] for page in pages],
            "distances": [[float(distance) for distance, _ in page] for page in pages],
            **answer,
        }

    def _found(
        self,
        ids: Sequence[str] | None,
        where: Mapping[str, Any] | None,
        where_document: Mapping[str, Any] | None,
    ) -> list[Record]:
        if where is not None:
            _refuse_regex(where)
        chosen = self._matching(where) & self._matching(
            None if where_document is None else _on_document(where_document),
        )
        return [
            record for at, record in enumerate(self.records) if at in chosen and (ids is None or record.id in set(ids))
        ]

    def _matching(self, where: Mapping[str, Any] | None) -> set[int]:
        if not where:
            return set(range(len(self.records)))
        if predicates(where) > MOST_PREDICATES:
            raise ChromaError("Quota exceeded: predicates")
        return self._index.matching(where)

    # The Search API

    async def search(self, *, searches: Sequence[Mapping[str, Any]], read_level: str = "index_and_wal") -> Any:
        self.calls.append(("search", {"searches": searches, "read_level": read_level}))
        if len(searches) > MOST_PAYLOADS:
            raise ChromaError("Quota exceeded: payloads")
        if read_level not in ("index_and_wal", "index_only", "index_and_bounded_wal"):
            raise ChromaError("422: unknown read level")
        answers = [self._searched(payload) for payload in searches]
        return {name: [answer[name] for answer in answers] for name in _ANSWERS}

    def _searched(self, payload: Mapping[str, Any]) -> dict[str, Any]:
        allowed = self._matching(payload.get("filter"))
        rank = payload.get("rank")
        limit = payload.get("limit", {})
        if limit.get("limit", 0) > MOST_RESULTS:
            raise ChromaError("Quota exceeded: limit")
        offset, count = limit.get("offset", 0), limit.get("limit", MOST_RESULTS)
        group_by = payload.get("group_by", {})
        if rank is None:
            if group_by:
                raise ChromaError("400: group_by needs a rank")
            page = [(at, np.float32(place)) for place, at in enumerate(sorted(allowed)[offset : offset + count])]
        else:
            if leaves(rank) > MOST_KNN:
                raise ChromaError("Quota exceeded: knn")
            support, _ = self._ranked(rank, allowed)
            ranked = sorted(support.items(), key=lambda item: (total_order(item[1]), item[0]))
            if group_by:
                ranked = self._grouped(ranked, group_by)
            page = ranked[offset : offset + count]
        return self._shown(page, payload.get("select", {}).get("keys", []))

    def _ranked(self, rank: Mapping[str, Any], allowed: set[int]) -> tuple[dict[int, Any], Any]:
        """Return the support of a rank, a value for each record in it, and the value of all others or None."""
        ((operator, operand),) = rank.items()
        with np.errstate(all="ignore"):
            match operator:
                case "$val":
                    return {}, np.float32(operand)
                case "$knn":
                    return self._nearest(operand, allowed)
                case "$sum" | "$mul" | "$max" | "$min":
                    function, seed = _FOLDS[operator]
                    total: tuple[dict[int, Any], Any] = {}, np.float32(seed)
                    for each in operand:
                        total = _both(function, total, self._ranked(each, allowed))
                    return total
                case "$sub" | "$div":
                    sides = (operand["left"], operand["right"])
                    left, right = (self._ranked(side, allowed) for side in sides)
                    return _both(np.subtract if operator == "$sub" else np.divide, left, right)
                case "$abs" | "$exp" | "$log":
                    function = {"$abs": np.abs, "$exp": np.exp, "$log": np.log}[operator]
                    support, default = self._ranked(operand, allowed)
                    return {at: function(value) for at, value in support.items()}, (
                        None if default is None else function(default)
                    )
                case _:
                    raise ChromaError(f"422: unknown variant {operator}")

    def _nearest(self, knn: Mapping[str, Any], allowed: set[int]) -> tuple[dict[int, Any], Any]:
        query, limit = knn["query"], knn.get("limit", 16)
        if limit > MOST_RESULTS:
            raise ChromaError("Quota exceeded: knn limit")
        if isinstance(query, Mapping):
            if knn.get("key") not in self._sparse:
                raise ChromaError("400: no sparse index")
            measured = self._measured_sparse(query, knn["key"], allowed)
        else:
            with_vector = (at for at in allowed if self.records[at].embedding is not None)
            measured = [(self._distance(query, self.records[at]), at) for at in with_vector]
        best = sorted(measured)[:limit]
        default = knn.get("default")
        gives_rank = knn.get("return_rank", False)
        values = {at: np.float32(place) if gives_rank else distance for place, (distance, at) in enumerate(best)}
        return values, None if default is None else np.float32(default)

    def _measured_sparse(self, query: Mapping[str, Any], key: str, allowed: set[int]) -> list[tuple[Any, int]]:
        wanted = dict(zip(query["indices"], query["values"], strict=True))
        found = []
        for at in allowed:
            vector = self.records[at].metadata.get(key)
            if vector is None:
                continue
            held = dict(zip(vector["indices"], vector["values"], strict=True))
            shared = wanted.keys() & held.keys()
            if shared or not self._compacted:
                found.append((np.float32(1 - sum(wanted[each] * held[each] for each in shared)), at))
        return found

    def _distance(self, query: Sequence[float], record: Record) -> np.float32:
        a, b = np.asarray(query, dtype=np.float32), np.asarray(record.embedding, dtype=np.float32)
        match self._space:
            case "l2":
                return np.float32(((a - b) ** 2).sum())
            case "ip":
                return np.float32(1 - (a * b).sum())
            case _:
                a, b = (each / (np.float32(np.linalg.norm(each)) + np.float32(1e-32)) for each in (a, b))
                return np.float32(1 - (a * b).sum())

    def _grouped(self, ranked: Sequence[tuple[int, Any]], group_by: Mapping[str, Any]) -> list[tuple[int, Any]]:
        ((word, aggregate),) = group_by["aggregate"].items()
        groups: dict[Any, list[tuple[int, Any]]] = {}
        for at, score in ranked:
            key = tuple(self._group_value(at, score, key) for key in group_by["keys"])
            groups.setdefault(key, []).append((at, score))
        kept: list[tuple[int, Any]] = []
        for group in groups.values():

            def order(each: tuple[int, Any]) -> Any:
                return [self._group_value(*each, key) for key in aggregate["keys"]]

            kept += sorted(group, key=order, reverse=word == "$max_k")[: aggregate["k"]]
        return sorted(kept, key=lambda each: (total_order(each[1]), each[0]))

    def _group_value(self, at: int, score: Any, key: str) -> tuple[Any, ...]:
        if key == "#score":
            return (3, total_order(score))
        value = self.records[at].metadata.get(key)
        if value is None:
            return (0,)
        if isinstance(value, list):
            return 6, tuple((_TYPES[type(each)], each) for each in value)
        return _TYPES[type(value)], value

    def _shown(self, page: Sequence[tuple[int, Any]], keys: Sequence[str]) -> dict[str, Any]:
        records = [self.records[at] for at, _ in page]
        fields = [key for key in keys if not key.startswith("#")]
        metadatas = None
        if "#metadata" in keys or fields:
            whole = [{**each.metadata, **({} if each.uri is None else {"chroma:uri": each.uri})} for each in records]
            if "#metadata" not in keys:
                whole = [{key: value for key, value in each.items() if key in fields} for each in whole]
            metadatas = [each or None for each in whole]
        scores = [float(score) if np.isfinite(score) else None for _, score in page]
        return {
            "ids": [each.id for each in records],
            "documents": [each.document for each in records] if "#document" in keys else None,
            "embeddings": [each.embedding for each in records] if "#embedding" in keys else None,
            "metadatas": metadatas,
            "scores": scores if "#score" in keys else None,
            "select": sorted(keys),
        }


_ANSWERS = ("ids", "documents", "embeddings", "metadatas", "scores", "select")
_COLUMNS = {"documents": "document", "embeddings": "embedding", "uris": "uri"}


def _columns(found: Sequence[Record], include: Sequence[str]) -> dict[str, Any]:
    columns: dict[str, Any] = {
        plural: [getattr(each, name) for each in found] for plural, name in _COLUMNS.items() if plural in include
    }
    if "metadatas" in include:
        columns["metadatas"] = [dict(each.metadata) or None for each in found]
    return columns


# Ranks

_LOWEST = float(np.finfo(np.float32).min)
_FOLDS: dict[str, tuple[Callable[[Any, Any], Any], float]] = {
    "$sum": (np.add, 0.0),
    "$mul": (np.multiply, 1.0),
    "$max": (np.fmax, _LOWEST),
    "$min": (np.fmin, -_LOWEST),
}

Value = tuple[dict[int, Any], Any]


def _both(function: Callable[[Any, Any], Any], left: Value, right: Value) -> Value:
    """Combine two ranks: where one has no value for all others, only the records of that one stay."""
    (a, default_a), (b, default_b) = left, right
    if default_a is not None and default_b is not None:
        keys, default = a.keys() | b.keys(), function(default_a, default_b)
    else:
        default = None
        keys = (
            a.keys() & b.keys() if default_a is None and default_b is None else (a if default_a is None else b).keys()
        )
    return {key: np.float32(function(a.get(key, default_a), b.get(key, default_b))) for key in keys}, default


def total_order(score: Any) -> int:
    """Return where a number stands in IEEE's total order: -NaN first, then all numbers, +NaN last."""
    bits = int(np.float32(score).view(np.int32))
    return bits ^ ((bits >> 31) & 0x7FFFFFFF)


def leaves(rank: Any) -> int:
    """Count the $knn of a rank."""
    match rank:
        case {"$knn": _}:
            return 1
        case dict():
            return sum(map(leaves, rank.values()))
        case list():
            return sum(map(leaves, rank))
        case _:
            return 0


# Filters

_TYPES = {bool: 1, int: 2, float: 3, str: 4}
_NEGATIVE = {"$ne": "$eq", "$nin": "$in", "$not_contains": "$contains", "$not_regex": "$regex"}
_RANGES: dict[str, Callable[[Any, Any], bool]] = {
    "$gt": lambda a, b: a > b,
    "$gte": lambda a, b: a >= b,
    "$lt": lambda a, b: a < b,
    "$lte": lambda a, b: a <= b,
}


class Index:
    """What a filter is looked up in: the values of each key, arrays by element, with their types."""

    def __init__(self, records: Sequence[Record], *, compacted: bool) -> None:
        self._records = records
        self._compacted = compacted

    def matching(self, where: Mapping[str, Any]) -> set[int]:
        ((key, test),) = where.items()
        everything = set(range(len(self._records)))
        if key == "$and":
            return everything.intersection(*(self.matching(each) for each in test))
        if key == "$or":
            return set().union(*(self.matching(each) for each in test))
        ((operator, operand),) = (test if isinstance(test, Mapping) else {"$eq": test}).items()
        if operator in _NEGATIVE:
            return everything - self.matching({key: {_NEGATIVE[operator]: operand}})
        return {at for at in everything if self._holds(self._records[at], key, operator, operand)}

    def _holds(self, record: Record, key: str, operator: str, operand: Any) -> bool:
        if key == "#document":
            return self._has_text(record.document, operator, operand)
        if key == "#id":
            return record.id in (operand if operator == "$in" else [operand])
        held = [self._entry(each) for each in _elements(record.metadata.get(key))]
        if operator == "$in":
            if not operand or len({_TYPES[type(each)] for each in operand}) > 1:
                raise ChromaError("422: $in takes values of one type")
            return any(self._entry(each) in held for each in operand)
        wanted = self._entry(operand)
        if operator in ("$eq", "$contains"):
            return wanted in held
        if wanted[0] not in (2, 3):
            raise ChromaError(f"422: {operator} takes a number")
        if self._compacted:
            held = [each for each in held if each[0] == wanted[0]]
        return any(_RANGES[operator](each, wanted) for each in held)

    def _entry(self, value: Any) -> tuple[int, Any]:
        kind = _TYPES[type(value)]
        if self._compacted and kind == 2:
            return kind, value % 2**32
        return kind, float(np.float32(value)) if self._compacted and kind == 3 else value

    def _has_text(self, document: str | None, operator: str, operand: str) -> bool:
        if not isinstance(operand, str) or len(operand) > LONGEST_TEXT:
            raise ChromaError("422: a text of at most 256 characters")
        if operator == "$contains":
            return document is not None and operand in document and (len(operand) >= 3 or not self._compacted)
        if shortest_match(operand) == 0:
            return True
        return document is not None and compile_regex(operand)(document)


def shortest_match(pattern: str) -> int:
    """Return how long the shortest match of a pattern is, its look-arounds apart."""
    python = re.sub(r"\\[pP]\{\w+\}", r"\\w", pattern).replace(r"\z", r"\Z")
    return int(re._parser.parse(python).getwidth()[0])  # type: ignore[attr-defined]


def _elements(value: Any) -> list[Any]:
    if value is None or isinstance(value, dict):
        return []
    return value if isinstance(value, list) else [value]


def predicates(where: Mapping[str, Any]) -> int:
    """Count the predicates of a filter, each element of a list as one."""
    ((key, test),) = where.items()
    if key in ("$and", "$or"):
        return sum(map(predicates, test))
    operand = next(iter(test.values())) if isinstance(test, Mapping) else test
    return len(operand) if isinstance(operand, list) else 1


def _refuse_regex(where: Mapping[str, Any]) -> None:
    ((key, test),) = where.items()
    if key in ("$and", "$or"):
        if len(test) < 2:
            raise ValueError(f"Expected {key} to have at least two filters in get.")
        for each in test:
            _refuse_regex(each)
    elif isinstance(test, Mapping) and not {"$regex", "$not_regex"}.isdisjoint(test):
        raise ValueError("Expected where operator to be one of $gt, $gte, .., got $regex in get.")


def _on_document(where: Mapping[str, Any]) -> dict[str, Any]:
    ((key, test),) = where.items()
    if key in ("$and", "$or"):
        return {key: [_on_document(each) for each in test]}
    return {"#document": {key: test}}


class DistributedProvider:
    """Gives collections of Chroma Cloud."""

    def __init__(self, *collections: DistributedCollection) -> None:
        self.collections = {each.name: each for each in collections}

    async def get_collection(self, name: str) -> DistributedCollection:
        return self.collections[name]

    async def list_collection_names(self) -> list[str]:
        return list(self.collections)

    def sent(self, method: str) -> list[dict[str, Any]]:
        """Return the arguments of the calls of one method, collection by collection."""
        return [arguments for each in self.collections.values() for called, arguments in each.calls if called == method]
