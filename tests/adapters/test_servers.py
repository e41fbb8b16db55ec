"""`chromasql.adapters.servers`: one statement over several servers, and what one of them learns of another."""

from __future__ import annotations

import asyncio
import warnings
from types import SimpleNamespace
from typing import Any

import chromadb
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from hypothesis import given
from hypothesis import strategies as st

from chromasql import (
    ChromaSQLExecutionError,
    ChromaSQLPlanningError,
    ChromaSQLRoutingError,
    HttpProvider,
    MemoryProvider,
    ServersProvider,
    Settings,
    SimpleAsyncClientAdapter,
    connect_async,
)
from chromasql.adapters.http import HttpError
from chromasql.dispatch.retry import is_transient, retry_after
from chromasql.testing import check_provider
from tests.support.doubles import Hang, Spy, without_waiting

RANKED = "SELECT id, _collection, distance FROM * USING EMBEDDING (VECTOR [0.0]) TOPK 100"


def memory(**collections: list[int]) -> MemoryProvider:
    """Return collections of one-dimensional records whose ids are their numbers."""
    return MemoryProvider(
        {
            name: [{"id": str(number), "embedding": [float(number)]} for number in numbers]
            for name, numbers in collections.items()
        }
    )


class Down:
    """A provider whose server fails in one way."""

    def __init__(self, error: Exception) -> None:
        self.error = error
        self.asked = 0

    async def get_collection(self, name: str) -> Any:
        self.asked += 1
        raise self.error

    async def list_collection_names(self) -> Any:
        self.asked += 1
        raise self.error


async def ids(servers: ServersProvider, sql: str) -> list[tuple[str, str]]:
    """Return collection and id of each row."""
    return [(row["_collection"], row["id"]) for row in await connect_async(servers).execute(sql)]


async def test_the_protocol() -> None:
    """It is a provider as any other."""
    await check_provider(ServersProvider({"eu": memory(docs=[1, 2]), "us-1": memory(docs=[3], notes=[4])}))


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        ("eu.docs", ["eu.docs"]),
        ("us-1.docs, eu.docs", ["us-1.docs", "eu.docs"]),
        ("*.docs", ["eu.docs", "us-1.docs"]),
        ("us-1.*", ["us-1.a.b", "us-1.docs"]),
        ('"us-1.a.b"', ["us-1.a.b"]),
        ("* EXCEPT (eu.*)", ["us-1.a.b", "us-1.docs"]),
        ("*", ["eu.docs", "us-1.a.b", "us-1.docs"]),
    ],
)
async def test_names(sources: str, expected: list[str]) -> None:
    """A collection is named by its server and its own name, which may hold dots; patterns see the whole."""
    servers = ServersProvider({"eu": memory(docs=[1]), "us-1": memory(**{"docs": [1], "a.b": [1]})})
    assert [name for name, _ in await ids(servers, f"SELECT _collection, id FROM {sources}")] == expected


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["x", "y", "z.z"]), st.integers(0, 50)), max_size=20))
def test_where_records_are_does_not_matter(records: list[tuple[str, str, int]]) -> None:
    """One server with all the collections and several that share them give the same rows in the same order."""
    spread: dict[str, dict[str, list[int]]] = {server: {"x": [], "y": [], "z.z": []} for server in "abc"}
    for server, collection, number in dict.fromkeys(records):
        spread[server][collection].append(number)
    together = {f"{server}.{name}": found for server, stored in spread.items() for name, found in stored.items()}

    async def both() -> None:
        apart = ServersProvider({server: memory(**stored) for server, stored in spread.items()})
        assert await ids(apart, RANKED) == await ids(memory(**together), RANKED)

    asyncio.run(both())


