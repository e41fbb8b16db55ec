"""Calls under way are bounded over all statements, and what hangs does not take every turn."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest

from chromasql import ChromaSQLPlanningError, MemoryProvider, ServersProvider, connect_async
from chromasql.concurrency.limits import CallLimits
from tests.support.doubles import Hang, Spy, fill, without_waiting


class Busy:
    """Holds each call for a while and notes how many were under way at once, in all and for one collection."""

    def __init__(self, provider: Any) -> None:
        self.provider = provider
        self.now: Counter[str] = Counter()
        self.most = self.most_of_one = 0

    async def get_collection(self, name: str) -> Any:
        collection = await self.provider.get_collection(name)
        return _Held(self, name, collection)

    async def list_collection_names(self) -> Any:
        return await self.provider.list_collection_names()


class _Held:
    def __init__(self, busy: Busy, name: str, collection: Any) -> None:
        self._busy, self.name, self._collection = busy, name, collection

    def __getattr__(self, name: str) -> Any:
        return getattr(self._collection, name)

    async def get(self, **arguments: Any) -> Any:
        busy = self._busy
        busy.now[self.name] += 1
        busy.most = max(busy.most, busy.now.total())
        busy.most_of_one = max(busy.most_of_one, busy.now[self.name])
        for _ in range(20):
            await asyncio.sleep(0)
        busy.now[self.name] -= 1
        return await self._collection.get(**arguments)


def memory(*names: str) -> MemoryProvider:
    return MemoryProvider({name: [{"id": f"{name}-1", "embedding": [1.0]}] for name in names})


@pytest.mark.parametrize(
    ("options", "names", "most", "most_of_one"),
    [
        ({"max_concurrency": 6, "max_per_collection": 2}, "abc", 6, 2),
        ({"max_concurrency": 5}, "a", 3, 3),
        ({"max_concurrency": 50}, "abc", 30, 10),
    ],
    ids=["given", "half", "cloud"],
)
async def test_calls_of_all_statements_are_bounded(
    options: dict[str, int], names: str, most: int, most_of_one: int
) -> None:
    """Forty statements at once are answered with no more calls under way than allowed, in all and of one collection."""
    busy = Busy(memory(*names))
    database = connect_async(busy, **options)
    statement = f"SELECT id FROM {', '.join(names)} ORDER BY id"
    results = await asyncio.gather(*(database.execute(statement) for _ in range(40)))

    assert all([row["id"] for row in result] == [f"{name}-1" for name in names] for result in results)
    assert (busy.most, busy.most_of_one) == (most, most_of_one)


def test_a_collection_that_hangs_leaves_turns_to_the_others(client: Any) -> None:
    """While twenty statements wait for a collection that never answers, another collection is asked at once."""
    for name in ("hanging", "docs"):
        fill(client, name, 2)
    hang = Hang()

    async def main() -> None:
        database = connect_async(Spy.on(client, {("hanging", "get"): hang}), max_concurrency=4)
        stuck = [asyncio.ensure_future(database.execute("SELECT id FROM hanging")) for _ in range(20)]
        assert len(await database.execute("SELECT id FROM docs")) == 2
        assert not any(each.done() for each in stuck)
        for each in stuck:
            each.cancel()
        await asyncio.wait(stuck)
        # What was cancelled, waiting or not, has given its turn back.
        results = await asyncio.gather(*(database.execute("SELECT id FROM docs") for _ in range(20)))
        assert [len(result) for result in results] == [2] * 20

    without_waiting(main())


async def test_a_server_that_hangs_takes_no_turns_from_another() -> None:
    """Of two servers behind one database, each has all the turns for itself."""
    hang = Hang()
    dead = Spy(memory("a", "b", "c", "d"), {(name, "get"): hang for name in "abcd"})
    database = connect_async(ServersProvider({"eu": dead, "us": memory("docs")}), max_concurrency=2)
    stuck = [asyncio.ensure_future(database.execute(f"SELECT id FROM eu.{name}")) for name in "abcd" for _ in range(4)]
    assert len(await database.execute("SELECT id FROM us.docs")) == 1
    for each in stuck:
        each.cancel()
    await asyncio.wait(stuck)


async def test_turns_come_back_from_whoever_is_cancelled() -> None:
    """One that waits for a turn of its collection, or of its server, and is cancelled leaves no turn taken."""
    limiter = CallLimits(2, 1).for_running_loop()
    await limiter.acquire("a")
    await limiter.acquire("b")
    waiting = [asyncio.ensure_future(limiter.acquire(name)) for name in ("a", "c")]
    await asyncio.sleep(0)
    for each in waiting:
        each.cancel()
    await asyncio.wait(waiting)
    limiter.release("a")
    limiter.release("b")
    assert len(limiter) == 0
    for name in ("a", "c"):
        async with asyncio.timeout(5):
            await limiter.acquire(name)


async def test_names_that_nobody_asks_again_take_no_room() -> None:
    """A thousand names that do not exist leave nothing behind."""
    database = connect_async(memory("a"), max_concurrency=2)
    for at in range(1_000):
        with pytest.raises(ChromaSQLPlanningError, match="does not exist"):
            await database.execute(f"SELECT id FROM nowhere-{at}")

    assert len(database._engine._shared.limits.for_running_loop()) == 0


@pytest.mark.parametrize("limit", [0, 1.5, True, "8"])
def test_a_limit_is_a_whole_number(limit: Any) -> None:
    """What cannot be a number of calls is refused."""
    with pytest.raises(ChromaSQLPlanningError, match="max_per_collection must be a whole number of at least 1"):
        connect_async(memory("a"), max_per_collection=limit)


def test_each_loop_has_its_turns() -> None:
    """A database that is used from two event loops waits in none for the other."""
    limits = CallLimits(1)
    for _ in range(2):
        asyncio.run(_taken(limits))


async def _taken(limits: CallLimits) -> None:
    async with asyncio.timeout(5):
        await limits.for_running_loop().acquire("a")
