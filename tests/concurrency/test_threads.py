"""Blocking calls that hang: who waits for them, who does not, and how many there may be."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from chromasql import ChromaSQLExecutionError, SimpleAsyncClientAdapter, connect_async
from chromasql.concurrency import threads
from chromasql.concurrency.containment import AbortError
from chromasql.concurrency.threads import BlockingPool
from tests.support.doubles import fill


class Hanging:
    """Blocking calls that hang until they are let go."""

    def __init__(self) -> None:
        self.may_end = threading.Event()
        self.begun: list[threading.Event] = []

    def make(self) -> tuple[Callable[[], str], threading.Event]:
        """Return a call that hangs, and what is set when it has begun."""
        begun = threading.Event()
        self.begun.append(begun)

        def call() -> str:
            begun.set()
            self.may_end.wait()
            return "late"

        return call, begun


@pytest.fixture
def hanging() -> Iterator[Hanging]:
    """Give calls that hang, and let them go at the end."""
    hanging = Hanging()
    yield hanging
    hanging.may_end.set()


async def begins(event: threading.Event) -> None:
    """Wait until a call runs, with the loop free."""
    assert await asyncio.to_thread(event.wait, 30)


async def abandon(calls: BlockingPool, hanging: Hanging) -> None:
    """Start a call that hangs, and give it up."""
    call, begun = hanging.make()
    task = asyncio.create_task(calls.run(call))
    await begins(begun)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def until_abandoned(calls: BlockingPool, count: int) -> None:
    """Wait until so many calls have not returned."""
    while calls.abandoned != count:  # noqa: ASYNC110 - a thread changes it
        await asyncio.sleep(0.001)


async def test_abandoned_calls_hold_up_nobody(hanging: Hanging) -> None:
    """However many calls hang, up to the bound, the next one runs at once."""
    calls = BlockingPool(max_workers=2, max_abandoned=6)
    for number in range(5):
        await abandon(calls, hanging)
        assert calls.abandoned == number + 1
        assert await asyncio.gather(*(calls.run(lambda n=n: n) for n in range(8))) == list(range(8))
    calls.close()


async def test_the_bound(hanging: Hanging) -> None:
    """At the bound a call is refused in words, before it begins, and made again as soon as one has returned."""
    calls = BlockingPool(max_workers=2, max_abandoned=3)
    for _ in range(3):
        await abandon(calls, hanging)
    before = len(calls._threads)
    for _ in range(20):
        with pytest.raises(ChromaSQLExecutionError, match="thread pool exhausted: 3 calls of this database"):
            await calls.run(lambda: pytest.fail("it began"))
    assert len(calls._threads) == before

    hanging.may_end.set()
    await until_abandoned(calls, 0)
    assert await calls.run(lambda: 5) == 5
    calls.close()


async def test_those_that_wait_are_refused_too(hanging: Hanging) -> None:
    """A call that waits for its turn while the bound is reached is refused, rather than waiting for ever."""
    calls = BlockingPool(max_workers=1, max_abandoned=1)
    call, begun = hanging.make()
    first = asyncio.create_task(calls.run(call))
    await begins(begun)
    waiting = [asyncio.create_task(calls.run(lambda: 5)) for _ in range(3)]
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    for task in waiting:
        with pytest.raises(ChromaSQLExecutionError, match="still block their threads"):
            await task
    calls.close()


async def test_threads_are_bounded(hanging: Hanging) -> None:
    """Threads that took over end when there are more than may run at once again."""
    calls = BlockingPool(max_workers=2, max_abandoned=20)
    for _ in range(20):
        await abandon(calls, hanging)
    assert len(calls._threads) <= 22
    hanging.may_end.set()
    await until_abandoned(calls, 0)
    while len(calls._threads) > 2:  # noqa: ASYNC110 - a thread changes it
        await asyncio.sleep(0.001)
    assert await calls.run(lambda: 5) == 5
    calls.close()
    while calls._threads:  # noqa: ASYNC110 - a thread changes it
        await asyncio.sleep(0.001)


async def test_one_that_waits_never_begins(hanging: Hanging) -> None:
    """A call that is cancelled before its turn is not made."""
    calls = BlockingPool(max_workers=1)
    call, begun = hanging.make()
    first = asyncio.create_task(calls.run(call))
    await begins(begun)
    second = asyncio.create_task(calls.run(lambda: pytest.fail("it began")))
    await asyncio.sleep(0)
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    assert calls.abandoned == 0
    hanging.may_end.set()
    assert await first == "late"
    assert await calls.run(lambda: 5) == 5
    calls.close()


@pytest.mark.parametrize(
    ("error", "raised"),
    [(ValueError, ValueError), (KeyError, KeyError), (StopIteration, RuntimeError), (SystemExit, AbortError)],
)
async def test_errors_come_through(error: type[BaseException], raised: type[BaseException]) -> None:
    """What a call raises is raised where it is awaited, and its thread goes on."""
    calls = BlockingPool(max_workers=1)

    def call() -> None:
        raise error

    with pytest.raises(raised):
        await calls.run(call)
    assert await calls.run(lambda: 5) == 5
    assert len(calls._threads) == 1
    calls.close()


async def test_statements_that_hang(client: Any, hanging: Hanging, monkeypatch: pytest.MonkeyPatch) -> None:
    """An embedded collection that hangs costs each statement its deadline and no other statement anything."""
    calls = BlockingPool(max_workers=2, max_abandoned=4)
    pools = threads.Pools()
    pools.chroma = calls
    monkeypatch.setattr(threads, "_pools", lambda: pools)
    for name in ("good", "hung"):
        fill(client, name, 3)
    adapter = SimpleAsyncClientAdapter(client)
    hung = await adapter.get_collection("hung")
    database = connect_async(adapter, dialect="local")

    monkeypatch.setattr(hung, "get", lambda **_: hanging.may_end.wait())
    for _ in range(3):
        result = await database.execute("SELECT id FROM good, hung ORDER BY id", timeout=0.5)
        assert [row["id"] for row in result] == ["good-0", "good-1", "good-2"]
        assert [each.status for each in result.outcomes] == ["ok", "timed_out"]
    assert calls.abandoned == 3
    assert len(await database.execute("SELECT id FROM good")) == 3


def test_a_call_that_hangs_does_not_keep_the_process() -> None:
    """A process ends although a blocking call that was given up never returns."""
    program = """
        import asyncio, threading
        from chromasql.concurrency.threads import run_blocking

        async def main():
            try:
                await asyncio.wait_for(run_blocking(threading.Event().wait), 0.05)
            except TimeoutError:
                print("given up")

        asyncio.run(main())
    """
    command = [sys.executable, "-c", textwrap.dedent(program)]
    found = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
    assert found.stdout == "given up\n"
