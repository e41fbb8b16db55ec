"""Rows as they come, and statements that are parsed once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from chromadb.errors import InternalError, NotFoundError

from chromasql import (
    ChromaSQLError,
    ChromaSQLExecutionError,
    ChromaSQLPlanningError,
    ChromaSQLRoutingError,
    ChromaSQLTimeoutError,
    MemoryProvider,
    connect,
    connect_async,
)
from tests.support.doubles import Hang, Spy, answers, fill, others, plain_id, raises, without_waiting

STATEMENTS = [
    "SELECT id, n FROM one, two",
    "SELECT id FROM one, two WHERE even = TRUE",
    "SELECT id FROM one, two WHERE n LIKE '%x%' OR n > 2",
    "SELECT id FROM one, two LIMIT 5 OFFSET 2",
    "SELECT id, document FROM one, two ORDER BY n DESC LIMIT 3",
    "SELECT id, distance FROM one, two USING EMBEDDING (VECTOR [1.0, 1.0]) TOPK 4",
    "SELECT even, COUNT(*) FROM one, two GROUP BY even",
    "SELECT id FROM one, two LIMIT 0",
    "SELECT id FROM one, two WHERE id = 'a' AND id = 'b'",
]


@pytest.fixture
def spy(client: Any) -> Spy:
    """Give two real collections of six records each, under watch."""
    for name in ("one", "two"):
        fill(client, name)
    return Spy.on(client)


async def streamed(source: Any, sql: str, params: Any = None, **options: Any) -> list[dict[str, Any]]:
    """Return the rows of a stream."""
    return [row async for row in connect_async(source).stream(sql, params, **options)]


@pytest.mark.parametrize("sql", STATEMENTS)
async def test_the_rows_are_those_of_execute(spy: Spy, sql: str) -> None:
    """A stream yields the rows that execute returns, in the same order."""
    assert await streamed(spy, sql) == (await connect_async(spy).execute(sql)).rows


@pytest.mark.parametrize("sql", STATEMENTS)
async def test_the_blocking_face_streams(spy: Spy, sql: str) -> None:
    """The blocking face streams the same rows."""
    with connect(spy) as database:
        assert list(database.stream(sql)) == database.execute(sql).rows


def test_a_stream_may_be_left(spy: Spy) -> None:
    """A blocking stream that is not read to its end asks no further collection."""
    with connect(spy) as database:
        rows = database.stream("SELECT id FROM one, two")
        assert next(rows) == {"id": "one-0"}
        rows.close()
    assert {name for name, _ in spy.sent("get")} == {"one"}


async def test_an_async_stream_may_be_left(spy: Spy) -> None:
    """An async stream that is closed early leaves no task."""
    rows = connect_async(spy).stream("SELECT id FROM one, two WHERE n > :n", {"n": 1})
    assert await anext(rows) == {"id": "one-2"}
    await rows.aclose()
    assert not others()


@pytest.mark.parametrize("sql", ["SELECT id FROM one, two", "SELECT id FROM one, two ORDER BY n"])
async def test_no_partial_stream(spy: Spy, sql: str) -> None:
    """A collection that fails ends the stream, as rows that are missing could not be told."""
    spy.instead["two", "get"] = raises(InternalError("disk full"))
    with pytest.raises(ChromaSQLExecutionError, match="two: InternalError: disk full") as caught:
        await streamed(spy, sql)
    assert isinstance(caught.value.__cause__, InternalError) or "ORDER" in sql


@pytest.mark.parametrize(
    "answer", [None, {}, {"ids": ["a"], "metadatas": []}, {"ids": ["a"], "metadatas": [5]}], ids=plain_id
)
async def test_garbage_ends_a_stream(spy: Spy, answer: Any) -> None:
    """An answer that nobody can read ends the stream with an error of ours."""
    spy.instead["two", "get"] = answers(answer)
    with pytest.raises(ChromaSQLExecutionError, match="two: "):
        await streamed(spy, "SELECT id FROM one, two WHERE n LIKE '%a%'")


async def test_unknown_collections_end_a_stream(spy: Spy) -> None:
    """A collection that does not exist is told with the nearest names, as by execute."""
    with pytest.raises(ChromaSQLRoutingError, match=r"collection won does not exist; did you mean .*"):
        await streamed(spy, "SELECT id FROM one, won")


@pytest.mark.parametrize("sql", ["SHOW COLLECTIONS", "DESCRIBE one", "EXPLAIN SELECT id FROM one"])
async def test_only_selects_are_streamed(spy: Spy, sql: str) -> None:
    """What has no rows to stream is refused."""
    with pytest.raises(ChromaSQLPlanningError, match="stream takes a SELECT; execute the statement instead"):
        await streamed(spy, sql)


def test_the_deadline_of_a_stream() -> None:
    """A stream keeps the deadline of its statement."""
    provider = MemoryProvider({"one": [{"id": "1"}], "two": [{"id": "2"}]})
    spy = Spy(provider, {("two", "get"): Hang()})
    with pytest.raises(ChromaSQLTimeoutError, match="timed out after 30 s \\(statement timeout\\)"):
        without_waiting(streamed(spy, "SELECT id FROM one, two", timeout=30))


async def test_a_cancelled_stream(spy: Spy) -> None:
    """A reader that is cancelled cancels the call under way and leaves no task."""
    hang = spy.instead["two", "get"] = Hang()
    task = asyncio.create_task(streamed(spy, "SELECT id FROM one, two"))
    await hang.reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert hang.cancelled
    assert not others()


async def test_a_stream_of_a_collection_made_again(client: Any) -> None:
    """A stale handle is opened anew; where the collection is another one now, the stream says to retry."""
    fill(client, "one")
    database = connect_async(client)
    await database.execute("SELECT id FROM one")
    client.delete_collection("one")
    fill(client, "one", 2, first=7)
    assert [row async for row in database.stream("SELECT id FROM one")] == [{"id": "one-7"}, {"id": "one-8"}]

    client.delete_collection("one")
    fill(client, "one", 2, dimension=5)
    with pytest.raises(ChromaSQLExecutionError, match=r"collection one was .*during the query; retry"):
        _ = [row async for row in database.stream("SELECT id FROM one")]
    assert len([row async for row in database.stream("SELECT id FROM one")]) == 2


async def test_a_stream_that_stays_stale(spy: Spy) -> None:
    """A collection that is missing even when it was opened anew ends the stream."""
    spy.instead["one", "get"] = raises(NotFoundError("stale"))
    with pytest.raises(ChromaSQLError, match="one: NotFoundError: stale"):
        await streamed(spy, "SELECT id FROM one")


# Prepared statements


async def test_prepared(spy: Spy) -> None:
    """A prepared statement is parsed once and takes other parameters each time, in both faces."""
    sql = "SELECT id FROM one WHERE n = :n"
    prepared = connect_async(spy).prepare(sql)
    assert [(await prepared.execute({"n": n}, timeout=60)).rows for n in range(2)] == [
        [{"id": "one-0"}],
        [{"id": "one-1"}],
    ]
    with connect(spy) as database:
        again = database.prepare(sql)
        assert again.statement == prepared.statement
        assert again.execute({"n": 3}).rows == [{"id": "one-3"}]


async def test_many(spy: Spy) -> None:
    """A script of statements gives their results in order, in both faces."""
    script = "SELECT COUNT(*) AS c FROM one WHERE n > :n; SHOW COLLECTIONS LIKE 'o%'"
    results = await connect_async(spy).execute_many(script, {"n": 2}, timeout=60)
    assert [result.rows for result in results] == [[{"c": 3}], [{"name": "one", "count": 6}]]
    with connect(spy) as database:
        assert [result.rows for result in database.execute_many(script, {"n": 2})] == [
            result.rows for result in results
        ]
