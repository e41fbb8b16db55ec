"""The nine workloads: over an address, over a chromadb client, and embedded, each beside the code written by hand."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tests.benchmarks import by_hand
from tests.benchmarks.records import Shape, query_vector
from tests.benchmarks.timing import Contender, Cost, alternate, call, profile

EMBEDDING_SECONDS = 0.005
_INCLUDE = ["metadatas", "documents", "distances"]
_WHERE = {"lang": "en"}
_AGREEMENT = 0.95
_SLOW = 500.0
"""In milliseconds: a statement that takes longer is profiled fewer times."""


@dataclass(frozen=True)
class Workload:
    """
    One statement and what stands beside it.

    ``sql`` has a ``{source}``; ``count`` candidates per collection lead to ``limit`` rows. ``goals`` are the ratios to
    reach: over an address, over a given client, embedded.
    """

    title: str
    sql: str
    count: int
    limit: int
    goals: tuple[float, float, float]
    include: tuple[str, ...] = tuple(_INCLUDE)
    kind: str = "nearest"
    shape: str = "big"
    routed: int | None = None
    text: bool = False


_SHOWN = "SELECT id, document, metadata, distance"
_NEAREST = "FROM docs USING EMBEDDING (VECTOR :vector)"

WORKLOADS = (
    Workload("top 10 of all 37, document and metadata", f"{_SHOWN} {_NEAREST} LIMIT 10", 10, 10, (0.40, 1.00, 0.95)),
    Workload(
        "top 10, 50 candidates per collection",
        f"{_SHOWN} {_NEAREST} LIMIT 10 WITH (per_collection = 50)",
        50,
        10,
        (0.40, 0.95, 0.65),
    ),
    Workload("top 200 of all 37", f"{_SHOWN} {_NEAREST} LIMIT 200", 200, 200, (0.45, 0.95, 0.50)),
    Workload(
        "the same, embeddings selected too",
        f"{_SHOWN}, embedding {_NEAREST} LIMIT 200",
        200,
        200,
        (0.40, 0.80, 0.45),
        include=(*_INCLUDE, "embeddings"),
    ),
    Workload("routed to 2 collections, top 10", f"{_SHOWN} {_NEAREST} LIMIT 10", 10, 10, (0.70, 1.10, 1.05), routed=2),
    Workload(
        "TEXT with an embedder of 5 ms",
        f"{_SHOWN} FROM docs USING EMBEDDING (TEXT :text) LIMIT 10",
        10,
        10,
        (0.45, 1.05, 1.00),
        text=True,
    ),
    Workload(
        "filter, ORDER BY id LIMIT 20",
        "SELECT id, document, metadata FROM docs WHERE lang = 'en' ORDER BY id LIMIT 20",
        20,
        20,
        (0.65, 0.90, 0.70),
        kind="sorted",
    ),
    Workload(
        "filter, LIMIT 20 without order, each collection has enough",
        "SELECT id, document, metadata FROM docs WHERE lang = 'en' LIMIT 20",
        20,
        20,
        (0.10, 0.15, 0.15),
        kind="first",
    ),
    Workload(
        "370 collections of 100 records, top 10",
        f"{_SHOWN} {_NEAREST} LIMIT 10",
        10,
        10,
        (0.45, 1.00, 0.95),
        shape="small",
    ),
)

_PATTERN = Workload(
    "top 10 of all 37, named by FROM big-*",
    f"{_SHOWN} FROM big-* USING EMBEDDING (VECTOR :vector) LIMIT 10",
    10,
    10,
    (0.0, 0.0, 0.0),
)


class Texts:
    """Texts that were never embedded before, and embedders that take their time over them."""

    def __init__(self, vector: list[float]) -> None:
        self._vector = vector
        self._numbers = itertools.count()

    def new(self) -> str:
        """Return another text."""
        return f"question {next(self._numbers)}"

    async def embed(self, _text: str, _model: str | None = None) -> list[float]:
        """Embed as a service would."""
        await asyncio.sleep(EMBEDDING_SECONDS)
        return self._vector

    def embed_blocking(self, _text: str, _model: str | None = None) -> list[float]:
        """Embed as a blocking client of a service would."""
        time.sleep(EMBEDDING_SECONDS)
        return self._vector


async def measure(url: str, folder: Path, shape: Shape, rounds: int) -> dict[str, Any]:
    """Run the workloads of a shape and return their figures; raise where the contenders disagree about the answer."""
    vector = query_vector()
    figures = []
    async with AsyncExitStack() as stack:
        embedded = _Embedded(stack, folder, shape, vector)
        for workload in WORKLOADS:
            if workload.shape != shape.stem:
                continue
            print(f"  {workload.title}", flush=True)
            # Clients of its own for each workload: what one costs grows with the connections that others have left it.
            async with AsyncExitStack() as clients:
                served = await _Served.opened(clients, url, shape.names[: workload.routed], vector)
                over_server, agreed = await _compared(served.contenders(workload), rounds)
                inside, agreed_inside = await _compared(embedded.contenders(workload), rounds)
                misses = await _explained(workload, over_server, inside, served, embedded)
            figures.append(
                {
                    "title": workload.title,
                    "goals": list(workload.goals),
                    "server": over_server,
                    "embedded": inside,
                    "agreement": min(agreed, agreed_inside),
                    "misses": misses,
                }
            )
        if shape.stem != _PATTERN.shape:
            return {"workloads": figures}
        served = await _Served.opened(stack, url, shape.names, vector)
        pattern = await alternate({"address": served.statement("address", _PATTERN)}, rounds)
        return {"workloads": figures, "pattern": vars(pattern["address"])}


class _Served:
    """The contenders over a server."""

    def __init__(self, names: list[str], vector: list[float]) -> None:
        self._names = names
        self._vector = vector
        self._texts = Texts(vector)
        self._collections: list[Any] = []
        self._databases: dict[str, Any] = {}
        self._router = Router()

    @classmethod
    async def opened(cls, stack: AsyncExitStack, url: str, names: list[str], vector: list[float]) -> _Served:
        """Open clients: one for the code by hand, and another one that ChromaSQL is given."""
        import aiohttp

        import chromasql

        self = cls(names, vector)
        host, port = url.removeprefix("http://").split(":")
        by_hands, given = [await _client(stack, host, int(port)) for _ in range(2)]
        session = await stack.enter_async_context(
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=8), auto_decompress=False)
        )
        self._collections = [await by_hands.get_collection(name, embedding_function=None) for name in names]
        self._floor = by_hand.Floor(session, url, self._collections)
        for name, source in (("address", url), ("client", given)):
            self._databases[name] = await stack.enter_async_context(
                chromasql.connect_async(source, router=self._router, embed_fn=self._texts.embed)
            )
        return self

    def contenders(self, workload: Workload) -> dict[str, Contender]:
        found = {"by hand": self._by_hand(workload)}
        found |= {name: self.statement(name, workload) for name in self._databases}
        if workload.kind == "nearest" and not workload.text:
            found["floor"] = partial(self._floor.nearest, self._vector, workload.count)
        return found

    def statement(self, name: str, workload: Workload) -> Callable[[], Awaitable[Any]]:
        """Return a function that runs the statement of a workload."""
        database = self._databases[name]
        names = None if "*" in workload.sql else self._names

        async def run() -> Any:
            self._router.names = names
            return await database.execute(workload.sql, _parameters(workload, self._vector, self._texts))

        return run

    def _by_hand(self, workload: Workload) -> Contender:
        collections = self._collections
        match workload.kind:
            case "sorted":
                return partial(by_hand.sorted_by_id, collections, _WHERE, workload.limit)
            case "first":
                return partial(by_hand.first, collections, _WHERE, workload.limit)
        include = list(workload.include)

        async def run() -> Any:
            vector = await self._texts.embed(self._texts.new()) if workload.text else self._vector
            return await by_hand.nearest(collections, vector, workload.count, workload.limit, include)

        return run


async def _client(stack: AsyncExitStack, host: str, port: int) -> Any:
    """Open a client of chromadb with connections of its own; those of one event loop would share them."""
    import chromadb

    client: Any = await chromadb.AsyncHttpClient(host, port)
    client._server._clients = {}
    stack.push_async_callback(client._server._cleanup)
    return client


class _Embedded:
    """The contenders in this process; ChromaSQL through its blocking face, as the code by hand blocks too."""

    def __init__(self, stack: AsyncExitStack, folder: Path, shape: Shape, vector: list[float]) -> None:
        import chromadb

        import chromasql

        self._names = shape.names
        self._vector = vector
        self._texts = Texts(vector)
        self._router = Router()
        client = chromadb.PersistentClient(folder)
        stack.callback(client.close)
        self._collections = [client.get_collection(name, embedding_function=None) for name in shape.names]
        self._pool = stack.enter_context(ThreadPoolExecutor(4))
        options: dict[str, Any] = {"router": self._router, "embed_fn": self._texts.embed_blocking}
        self._database = stack.enter_context(chromasql.connect(client, **options))
        self._async_database = chromasql.connect_async(client, **options)

    def contenders(self, workload: Workload) -> dict[str, Contender]:
        return {
            "loop": self._by_hand(workload, None),
            "pool": self._by_hand(workload, self._pool),
            "embedded": partial(self._execute, self._database, workload),
        }

    def statement(self, workload: Workload) -> Callable[[], Awaitable[Any]]:
        """Return a coroutine function that runs the statement of a workload on the loop of the caller."""
        return partial(self._execute, self._async_database, workload)

    def _execute(self, database: Any, workload: Workload) -> Any:
        self._router.names = self._names[: workload.routed]
        return database.execute(workload.sql, _parameters(workload, self._vector, self._texts))

    def _by_hand(self, workload: Workload, pool: ThreadPoolExecutor | None) -> Contender:
        collections = self._collections[: workload.routed]
        match workload.kind:
            case "sorted":
                return partial(by_hand.sorted_by_id_embedded, collections, _WHERE, workload.limit, pool)
            case "first":
                return partial(by_hand.first_embedded, collections, _WHERE, workload.limit, pool)
        include = list(workload.include)

        def run() -> Any:
            vector = self._texts.embed_blocking(self._texts.new()) if workload.text else self._vector
            return by_hand.nearest_embedded(collections, vector, workload.count, workload.limit, include, pool)

        return run


class Router:
    """Names the collections of the workload under way, as the code by hand knows its own."""

    names: list[str] | None = None

    def route(self, _query: Any) -> list[str] | None:
        """Return the names, or leave it to FROM."""
        return self.names


def _parameters(workload: Workload, vector: list[float], texts: Texts) -> dict[str, Any]:
    if workload.text:
        return {"text": texts.new()}
    return {"vector": vector} if workload.kind == "nearest" else {}


async def _compared(contenders: dict[str, Contender], rounds: int) -> tuple[dict[str, Any], float]:
    """Return the costs of contenders and the least part of the ids by hand that another one returns too."""
    answers = {name: await call(contender) for name, contender in contenders.items() if name != "floor"}
    expected, *others = [{row["id"] for row in answer} for answer in answers.values()]
    agreed = min(len(expected & ids) / len(expected) for ids in others)
    if agreed < _AGREEMENT:
        raise AssertionError(f"the contenders disagree: only {agreed:.0%} of the ids are the same")
    costs = await alternate(contenders, rounds)
    return {name: vars(cost) for name, cost in costs.items()}, agreed


async def _explained(
    workload: Workload, over_server: dict[str, Any], inside: dict[str, Any], served: _Served, embedded: _Embedded
) -> dict[str, Any]:
    """Return for each goal that was missed where the time went."""
    ratios = ratios_of(over_server, inside)
    found: dict[str, Any] = {}
    for (name, ratio), goal in zip(ratios.items(), workload.goals, strict=True):
        if ratio > goal:
            run = embedded.statement(workload) if name == "embedded" else served.statement(name, workload)
            timings = (await run()).timings
            found[name] = {
                "total": timings.total,
                "waiting": timings.waiting,
                "embedding": timings.embedding,
                "own": timings.own,
                "profile": await profile(run, times=3 if timings.total > _SLOW else 10, lines=8),
            }
    return found


def ratios_of(over_server: dict[str, Any], inside: dict[str, Any]) -> dict[str, float]:
    """Return the wall time of each form of ChromaSQL by that of the code by hand, embedded the better of its two."""
    best = min(inside["loop"]["wall"], inside["pool"]["wall"])
    by_hand_wall = over_server["by hand"]["wall"]
    return {
        "address": over_server["address"]["wall"] / by_hand_wall,
        "client": over_server["client"]["wall"] / by_hand_wall,
        "embedded": inside["embedded"]["wall"] / best,
    }


__all__ = ["WORKLOADS", "Cost", "Router", "Workload", "measure", "ratios_of"]
