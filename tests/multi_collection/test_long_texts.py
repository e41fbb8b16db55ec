"""Long statements and long scripts: the deadline, the loop, and the order of the results."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from chromasql import (
    ChromaSQLPlanningError,
    ChromaSQLTimeoutError,
    MemoryProvider,
    Scope,
    connect,
    connect_async,
    parse_script,
)
from chromasql.planner import build_plan

LONG = "SELECT id FROM docs WHERE " + " OR ".join(f"a{number} = {number}" for number in range(5_000))


def provider() -> MemoryProvider:
    return MemoryProvider({"docs": [{"id": f"r{number}", "metadata": {"a7": number}} for number in range(10)]})


def test_planning_is_inside_the_deadline() -> None:
    """A text that takes longer to read than the statement may take ends in time; it was outside of it before."""
    with connect(provider()) as db, pytest.raises(ChromaSQLTimeoutError, match="while the statement") as caught:
        db.execute(LONG, timeout=0.001)

    assert caught.value.code == "timeout"


async def test_the_loop_goes_on_while_a_long_text_is_read() -> None:
    """A long statement is parsed and planned on a thread: the loop ran other tasks meanwhile; it stood still before."""
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0)
            ticks += 1

    async with connect_async(provider()) as db:
        ticking = asyncio.ensure_future(tick())
        result = await db.execute(LONG)
        ticking.cancel()

    assert [row["id"] for row in result] == ["r7"]
    assert ticks > 100


async def test_a_script_runs_some_statements_at_once() -> None:
    """No more than 32 statements of a script are under way, and the results are in their order; all were before."""
    running, most = 0, 0

    async def embed(text: str, model: Any = None) -> list[float]:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        return [float(text)]

    source = MemoryProvider({"docs": [{"id": f"r{number}", "embedding": [float(number)]} for number in range(100)]})
    script = ";".join(f"SELECT id FROM docs USING EMBEDDING (TEXT '{number}') LIMIT 1" for number in range(100))
    async with connect_async(source, embed_fn=embed) as db:
        results = await db.execute_many(script)

    assert [result.rows[0]["id"] for result in results] == [f"r{number}" for number in range(100)]
    assert most <= 32


def test_a_scope_bounds_the_statements_of_a_script() -> None:
    """A script within a scope may have 1,000 statements."""
    script = "SELECT id FROM docs LIMIT 1;" * 1_001
    with (
        connect(provider(), scope=Scope(collections=["docs"])) as db,
        pytest.raises(ChromaSQLPlanningError, match="1001 statements") as caught,
    ):
        db.execute_many(script)

    assert caught.value.code == "scope-limit"


def test_a_plan_has_the_text_of_its_own_statement() -> None:
    """The plan of a statement of a script names that statement alone; before, each had the text of the whole script."""
    first, second = parse_script("SELECT id FROM docs ;\n SELECT  a7 FROM docs")

    assert build_plan(first).statement == "SELECT id FROM docs"  # type: ignore[arg-type]
    assert build_plan(second).statement == "SELECT a7 FROM docs"  # type: ignore[arg-type]
