"""What a statement does when a collection, the provider or the clock fails it."""

from __future__ import annotations

import asyncio
import math
import pickle
from collections.abc import Iterator
from typing import Any

import chromadb
import pytest
from chromadb.errors import InternalError

from chromasql import (
    ChromaSQLError,
    ChromaSQLExecutionError,
    ChromaSQLPlanningError,
    ChromaSQLRoutingError,
    ChromaSQLTimeoutError,
    MemoryProvider,
    Settings,
    connect_async,
)
from chromasql.multi_collection import execute_multi_collection
from tests.support.doubles import Hang, Spy, answers, fill, others, plain_id, raises, without_waiting

RANKED = "SELECT id, _collection FROM one, two, six USING EMBEDDING (VECTOR [0.0, 0.0]) TOPK 6"
FILTERED = "SELECT id, _collection FROM one, two, six WHERE n < 2"
STATEMENTS = pytest.mark.parametrize("sql", [RANKED, FILTERED], ids=["ranked", "filtered"])
OTHERS = {"one", "six"}
CALLS = [("open", RANKED), ("query", RANKED), ("open", FILTERED), ("get", FILTERED)]


def memory() -> MemoryProvider:
    """Return three collections of two records each, that use neither threads nor sockets."""
    return MemoryProvider(
        {
            name: [{"id": f"{name}-{n}", "embedding": [n, n], "metadata": {"n": n}} for n in range(2)]
            for name in ("one", "two", "six")
        }
    )


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Give one embedded Chroma to all tests here, as none of them writes."""
    client = chromadb.PersistentClient(tmp_path_factory.mktemp("chroma"))
    for name in ("one", "two", "six"):
        fill(client, name, 2)
    yield client
    client.close()


@pytest.fixture
def spy(client: Any) -> Spy:
    """Give three real collections of two records each, under watch."""
    return Spy.on(client)


# Failures of single collections


@pytest.mark.parametrize(("method", "sql"), CALLS)
async def test_one_failure(spy: Spy, method: str, sql: str) -> None:
    """A collection that fails does not lose the rows of the others, and the result names it with its error."""
    spy.instead["two", method] = raises(InternalError("disk full"))
    result = await connect_async(spy).execute(sql)

    assert {row["_collection"] for row in result} == OTHERS
    assert len(result) == 4
    assert not result.complete
    (failure,) = result.failures
    assert (failure.collection, failure.status) == ("two", "failed")
    assert str(failure.error) == "two: InternalError: disk full"
    assert [outcome.collection for outcome in result.outcomes] == ["one", "two", "six"]
    assert [outcome.status for outcome in result.outcomes] == ["ok", "failed", "ok"]


@pytest.mark.parametrize(("method", "sql"), CALLS)
async def test_all_failed(spy: Spy, method: str, sql: str) -> None:
    """Where every collection failed there is no answer, and the error holds each cause."""
    errors = {name: InternalError(f"disk {name}") for name in ("one", "two", "six")}
    spy.instead.update({(name, method): raises(error) for name, error in errors.items()})
    with pytest.raises(ChromaSQLExecutionError, match="all 3 collections failed") as caught:
        await connect_async(spy).execute(sql)

    assert [str(failure) for failure in caught.value.failures] == [
        f"{name}: InternalError: disk {name}" for name in ("one", "two", "six")
    ]
    assert caught.value.__cause__ is errors["one"]
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


async def test_the_only_collection_failed(spy: Spy) -> None:
    """The failure of the only collection is the failure of the statement."""
    spy.instead["one", "get"] = raises(InternalError("disk full"))
    with pytest.raises(ChromaSQLExecutionError, match="the collection failed\n  one: InternalError: disk full"):
        await connect_async(spy).execute("SELECT id FROM one")


@pytest.mark.parametrize(("method", "sql"), CALLS)
async def test_on_error_fail(spy: Spy, method: str, sql: str) -> None:
    """With on_error = FAIL the first failure ends the statement and cancels the calls that are under way."""
    hang = Hang()

    async def fail_then() -> Any:
        await hang.reached.wait()
        raise InternalError("disk full")

    spy.instead.update({("one", method): hang, ("two", method): fail_then})
    with pytest.raises(ChromaSQLExecutionError, match=r"failed \(on_error = FAIL\)") as caught:
        await connect_async(spy).execute(f"{sql} ORDER BY id WITH (on_error = FAIL)")

    assert [failure.collection for failure in caught.value.failures] == ["two"]
    assert isinstance(caught.value.__cause__, InternalError)
    assert hang.cancelled
    assert not others()


async def test_two_failures_at_once(spy: Spy) -> None:
    """With on_error = FAIL, two collections that fail at the same moment give one error."""
    spy.instead.update({(name, "get"): raises(InternalError("disk full")) for name in ("one", "two")})
    with pytest.raises(ChromaSQLExecutionError, match=r"failed \(on_error = FAIL\)"):
        await connect_async(spy).execute(f"{FILTERED} ORDER BY id WITH (on_error = FAIL)")


async def test_late_fetch_fails(spy: Spy) -> None:
    """A collection that fails when the winners are fetched takes its own rows with it, and no others."""
    spy.instead["two", "get"] = raises(InternalError("disk full"))
    sql = "SELECT id, document, embedding, _collection FROM one, two, six USING EMBEDDING (VECTOR [0.0, 0.0]) TOPK 400 LIMIT 30"
    result = await connect_async(spy).execute(sql)

    assert ("one", "get") in spy.calls
    assert {row["_collection"] for row in result} == OTHERS
    assert [outcome.collection for outcome in result.failures] == ["two"]


async def test_a_collection_that_failed_is_not_asked_again(spy: Spy) -> None:
    """What a collection lost stays lost: it is asked nothing more, and the result is not complete."""
    spy.instead["two", "get"] = raises(InternalError("disk full"))
    batch = "BATCH (VECTOR [0.0, 0.0], VECTOR [1.0, 1.0])"
    sql = f"SELECT id, document, embedding, _collection FROM one, two, six USING EMBEDDING {batch} TOPK 400 LIMIT 30"
    result = await connect_async(spy).execute(sql)

    assert spy.sent("get").count(("one", "get")) == 2
    assert spy.sent("get").count(("two", "get")) == 1
    assert [outcome.collection for outcome in result.failures] == ["two"]


async def test_require_complete(spy: Spy) -> None:
    """require_complete returns a complete result and refuses an incomplete one, with the causes."""
    database = connect_async(spy)
    complete = await database.execute(FILTERED)
    assert complete.require_complete() is complete

    spy.instead["two", "get"] = raises(InternalError("disk full"))
    incomplete = await database.execute(FILTERED)
    with pytest.raises(ChromaSQLExecutionError, match=r"1 of 3 collections are missing.*\n  two: InternalError: disk"):
        incomplete.require_complete()


async def test_outcomes_count(spy: Spy) -> None:
    """An outcome tells the calls that a collection was sent, failed ones too, and the records it gave."""
    spy.instead["two", "get"] = raises(InternalError("disk full"))
    result = await connect_async(spy).execute(FILTERED)

    assert [(each.calls, each.rows) for each in result.outcomes] == [(1, 2), (1, 0), (1, 2)]
    assert all(each.milliseconds > 0 for each in result.outcomes)


# Options


async def test_options_of_the_statement_win(spy: Spy) -> None:
    """What WITH says wins over what the caller set."""
    spy.instead["two", "get"] = raises(InternalError("disk full"))
    strict = connect_async(spy, settings=Settings(on_error="fail"))
    with pytest.raises(ChromaSQLExecutionError, match=r"failed \(on_error = FAIL\)"):
        await strict.execute(FILTERED)

    result = await strict.execute(f"{FILTERED} WITH (on_error = SKIP)")
    assert {row["_collection"] for row in result} == OTHERS


@pytest.mark.parametrize(
    ("option", "value"), [("on_error", "SKIP"), ("timeout", "5"), ("merge", "RRF"), ("per_collection", "1")]
)
async def test_fixed_options(spy: Spy, option: str, value: str) -> None:
    """An option that the caller fixed is no statement's to set, and nothing is sent."""
    database = connect_async(spy, settings=Settings(fixed=frozenset({option})))
    with pytest.raises(ChromaSQLPlanningError, match=f"{option} is fixed by the application"):
        await database.execute(f"{RANKED} WITH ({option} = {value})")
    assert not spy.calls


