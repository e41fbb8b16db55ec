"""A hundred statements at once over one server, beside the same by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

from tests.benchmarks import by_hand
from tests.benchmarks.fanout import Router
from tests.benchmarks.records import Shape, query_vector
from tests.benchmarks.timing import alternate

_STATEMENTS = 100
_SQL = "SELECT id, document, metadata, distance FROM docs USING EMBEDDING (VECTOR :vector) LIMIT 10"


async def measure(url: str, shape: Shape, rounds: int) -> dict[str, Any]:
    """Return what the statements cost all at once and one after the other."""
    import chromadb

    import chromasql

    host, port = url.removeprefix("http://").split(":")
    client = await chromadb.AsyncHttpClient(host, int(port))
    collections = [await client.get_collection(name, embedding_function=None) for name in shape.names]
    router = Router()
    router.names = shape.names
    vectors = [query_vector(seed) for seed in range(1, _STATEMENTS + 1)]
    async with AsyncExitStack() as stack:
        databases = {
            name: await stack.enter_async_context(chromasql.connect_async(source, router=router))
            for name, source in (("address", url), ("client", client))
        }
        one: dict[str, Callable[[list[float]], Any]] = {
            name: partial(_execute, database) for name, database in databases.items()
        }
        one["by hand"] = partial(_by_hand, collections)
        contenders = {f"{name}, at once": partial(_at_once, run, vectors) for name, run in one.items()}
        contenders |= {f"{name}, in turn": partial(_in_turn, run, vectors) for name, run in one.items()}
        costs = await alternate(contenders, rounds, warm_up=0, seconds=90.0)
    return {"statements": _STATEMENTS, "costs": {name: vars(cost) for name, cost in costs.items()}}


async def _execute(database: Any, vector: list[float]) -> None:
    await database.execute(_SQL, {"vector": vector})


async def _by_hand(collections: list[Any], vector: list[float]) -> None:
    await by_hand.nearest(collections, vector, 10, 10, ["metadatas", "documents", "distances"])


async def _at_once(run: Callable[[list[float]], Any], vectors: list[list[float]]) -> None:
    await asyncio.gather(*map(run, vectors))


async def _in_turn(run: Callable[[list[float]], Any], vectors: list[list[float]]) -> None:
    for vector in vectors:
        await run(vector)
