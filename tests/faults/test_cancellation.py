"""A caller that gives a statement up, at whatever moment, is done with it at once, and nothing of it goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from chromasql import ChromaSQLError, Settings
from chromasql.database import AsyncDatabase
from tests.faults.fleet import CASES, NAMES, SERVERS, Case, Fleet, problem_of
from tests.faults.resources import Held, settled
from tests.support.doubles import others
from tests.support.proxy import Fault, Hang, Pass, Request, Schedule, Status

pytestmark = [pytest.mark.server, pytest.mark.timeout(7200)]

PROMPTLY = 20.0
"""In seconds, for a machine that is busy with other things."""


async def execute(database: AsyncDatabase, case: Case) -> Any:
    return await database.execute(case.sql)


async def execute_many(database: AsyncDatabase, case: Case) -> Any:
    return await database.execute_many(f"{case.sql}; SELECT COUNT(*) FROM *; {case.sql}")


async def stream(database: AsyncDatabase, case: Case) -> Any:
    return [row async for row in database.stream(f"SELECT id, n FROM {', '.join(NAMES)}")]


ways = st.sampled_from([execute, execute_many, stream])


@settings(max_examples=min(500, settings.default.max_examples // 4), suppress_health_check=list(HealthCheck))
@given(
    way=ways,
    case=st.sampled_from(CASES),
    moment=st.integers(0, 40) | st.floats(0, 0.15),
    fault=st.sampled_from([Pass(), Pass(0.02), Hang(), Status(503), Status(429, "20")]),
    deadline=st.none() | st.just(30.0),
)
def test_any_moment(
    servers: Fleet,
    way: Callable[[AsyncDatabase, Case], Awaitable[Any]],
    case: Case,
    moment: float,
    fault: Fault,
    deadline: float | None,
) -> None:
    """
    A statement that is cancelled ends with CancelledError and leaves no task, and the database serves the next one.

    It is cancelled when a server gets so many requests, or after so many seconds. Once the database is closed, there are
    no more threads and connections than there were.
    """
    servers.suffers(dict.fromkeys(SERVERS, every_other(fault)))
    before = Held.now()

    async def main() -> None:
        async with servers.database(Settings(timeout=deadline), timeout=PROMPTLY) as database:
            task = asyncio.ensure_future(way(database, case))
            give_up(servers, task, moment)
            async with asyncio.timeout(PROMPTLY):
                await asyncio.wait([task])
            # Whoever was asked to stop has to say that it did.
            assert task.cancelled() is bool(task.cancelling())
            if not task.cancelled():
                assert isinstance(task.exception(), ChromaSQLError | None)
            event("cancelled" if task.cancelled() else "done before")
            assert not others()

            servers.suffers({})
            result = await database.execute(case.sql)
            assert result.complete
            assert problem_of(case, result) is None

    asyncio.run(main())
    assert settled(before).within(before)


def every_other(fault: Fault) -> Schedule:
    """Let the first requests of a server pass, and then every other one meet with a fault."""
    came = 0

    def schedule(_: Request) -> Fault:
        nonlocal came
        came += 1
        return fault if came > 4 and came % 2 else Pass()

    return schedule


def give_up(servers: Fleet, task: asyncio.Future[Any], moment: float) -> None:
    """Have a task cancelled after so many seconds, or, for a whole number, when so many requests have come to a server."""
    loop = asyncio.get_running_loop()
    if isinstance(moment, float):
        loop.call_later(moment, task.cancel)
        return
    if moment == 0:
        task.cancel()
        return

    for proxy in servers.proxies.values():

        def count(_: Request, proxy: Any = proxy) -> None:
            if len(proxy.requests) == moment:
                loop.call_soon_threadsafe(task.cancel)

        proxy.before = count
    # Where fewer requests come, as some hang: the rest of the time is no moment of interest.
    loop.call_later(0.5, task.cancel)
