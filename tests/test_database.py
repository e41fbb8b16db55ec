"""connect and connect_async: what they open, what they close, from where they may be called."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import textwrap
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import chromadb
import pytest
from chromadb.config import Settings as ChromaSettings

from chromasql import (
    ChromaSQLError,
    ChromaSQLExecutionError,
    ChromaSQLPlanningError,
    ChromaSQLTimeoutError,
    MemoryProvider,
    Settings,
    SimpleAsyncClientAdapter,
    build_plan,
    connect,
    connect_async,
    execute_multi_collection,
    execute_plan,
    parse,
)
from chromasql.adapters import FolderProvider
from tests.support.doubles import Hang, fill, others

COUNT = "SELECT id FROM docs"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give the folder of an embedded Chroma with one collection of three records."""
    path = tmp_path / "chroma"
    client = chromadb.PersistentClient(path)
    fill(client, "docs", 3)
    client.close()
    return path


class Closing(MemoryProvider):
    """A provider that counts how often it was closed."""

    closed = 0

    async def close(self) -> None:
        self.closed += 1


# Sources


def test_folder(folder: Path) -> None:
    """A folder, as text or as a path, is opened as an embedded Chroma."""
    for source in (folder, str(folder), f"{folder}/"):
        with connect(source) as database:
            assert len(database.execute(COUNT)) == 3


async def test_folder_async(folder: Path) -> None:
    """The same from async code, with async with, and with await before it."""
    async with connect_async(folder) as database:
        assert len(await database.execute(COUNT)) == 3
    database = await connect_async(folder)
    assert len(await database.execute(COUNT)) == 3
    await database.close()


def test_url(chroma_server: Any, unique_name: Any) -> None:
    """An address is asked over HTTP."""
    name = unique_name()
    fill(chromadb.HttpClient(host=chroma_server.host, port=chroma_server.port), name, 3)
    for source in (chroma_server.url, f"{chroma_server.url}/", chroma_server.url.replace("http", "HTTP")):
        with connect(source) as database:
            assert len(database.execute(f'SELECT id FROM "{name}"')) == 3


async def test_url_async(chroma_server: Any, unique_name: Any) -> None:
    """An address is asked from async code, and leaves no task when it is closed."""
    name = unique_name()
    fill(chromadb.HttpClient(host=chroma_server.host, port=chroma_server.port), name, 3)
    async with connect_async(chroma_server.url, tenant="default_tenant", database="default_database") as database:
        assert len(await database.execute(f'SELECT id FROM "{name}"')) == 3
    assert not others()


def test_blocking_clients(client: Any, chroma_server: Any, unique_name: Any) -> None:
    """The blocking clients of chromadb are taken as they are: PersistentClient, EphemeralClient, HttpClient."""
    for given in (client, chromadb.EphemeralClient(), chromadb.HttpClient(chroma_server.host, chroma_server.port)):
        name = unique_name()
        fill(given, name, 3)
        with connect(given) as database:
            assert len(database.execute(f'SELECT id FROM "{name}"')) == 3
        assert given.count_collections() > 0


async def test_async_client(chroma_server: Any, open_async_client: Any, unique_name: Any) -> None:
    """The async client of chromadb is taken as it is, and stays open."""
    given = await open_async_client(chroma_server.host, chroma_server.port)
    name = unique_name()
    collection = await given.create_collection(name, embedding_function=None)
    await collection.add(ids=["1", "2"], embeddings=[[0.0, 1.0], [1.0, 0.0]])
    sql = f'SELECT id FROM "{name}" USING EMBEDDING (VECTOR [0.0, 1.0]) TOPK 1'
    async with connect_async(given) as database:
        assert (await database.execute(sql)).rows == [{"id": "1"}]
    assert await collection.count() == 2


async def test_provider() -> None:
    """A provider is asked as it is, and stays the caller's to close."""
    provider = Closing({"docs": [{"id": "1"}]})
    async with connect_async(provider) as database:
        assert (await database.execute(COUNT)).rows == [{"id": "1"}]
    assert provider.closed == 0


def test_a_folder_that_is_open_already(folder: Path) -> None:
    """A folder that this process has open is shared: either may open it first, and close it first."""
    mine = chromadb.PersistentClient(folder)
    with connect(folder) as database:
        assert len(database.execute(COUNT)) == 3
    assert mine.get_collection("docs").count() == 3
    mine.close()

    with connect(folder) as database:
        assert len(database.execute(COUNT)) == 3
        mine = chromadb.PersistentClient(folder)
        fill(mine, "more", 2)
        mine.close()
        assert len(database.execute("SELECT id FROM *")) == 5


