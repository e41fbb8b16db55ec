"""Closed databases: what they refuse, and what becomes of the statements that run when they are closed."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import chromadb
import pytest

from chromasql import (
    ChromaSQLExecutionError,
    HttpProvider,
    MemoryProvider,
    Scope,
    ServersProvider,
    SimpleAsyncClientAdapter,
    connect,
    connect_async,
)
from tests.support.doubles import fill, others

SQL = "SELECT id FROM docs"
TEXT = "SELECT id FROM docs USING EMBEDDING (TEXT 'x') LIMIT 1"
RECORDS = {"docs": [{"id": f"r{number}", "embedding": [1.0, 0.0]} for number in range(3)]}


class Hanging:
    """A provider whose collection never opens."""

    def __init__(self) -> None:
        self.begun = threading.Event()

    async def get_collection(self, name: str) -> Any:
        """Hang."""
        self.begun.set()
        await asyncio.Event().wait()

    async def list_collection_names(self) -> Sequence[str]:
        """Return its name."""
        return ["docs"]


def is_closed(error: BaseException | None) -> bool:
    """Tell whether an error says that a database is closed."""
    return isinstance(error, ChromaSQLExecutionError) and error.code == "closed"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give a folder with a collection."""
    client = chromadb.PersistentClient(tmp_path)
    fill(client, "docs", 3)
    client.close()
    return tmp_path


SOURCES: dict[str, Callable[[Path], Any]] = {
    "memory": lambda _: MemoryProvider(RECORDS),
    "folder": lambda folder: folder,
    "address": lambda _: "http://127.0.0.1:9",
    "provider of an address": lambda _: HttpProvider("http://127.0.0.1:9"),
    "servers": lambda folder: ServersProvider({"a": folder}),
    "adapter": lambda folder: SimpleAsyncClientAdapter(chromadb.PersistentClient(folder)),
}


@pytest.mark.parametrize("make", SOURCES.values(), ids=SOURCES)
def test_whatever_it_is_over(folder: Path, make: Callable[[Path], Any]) -> None:
    """A closed database refuses everything, whatever it is over; only one over an address did before."""
    database = connect(make(folder))
    prepared, scoped = database.prepare(SQL), database.scoped(Scope())
    database.close()
    for refused in (
        lambda: database.execute(SQL),
        lambda: database.execute("SHOW COLLECTIONS"),
        lambda: database.execute_many(SQL),
        lambda: list(database.stream(SQL)),
        prepared.execute,
        lambda: scoped.execute(SQL),
        lambda: database.scoped(Scope()).execute(SQL),
    ):
        with pytest.raises(ChromaSQLExecutionError, match="the database is closed; open a new one") as caught:
            refused()
        assert caught.value.code == "closed"


def test_a_client_stays_open() -> None:
    """A given client or provider serves other databases after one over it is closed."""
    memory = MemoryProvider(RECORDS)
    connect(memory).close()
    assert len(connect(memory).execute(SQL)) == 3


def test_a_scoped_one_closes_alone() -> None:
    """Closing a database that `scoped` made leaves the one that it came from open."""
    database = connect(MemoryProvider(RECORDS))
    scoped = database.scoped(Scope())
    scoped.close()
    with pytest.raises(ChromaSQLExecutionError, match="the database is closed"):
        scoped.execute(SQL)
    assert len(database.execute(SQL)) == 3


@pytest.mark.parametrize("is_scoped", [False, True], ids=["itself", "scoped"])
def test_during_a_statement(is_scoped: bool) -> None:
    """A statement that hangs ends as soon as its database is closed by another thread; it hung on before."""
    provider = Hanging()
    database = connect(provider)
    errors: list[BaseException] = []

    def run() -> None:
        try:
            (database.scoped(Scope()) if is_scoped else database).execute(SQL)
        except ChromaSQLExecutionError as error:
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert provider.begun.wait(30)
    database.close()
    thread.join(30)
    assert [is_closed(error) for error in errors] == [True]


async def test_during_statements_of_several_loops() -> None:
    """Closing ends the statements of every event loop, and leaves no task; they hung on before."""
    provider, elsewhere = Hanging(), Hanging()
    database = connect_async(ServersProvider({"a": provider, "b": elsewhere}))
    far = asyncio.create_task(asyncio.to_thread(lambda: asyncio.run(outcome(database, "SELECT id FROM b.docs"))))
    near = asyncio.create_task(outcome(database, "SELECT id FROM a.docs"))
    assert await asyncio.to_thread(elsewhere.begun.wait, 30)
    assert await asyncio.to_thread(provider.begun.wait, 30)
    await database.close()
    assert is_closed(await near)
    assert is_closed(await far)
    assert not others()


async def outcome(database: Any, sql: str) -> BaseException | None:
    """Return the error that a statement ends in."""
    try:
        await database.execute(sql)
    except ChromaSQLExecutionError as error:
        return error
    return None


def test_in_a_statement_over_a_folder(folder: Path) -> None:
    """A folder that is closed by an embedder of the statement ends it by `closed`; an AttributeError did before."""

    def embed(_: str) -> list[float]:
        database.close()
        return [1.0, 0.0]

    database = connect(folder, embed_fn=embed)
    with pytest.raises(ChromaSQLExecutionError, match="the database is closed"):
        database.execute(TEXT)


async def test_a_cancelled_statement_stays_cancelled() -> None:
    """A caller that cancels its statement gets the cancellation, also where the database is closed as well."""
    provider = Hanging()
    database = connect_async(provider)
    task = asyncio.create_task(database.execute(SQL))
    await asyncio.to_thread(provider.begun.wait, 30)
    task.cancel()
    await database.close()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_stream_between_two_pages() -> None:
    """A stream whose database is closed between two pages ends by `closed`."""
    database = connect_async(MemoryProvider({"docs": [{"id": f"r{n:04}", "embedding": [1.0]} for n in range(1500)]}))
    rows = database.stream(SQL)
    for _ in range(1000):
        await anext(rows)
    await database.close()
    with pytest.raises(ChromaSQLExecutionError, match="the database is closed"):
        await anext(rows)


def test_servers_are_closed_with_their_database(folder: Path) -> None:
    """What a ServersProvider opened is closed with the database over it; it stayed open before."""
    servers = ServersProvider({"a": folder, "b": MemoryProvider(RECORDS)})
    with connect(servers) as database:
        assert len(database.execute("SELECT id FROM *.docs")) == 6
    result = connect(servers).execute("SELECT id FROM a.docs, b.docs")
    assert [failed.collection for failed in result.failures] == ["a.docs"]
    assert "the database is closed" in str(result.failures[0].error)