# The deadline


async def take_turns() -> None:
    """Let everyone else go first a few times, as an answer over a wire does."""
    for _ in range(10):
        await asyncio.sleep(0)


def timed(spy: Spy, sql: str, **options: Any) -> Any:
    """Run a statement with a deadline and show that it leaves no task behind."""
    spy.during = take_turns

    async def main() -> Any:
        try:
            return await connect_async(spy, **options).execute(sql, timeout=30)
        finally:
            assert not others()

    return without_waiting(main())


@pytest.mark.parametrize(("method", "sql"), [("query", RANKED), ("open", FILTERED), ("get", FILTERED)])
def test_timeout_skips(method: str, sql: str) -> None:
    """A collection that does not answer in time is left out, and marked as timed out."""
    hang = Hang()
    result = timed(Spy(memory(), {("two", method): hang}), sql)

    assert {row["_collection"] for row in result} == OTHERS
    assert [(each.collection, each.status) for each in result.failures] == [("two", "timed_out")]
    assert "timed out after 30 s (statement timeout)" in str(result.failures[0].error)
    assert hang.cancelled


@pytest.mark.parametrize(("method", "sql"), CALLS)
def test_timeout_fails(method: str, sql: str) -> None:
    """With on_error = FAIL a collection that does not answer in time ends the statement."""
    hang = Hang()
    with pytest.raises(ChromaSQLTimeoutError, match="timed out after 30 s \\(statement timeout\\)") as caught:
        timed(Spy(memory(), {("two", method): hang}), f"{sql} WITH (on_error = FAIL)")
    assert [failure.collection for failure in caught.value.failures] == ["two"]
    assert hang.cancelled