def test_a_folder_that_is_open_otherwise(folder: Path) -> None:
    """A folder that this process has open with other settings is refused with the way out."""
    mine = chromadb.PersistentClient(folder, ChromaSettings(allow_reset=True))
    try:
        with connect(folder) as database:
            for sql in (COUNT, "SELECT id FROM *"):
                with pytest.raises(ChromaSQLError, match="pass the client that has it open instead of the folder"):
                    database.execute(sql)
    finally:
        mine.close()


def test_a_folder_that_somebody_else_writes(folder: Path) -> None:
    """A collection that another client of the folder makes again is opened anew."""
    mine = chromadb.PersistentClient(folder)
    with connect(folder) as database:
        assert len(database.execute(COUNT)) == 3
        mine.delete_collection("docs")
        fill(mine, "docs", 2)
        assert len(database.execute(COUNT)) == 2
    mine.close()


def test_close_is_repeatable(folder: Path) -> None:
    """Closing twice, or what was never used, is no error, and a folder does not open again; it did before."""
    database = connect(folder)
    database.close()
    with pytest.raises(ChromaSQLExecutionError, match="the database is closed"):
        database.execute(COUNT)
    database.close()
    database.close()


@pytest.mark.parametrize("source", [None, 5, object(), [], {}, b"chroma"])
def test_bad_sources(source: Any) -> None:
    """What holds no collections is refused when it is opened, with what may be given."""
    message = "the source must be an http:// address, a folder, a chromadb client or a provider, not"
    with pytest.raises(ChromaSQLPlanningError, match=message):
        connect(source)


def test_bad_folder(tmp_path: Path) -> None:
    """A folder without a Chroma is refused, and none is made there."""
    for source in (tmp_path, tmp_path / "nowhere", "localhost:8000", ""):
        with pytest.raises(ChromaSQLPlanningError, match="there is no Chroma in"):
            connect(source)
    assert not list(tmp_path.iterdir())


async def test_client_that_is_not_awaited(chroma_server: Any) -> None:
    """A client that is still a coroutine is refused with the word that is missing."""
    with pytest.raises(ChromaSQLPlanningError, match="the source is a coroutine; await it first"):
        connect(chromadb.AsyncHttpClient(chroma_server.host, chroma_server.port))


def test_adapter_of_no_client() -> None:
    """SimpleAsyncClientAdapter takes a client of chromadb, and says so."""
    with pytest.raises(ChromaSQLPlanningError, match="takes a chromadb client, not int"):
        SimpleAsyncClientAdapter(5)


@pytest.mark.parametrize("options", [{"token": "x"}, {"headers": {}}, {"tenant": "t", "database": "d"}])
def test_options_of_an_address(folder: Path, options: dict[str, Any]) -> None:
    """What goes with an address is refused with anything else, never dropped."""
    for source in (folder, MemoryProvider({})):
        with pytest.raises(ChromaSQLPlanningError, match=f"{', '.join(options)} goes with an http:// address"):
            connect(source, **options)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("timeout", r"connect has no option timeout; it is a setting: settings=Settings\(timeout=..\)"),
        ("embed_fun", "connect has no option embed_fun; did you mean embed_fn?"),
        ("colour", "connect has no option colour; the options are database, dialect, embed_fn"),
    ],
)
def test_unknown_options(option: str, message: str) -> None:
    """An option that connect does not have is answered with the nearest one, where before the message was Python's."""
    for open_database in (connect, connect_async):
        with pytest.raises(ChromaSQLPlanningError, match=message) as caught:
            open_database(MemoryProvider({}), **{option: 3})
        assert caught.value.code == "unknown-option"


def test_unreachable_server() -> None:
    """A server that is not there is an error of ours at the first statement."""
    with connect("http://127.0.0.1:9") as database:
        with pytest.raises(ChromaSQLExecutionError, match="the names of the collections cannot be listed"):
            database.execute("SHOW COLLECTIONS")
        with pytest.raises(ChromaSQLExecutionError, match="docs: HttpConnectionError"):
            database.execute(COUNT)


async def test_execute_multi_collection_takes_providers(client: Any) -> None:
    """execute_multi_collection tells whoever gives it a client how to wrap it."""
    with pytest.raises(ChromaSQLPlanningError, match="wrap a chromadb client in SimpleAsyncClientAdapter"):
        await execute_multi_collection(COUNT, None, client)


# The blocking face


async def test_inside_a_running_loop(client: Any) -> None:
    """The blocking face works where a loop is running, as in a notebook."""
    fill(client, "docs", 3)
    with connect(client) as database:
        assert len(database.execute(COUNT)) == 3
    plan = build_plan(parse(COUNT))
    assert len(execute_plan(plan, client.get_collection("docs"))) == 3


