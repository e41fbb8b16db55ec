"""What is tried again, how often and when; what is not."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import Any

import chromadb
import httpx
import pytest
from chromadb.errors import ChromaError, InternalError, InvalidArgumentError, NotFoundError, RateLimitError
from hypothesis import given
from hypothesis import strategies as st

from chromasql import ChromaSQLExecutionError, ChromaSQLPlanningError, MemoryProvider, Settings, connect_async
from chromasql.adapters.http import HttpConnectionError, HttpError, HttpNotFoundError, HttpProvider, HttpResponseError
from chromasql.dispatch.retry import LONGEST_WAIT, call_with_retry, is_transient, retry_after
from tests.support.doubles import Spy, fill, without_waiting

RANKED = "SELECT id FROM one, two USING EMBEDDING (VECTOR [0.0, 0.0]) TOPK 6"
FILTERED = "SELECT id FROM one, two ORDER BY id"
REQUEST = httpx.Request("GET", "http://localhost")


def of_chromadb(status: int, headers: dict[str, str] | None = None, text: str = "busy") -> Exception:
    """Return what chromadb's clients raise for a status of HTTP."""
    from chromadb.api.base_http_client import BaseHTTPClient

    try:
        BaseHTTPClient._raise_chroma_error(httpx.Response(status, headers=headers, text=text, request=REQUEST))
    except Exception as error:
        return error
    raise AssertionError(status)


PASSING = [
    *(HttpError("busy", status=status) for status in (429, 502, 503, 504)),
    *(of_chromadb(status) for status in (429, 502, 503, 504)),
    of_chromadb(429, text='{"error": "ChromaError", "message": "Too many requests; backoff and try again"}'),
    RateLimitError("slow down"),
    HttpConnectionError("refused", is_transient=True),
    HttpResponseError("cut short", is_transient=True),
    ConnectionRefusedError(),
    ConnectionResetError(),
    httpx.ConnectError("refused"),
    httpx.ReadError("reset"),
    httpx.RemoteProtocolError("closed"),
]
LASTING = [
    *(HttpError("no", status=status) for status in (400, 401, 403, 404, 422, 500, 501)),
    *(of_chromadb(status) for status in (400, 401, 500)),
    HttpNotFoundError("gone", status=404),
    HttpConnectionError("no answer within 60 s"),
    HttpResponseError("not JSON"),
    InvalidArgumentError("expected dimension 2"),
    InternalError("disk full"),
    ChromaError("Quota exceeded"),
    NotFoundError("gone"),
    httpx.ReadTimeout("late"),
    ValueError("bad filter"),
    KeyError("docs"),
]


class Fails:
    """A call that raises the errors given, one each time, and then does what it should."""

    def __init__(self, *errors: Exception, really: Any) -> None:
        self.errors = list(errors)
        self.really = really
        self.at: list[float] = []

    async def __call__(self) -> Any:
        self.at.append(asyncio.get_running_loop().time())
        if self.errors:
            raise self.errors.pop(0)
        return await self.really()


def memory() -> Spy:
    """Return two collections of two records each, under watch."""
    records = {
        name: [{"id": f"{name}-{n}", "embedding": [n, n], "metadata": {"n": n}} for n in range(2)]
        for name in ("one", "two")
    }
    return Spy(MemoryProvider(records))


async def opened(spy: Spy, name: str) -> Any:
    """Open a collection behind the back of its watcher."""
    return await spy.provider.get_collection(name)


def failing(spy: Spy, method: str, *errors: Exception) -> Fails:
    """Let the method of the second collection fail so many times before it works."""

    async def really() -> Any:
        collection = await opened(spy, "two")
        if method == "open":
            return collection
        if method == "query":
            return await collection.query([[0.0, 0.0]], n_results=6, include=["distances"])
        return await collection.get(include=[])

    fails = spy.instead["two", method] = Fails(*errors, really=really)
    return fails


def run(spy: Any, sql: str, *, timeout: float | None = None, **settings: Any) -> Any:
    """Run a statement where every pause passes at once."""
    return without_waiting(
        connect_async(spy, settings=Settings(**settings), dialect="local").execute(sql, timeout=timeout)
    )


@pytest.mark.parametrize("error", PASSING, ids=repr)
def test_what_may_pass(error: Exception) -> None:
    """429, 502, 503, 504 and connections refused or reset may pass, whichever client says it."""
    assert is_transient(error)