async def test_real_clients(tmp_path: Any, chroma_server: Any, unique_name: Any) -> None:
    """An address, a folder, a client and an adapter answer together."""
    name = unique_name()
    folder = chromadb.PersistentClient(tmp_path / "closed")
    embedded = chromadb.PersistentClient(tmp_path / "open")
    remote = chromadb.HttpClient(host=chroma_server.host, port=chroma_server.port)
    for number, client in enumerate((folder, embedded, remote)):
        client.create_collection(name, embedding_function=None).add(ids=["a"], embeddings=[[float(number)]])
    folder.close()
    remote._server._session.close()
    sources = {
        "folder": tmp_path / "closed",
        "client": embedded,
        "adapter": SimpleAsyncClientAdapter(embedded),
        "address": chroma_server.url,
    }
    async with ServersProvider(sources) as servers:
        sql = f"SELECT _collection, distance FROM {', '.join(chr(34) + server + '.' + name + chr(34) for server in sources)}"
        rows = (await connect_async(servers).execute(f"{sql} USING EMBEDDING (VECTOR [0.0]) TOPK 9")).rows
    embedded.close()
    expected = {"folder": 0.0, "adapter": 1.0, "client": 1.0, "address": 4.0}
    assert {row["_collection"].partition(".")[0]: row["distance"] for row in rows} == expected


# What goes wrong


async def test_a_server_that_is_down() -> None:
    """It takes its own collections with it, and the outcomes say which and why."""
    servers = ServersProvider({"eu": memory(docs=[1]), "us": Down(ConnectionRefusedError("port 8000"))})
    database = connect_async(servers, settings=Settings(retries=0))
    result = await database.execute("SELECT id FROM eu.docs, us.docs, us.notes")
    assert [row["id"] for row in result] == ["1"]
    assert [str(outcome.error) for outcome in result.failures] == [
        "us.docs: ConnectionRefusedError: port 8000",
        "us.notes: ConnectionRefusedError: port 8000",
    ]


REFUSED = ConnectionRefusedError("port 8000")


@pytest.mark.parametrize("sql", ["SELECT id FROM *", "SELECT id FROM *.docs", "EXPLAIN SELECT id FROM *"])
async def test_a_server_that_cannot_be_listed(sql: str) -> None:
    """The others answer a pattern, and the result says which server is missing and why."""
    servers = ServersProvider({"eu": memory(docs=[1]), "us": Down(REFUSED)})
    result = await connect_async(servers, settings=Settings(retries=0)).execute(sql)

    assert [row["id"] for row in result if "id" in row] == ["1"] * (not sql.startswith("EXPLAIN"))
    assert not result.complete
    assert [str(outcome.error) for outcome in result.failures] == ["us.*: ConnectionRefusedError: port 8000"]


async def test_show_collections_says_which_server_is_missing() -> None:
    """The collections of the servers that can be listed are shown, and the result is not complete."""
    servers = ServersProvider({"eu": memory(docs=[1]), "us": Down(REFUSED)})
    result = await connect_async(servers, settings=Settings(retries=0)).execute("SHOW COLLECTIONS")

    assert result.rows == [{"name": "eu.docs", "count": 1}]
    assert [outcome.collection for outcome in result.failures] == ["us.*"]


async def test_a_router_that_asks_all_asks_what_can_be_listed() -> None:
    """Where a router leaves the choice open, a server that is down is missing from the answer and named."""
    servers = ServersProvider({"eu": memory(docs=[1]), "us": Down(REFUSED)})
    database = connect_async(servers, router=lambda _: None, settings=Settings(retries=0))
    result = await database.execute("SELECT id FROM any")

    assert [row["id"] for row in result] == ["1"]
    assert [outcome.collection for outcome in result.failures] == ["us.*"]


async def test_a_server_that_a_pattern_does_not_need_is_not_listed() -> None:
    """``eu.*`` names its server, so what others have does not matter."""
    down = Down(REFUSED)
    servers = ServersProvider({"eu": memory(docs=[1], notes=[2]), "us": down})
    result = await connect_async(servers).execute("SELECT id FROM eu.* EXCEPT (eu.notes)")

    assert result.complete
    assert down.asked == 0


async def test_where_no_server_can_be_listed_there_is_no_answer() -> None:
    """A pattern that needs only servers which are down is an error that names them."""
    servers = ServersProvider({"eu": memory(docs=[1]), "us": Down(REFUSED)})
    database = connect_async(servers, settings=Settings(retries=0))
    with pytest.raises(ChromaSQLExecutionError, match=r"(?s)cannot be listed.*us\.\*: .*port 8000"):
        await database.execute("SELECT id FROM us.*")
    with pytest.raises(ChromaSQLExecutionError, match=r"no collection that could be listed matches \*\.notes"):
        await database.execute("SELECT id FROM *.notes")


