"""Statements that fail, are late or are cancelled leave nothing behind: no task, no thread, no connection."""

from __future__ import annotations

import asyncio
import random

import pytest

from chromasql import ChromaSQLError, ChromaSQLTimeoutError, Settings
from chromasql.database import AsyncDatabase
from tests.faults.fleet import CASES, SERVERS, Fleet, problem_of
from tests.faults.resources import Held, settled
from tests.support.doubles import others
from tests.support.proxy import (
    Cut,
    Drip,
    Fault,
    Garbage,
    Hang,
    Misshapen,
    Pass,
    Refuse,
    Request,
    Schedule,
    Status,
    Truncated,
)

pytestmark = [pytest.mark.server, pytest.mark.timeout(600)]

CONNECTIONS = 2
STATEMENTS = 100
FAULTS = (Hang(), Refuse(), Cut(), Status(503), Status(500), Truncated(), Garbage(), Misshapen(), Drip(0.2))


def troubled(seed: int) -> Schedule:
    """Let every other request meet with some fault."""
    rng = random.Random(seed)

    def schedule(_: Request) -> Fault:
        return rng.choice(FAULTS) if rng.random() < 0.5 else Pass(rng.random() / 100)

    return schedule


async def trouble(database: AsyncDatabase, rng: random.Random, statements: int) -> dict[str, int]:
    """Run statements, several at once; some end at the first failure, some are cancelled. Return how many ended how."""
    ended = dict.fromkeys(("answered", "refused", "late", "cancelled"), 0)

    async def one() -> None:
        case = rng.choice(CASES)
        strict = " WITH (on_error = FAIL)" if rng.random() < 0.3 else ""
        task = asyncio.ensure_future(database.execute(case.sql + strict, timeout=rng.choice([0.05, 0.2, 0.5])))
        if rng.random() < 0.3:
            await asyncio.wait([task], timeout=rng.random() / 10)
            task.cancel()
        try:
            result = await task
        except asyncio.CancelledError:
            ended["cancelled"] += 1
        except ChromaSQLTimeoutError:
            ended["late"] += 1
        except ChromaSQLError:
            ended["refused"] += 1
        else:
            assert problem_of(case, result) is None
            ended["answered"] += 1

    for _ in range(statements // 4):
        await asyncio.gather(*(one() for _ in range(4)))
    return ended


def test_nothing_is_left(fleet: Fleet) -> None:
    """
    After a hundred troubled statements a process holds no more than its pools may, after two hundred the same, and once
    the database is closed what it held before.
    """

    async def main() -> dict[str, int]:
        rng = random.Random(7)
        ended: dict[str, int] = {}
        async with fleet.database(Settings(retries=1), connections=CONNECTIONS) as database:
            for _ in range(2):
                found = await trouble(database, rng, STATEMENTS)
                ended = {name: ended.get(name, 0) + count for name, count in found.items()}
                assert not others()
                assert settled(pooled).within(pooled)
        return ended

    asyncio.run(warm_up(fleet))
    before = Held.now()
    # A connection is a file here, in the proxy that it leads to, and in that proxy's own connection; the loop has three.
    pooled = Held(before.threads, before.files + 3 * CONNECTIONS * len(SERVERS) + 3)
    fleet.suffers({server: troubled(seed) for seed, server in enumerate(SERVERS)})
    ended = asyncio.run(main())

    assert settled(before).within(before)
    assert sum(ended.values()) == 2 * STATEMENTS
    assert min(ended.values()) > 0


async def warm_up(fleet: Fleet) -> None:
    """Run each statement once, so that what is loaded when it is first needed is there."""
    async with fleet.database(connections=CONNECTIONS) as database:
        for case in CASES:
            await database.execute(case.sql)