@STATEMENTS
def test_all_too_late(sql: str) -> None:
    """Where no collection answers in time, the error is that of the deadline."""
    spy = Spy(memory(), {(name, "open"): Hang() for name in ("one", "two", "six")})
    with pytest.raises(ChromaSQLTimeoutError, match="all 3 collections failed") as caught:
        timed(spy, sql)
    assert [failure.kind for failure in caught.value.failures] == ["Timeout"] * 3


def test_timeout_of_one_collection() -> None:
    """The deadline holds for a statement over one collection, too."""
    with pytest.raises(ChromaSQLTimeoutError, match="the collection failed\n  two: Timeout: timed out after"):
        timed(Spy(memory(), {("two", "get"): Hang()}), "SELECT id FROM two")


@pytest.mark.parametrize("sql", ["SELECT id FROM *", "SHOW COLLECTIONS"])
def test_timeout_of_listing(sql: str) -> None:
    """The deadline covers the listing of names."""
    with pytest.raises(ChromaSQLTimeoutError):
        timed(Spy(memory(), {("", "list"): Hang()}), sql)


def test_timeout_of_routing() -> None:
    """The deadline covers an async router."""
    with pytest.raises(ChromaSQLTimeoutError):
        timed(Spy(memory()), FILTERED, router=Hang().__call__)


@pytest.mark.parametrize("ending", ["", " WITH (on_error = FAIL)"])
def test_timeout_of_embedding(ending: str) -> None:
    """The deadline covers the embedder; without vectors there is nothing to return in either mode."""
    hang = Hang()
    sql = f"SELECT id FROM one, two USING EMBEDDING (TEXT 'a'){ending}"
    with pytest.raises(ChromaSQLTimeoutError):
        timed(Spy(memory()), sql, embed_fn=hang.__call__)
    assert hang.cancelled


@pytest.mark.parametrize("sql", ["DESCRIBE two", "SHOW COLLECTIONS"])
def test_timeout_of_catalogue(sql: str) -> None:
    """SHOW and DESCRIBE keep the deadline: SHOW has the other counts, DESCRIBE has nothing to say."""
    spy = Spy(memory(), {("two", "count"): Hang()})
    if sql.startswith("DESCRIBE"):
        with pytest.raises(ChromaSQLTimeoutError):
            timed(spy, sql)
        return
    assert timed(spy, sql).rows == [
        {"name": "one", "count": 2},
        {"name": "six", "count": 2},
        {"name": "two", "count": None},
    ]