@pytest.mark.parametrize(
    "settings", [Settings(on_error="fail", retries=0), Settings(min_success=1.0, retries=0)], ids=["fail", "all"]
)
async def test_insisting_on_every_server(settings: Settings) -> None:
    """Where all have to answer, a server that cannot be listed ends the statement."""
    servers = ServersProvider({"eu": memory(docs=[1]), "us": Down(REFUSED)})
    with pytest.raises(ChromaSQLExecutionError, match="port 8000"):
        await connect_async(servers, settings=settings).execute("SELECT id FROM *")


async def test_a_stream_needs_every_list() -> None:
    """A stream cannot say that rows are missing, so it does not begin."""
    servers = ServersProvider({"eu": memory(docs=[1]), "us": Down(REFUSED)})
    with pytest.raises(ChromaSQLExecutionError, match="a server cannot be listed"):
        async for _ in connect_async(servers, settings=Settings(retries=0)).stream("SELECT id FROM *"):
            pass


def test_a_server_that_hangs_is_given_half_of_the_time() -> None:
    """The list of a server that does not answer is given up in time for the others to be asked."""
    hanging = Spy(memory(docs=[1]), {("", "list"): Hang()})
    servers = ServersProvider({"eu": memory(docs=[1]), "us": hanging})
    result = without_waiting(connect_async(servers).execute("SELECT id FROM *", timeout=4))

    assert [row["id"] for row in result] == ["1"]
    assert [(outcome.collection, outcome.status) for outcome in result.failures] == [("us.*", "timed_out")]


@pytest.mark.parametrize(
    ("error", "asked"), [(ConnectionResetError(), 2), (HttpError("no", status=403), 1), (ValueError("odd"), 1)]
)
async def test_listing_is_tried_again_where_it_may_pass(error: Exception, asked: int) -> None:
    """The error of a list that cannot be had passes on whether it may pass."""
    down = Down(error)
    with pytest.raises(ChromaSQLExecutionError):
        await connect_async(ServersProvider({"us": down}), settings=Settings(retries=1)).execute("SELECT id FROM *")
    assert down.asked == asked


async def test_retry_after_passes_on() -> None:
    """So does how long the server asks to wait."""
    down = Down(HttpError("slow down", status=429, retry_after=7))
    with pytest.raises(ChromaSQLExecutionError, match="server us: slow down") as caught:
        await ServersProvider({"us": down}).list_collection_names()
    assert (is_transient(caught.value), retry_after(caught.value)) == (True, 7)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("ue.docs", "collection ue.docs does not exist; did you mean .*eu.docs"),
        ("docs", "collection docs does not exist; "),
        ("eu.dosc", "collection eu.dosc does not exist; did you mean eu.docs"),
    ],
)
async def test_names_that_do_not_exist(name: str, said: str) -> None:
    """A server or a collection that there is not is an error with the nearest names."""
    servers = ServersProvider({"eu": memory(docs=[1]), "us": memory(docs=[1])})
    with pytest.raises(ChromaSQLRoutingError, match=said):
        await connect_async(servers).execute(f"SELECT id FROM {name}")


async def test_the_error_of_the_provider_itself() -> None:
    """Asked for a server that it has not, it names those it has."""
    with pytest.raises(LookupError, match=r"server x does not exist; the servers are eu$"):
        await ServersProvider({"eu": memory()}).get_collection("x.docs")
    with pytest.raises(LookupError, match=r"server eus does not exist; did you mean eu\?"):
        await ServersProvider({"eu": memory()}).get_collection("eus.docs")


@pytest.mark.parametrize("name", ["", "a.b", "a/b", "a b", "é", "-a", "a-", "a--b", 5])
def test_bad_names_of_servers(name: Any) -> None:
    """The name of a server has no dot and needs no quotes."""
    with pytest.raises(ChromaSQLPlanningError, match="is not a valid name of a server"):
        ServersProvider({name: memory()})