@pytest.mark.parametrize("error", LASTING, ids=repr)
def test_what_will_not(error: Exception) -> None:
    """A bad request, something missing, a timeout and a crash of the server are not tried again."""
    assert not is_transient(error)


@pytest.mark.parametrize(
    ("method", "sql"), [("open", RANKED), ("query", RANKED), ("open", FILTERED), ("get", FILTERED)]
)
def test_a_failure_that_passes(method: str, sql: str) -> None:
    """A call that fails twice and then works loses nothing, and the outcome counts the retries."""
    spy = memory()
    fails = failing(spy, method, ConnectionResetError(), HttpError("busy", status=503))
    result = run(spy, sql)

    assert {row["id"] for row in result} == {"one-0", "one-1", "two-0", "two-1"}
    assert result.complete
    assert [outcome.retries for outcome in result.outcomes] == [0, 2]
    assert len(fails.at) == 3


@pytest.mark.parametrize("error", [ConnectionResetError(), HttpError("busy", status=503)], ids=repr)
def test_where_httpx_is_not_loaded(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    """What may pass does not depend on httpx, which only chromadb's clients load."""
    monkeypatch.delitem(sys.modules, "httpx")
    assert is_transient(error)
    assert retry_after(error) is None
    assert not is_transient(OSError("disk full"))
    assert "httpx" not in sys.modules


def test_retries_are_explained() -> None:
    """EXPLAIN ANALYZE shows how often a collection was asked again."""
    spy = memory()
    failing(spy, "get", ConnectionResetError())
    assert "two: ok, 1 retry" in str(run(spy, f"EXPLAIN ANALYZE {FILTERED}").explanation)


@pytest.mark.parametrize("retries", [0, 1, 2, 5])
def test_so_many_attempts(retries: int) -> None:
    """A failure that does not pass is met once more than there are retries, and then it is the collection's."""
    spy = memory()
    fails = failing(spy, "get", *(HttpError(f"busy {n}", status=503) for n in range(9)))
    result = run(spy, FILTERED, retries=retries)

    assert len(fails.at) == retries + 1
    assert [str(failure.error) for failure in result.failures] == [f"two: HttpError: busy {retries}"]
    assert {row["id"] for row in result} == {"one-0", "one-1"}


def test_the_pauses_grow() -> None:
    """Each pause is at least twice the first of the last, with chance added, from a tenth of a second on."""
    spy = memory()
    fails = failing(spy, "get", *(ConnectionResetError() for _ in range(4)))
    run(spy, FILTERED, retries=4)
    pauses = [after - before for before, after in zip(fails.at, fails.at[1:], strict=False)]
    for number, pause in enumerate(pauses):
        assert 0.1 * 2**number <= pause <= 0.15 * 2**number + 0.02


def test_one_that_will_not_pass_is_sent_once() -> None:
    """A request that the server refused is not sent again."""
    spy = memory()
    fails = failing(spy, "get", HttpError("bad filter", status=400))
    result = run(spy, FILTERED)
    assert len(fails.at) == 1
    assert result.failures[0].retries == 0


@pytest.mark.parametrize(
    "error",
    [HttpError("slow down", status=429, retry_after=7), of_chromadb(429, {"Retry-After": "7"})],
    ids=["ours", "chromadb"],
)
def test_retry_after(error: Exception) -> None:
    """A server that asks to be left alone for so long is."""
    spy = memory()
    fails = failing(spy, "get", error)
    assert run(spy, FILTERED).complete
    assert 7 <= fails.at[1] - fails.at[0] < 7.1


def test_retry_after_a_date() -> None:
    """A Retry-After of chromadb's that is no number is as none; ours is read where the answer is."""
    assert retry_after(of_chromadb(429, {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"})) is None
    assert retry_after(of_chromadb(429)) is None
    assert retry_after(ValueError()) is None


@pytest.mark.parametrize(("wait", "timeout"), [(LONGEST_WAIT + 1, None), (20, 10)])
def test_too_long_to_wait(wait: float, timeout: float | None) -> None:
    """A server that asks for more than the deadline leaves, or than half a minute, has failed, and the cause is told."""
    spy = memory()
    fails = failing(spy, "get", HttpError("slow down", status=429, retry_after=wait))
    result = run(spy, FILTERED, timeout=timeout)
    assert len(fails.at) == 1
    assert [(each.status, each.error.kind) for each in result.failures] == [("failed", "HttpError")]


def test_listing_is_tried_again() -> None:
    """The names of collections are asked for again, too."""
    spy = memory()
    spy.instead["", "list"] = Fails(ConnectionResetError(), really=spy.provider.list_collection_names)
    assert len(run(spy, "SELECT id FROM *")) == 4


def test_on_error_fail_comes_after_the_retries() -> None:
    """With on_error = FAIL it is the last attempt that ends the statement."""
    spy = memory()
    fails = failing(spy, "get", *(ConnectionResetError(f"{n}") for n in range(9)))
    with pytest.raises(ChromaSQLExecutionError, match="two: ConnectionResetError: 2"):
        run(spy, FILTERED, on_error="fail")
    assert len(fails.at) == 3


async def test_cancelled_while_it_waits() -> None:
    """A caller that is cancelled in a pause gets its CancelledError, and nothing is sent any more."""
    spy = memory()
    fails = failing(spy, "get", HttpError("slow down", status=429, retry_after=LONGEST_WAIT))
    task = asyncio.create_task(connect_async(spy).execute(FILTERED))
    while not fails.at:  # noqa: ASYNC110 - it is a list that is filled
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(fails.at) == 1


@pytest.mark.parametrize("retries", [-1, 1.5, True, "2"])
def test_bad_retries(retries: Any) -> None:
    """`retries` takes a whole number from 0 on."""
    with pytest.raises(ChromaSQLPlanningError, match="retries takes a whole number from 0 on"):
        Settings(retries=retries)


@given(st.lists(st.booleans(), max_size=6), st.integers(0, 5))
def test_law(passing: list[bool], retries: int) -> None:
    """It ends with the first success, the first failure that will not pass, or the last attempt, whichever is first."""
    outcomes: list[Any] = [ConnectionResetError() if each else ValueError() for each in passing] + ["answer"]
    last = next((at for at, each in enumerate(outcomes) if not isinstance(each, ConnectionResetError)), None)
    expected = min(retries, last if last is not None else retries)
    calls = 0

    async def call() -> Any:
        nonlocal calls
        calls += 1
        if isinstance(outcomes[calls - 1], Exception):
            raise outcomes[calls - 1]
        return outcomes[calls - 1]

    try:
        found = without_waiting(call_with_retry(call, retries=retries))
    except (ConnectionResetError, ValueError) as error:
        found = error
    assert calls == expected + 1
    assert found is outcomes[expected]


# A real server that is killed and started again


@pytest.fixture
def restarted(start_chroma_server: Any) -> Any:
    """Give a server of the test's own with two collections."""
    server = start_chroma_server()
    client = chromadb.HttpClient(host=server.host, port=server.port)
    for name in ("one", "two"):
        fill(client, name, 3)
    client._server._session.close()
    return server


@pytest.mark.parametrize("kind", ["aiohttp", "async", "blocking"])
async def test_a_server_that_was_killed(restarted: Any, open_async_client: Any, kind: str) -> None:
    """After a server was killed and started again the next statement works, with the same client and handles."""
    server = restarted
    if kind == "aiohttp":
        source: Any = HttpProvider(server.url)
    elif kind == "async":
        source = await open_async_client(host=server.host, port=server.port)
    else:
        source = chromadb.HttpClient(host=server.host, port=server.port)
    try:
        database = connect_async(source)
        before = await database.execute(RANKED)
        server.restart()
        after = await database.execute(RANKED)

        server.kill()
        with pytest.raises(ChromaSQLExecutionError, match="all 2 collections failed"):
            await database.execute(RANKED)
        await asyncio.to_thread(server.start)
        again = await database.execute(RANKED)
    finally:
        if kind == "aiohttp":
            await source.close()
        elif kind == "blocking":
            source._server._session.close()

    assert len(before) == 6
    assert before.rows == after.rows == again.rows
    assert after.complete
    assert again.complete


async def test_a_server_that_comes_back_meanwhile(restarted: Any) -> None:
    """A statement that finds the server down waits for it, where it may try often enough."""
    server = restarted
    async with HttpProvider(server.url) as provider:
        database = connect_async(provider, settings=Settings(retries=8))
        before = await database.execute(RANKED)
        server.kill()
        statement = asyncio.create_task(database.execute(RANKED))
        await asyncio.to_thread(server.start)
        after = await statement
    assert after.rows == before.rows
    assert sum(outcome.retries for outcome in after.outcomes) > 0


def test_tenacity_is_loaded_late() -> None:
    """Importing the package loads no retry library: only a failure does."""
    code = "import chromasql, chromasql.dispatch.dispatcher, sys; print('tenacity' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "False\n"