def test_opening_late_leaves_time_to_rank() -> None:
    """A collection that cannot be opened in time leaves the others time to be ranked."""
    result = timed(Spy(memory(), {("two", "open"): Hang()}), RANKED)
    assert {row["_collection"] for row in result} == OTHERS
    assert [(each.collection, each.status) for each in result.failures] == [("two", "timed_out")]


def test_ranking_late_leaves_time_to_fetch() -> None:
    """A collection that does not rank in time leaves the others time to give the documents of their winners."""
    spy = Spy(memory(), {("two", "query"): Hang()})
    result = timed(spy, RANKED.replace("SELECT id", "SELECT id, document").replace("TOPK 6", "TOPK 600"))
    assert spy.sent("get")
    assert {row["_collection"] for row in result} == OTHERS
    assert [(each.collection, each.status) for each in result.failures] == [("two", "timed_out")]


def test_scanning_late_leaves_time_for_the_next() -> None:
    """Where collections are asked in turn, one that does not answer leaves time for those after it."""
    result = timed(Spy(memory(), {("one", "get"): Hang()}), f"{FILTERED} LIMIT 3")
    assert {row["_collection"] for row in result} == {"two", "six"}
    assert [(each.collection, each.status) for each in result.failures] == [("one", "timed_out")]


async def test_timeout_on_real_collections(spy: Spy) -> None:
    """On a real Chroma, too, a statement ends at its deadline with the rows it has."""
    database = connect_async(spy)
    await database.execute(FILTERED)
    spy.instead["two", "get"] = Hang()
    result = await database.execute(FILTERED, timeout=2)
    assert {row["_collection"] for row in result} == OTHERS


@pytest.mark.parametrize("seconds", [0, -1, math.inf, math.nan, "5", True])
async def test_bad_timeout(spy: Spy, seconds: Any) -> None:
    """A timeout that is no number of seconds above 0 is refused, and nothing is sent."""
    with pytest.raises(ChromaSQLPlanningError, match="timeout takes a number of seconds above 0"):
        await connect_async(spy).execute(FILTERED, timeout=seconds)
    assert not spy.calls


# Cancellation


@pytest.mark.parametrize(
    ("place", "sql"),
    [
        (("", "list"), "SELECT id FROM * USING EMBEDDING (VECTOR [0.0, 0.0])"),
        (("one", "open"), RANKED),
        (("one", "query"), RANKED),
        (("one", "get"), FILTERED),
        (("one", "get"), "SELECT id FROM one"),
        (("one", "count"), "DESCRIBE one"),
        (("one", "get"), f"{FILTERED} WITH (timeout = 600)"),
    ],
)
async def test_cancellation(spy: Spy, place: tuple[str, str], sql: str) -> None:
    """A caller that is cancelled gets its CancelledError, the calls under way are cancelled, no task is left."""
    hang = spy.instead[place] = Hang()
    task = asyncio.create_task(connect_async(spy).execute(sql))
    await hang.reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert hang.cancelled
    assert not others()


async def test_cancellation_while_embedding(spy: Spy) -> None:
    """A caller that is cancelled while texts are embedded leaves no embedder running."""
    hang = Hang()
    sql = "SELECT id FROM one USING EMBEDDING BATCH (TEXT 'a', TEXT 'b')"
    task = asyncio.create_task(connect_async(spy, embed_fn=hang.__call__).execute(sql))
    await hang.reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert hang.cancelled
    assert not others()


async def test_cancellation_that_comes_from_a_plug(spy: Spy) -> None:
    """A CancelledError that a collection raises by itself is not swallowed either."""
    spy.instead["two", "get"] = raises(asyncio.CancelledError())
    with pytest.raises(asyncio.CancelledError):
        await connect_async(spy).execute(f"{FILTERED} ORDER BY id")
    assert not others()


# Nothing foreign reaches the caller

