"""The engine alone: collections that answer at once, so that all that is measured is ChromaSQL's own work."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from tests.benchmarks.records import query_vector
from tests.benchmarks.timing import alternate, profile

_SQL = "SELECT id, document, metadata, distance FROM docs-* USING EMBEDDING (VECTOR :vector) LIMIT :limit"
_DOCUMENT = "word " * 160
_COLLECTIONS = (1, 10, 37, 100, 370, 1_000)
_ROWS = (10, 50, 200, 1_000)


class Instant:
    """A collection whose answers were made beforehand; ``seen`` is called whenever it is asked."""

    configuration_json: dict[str, Any] = {"hnsw": {"space": "l2"}}
    metadata = None
    dimension = None

    def __init__(self, name: str, place: int, rows: int, seen: Callable[[], None] | None = None) -> None:
        self.name = name
        self._seen = seen
        self._records = {f"{name}-{number}": ({"n": number}, _DOCUMENT) for number in range(rows + 1)}
        self._ids = list(self._records)
        self._distances = [number + place / 10_000 for number in range(rows + 1)]

    async def query(self, n_results: int, include: Sequence[str], **_: Any) -> dict[str, Any]:
        """Return the first of what was prepared."""
        if self._seen is not None:
            self._seen()
        answer = {name: [values] for name, values in self._columns(self._ids[:n_results], include).items()}
        return answer | {"distances": [self._distances[:n_results]]}

    async def get(self, ids: Sequence[str], include: Sequence[str], **_: Any) -> dict[str, Any]:
        """Return records by id."""
        return self._columns(ids, include)

    async def count(self) -> int:
        """Return the number of records."""
        return len(self._ids)

    def _columns(self, ids: Sequence[str], include: Sequence[str]) -> dict[str, Any]:
        found: dict[str, Any] = {"ids": list(ids)}
        for at, name in enumerate(("metadatas", "documents")):
            if name in include:
                found[name] = [self._records[each][at] for each in ids]
        return found


class InstantProvider:
    """So many of them."""

    def __init__(self, collections: int, rows: int, seen: Callable[[], None] | None = None) -> None:
        self._collections = {
            name: Instant(name, place, rows, seen)
            for place, name in enumerate(f"docs-{number:04}" for number in range(collections))
        }

    async def get_collection(self, name: str) -> Instant:
        """Return the collection of that name."""
        return self._collections[name]

    def kept_collection(self, name: str) -> Instant | None:
        """Return the collection of that name, which is open."""
        return self._collections.get(name)

    async def list_collection_names(self) -> list[str]:
        """Return all names."""
        return list(self._collections)


async def measure(rounds: int) -> dict[str, Any]:
    """Return the CPU against collections and against rows (nothing is waited for), with profiles of 37 x 10 and 37 x 200."""
    by_collections = await alternate({str(count): _statement(count, 10) for count in _COLLECTIONS}, rounds)
    by_rows = await alternate({str(rows): _statement(37, rows) for rows in _ROWS}, rounds)
    return {
        "collections": {count: cost.cpu for count, cost in by_collections.items()},
        "rows": {rows: cost.cpu for rows, cost in by_rows.items()},
        "tasks": {str(count): await _most_tasks(count) for count in _COLLECTIONS},
        "profiles": {f"37 x {rows}": await profile(_statement(37, rows), times=50) for rows in (10, 200)},
    }


def _statement(collections: int, rows: int, seen: Callable[[], None] | None = None) -> Callable[[], Any]:
    import chromasql

    database = chromasql.connect_async(InstantProvider(collections, rows, seen), dialect="local")
    return partial(database.execute, _SQL, {"vector": query_vector(), "limit": rows})


async def _most_tasks(collections: int) -> int:
    counts: list[int] = []
    await _statement(collections, 10, lambda: counts.append(len(asyncio.all_tasks())))()
    return max(counts)
