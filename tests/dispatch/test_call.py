"""The dispatcher by itself: calls are booked on the step that makes them, and a restart keeps what it should."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from chromasql import ChromaSQLExecutionError, ChromaSQLTimeoutError, MemoryProvider, connect_async
from chromasql.dispatch.deadline import Deadline
from chromasql.dispatch.dispatcher import Dispatcher
from chromasql.dispatch.open_collection import CollectionHandle
from chromasql.dispatch.options import CollectionSource, DispatchOptions
from chromasql.dispatch.responses import check_answer
from chromasql.plan import PlanWarning
from chromasql.protocols import QueryVector
from chromasql.retrieval.collection_reader import CollectionReader

NAMES = ("one", "two", "six")


def memory() -> MemoryProvider:
    """Return three collections of two records each."""
    return MemoryProvider(
        {name: [{"id": f"{name}-{n}", "document": "text", "embedding": [n, n]} for n in range(2)] for name in NAMES}
    )


def start(**options: Any) -> Dispatcher:
    """Return the dispatcher of a statement over them."""
    return Dispatcher.start(CollectionSource(memory().get_collection), DispatchOptions(**options))


async def test_calls_are_booked_on_their_own_step() -> None:
    """
    Two steps that run at the same time each count their own calls, rows and time.

    They were all counted on the step that began last.
    """
    dispatcher = start()
    handles = [CollectionHandle(name, place) for place, name in enumerate(NAMES)]
    await dispatcher.open_all(handles)
    both_began = asyncio.Barrier(2)

    async def run(step: Any, calls: int) -> None:
        async def work(handle: CollectionHandle) -> None:
            reader = CollectionReader(handle, dispatcher, step)
            for _ in range(calls):
                await reader.count()
            reader.count_rows(calls * 10)

        await both_began.wait()
        await dispatcher.fan_out(step, handles, work)

    await asyncio.gather(run("rank", 1), run("fetch", 2))
    for outcome in dispatcher.ledger.outcomes():
        steps = {step.step: (step.calls, step.rows) for step in outcome.steps}
        assert steps == {"open": (0, 0), "rank": (1, 10), "fetch": (2, 20)}


async def test_a_restart_keeps_the_deadline_and_the_clock() -> None:
    """A restarted dispatcher has the same deadline and clock, and of the records only those of unlisted servers."""
    dispatcher = start(timeout=30.0)
    handle = CollectionHandle("one", 0)
    await dispatcher.open(handle, "open")
    dispatcher.ledger["far.*"].status = "failed"
    dispatcher.ledger.warn(PlanWarning("record-gone", "one-0 was deleted"))

    again = dispatcher.restarted(frozenset({"far.*"}))
    assert again.calls.deadline is dispatcher.calls.deadline
    assert again.ledger.clock is dispatcher.ledger.clock
    assert [(outcome.collection, outcome.status) for outcome in again.ledger.outcomes()] == [("far.*", "failed")]
    assert again.ledger.warnings == ()
    assert [outcome.collection for outcome in dispatcher.ledger.outcomes()] == ["one", "far.*"]
    assert again.calls.reopens
    assert not dispatcher.calls.reopens


async def test_a_deadline_counts_down() -> None:
    """Without a timeout there is always time; a timeout of 0 leaves none, and never less than none."""
    assert Deadline.after(None).remaining() is None
    assert Deadline.after(None).has_time(1e9)
    assert Deadline.after(60.0).has_time(1.0)
    assert not Deadline.after(60.0).has_time(60.0)
    assert Deadline.after(0.0).remaining() == 0.0
    assert not Deadline.after(0.0).has_time(0.0)
    with pytest.raises(ChromaSQLTimeoutError) as caught:
        await start(timeout=0.0).within_deadline(asyncio.Event().wait)
    assert caught.value.code == "timeout"


class Watching:
    """A provider that keeps the vectors of each query it is sent."""

    def __init__(self) -> None:
        self.sent: list[Any] = []
        self._provider = memory()

    async def list_collection_names(self) -> Any:
        return await self._provider.list_collection_names()

    async def get_collection(self, name: str) -> Any:
        collection, sent = await self._provider.get_collection(name), self.sent

        class Watched:
            def __getattr__(self, attribute: str) -> Any:
                return getattr(collection, attribute)

            async def query(self, **arguments: Any) -> Any:
                sent.extend(arguments["query_embeddings"])
                return await collection.query(**arguments)

            async def get(self, **arguments: Any) -> Any:
                return await collection.get(**arguments)

        return Watched()


@pytest.mark.parametrize("query", ["VECTOR [1.0, 0.5]", "TEXT 'a'"])
async def test_one_vector_for_all_collections(query: str) -> None:
    """
    All collections of a statement are sent the same object for one KNN, and another statement is sent its own.

    Each collection was sent a copy of its own.
    """
    watching = Watching()
    database = connect_async(watching, embed_fn=lambda text, model: [1.0, 0.5])
    sql = f"SELECT id FROM * USING EMBEDDING ({query}) TOPK 3"
    for _ in range(2):
        await database.execute(sql)
    first, second = watching.sent[: len(NAMES)], watching.sent[len(NAMES) :]
    assert all(vector == [1.0, 0.5] and isinstance(vector, QueryVector) for vector in watching.sent)
    assert len({id(vector) for vector in first}) == len({id(vector) for vector in second}) == 1
    assert first[0] is not second[0]


@pytest.mark.parametrize(("method", "answer"), [("count", "many"), ("get", {"ids": 5}), ("get", [])])
def test_a_malformed_response_has_a_code(method: str, answer: Any) -> None:
    """A response that Chroma cannot have sent is an error with the code ``malformed-response``."""
    with pytest.raises(ChromaSQLExecutionError) as caught:
        check_answer(method, {"include": []}, answer)
    assert caught.value.code == "malformed-response"