@pytest.mark.parametrize("servers", [{}, {"eu": 5}, {"eu": None}])
def test_bad_servers(servers: Any) -> None:
    """No server at all, or something that is none, is refused."""
    with pytest.raises(ChromaSQLPlanningError, match=r"needs at least one server|the source must be"):
        ServersProvider(servers)


async def test_stale_handles() -> None:
    """A handle is dropped where its server keeps it, and where there is none nothing happens."""
    dropped: list[str] = []
    keeper = memory(docs=[1])
    keeper.forget_collection = dropped.append  # type: ignore[attr-defined]
    servers = ServersProvider({"eu": keeper, "us": Down(ValueError())})
    for name in ("eu.a.b", "us.docs", "x.docs", "docs"):
        servers.forget_collection(name)
    assert dropped == ["a.b"]


def test_concurrency_is_that_of_all() -> None:
    """It allows as many calls at once as its servers together."""
    three = SimpleNamespace(max_concurrency=3, get_collection=None, list_collection_names=None)
    assert ServersProvider({"a": three, "b": three, "c": memory()}).max_concurrency == 14


def test_repr() -> None:
    """Its repr names the servers and nothing of how they are reached."""
    servers = ServersProvider({"eu": "http://user:secret@localhost:1", "us": "http://localhost:2"})
    assert repr(servers) == "ServersProvider(eu, us)"


# Credentials


async def test_no_credential_reaches_another_server() -> None:
    """Over HttpProvider each server is sent its own headers and nothing of the others', whoever is asked first."""
    seen: dict[str, list[str]] = {"eu": [], "us": []}

    def application(server: str) -> web.Application:
        async def answer(request: web.Request) -> web.Response:
            seen[server].append(str(sorted(request.headers.items())) + request.path_qs)
            if request.path.endswith("/count"):
                return web.json_response(3)
            model = {"id": "00000000-0000-0000-0000-000000000001", "name": "docs"}
            return web.json_response([model] if "offset=0" in request.path_qs else [])

        app = web.Application()
        app.router.add_route("*", "/{path:.*}", answer)
        return app

    async with TestServer(application("eu")) as eu, TestServer(application("us")) as us:
        address = f"http://europe:password-eu@127.0.0.1:{eu.port}"
        secrets = {"eu": ["token-eu", "header-eu"], "us": ["token-us", "header-us"]}
        providers = {
            "eu": HttpProvider(address, token="token-eu", headers={"X-Team": "header-eu"}, tenant="tenant-eu"),
            "us": HttpProvider(f"http://127.0.0.1:{us.port}", token="token-us", headers={"X-Team": "header-us"}),
        }
        database = connect_async(ServersProvider(providers), dialect="local")
        for _ in range(3):
            assert (await database.execute("SELECT COUNT(*) AS n FROM *")).rows == [{"n": 6}]
        for provider in providers.values():
            await provider.close()

    for server, other in (("eu", "us"), ("us", "eu")):
        assert seen[server]
        assert all(secret in request for request in seen[server] for secret in secrets[server])
        assert not any(secret in request for request in seen[server] for secret in secrets[other])
    assert not any("tenant-eu" in request or "Basic" in request for request in seen["us"])


def test_tls_is_verified() -> None:
    """An https address is asked with certificates verified."""
    servers = ServersProvider({"eu": "https://localhost:1"})
    assert servers._providers["eu"]._server.options.ssl is None


async def test_shared_headers_are_warned_of(chroma_server: Any, open_async_client: Any) -> None:
    """Two AsyncHttpClients with different headers in one provider are warned of, without their values."""
    one, two = [
        await open_async_client(chroma_server.host, chroma_server.port, headers={"X-Chroma-Token": token})
        for token in ("first", "second")
    ]
    with pytest.warns(UserWarning, match="the headers of the first to both") as caught:
        ServersProvider({"one": one, "two": SimpleAsyncClientAdapter(two)})
    assert not any(value in str(warning.message) for warning in caught for value in ("X-Chroma-Token", "second"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ServersProvider({"one": one, "other": chroma_server.url})
