"""How many at once: the threads of an embedded Chroma, the connections to a server, the calls over a client."""

from __future__ import annotations

from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

from chromasql.concurrency.threads import BlockingPool
from tests.benchmarks.fanout import Router
from tests.benchmarks.records import Shape, query_vector
from tests.benchmarks.timing import Contender, alternate

_SIZES = (1, 2, 4, 8, 16)
_PAGES = (10, 200)
_SQL = "SELECT id, document, metadata FROM docs USING EMBEDDING (VECTOR :vector) LIMIT :limit"
_THREADS = "chromasql.concurrency.threads._threads"


async def measure(url: str, folder: Path, shape: Shape, rounds: int) -> list[dict[str, Any]]:
    """Return the wall time of top 10 and top 200 of all collections, in milliseconds, by how many calls may run."""
    import chromadb

    import chromasql
    from chromasql import HttpProvider

    host, port = url.removeprefix("http://").split(":")
    router = Router()
    router.names = shape.names
    found = []
    async with AsyncExitStack() as stack:
        embedded = chromadb.PersistentClient(folder)
        stack.callback(embedded.close)
        client = await chromadb.AsyncHttpClient(host, int(port))
        inside = chromasql.connect_async(embedded, router=router, max_concurrency=max(_SIZES))
        runs: dict[str, dict[int, Any]] = {"embedded, threads": {}, "address, connections": {}, "client, calls": {}}
        for size in _SIZES:
            calls = BlockingPool(size)
            stack.callback(calls.close)
            runs["embedded, threads"][size] = partial(_on_threads, calls, inside)
            provider = HttpProvider(url, connections=size)
            stack.push_async_callback(provider.close)
            runs["address, connections"][size] = chromasql.connect_async(provider, router=router).execute
            over_client = chromasql.connect_async(client, router=router, max_concurrency=size)
            runs["client, calls"][size] = over_client.execute
        for limit in _PAGES:
            params = {"vector": query_vector(), "limit": limit}
            for what, by_size in runs.items():
                contenders: dict[str, Contender] = {
                    str(size): partial(run, _SQL, params) for size, run in by_size.items()
                }
                costs = await alternate(contenders, min(rounds, 9), warm_up=1, seconds=15.0)
                found.append({"what": what, "limit": limit, "wall": {size: cost.wall for size, cost in costs.items()}})
    return found


async def _on_threads(calls: BlockingPool, database: Any, sql: str, params: dict[str, Any]) -> None:
    with patch(_THREADS, lambda: calls):
        await database.execute(sql, params)
