"""
The memory of a stream: every row of one statement, from a collection that makes its pages as they are asked for.

Run as a program, it streams once and prints what it took; a process of its own, as a process never gives memory back.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_SQL = "SELECT id, document, metadata FROM docs"
_DOCUMENT = "word " * 160


class Endless:
    """A collection of so many records, none of which exists before it is asked for."""

    name = "docs"
    configuration_json = metadata = dimension = None

    def __init__(self, count: int) -> None:
        self._count = count

    async def get(self, limit: int, offset: int, include: Sequence[str], **_: Any) -> dict[str, Any]:
        """Make one page."""
        numbers = range(offset, min(offset + limit, self._count))
        return {
            "ids": [f"record-{number}" for number in numbers],
            "documents": [f"{number} {_DOCUMENT}" for number in numbers],
            "metadatas": [{"n": number} for number in numbers],
        }

    async def query(self, **_: Any) -> dict[str, Any]:
        """Refuse: nothing here is ranked."""
        raise NotImplementedError

    async def get_collection(self, _name: str) -> Endless:
        """Return itself: it is its own provider."""
        return self

    async def list_collection_names(self) -> list[str]:
        """Return the one name."""
        return [self.name]


async def _stream(count: int) -> dict[str, float]:
    import chromasql

    database = chromasql.connect_async(Endless(count), dialect="local")
    before, started = _peak(), time.perf_counter()
    rows = 0
    async for _ in database.stream(_SQL):
        rows += 1
    assert rows == count
    return {"rows": rows, "seconds": time.perf_counter() - started, "megabytes": (_peak() - before) / 1024}


def _peak() -> int:
    """Return the most memory that this process ever had, in kilobytes."""
    # Not getrusage, which on Linux begins with what the parent had.
    status = Path("/proc/self/status").read_text().split()
    return int(status[status.index("VmHWM:") + 1])


def measure(count: int) -> list[dict[str, float]]:
    """Stream a hundredth, a tenth and all of so many rows, each in a process of its own."""
    return [_in_a_process(part) for part in (count // 100, count // 10, count)]


def _in_a_process(count: int) -> Any:
    command = [sys.executable, "-m", "tests.benchmarks.stream", str(count)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    return json.loads(done.stdout)


if __name__ == "__main__":
    print(json.dumps(asyncio.run(_stream(int(sys.argv[1])))))