@pytest.mark.parametrize("kind", ["folder", "server"])
def test_from_several_threads(request: pytest.FixtureRequest, unique_name: Any, kind: str) -> None:
    """One database may be asked from several threads at once."""
    if kind == "folder":
        name, source = "docs", request.getfixturevalue("folder")
    else:
        server = request.getfixturevalue("chroma_server")
        name, source = unique_name(), server.url
        fill(chromadb.HttpClient(server.host, server.port), name, 3)
    start = threading.Barrier(8)
    sql = f'SELECT id FROM "{name}" USING EMBEDDING (VECTOR [0.0, 0.0]) TOPK :n'

    def ask(number: int) -> list[int]:
        start.wait(60)
        return [len(database.execute(sql, {"n": 1 + number % 3})) for _ in range(5)]

    with connect(source) as database, ThreadPoolExecutor(8) as threads:
        assert list(threads.map(ask, range(8))) == [[1 + number % 3] * 5 for number in range(8)]


def test_two_databases(folder: Path) -> None:
    """Two databases on one folder do not get in each other's way."""
    with connect(folder) as first, connect(folder) as second:
        assert len(first.execute(COUNT)) == len(second.execute(COUNT)) == 3
        first.close()
        assert len(second.execute(COUNT)) == 3


def test_parameters_and_timeout() -> None:
    """The blocking face hands on parameters, settings and the timeout of a statement."""
    provider = MemoryProvider({"docs": [{"id": str(n), "metadata": {"n": n}} for n in range(5)]})
    with connect(provider, settings=Settings(timeout=60)) as database:
        assert database.execute("SELECT id FROM docs WHERE n > :n", {"n": 2}).rows == [{"id": "3"}, {"id": "4"}]
        assert database.execute("SELECT id FROM docs WHERE n > ?", [3], timeout=30).rows == [{"id": "4"}]
        with pytest.raises(ChromaSQLPlanningError, match="timeout takes a number of seconds above 0"):
            database.execute(COUNT, timeout=0)


def test_timeout_of_the_blocking_face() -> None:
    """A deadline ends a statement of the blocking face."""
    with connect(MemoryProvider({}), router=lambda _: Hang()()) as database, pytest.raises(ChromaSQLTimeoutError):
        database.execute(COUNT, timeout=0.01)


def waits(thread: int) -> bool:
    """Tell whether a thread waits for the answer to a statement, which is under way."""
    names = [frame.f_code.co_name for frame, _ in traceback.walk_stack(sys._current_frames()[thread])]
    return names[0] == "wait" and "start_task_soon" not in names


@pytest.mark.usefixtures("ctrl_c_interrupts")
def test_interruption() -> None:
    """Whoever interrupts a blocking statement (Ctrl-C) cancels it, and can go on asking."""
    cancelled = threading.Event()
    main = threading.get_ident()

    async def route(query: Any) -> Any:
        if query.limit is None:
            return ["docs"]
        while not waits(main):  # noqa: ASYNC110 - no event tells
            await asyncio.sleep(0)
        signal.pthread_kill(main, signal.SIGINT)
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    with connect(MemoryProvider({"docs": [{"id": "1"}]}), router=route) as database:
        with pytest.raises(KeyboardInterrupt):
            database.execute(f"{COUNT} LIMIT 5")
        assert cancelled.wait(60)
        assert len(database.execute(COUNT)) == 1


def test_errors_cross_threads(client: Any) -> None:
    """An error of the blocking face is the engine's own, with its place in the statement."""
    with connect(client) as database, pytest.raises(ChromaSQLPlanningError) as caught:
        database.execute("SELECT id FROM docs WHERE id.x = 1")
    assert "^^^^" in str(caught.value)


def test_the_process_ends(folder: Path) -> None:
    """A program that closes nothing still ends, though the blocking face has threads."""
    program = f"""
        import chromasql
        database = chromasql.connect({str(folder)!r})
        print(len(database.execute("SELECT id FROM docs")))
    """
    command = [sys.executable, "-c", textwrap.dedent(program)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert (ended.returncode, ended.stdout.strip(), ended.stderr.strip()) == (0, "3", "")


def test_handles_of_a_folder_are_kept(folder: Path) -> None:
    """A folder keeps the handles of its collections until they are forgotten."""
    provider = FolderProvider(folder)
    assert provider.kept_collection("docs") is None

    async def opened() -> Any:
        try:
            collection = await provider.get_collection("docs")
            assert provider.kept_collection("docs") is collection
            provider.forget_collection("docs")
            assert provider.kept_collection("docs") is None
        finally:
            await provider.close()

    asyncio.run(opened())
    assert provider.kept_collection("docs") is None
