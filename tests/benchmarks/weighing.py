"""Everything at once or late for the winners: the times behind the constants of `chromasql.planner.materialization`."""

from __future__ import annotations

from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

from tests.benchmarks.fanout import Router
from tests.benchmarks.records import Shape, query_vector
from tests.benchmarks.timing import alternate

_PAIRS = (
    (1, 10),
    (2, 10),
    (2, 100),
    (4, 10),
    (4, 50),
    (8, 10),
    (8, 25),
    (16, 3),
    (16, 10),
    (37, 1),
    (37, 10),
    (37, 20),
)
_SHOWN = {"document, metadata": "id, document, metadata", "and embedding": "id, document, metadata, embedding"}
_LATE_COST = "chromasql.planner.materialization._late_cost"
_FORCED = {"at once": float("inf"), "late": float("-inf")}


async def measure(url: str, folder: Path, shape: Shape, rounds: int) -> list[dict[str, Any]]:
    """Return for numbers of collections and candidates the wall time of late by that of at once, and what is chosen."""
    import chromadb

    import chromasql

    router = Router()
    found = []
    async with AsyncExitStack() as stack:
        client = chromadb.PersistentClient(folder)
        stack.callback(client.close)
        databases = {
            name: await stack.enter_async_context(chromasql.connect_async(source, router=router))
            for name, source in (("address", url), ("embedded", client))
        }
        for title, shown in _SHOWN.items():
            sql = f"SELECT {shown} FROM docs USING EMBEDDING (VECTOR :vector) LIMIT :limit"
            for collections, limit in _PAIRS:
                if collections > shape.collections:
                    continue
                router.names = shape.names[:collections]
                params = {"vector": query_vector(), "limit": limit}
                runs = {
                    f"{name}, {when}": partial(_forced, database, sql, params, cost)
                    for name, database in databases.items()
                    for when, cost in _FORCED.items()
                }
                costs = await alternate(runs, min(rounds, 9), warm_up=1, seconds=5.0)
                plan = (await databases["embedded"].execute(sql, params)).plan
                found.append(
                    {
                        "shown": title,
                        "collections": collections,
                        "candidates": limit,
                        "chosen": "late" if plan.materialization.for_page else "at once",
                        **{name: costs[f"{name}, late"].wall / costs[f"{name}, at once"].wall for name in databases},
                    }
                )
    return found


async def _forced(database: Any, sql: str, params: dict[str, Any], cost: float) -> None:
    with patch(_LATE_COST, lambda *_: cost):
        await database.execute(sql, params)