FAULTS: list[BaseException] = [
    RuntimeError("broken"),
    ValueError("broken"),
    TypeError("broken"),
    AttributeError("broken"),
    OSError("broken"),
    TimeoutError(),
    StopAsyncIteration(),
    ExceptionGroup("broken", [ValueError("inside")]),
    Exception(),
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: type(fault).__name__)
@pytest.mark.parametrize(
    ("method", "sql"), [*CALLS, ("count", "DESCRIBE two"), ("count", "SHOW COLLECTIONS"), ("get", "DESCRIBE two")]
)
async def test_faults_of_collections(spy: Spy, fault: Exception, method: str, sql: str) -> None:
    """Whatever a provider or a collection raises becomes an outcome, or the cause of an error of ours."""
    spy.instead["two", method] = raises(fault)
    if sql.startswith("DESCRIBE"):
        with pytest.raises(ChromaSQLExecutionError) as caught:
            await connect_async(spy).execute(sql)
        assert caught.value.__cause__ is fault
        return
    result = await connect_async(spy).execute(sql)
    (failure,) = result.failures
    assert failure.collection == "two"
    assert failure.error is not None
    assert failure.error.kind == type(fault).__name__
    assert failure.error.message


@pytest.mark.parametrize("fault", [*FAULTS, LookupError("broken")], ids=lambda fault: type(fault).__name__)
@pytest.mark.parametrize("sql", ["SELECT id FROM o*", "SHOW COLLECTIONS"])
async def test_faults_of_listing(spy: Spy, fault: Exception, sql: str) -> None:
    """Whatever the listing of names raises is the cause of an error of ours."""
    spy.instead["", "list"] = raises(fault)
    with pytest.raises(ChromaSQLExecutionError, match="the names of the collections cannot be listed") as caught:
        await connect_async(spy).execute(sql)
    assert caught.value.__cause__ is fault


@pytest.mark.parametrize("names", [None, 5, "one", {"one": 1}, [None], [b"one"], ["one", 5], iter(["one"])])
async def test_garbage_of_listing(spy: Spy, names: Any) -> None:
    """A listing that is no list of names is refused in words."""
    spy.instead["", "list"] = answers(names)
    with pytest.raises(ChromaSQLExecutionError, match=r"not a list of names|which is not a name"):
        await connect_async(spy).execute("SELECT id FROM *")


@pytest.mark.parametrize("collection", [None, 5, object(), {"get": 1}])
async def test_garbage_for_a_collection(spy: Spy, collection: Any) -> None:
    """What is no collection is that collection's failure."""
    spy.instead["two", "open"] = answers(collection)
    result = await connect_async(spy).execute(RANKED)
    (failure,) = result.failures
    assert "is not a collection: it needs the methods get and query" in str(failure.error)


def query_answer(**changes: Any) -> dict[str, Any]:
    """Return an answer to a query that is right but for the changes."""
    return {"ids": [["a", "b"]], "distances": [[1.0, 2.0]], **changes}


def get_answer(**changes: Any) -> dict[str, Any]:
    """Return an answer to get that is right but for the changes."""
    return {"ids": ["a", "b"], "metadatas": [{"n": 1}, {"n": 2}], "documents": ["x", "y"], **changes}


GARBAGE: list[Any] = [None, 5, "ids", [], {}, {"ids": None}, {"ids": 5}, {"ids": "ab"}, {"ids": [["a"]]}, {"ids": [1]}]


@pytest.mark.parametrize(
    "answer",
    [
        *GARBAGE,
        query_answer(ids=[]),
        query_answer(ids=[["a"], ["b"]]),
        query_answer(ids=[["a", None]]),
        query_answer(ids=["ab"]),
        query_answer(distances=None),
        query_answer(distances=[[1.0]]),
        query_answer(distances=[[1.0, None]]),
        query_answer(distances=[[1.0, "2"]]),
        query_answer(distances=[[1.0, math.nan]]),
        query_answer(distances=[[1.0, math.inf]]),
        query_answer(distances=[[1.0, 1e39]]),
        query_answer(distances=[[-5.0, 1.0]]),
        query_answer(ids=[["a", "a"]]),
        query_answer(distances=[None]),
        query_answer(distances={0: [1.0, 2.0]}),
    ],
    ids=plain_id,
)
async def test_garbage_of_query(spy: Spy, answer: Any) -> None:
    """An answer to a query whose lists do not line up, or whose distances are not finite, fails its collection."""
    spy.instead["two", "query"] = answers(answer)
    result = await connect_async(spy).execute(RANKED)
    assert {row["_collection"] for row in result} == OTHERS
    (failure,) = result.failures
    assert failure.collection == "two"
    assert "query returned" in str(failure.error)


