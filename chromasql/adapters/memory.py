"""Collections in memory, for tests and examples: no client, no server, exact neighbours."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from chromasql.ast import is_number, kind_of
from chromasql.errors import near_names
from chromasql.operators.patterns import compile_regex

if TYPE_CHECKING:
    from chromasql.protocols import Vector

__all__ = ["MemoryCollection", "MemoryProvider", "Record"]

Record: TypeAlias = Mapping[str, Any]
"""``id``, and any of ``document``, ``metadata``, ``embedding`` and ``uri``."""


_COLUMNS = {"documents": "document", "embeddings": "embedding", "metadatas": "metadata", "uris": "uri"}


class MemoryProvider:
    """
    An `AsyncCollectionProvider` over records that are dicts.

    ``MemoryProvider({"docs": [{"id": "a", "document": "..", "metadata": {"year": 2024}}]})``; a record may
    have an ``embedding`` and a ``uri`` too. ``space`` is l2 (the default), cosine or ip. A value may also be a
    `MemoryCollection`. Raises `ValueError` for another space.
    """

    def __init__(self, collections: Mapping[str, Iterable[Record] | MemoryCollection], *, space: str = "l2") -> None:
        self._collections = {
            name: records if isinstance(records, MemoryCollection) else MemoryCollection(name, records, space=space)
            for name, records in collections.items()
        }

    async def get_collection(self, name: str) -> MemoryCollection:
        """Return the collection of that name, or raise `LookupError`."""
        if name not in self._collections:
            raise LookupError(f"collection {name} does not exist{near_names(name, self._collections)}")
        return self._collections[name]

    async def list_collection_names(self) -> Sequence[str]:
        """Return all names, in the order given."""
        return list(self._collections)


class MemoryCollection:
    """
    A collection that filters as single-node Chroma does and ranks by comparing with every vector.

    ``$ne``, ``$nin`` and ``$not_contains`` hold for a record without the key; numbers compare by value,
    booleans with booleans only; ``$contains`` on metadata looks into lists, where 1 is not 1.0. Distances are
    computed in single precision, equal ones keep the order of the records. A call that Chroma refuses
    raises `ValueError`.
    """

    metadata: Mapping[str, Any] | None = None

    def __init__(self, name: str, records: Iterable[Record], *, space: str = "l2") -> None:
        if space not in _DISTANCES:
            raise ValueError(f"a space is one of {', '.join(_DISTANCES)}, not {space!r}")
        self.name = name
        self.configuration_json = {"hnsw": {"space": space}}
        self._distance = _DISTANCES[space]
        self._records = {record["id"]: record for record in records}
        embeddings = (record.get("embedding") for record in self._records.values())
        self.dimension = next((len(vector) for vector in embeddings if vector is not None), None)

    async def get(
        self,
        ids: list[str] | None = None,
        where: dict[str, Any] | None = None,
        limit: int | None = None,
        offset: int | None = None,
        where_document: dict[str, Any] | None = None,
        include: Sequence[str] = ("metadatas", "documents"),
    ) -> dict[str, Any]:
        """Return records in the order they were given, whatever the order of ``ids``."""
        if ids is not None and len(set(ids)) < max(1, len(ids)):
            raise ValueError("ids is a list of at least one id, without repeats")
        if min(limit or 0, offset or 0) < 0:
            raise ValueError("limit and offset are not negative")
        found = self._found(ids, where, where_document)[offset or 0 :]
        return _columns(found if limit is None else found[:limit], include)

    async def query(
        self,
        query_embeddings: list[list[float]] | None = None,
        n_results: int = 10,
        where: dict[str, Any] | None = None,
        where_document: dict[str, Any] | None = None,
        ids: list[str] | None = None,
        include: Sequence[str] = ("metadatas", "documents", "distances"),
    ) -> dict[str, Any]:
        """Return the nearest records of each vector."""
        if not query_embeddings or n_results < 1:
            raise ValueError("query_embeddings has at least one vector, and n_results is at least 1")
        found = [record for record in self._found(ids, where, where_document) if record.get("embedding") is not None]
        pages = [self._nearest(vector, found, n_results) for vector in query_embeddings]
        lists = [_columns([record for _, record in page], include) for page in pages]
        answer = {key: None if lists[0][key] is None else [columns[key] for columns in lists] for key in lists[0]}
        distances = [[distance for distance, _ in page] for page in pages]
        return {
            **answer,
            "distances": distances if "distances" in include else None,
            "included": list(include),
        }

    async def count(self) -> int:
        """Return the number of records."""
        return len(self._records)

    def _found(
        self, ids: list[str] | None, where: dict[str, Any] | None, where_document: dict[str, Any] | None
    ) -> list[Record]:
        tests: list[_Test] = []
        if ids is not None:
            wanted = set(ids)
            tests.append(lambda record: record["id"] in wanted)
        if where is not None:
            tests.append(_filter(where, _metadata_leaf))
        if where_document is not None:
            tests.append(_filter(where_document, _document_leaf))
        return [record for record in self._records.values() if all(test(record) for test in tests)]

    def _nearest(self, vector: Vector, records: Sequence[Record], count: int) -> list[tuple[float, Record]]:
        import numpy as np

        if len(vector) != self.dimension is not None:
            raise ValueError(f"{self.name} expects embeddings of dimension {self.dimension}, not {len(vector)}")
        if not records:
            return []
        matrix = np.asarray([record["embedding"] for record in records], dtype=np.float32)
        distances = self._distance(np.asarray(vector, dtype=np.float32), matrix)
        nearest = np.argsort(distances, kind="stable")[:count].tolist()
        return [(float(distances[index]), records[index]) for index in nearest]


def _columns(records: Sequence[Record], include: Sequence[str]) -> dict[str, Any]:
    """Return the records as Chroma answers: one list for each column, None for those not included."""
    columns = {
        plural: [record.get(name) for record in records] if plural in include else None
        for plural, name in _COLUMNS.items()
    }
    return {"ids": [record["id"] for record in records], **columns, "included": list(include)}


# Filters

_Test: TypeAlias = Callable[[Any], bool]


_ORDERINGS: dict[str, Callable[[Any, Any], bool]] = {
    "$gt": operator.gt,
    "$gte": operator.ge,
    "$lt": operator.lt,
    "$lte": operator.le,
}


def _filter(where: Mapping[str, Any], leaf: Callable[[str, Any], _Test]) -> _Test:
    """Turn a filter of Chroma into a function of the record; ``leaf`` does so for what is not $and or $or."""
    key, test = _single(where)
    if key not in ("$and", "$or"):
        return leaf(key, test)
    parts = [_filter(part, leaf) for part in test]
    if len(parts) < 2:
        raise ValueError(f"{key} takes at least two filters")
    if key == "$and":
        return lambda record: all(part(record) for part in parts)
    return lambda record: any(part(record) for part in parts)


def _single(filters: Mapping[str, Any]) -> tuple[str, Any]:
    if not isinstance(filters, Mapping) or len(filters) != 1:
        raise ValueError(f"a filter is a dict with exactly one key, not {filters!r}")
    return next(iter(filters.items()))


def _metadata_leaf(key: str, test: Any) -> _Test:
    symbol, operand = _single(test) if isinstance(test, Mapping) else ("$eq", test)
    if key == "#document":
        if "regex" in symbol:
            raise ValueError(f"{symbol} belongs in where_document")
        return _document_leaf(symbol, operand)
    holds = _metadata_test(symbol, operand)
    return lambda record: holds((record.get("metadata") or {}).get(key))


def _metadata_test(symbol: str, operand: Any) -> _Test:
    match symbol:
        case "$eq" | "$in":
            return _one_of(operand if symbol == "$in" else [operand])
        case "$contains":
            _one_of([operand])
            return lambda value: (
                isinstance(value, list) and (type(operand), operand) in [(type(item), item) for item in value]
            )
        case "$ne" | "$nin" | "$not_contains":
            holds = _metadata_test(_POSITIVE[symbol], operand)
            return lambda value: not holds(value)
        case "$gt" | "$gte" | "$lt" | "$lte":
            if not is_number(operand):
                raise ValueError(f"{symbol} takes a number, not {operand!r}")
            compare = _ORDERINGS[symbol]
            return lambda value: is_number(value) and compare(value, operand)
        case _:
            raise ValueError(f"{symbol} is not an operator on metadata")


_POSITIVE = {"$ne": "$eq", "$nin": "$in", "$not_contains": "$contains", "$not_regex": "$regex"}


def _one_of(operands: Sequence[Any]) -> _Test:
    if not all(isinstance(operand, str | int | float) for operand in operands) or len(set(map(type, operands))) != 1:
        raise ValueError(f"operands are strings, numbers or booleans, all of one type, not {operands!r}")
    wanted = {(kind_of(operand), operand) for operand in operands}
    return lambda value: (kind := kind_of(value)) != "list" and (kind, value) in wanted


def _document_leaf(symbol: str, operand: Any) -> _Test:
    if not isinstance(operand, str) or not operand:
        raise ValueError(f"{symbol} takes a text that is not empty, not {operand!r}")
    match symbol:
        case "$contains":
            return lambda record: operand in (record.get("document") or "")
        case "$regex":
            search = compile_regex(operand)
            return lambda record: record.get("document") is not None and search(record["document"])
        case "$not_contains" | "$not_regex":
            holds = _document_leaf(_POSITIVE[symbol], operand)
            return lambda record: not holds(record)
        case _:
            raise ValueError(f"{symbol} is not an operator on documents")


# Distances, as Chroma defines them; a row is summed by itself, so that its distance depends on no other.


def _l2(vector: Any, matrix: Any) -> Any:
    return ((matrix - vector) ** 2).sum(axis=1)


def _ip(vector: Any, matrix: Any) -> Any:
    return 1 - (matrix * vector).sum(axis=1)


def _cosine(vector: Any, matrix: Any) -> Any:
    lengths = (matrix**2).sum(axis=1) ** 0.5
    return _ip(vector / ((vector**2).sum() ** 0.5 + 1e-30), matrix / (lengths[:, None] + 1e-30))


_DISTANCES: dict[str, Callable[[Any, Any], Any]] = {"l2": _l2, "cosine": _cosine, "ip": _ip}
