"""The fan-out that one would write by hand, and the floor below which no client can go."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from operator import itemgetter
from typing import Any

Rows = list[dict[str, Any]]


# Over a server: chromadb's AsyncHttpClient


async def nearest(collections: Sequence[Any], vector: list[float], count: int, limit: int, include: list[str]) -> Rows:
    """Ask all collections at once for everything that is shown, and merge."""
    answers = await asyncio.gather(
        *(each.query(query_embeddings=[vector], n_results=count, include=include) for each in collections)
    )
    return merged(map(ranked, answers), limit)


async def sorted_by_id(collections: Sequence[Any], where: dict[str, Any], limit: int) -> Rows:
    """Fetch every record that matches, and keep the first by id."""
    answers = await asyncio.gather(*(each.get(where=where) for each in collections))
    return sorted((row for answer in answers for row in flat(answer)), key=itemgetter("id"))[:limit]


async def first(collections: Sequence[Any], where: dict[str, Any], limit: int) -> Rows:
    """Fetch as many as are wanted from every collection, and keep the first."""
    answers = await asyncio.gather(*(each.get(where=where, limit=limit) for each in collections))
    return [row for answer in answers for row in flat(answer)][:limit]


# Embedded: a loop, or a pool of threads


def nearest_embedded(
    collections: Sequence[Any],
    vector: list[float],
    count: int,
    limit: int,
    include: list[str],
    pool: ThreadPoolExecutor | None = None,
) -> Rows:
    """Ask one collection after the other, or several at once on a pool."""

    def ask(collection: Any) -> Rows:
        return ranked(collection.query(query_embeddings=[vector], n_results=count, include=include))

    return merged((map if pool is None else pool.map)(ask, collections), limit)


def sorted_by_id_embedded(
    collections: Sequence[Any], where: dict[str, Any], limit: int, pool: ThreadPoolExecutor | None = None
) -> Rows:
    """Fetch every record that matches, and keep the first by id."""
    answers = (map if pool is None else pool.map)(lambda each: flat(each.get(where=where)), collections)
    return sorted((row for rows in answers for row in rows), key=itemgetter("id"))[:limit]


def first_embedded(
    collections: Sequence[Any], where: dict[str, Any], limit: int, pool: ThreadPoolExecutor | None = None
) -> Rows:
    """Fetch as many as are wanted from every collection, and keep the first."""
    answers = (map if pool is None else pool.map)(lambda each: flat(each.get(where=where, limit=limit)), collections)
    return [row for rows in answers for row in rows][:limit]


# Rows

_SINGULAR = {"distances": "distance", "documents": "document", "embeddings": "embedding", "metadatas": "metadata"}


def ranked(answer: Any) -> Rows:
    """Return the rows of an answer to ``query`` with one vector."""
    return flat({name: values[0] for name, values in answer.items() if name != "included" and values is not None})


def flat(answer: Any) -> Rows:
    """Return the rows of an answer to ``get``."""
    columns = {one: answer[many] for many, one in _SINGULAR.items() if answer.get(many) is not None}
    names = ("id", *columns)
    return [dict(zip(names, values, strict=True)) for values in zip(answer["ids"], *columns.values(), strict=True)]


def merged(lists: Iterable[Rows], limit: int) -> Rows:
    """Return the nearest rows of all lists."""
    return list(islice(heapq.merge(*lists, key=itemgetter("distance")), limit))


# The floor


class Floor:
    """Bare requests: ids and distances only, encoded beforehand, answers not even read as JSON."""

    def __init__(self, session: Any, url: str, collections: Sequence[Any]) -> None:
        base = f"{url}/api/v2/tenants/default_tenant/databases/default_database/collections"
        self._session = session
        self._urls = [f"{base}/{each.id}/query" for each in collections]

    async def nearest(self, vector: list[float], count: int) -> None:
        """Ask all collections; the connections of the session bound how many at once."""
        import orjson

        body = orjson.dumps({"query_embeddings": [vector], "n_results": count, "include": ["distances"]})

        async def ask(url: str) -> None:
            async with self._session.post(url, data=body, headers={"content-type": "application/json"}) as response:
                await response.read()

        await asyncio.gather(*map(ask, self._urls))