@pytest.mark.parametrize(
    "answer",
    [
        *GARBAGE,
        get_answer(ids=["a"]),
        get_answer(metadatas=None),
        get_answer(metadatas=[None]),
        get_answer(metadatas=[{"n": {"k": 1}}, None]),
        get_answer(metadatas=[{"n": [None]}, None]),
        get_answer(metadatas=[5, None]),
        get_answer(ids=["a", "a"]),
        get_answer(documents=[]),
        get_answer(documents="xy"),
    ],
    ids=plain_id,
)
async def test_garbage_of_get(spy: Spy, answer: Any) -> None:
    """An answer to get whose lists do not line up fails its collection."""
    spy.instead["two", "get"] = answers(answer)
    result = await connect_async(spy).execute("SELECT id, document, n, _collection FROM one, two, six")
    assert {row["_collection"] for row in result} == OTHERS
    (failure,) = result.failures
    assert failure.collection == "two"
    assert "get returned" in str(failure.error)


@pytest.mark.parametrize(
    ("column", "select"),
    [("metadatas", "n"), ("documents", "document"), ("embeddings", "embedding")],
)
@pytest.mark.parametrize("value", [5, "text", [1], b"12345678", {"n": object()}, object()], ids=plain_id)
async def test_garbage_in_columns(spy: Spy, column: str, select: str, value: Any) -> None:
    """A value that cannot be read gives an outcome or an error of ours, and nothing foreign."""
    included = {"ids": ["a"], "metadatas": [{}], "documents": [""], "embeddings": [[0.0, 0.0]]}
    spy.instead["two", "get"] = answers({**included, column: [value]})
    sql = f"SELECT id, {select} FROM one, two WHERE {select} IS NOT NULL OR n LIKE '%a%' ORDER BY id"
    if select == "embedding":
        sql = "SELECT id, embedding FROM one, two"
    try:
        result = await connect_async(spy).execute(sql)
    except ChromaSQLError:
        return
    assert {row["id"] for row in result} >= {"one-0", "one-1"}


@pytest.mark.parametrize("count", [None, "5", -1, 2.0, True, [1]])
async def test_garbage_of_count(spy: Spy, count: Any) -> None:
    """A count that is no number of records fails its collection."""
    spy.instead["two", "count"] = answers(count)
    result = await connect_async(spy).execute("SHOW COLLECTIONS")
    assert result.rows[2] == {"name": "two", "count": None}
    assert "count returned a value that is not a number of records" in str(result.failures[0].error)


@pytest.mark.parametrize(
    "configuration", [None, 5, [], {"hnsw": "l2"}, {"hnsw": {"space": 5}}, {"embedding_function": "x"}], ids=plain_id
)
async def test_garbage_of_configuration(configuration: Any) -> None:
    """A configuration that says nothing readable is as one that says nothing."""
    provider = memory()
    (await provider.get_collection("one")).configuration_json = configuration
    result = await connect_async(provider).execute(RANKED)
    assert len(result) == 6


async def test_a_collection_whose_methods_are_odd(spy: Spy) -> None:
    """A method that raises before it is awaited, or returns what cannot be awaited, is a failure like any other."""

    class Odd:
        async def query(self, **_: Any) -> Any:
            raise NotImplementedError

        def get(self, **_: Any) -> Any:
            raise OSError("not now")

    spy.instead["two", "open"] = answers(Odd())
    result = await connect_async(spy).execute(FILTERED)
    assert str(result.failures[0].error) == "two: OSError: not now"


async def test_routing_errors_are_the_statements_own(spy: Spy) -> None:
    """A name in FROM that does not exist ends the statement even where failures are skipped."""
    with pytest.raises(ChromaSQLRoutingError, match=r"collection won does not exist; did you mean .*one"):
        await connect_async(spy).execute("SELECT id FROM one, won")


async def test_execute_multi_collection_keeps_answers(spy: Spy) -> None:
    """execute_multi_collection has the failures, the warnings and what each collection answered."""
    spy.instead["two", "query"] = raises(InternalError("disk full"))
    result = await execute_multi_collection(RANKED, None, spy)
    assert set(result.raw) == {"one", "six"}
    assert [outcome.collection for outcome in result.failures] == ["two"]
    with pytest.raises(ChromaSQLExecutionError, match=r"failed \(on_error = FAIL\)"):
        await execute_multi_collection(RANKED, None, spy, on_error="fail")
