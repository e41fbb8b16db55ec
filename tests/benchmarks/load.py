"""
Statements without a pause, many at once from one event loop, against one server: throughput, latencies, memory, sockets.

Run as a program, it is the client and prints what it found; a process of its own, whose memory nobody else has used.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from functools import partial
from itertools import count
from pathlib import Path
from statistics import quantiles
from typing import Any

from tests.benchmarks.fanout import Router
from tests.benchmarks.records import Shape, query_vector

_AT_ONCE = 200
_VECTORS = 100
_SAMPLES = 12
_SQL = "SELECT id, document, metadata, distance FROM docs USING EMBEDDING (VECTOR :vector) LIMIT 10"


async def measure(url: str, shape: Shape, seconds: float) -> Any:
    """Run the client and return what it found; see `_loaded`."""
    command = [sys.executable, "-m", "tests.benchmarks.load", url, shape.stem, str(shape.collections), str(seconds)]
    run = partial(subprocess.run, check=True, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    return json.loads((await asyncio.to_thread(run, command)).stdout)


async def _loaded(url: str, shape: Shape, seconds: float) -> dict[str, Any]:
    """
    Return what came of so many seconds of load, in statements, milliseconds, megabytes and sockets.

    A statement that is under way when the time is up is waited for and counts; so does the time that it takes.
    """
    import chromasql

    router = Router()
    router.names = shape.names
    vectors = [query_vector(seed) for seed in range(1, _VECTORS + 1)]
    numbers = count()
    latencies: list[float] = []
    errors: dict[str, int] = {}
    held: list[dict[str, float]] = []
    async with chromasql.connect_async(url, router=router) as database:
        await database.execute(_SQL, {"vector": vectors[0]})
        started = time.perf_counter()

        async def ask() -> None:
            while time.perf_counter() - started < seconds:
                began = time.perf_counter()
                try:
                    result = await database.execute(_SQL, {"vector": vectors[next(numbers) % _VECTORS]})
                    result.require_complete()
                except chromasql.ChromaSQLError as error:
                    name = type(error).__name__
                    errors[name] = errors.get(name, 0) + 1
                else:
                    latencies.append((time.perf_counter() - began) * 1000)

        async def watch() -> None:
            while True:
                held.append({"second": time.perf_counter() - started} | _held())
                await asyncio.sleep(seconds / (_SAMPLES - 1))

        watcher = asyncio.ensure_future(watch())
        await asyncio.gather(*(ask() for _ in range(_AT_ONCE)))
        took = time.perf_counter() - started
        watcher.cancel()
    await asyncio.wait([watcher])
    closed = _held()
    cuts = quantiles(latencies, n=100)
    return {
        "at_once": _AT_ONCE,
        "collections": shape.collections,
        "seconds": took,
        "statements": len(latencies),
        "errors": errors,
        "p50": cuts[49],
        "p99": cuts[98],
        "held": held,
        "closed": closed,
    }


def _held() -> dict[str, float]:
    """Return the megabytes that this process has in memory, and its sockets."""
    status = Path("/proc/self/status").read_text().split()
    links = [_target(each) for each in Path("/proc/self/fd").iterdir()]
    return {
        "megabytes": int(status[status.index("VmRSS:") + 1]) / 1024,
        "sockets": sum(link.startswith("socket:") for link in links),
    }


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except OSError:
        # The one by which the others are read.
        return ""


if __name__ == "__main__":
    _url, _stem, _collections, _seconds = sys.argv[1:]
    print(json.dumps(asyncio.run(_loaded(_url, Shape(_stem, int(_collections), 0), float(_seconds)))))
