"""What applications plug in: where it runs, and what becomes of it when it blocks, hangs or panics."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from contextvars import ContextVar
from typing import Any

import pytest

from chromasql import (
    ChromaSQLExecutionError,
    ChromaSQLRoutingError,
    ChromaSQLTimeoutError,
    MemoryProvider,
    PatternRouter,
    ServersProvider,
    StaticRouter,
    connect,
    connect_async,
)
from chromasql.concurrency import threads

RECORDS = {"docs": [{"id": "a", "embedding": [1.0, 0.0], "document": "x"}]}
MEMORY = MemoryProvider(RECORDS)
SQL = "SELECT id FROM docs"


class Panic(BaseException):
    """What pyo3 makes of a panic in Rust: not an Exception."""


class Panicking:
    """A provider of two collections, of which one panics at one place."""

    def __init__(self, place: str, error: type[BaseException] = Panic) -> None:
        self.place = place
        self.error = error

    def raise_at(self, place: str) -> None:
        """Panic if this is the place."""
        if self.place == place:
            raise self.error("index out of bounds")

    async def get_collection(self, name: str) -> Any:
        """Return a collection; ``bad`` may panic, now or later."""
        if name == "bad":
            self.raise_at("open")
            return PanickingCollection(self, await MEMORY.get_collection("docs"))
        return await MEMORY.get_collection("docs")

    async def list_collection_names(self) -> Sequence[str]:
        """Return the names, or panic."""
        self.raise_at("list")
        return ["bad", "docs"]


class PanickingCollection:
    """A collection that panics when it is read."""

    def __init__(self, provider: Panicking, collection: Any) -> None:
        self.provider = provider
        self.collection = collection

    async def get(self, **arguments: Any) -> Any:
        """Panic, or return records."""
        self.provider.raise_at("get")
        return await self.collection.get(**arguments)

    async def query(self, **arguments: Any) -> Any:
        """Panic, or return records."""
        self.provider.raise_at("get")
        return await self.collection.query(**arguments)


@pytest.mark.parametrize("place", ["open", "get"])
@pytest.mark.parametrize("error", [Panic, SystemExit, KeyboardInterrupt])
def test_a_collection_that_panics(place: str, error: type[BaseException]) -> None:
    """What one collection raises is its failure, an Exception or not; it ended the statement, bare, before."""
    result = connect(Panicking(place, error)).execute("SELECT id FROM *")
    assert result.rows == [{"id": "a"}]
    assert [(failed.collection, error.__name__ in str(failed.error)) for failed in result.failures] == [("bad", True)]


def test_a_listing_that_panics() -> None:
    """A listing that panics is an error of ours; the panic came out bare before."""
    with pytest.raises(ChromaSQLExecutionError, match="cannot be listed") as caught:
        connect(Panicking("list")).execute("SELECT id FROM *")
    assert caught.value.code == "listing-failed"


def test_a_server_whose_listing_panics() -> None:
    """Of several servers the one whose listing panics fails, and the others answer; the panic came out bare before."""
    result = connect(ServersProvider({"a": Panicking("list"), "b": MEMORY})).execute("SELECT id FROM *.docs")
    assert result.rows == [{"id": "a"}]
    assert [failed.collection for failed in result.failures] == ["a.*"]


def test_names_for_an_error_that_panic() -> None:
    """An error that would mention other collections is raised although their listing panics."""
    servers = ServersProvider({"a": Panicking("list"), "b": MEMORY})
    with pytest.raises(ChromaSQLRoutingError, match="does not exist"):
        connect(servers).execute("SELECT id FROM b.dogs")


def test_a_router_that_panics() -> None:
    """A router that panics is an error of the statement; the panic came out bare before."""

    def route(_: Any) -> list[str]:
        raise Panic("index out of bounds")

    with pytest.raises(ChromaSQLRoutingError, match="the router failed: Panic was raised"):
        connect(MEMORY, router=route).execute(SQL)


async def test_on_the_caller_s_own_loop() -> None:
    """On the event loop of an application KeyboardInterrupt means the application, so a collection passes it on."""
    provider = Panicking("list", KeyboardInterrupt)
    with pytest.raises(KeyboardInterrupt):
        await threads.call_user_code(provider.list_collection_names)


@pytest.fixture
def hang() -> Any:
    """Give a function that hangs until the test has ended."""
    may_end = threading.Event()
    yield may_end.wait
    may_end.set()


def test_a_blocking_router(hang: Any) -> None:
    """A router that hangs costs its statement the timeout, and no other statement anything; it held the loop before."""
    database = connect(MEMORY, router=lambda _: hang() and ["docs"])
    with pytest.raises(ChromaSQLTimeoutError):
        database.execute(SQL, timeout=0.1)
    assert connect(MEMORY).execute(SQL, timeout=10).rows == [{"id": "a"}]


@pytest.mark.parametrize("method", ["get_collection", "list_collection_names"])
def test_a_blocking_provider(hang: Any, method: str) -> None:
    """A provider of plain functions that hang costs its statement the timeout alone; it held the loop before."""

    class Blocking:
        def get_collection(self, name: str) -> Any:
            if method == "get_collection":
                hang()
            return MEMORY.get_collection(name)

        def list_collection_names(self) -> Any:
            if method == "list_collection_names":
                hang()
            return ["docs"]

    provider: Any = Blocking()
    with pytest.raises(ChromaSQLExecutionError, match=r"timed out|failed"):
        connect(provider).execute("SELECT id FROM *", timeout=0.1)
    assert connect(MEMORY).execute(SQL, timeout=10).rows == [{"id": "a"}]


def test_a_blocking_provider_that_answers() -> None:
    """A provider whose methods are plain functions is as good as one whose methods are coroutines."""

    class Plain:
        def get_collection(self, name: str) -> Any:
            return MEMORY.get_collection(name)

        def list_collection_names(self) -> list[str]:
            return ["docs"]

    provider: Any = Plain()
    assert connect(provider).execute("SELECT id FROM *").rows == [{"id": "a"}]
    servers = ServersProvider({"a": provider})
    assert connect(servers).execute("SELECT id FROM a.docs").rows == [{"id": "a"}]


async def test_context_variables() -> None:
    """A router on a thread sees the context variables of the caller: the tenant of a request, say."""
    tenant: ContextVar[str] = ContextVar("tenant")
    tenant.set("docs")
    database = connect_async(MEMORY, router=lambda _: [tenant.get()])
    assert (await database.execute(SQL)).rows == [{"id": "a"}]


async def test_our_own_routers_take_no_thread() -> None:
    """A router of ours is called in place, as it never blocks, while one made from it is trusted with nothing."""
    on: list[threading.Thread] = []

    class Noting(StaticRouter):
        def route(self, query: Any) -> Sequence[str]:
            on.append(threading.current_thread())
            return super().route(query)

    assert await threads.call_user_code(StaticRouter(["docs"]).route, None) == ("docs",)
    assert getattr(PatternRouter("d{x}").route, threads._NEVER_BLOCKS)
    await connect_async(MEMORY, router=Noting(["docs"])).execute(SQL)
    assert on
    assert threading.current_thread() not in on


async def test_a_stream_uses_its_database_s_threads() -> None:
    """Each page of a stream is read on the threads of its database, and those of the caller apply in between."""
    pools: list[threads.Pools] = []

    async def route(_: Any) -> list[str]:
        pools.append(threads._pools())
        return ["docs"]

    database = connect_async(MEMORY, router=route)
    before = threads._pools()
    async for _ in database.stream(SQL):
        assert threads._pools() is before
    assert pools == [database._engine._shared.pools]


async def test_a_stream_that_is_left_early() -> None:
    """A stream that is left after a row leaves no task behind."""
    rows = connect_async(MEMORY).stream(SQL)
    async for _ in rows:
        break
    await rows.aclose()  # type: ignore[attr-defined]
    assert asyncio.all_tasks() == {asyncio.current_task()}
