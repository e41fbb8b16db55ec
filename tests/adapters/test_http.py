"""`chromasql.adapters.http` against real servers, and against doubles for what a real one never says."""

from __future__ import annotations

import asyncio
import itertools
import pickle
import random
import ssl
import threading
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from email.utils import formatdate
from types import SimpleNamespace
from typing import Any

import chromadb
import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from hypothesis import given
from hypothesis import strategies as st

from chromasql.adapters import http
from chromasql.adapters.http import (
    HttpCollection,
    HttpConnectionError,
    HttpError,
    HttpNotFoundError,
    HttpProvider,
    HttpResponseError,
)
from chromasql.adapters.http.address import parse_address
from chromasql.adapters.http.responses import find_misfit
from chromasql.errors import ChromaSQLError
from chromasql.protocols import AsyncCollection, AsyncCollectionProvider

COLUMNS = ("documents", "embeddings", "metadatas", "uris")
COLLECTIONS = "/api/v2/tenants/default_tenant/databases/default_database/collections"
MODEL = {"id": "00000000-0000-0000-0000-000000000001", "name": "docs"}
RECORDS = 40
DIMENSION = 8


# ----------------------------------------------------------------------------------------------- real servers


@pytest.fixture(scope="module")
def filled(chroma_server) -> SimpleNamespace:
    """A collection of 40 records, some without a document or metadata, seen through chromadb's blocking client."""
    client = chromadb.HttpClient(host=chroma_server.host, port=chroma_server.port)
    name = "filled-by-test-http"
    collection = client.create_collection(
        name,
        metadata={"owner": "tests"},
        configuration={"hnsw": {"space": "cosine"}},
        embedding_function=None,
    )
    chance = random.Random(7)
    vectors = [[chance.gauss(0, 1) for _ in range(DIMENSION)] for _ in range(RECORDS)]
    collection.add(
        ids=[f"r{n}" for n in range(RECORDS)],
        embeddings=vectors,
        documents=[f"word{n % 5} and {n}" for n in range(RECORDS)],
        metadatas=[{"n": n, "half": n / 2, "even": n % 2 == 0, "tags": ["a", f"t{n % 3}"]} for n in range(RECORDS)],
    )
    collection.add(ids=["bare"], embeddings=[vectors[0][::-1]])
    collection.add(ids=["link"], embeddings=[vectors[1][::-1]], uris=["file:///a"], metadatas=[{"x": 1}])
    return SimpleNamespace(name=name, id=str(collection.id), vectors=vectors, client=client)


@pytest.fixture
async def async_client(chroma_server, open_async_client) -> Any:
    """Chromadb's own asynchronous client."""
    return await open_async_client(chroma_server.host, chroma_server.port)


def plain(answer: Any, columns: tuple[str, ...]) -> dict[str, Any]:
    """The named columns of either client's answer, without numpy."""

    def listed(value: Any) -> Any:
        if isinstance(value, list):
            return [listed(item) for item in value]
        return value.tolist() if hasattr(value, "tolist") else value

    return {name: listed(answer.get(name)) for name in ("ids", *columns)}


FILTERS = [
    {},
    {"where": {"n": {"$gte": 10}}},
    {"where": {"$and": [{"even": True}, {"tags": {"$contains": "t1"}}]}},
    {"where": {"n": {"$in": [1, 2, 3, 77]}}},
    {"where_document": {"$contains": "word3"}},
    {"where": {"half": {"$lt": 9.5}}, "where_document": {"$not_contains": "word1"}},
    {"ids": ["r3", "r1", "bare", "link"]},
    {"ids": ["r3", "r1"], "where": {"n": 3}},
    {"where": {"n": 4_711}},
]
INCLUDES = [subset for size in range(5) for subset in itertools.combinations(COLUMNS, size)]


@pytest.mark.parametrize("filters", FILTERS, ids=str)
async def test_get_equals_chromadb(chroma_server, async_client, filled, filters):
    """`get` gives what chromadb's AsyncHttpClient gives, for each filter, include and page."""
    pages = [{}, {"limit": 3}, {"limit": 3, "offset": 2}, {"limit": 0}]
    async with HttpProvider(chroma_server.url) as provider:
        theirs = await async_client.get_collection(filled.name, embedding_function=None)
        ours = await provider.get_collection(filled.name)

        for include, page in itertools.product(INCLUDES, pages):
            asked = {"include": list(include), **filters, **page}
            expected = plain(await theirs.get(**asked), include)

            assert plain(await ours.get(**asked), include) == expected


@pytest.mark.parametrize("filters", FILTERS, ids=str)
async def test_query_equals_chromadb(chroma_server, async_client, filled, filters):
    """`query` gives what chromadb's AsyncHttpClient gives, for one vector and for two, whatever is included."""
    async with HttpProvider(chroma_server.url) as provider:
        theirs = await async_client.get_collection(filled.name, embedding_function=None)
        ours = await provider.get_collection(filled.name)

        for include, vectors in itertools.product(INCLUDES, (filled.vectors[:1], filled.vectors[:2])):
            columns = (*include, "distances")
            asked = {"query_embeddings": vectors, "n_results": 7, "include": list(columns), **filters}
            expected = plain(await theirs.query(**asked), columns)

            assert plain(await ours.query(**asked), columns) == expected


async def test_defaults_equal_chromadb(chroma_server, async_client, filled):
    """Without arguments the columns are those that chromadb's client asks for by default, `count` included."""
    async with HttpProvider(chroma_server.url) as provider:
        theirs = await async_client.get_collection(filled.name, embedding_function=None)
        ours = await provider.get_collection(filled.name)
        columns = ("documents", "metadatas", "distances")

        got, queried = await ours.get(), await ours.query(filled.vectors[:1])

        assert plain(got, columns[:2]) == plain(await theirs.get(), columns[:2])
        assert plain(queried, columns) == plain(await theirs.query(query_embeddings=filled.vectors[:1]), columns)
        assert await ours.count() == await theirs.count() == RECORDS + 2


async def test_numpy_vectors_are_sent(chroma_server, filled):
    """A vector may be a numpy array of 32 or of 64 bits."""
    import numpy as np

    async with HttpProvider(chroma_server.url) as provider:
        collection = await provider.get_collection(filled.name)
        expected = await collection.query(np.array(filled.vectors[:1], dtype=np.float32).tolist())

        assert await collection.query(np.array(filled.vectors[:1], dtype=np.float32)) == expected
        assert await collection.query([np.array(filled.vectors[0])]) == await collection.query(filled.vectors[:1])


async def test_handle_carries_what_the_server_says(chroma_server, filled):
    """A handle has id, metadata, configuration, dimension and schema, listed or fetched alone, and is kept."""
    async with HttpProvider(chroma_server.url) as provider:
        fetched = await provider.get_collection(filled.name)
        kept = await provider.get_collection(filled.name)
        await provider.list_collection_names()
        listed = await provider.get_collection(filled.name)

        assert kept is fetched
        for handle in (fetched, listed):
            assert (handle.name, handle.id) == (filled.name, filled.id)
            assert handle.metadata == {"owner": "tests"}
            assert handle.configuration_json["hnsw"]["space"] == "cosine"
            assert handle.dimension == DIMENSION
            assert "#embedding" in handle.schema["keys"]


async def test_protocols_are_met(chroma_server, filled):
    """Provider and collection have the methods of the two Protocols, and say how many calls to send at once."""
    async with HttpProvider(chroma_server.url, connections=3) as provider:
        assert isinstance(provider, AsyncCollectionProvider)
        assert isinstance(await provider.get_collection(filled.name), AsyncCollection)
        assert provider.max_concurrency == 3


async def test_names_are_paged(chroma_server, filled, unique_name, monkeypatch):
    """Names come without loss or repeat when they fill several pages, and their handles need no further call."""
    names = [unique_name() for _ in range(5)]
    for name in names:
        filled.client.create_collection(name, embedding_function=None)
    monkeypatch.setattr(http, "_PAGE", 2)

    async with HttpProvider(chroma_server.url) as provider:
        listed = await provider.list_collection_names()
        handles = [await provider.get_collection(name) for name in names]

    assert len(listed) == len(set(listed))
    assert set(names) <= set(listed)
    assert [handle.name for handle in handles] == names


async def test_missing_collection(chroma_server, filled):
    """A name that does not exist is an HttpNotFoundError, a LookupError too, that offers the names near it."""
    async with HttpProvider(chroma_server.url) as provider:
        await provider.list_collection_names()

        with pytest.raises(HttpNotFoundError, match=f"did you mean {filled.name}") as caught:
            await provider.get_collection(filled.name + "s")

    assert isinstance(caught.value, LookupError)
    assert (caught.value.status, caught.value.kind) == (404, "NotFoundError")


@pytest.mark.parametrize("name", ["a/b", "a b", "what?", "é", "x" * 600])
async def test_any_name_stays_one_segment(chroma_server, name):
    """A name is never read as a path: whatever characters it has, the answer is that it does not exist."""
    async with HttpProvider(chroma_server.url) as provider:
        with pytest.raises(HttpNotFoundError):
            await provider.get_collection(name)


async def test_stale_handle(chroma_server, filled, unique_name):
    """A collection made anew fails under its old handle, and answers once the handle is forgotten."""
    name = unique_name()
    filled.client.create_collection(name, embedding_function=None)
    async with HttpProvider(chroma_server.url) as provider:
        await provider.get_collection(name)
        filled.client.delete_collection(name)
        filled.client.create_collection(name, embedding_function=None).add(ids=["new"], embeddings=[[1.0, 2.0]])

        with pytest.raises(HttpNotFoundError):
            await (await provider.get_collection(name)).get()
        assert provider.kept_collection(name) is not None
        provider.forget_collection(name)
        provider.forget_collection("never seen")
        assert provider.kept_collection(name) is None
        answer = await (await provider.get_collection(name)).get()

    assert answer["ids"] == ["new"]


async def test_listing_forgets_what_was_deleted(chroma_server, filled, unique_name):
    """A new listing drops the handles of collections that are gone."""
    name = unique_name()
    filled.client.create_collection(name, embedding_function=None)
    async with HttpProvider(chroma_server.url) as provider:
        assert name in await provider.list_collection_names()
        filled.client.delete_collection(name)

        assert name not in await provider.list_collection_names()
        with pytest.raises(HttpNotFoundError):
            await provider.get_collection(name)


@pytest.mark.parametrize(
    ("asked", "status", "kind"),
    [
        ({"where": {"n": {"$foo": 1}}}, 400, "InvalidArgumentError"),
        ({"where_document": {"$regex": "("}}, 400, "InvalidArgumentError"),
        ({"limit": -1}, 422, "ChromaError"),
        ({"include": ["nothing"]}, 422, "ChromaError"),
    ],
)
async def test_refused_request(chroma_server, filled, asked, status, kind):
    """What the server refuses is an HttpError with its status, its kind and its words."""
    async with HttpProvider(chroma_server.url) as provider:
        collection = await provider.get_collection(filled.name)

        with pytest.raises(HttpError) as caught:
            await collection.get(**asked)

    assert (caught.value.status, caught.value.kind, caught.value.retry_after) == (status, kind, None)
    assert f"{status} {kind} from {chroma_server.url}" in str(caught.value)


async def test_wrong_dimension(chroma_server, filled):
    """A vector of another dimension is refused in the server's words."""
    async with HttpProvider(chroma_server.url) as provider:
        collection = await provider.get_collection(filled.name)

        with pytest.raises(HttpError, match="dimension of 8, got 2"):
            await collection.query([[1.0, 2.0]])


@pytest.mark.parametrize("value", [2**64, "\ud800", object()])
async def test_unsendable_argument(chroma_server, filled, value):
    """An argument that JSON cannot hold is an error of ours, and nothing is sent."""
    async with HttpProvider(chroma_server.url) as provider:
        collection = await provider.get_collection(filled.name)

        with pytest.raises(ChromaSQLError, match="arguments of get cannot be written as JSON"):
            await collection.get(where={"n": value})


async def test_overflowing_distance(chroma_server, filled, unique_name):
    """Where Chroma's distance overflows it sends null; that is an error, not a row without a distance."""
    name = unique_name()
    filled.client.create_collection(name, embedding_function=None).add(ids=["a"], embeddings=[[1.0, 2.0]])
    async with HttpProvider(chroma_server.url) as provider:
        collection = await provider.get_collection(name)

        with pytest.raises(HttpResponseError, match="not a finite number"):
            await collection.query([[3e38, 3e38]], include=["distances"])


async def test_empty_collection(chroma_server, filled, unique_name):
    """A collection without records gives empty lists, a count of 0 and no dimension."""
    name = unique_name()
    filled.client.create_collection(name, embedding_function=None)
    async with HttpProvider(chroma_server.url) as provider:
        collection = await provider.get_collection(name)

        assert (await collection.get())["ids"] == []
        assert (await collection.query([[1.0, 2.0]]))["ids"] == [[]]
        assert await collection.count() == 0
        assert collection.dimension is None


async def test_large_request(chroma_server, filled):
    """A request of more than a megabyte is sent, without a warning."""
    async with HttpProvider(chroma_server.url) as provider:
        collection = await provider.get_collection(filled.name)

        answer = await collection.get(ids=["r1", *(f"{n:0>500}" for n in range(3_000))], include=[])

    assert answer["ids"] == ["r1"]


async def test_many_calls_at_once(chroma_server, filled):
    """A hundred calls share two connections, and each gets its own answer."""
    async with HttpProvider(chroma_server.url, connections=2) as provider:
        collection = await provider.get_collection(filled.name)

        answers = await asyncio.gather(*(collection.get(ids=[f"r{n % RECORDS}"], include=[]) for n in range(100)))

    assert [answer["ids"] for answer in answers] == [[f"r{n % RECORDS}"] for n in range(100)]


async def test_tenant_and_database(chroma_server, unique_name):
    """Tenant and database choose what is seen; by default it is Chroma's default database."""
    tenant, database, name = unique_name("tenant"), unique_name("base"), unique_name()
    admin = chromadb.AdminClient(
        chromadb.Settings(
            chroma_api_impl="chromadb.api.fastapi.FastAPI",
            chroma_server_host=chroma_server.host,
            chroma_server_http_port=chroma_server.port,
        )
    )
    admin.create_tenant(tenant)
    admin.create_database(database, tenant)
    client = chromadb.HttpClient(host=chroma_server.host, port=chroma_server.port, tenant=tenant, database=database)
    client.create_collection(name, embedding_function=None)

    async with (
        HttpProvider(chroma_server.url, tenant=tenant, database=database) as inside,
        HttpProvider(chroma_server.url) as outside,
    ):
        assert await inside.list_collection_names() == [name]
        assert name not in await outside.list_collection_names()


async def test_server_that_dies_and_comes_back(start_chroma_server):
    """A dead server is an HttpConnectionError, a ConnectionError too; the same handle answers when it is back."""
    server = start_chroma_server()
    chromadb.HttpClient(host=server.host, port=server.port).create_collection("docs", embedding_function=None)
    async with HttpProvider(server.url) as provider:
        collection = await provider.get_collection("docs")
        server.kill()

        for _ in range(2):
            with pytest.raises(HttpConnectionError) as caught:
                await collection.count()
        server.restart()

        assert await collection.count() == 0
    assert isinstance(caught.value, ConnectionError)
    assert server.url in str(caught.value)
    assert "check the address, and that the server runs" in str(caught.value)


# ---------------------------------------------------------------------------------------------------- doubles


@asynccontextmanager
async def serve(handler: Callable[[web.Request], Any], tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """A server of one handler; the block gets its address."""

    async def answer(request: web.Request) -> web.Response:
        return await handler(request)

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", answer)
    server = TestServer(app, scheme="http" if tls is None else "https", host="127.0.0.1")
    await server.start_server(ssl=tls)
    yield str(server.make_url("")).rstrip("/")
    await server.close()


@asynccontextmanager
async def answer_bytes(raw: bytes) -> AsyncIterator[str]:
    """A server that says these bytes to whoever calls, and hangs up."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(raw)
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


def respond(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> Callable[..., Any]:
    """A handler that gives one answer to everything; bytes go out as they are."""
    raw = body if isinstance(body, bytes) else orjson.dumps(body)

    async def handler(request: web.Request) -> web.Response:
        return web.Response(body=raw, status=status, headers=headers, content_type="application/json")

    return handler


async def handle(provider: HttpProvider) -> HttpCollection:
    """A handle that no call was made for."""
    return provider._read_model(MODEL)


class Recorder:
    """A handler that keeps the requests and answers with no collections."""

    def __init__(self, headers: dict[str, str] | None = None) -> None:
        self.requests: list[web.Request] = []
        self.bodies: list[bytes] = []
        self.headers = headers

    async def __call__(self, request: web.Request) -> web.Response:
        """Keep the request."""
        self.requests.append(request)
        self.bodies.append(await request.read())
        return web.Response(body=b"[]", headers=self.headers)


async def test_headers_are_sent():
    """Token and headers go with every request, the body as JSON, and nothing packed is asked for."""
    recorder = Recorder()
    async with (
        serve(recorder) as url,
        HttpProvider(url, token="secret", headers={"X-Trace": "t1"}) as provider,
    ):
        await provider.list_collection_names()
        with pytest.raises(HttpResponseError):
            await (await handle(provider)).get(ids=["a"], include=[])

    assert len(recorder.requests) == 2
    for request in recorder.requests:
        assert request.headers["X-Chroma-Token"] == "secret"
        assert request.headers["X-Trace"] == "t1"
        assert request.headers["Accept-Encoding"] == "identity"
        assert request.headers["Content-Type"] == "application/json"
        assert "Authorization" not in request.headers


async def test_only_what_is_given_is_sent():
    """The body of a request holds the arguments that were given and no others."""
    recorder = Recorder()
    async with serve(recorder) as url, HttpProvider(url) as provider:
        collection = await handle(provider)
        for call in (
            collection.get(include=[]),
            collection.get(limit=5, offset=0, include=["documents"]),
            collection.query([[1.0]], n_results=3, where={"a": 1}, include=["distances"]),
        ):
            with pytest.raises(HttpResponseError):
                await call

    assert [orjson.loads(body) for body in recorder.bodies] == [
        {"include": []},
        {"limit": 5, "offset": 0, "include": ["documents"]},
        {"query_embeddings": [[1.0]], "n_results": 3, "where": {"a": 1}, "include": ["distances"]},
    ]
    assert recorder.requests[2].path == f"{COLLECTIONS}/{MODEL['id']}/query"


async def test_headers_win():
    """`headers` may replace what is sent otherwise, whatever their case, the basic authentication too."""
    recorder = Recorder()
    mine = {"AUTHORIZATION": "Bearer b", "accept-encoding": "gzip", "X-CHROMA-TOKEN": "other"}
    async with (
        serve(recorder) as url,
        HttpProvider(url.replace("//", "//u:p@"), token="secret", headers=mine) as provider,
    ):
        await provider.list_collection_names()

    headers = recorder.requests[0].headers
    assert headers.getall("Authorization") == ["Bearer b"]
    assert headers.getall("Accept-Encoding") == ["gzip"]
    assert headers.getall("X-Chroma-Token") == ["other"]


async def test_user_and_password_of_the_address():
    """User and password in the address, quoted where they must be, arrive as basic authentication."""
    recorder = Recorder()
    async with serve(recorder) as url, HttpProvider(url.replace("//", "//us%40er:p%3Ass@")) as provider:
        await provider.list_collection_names()

    scheme, _, pair = recorder.requests[0].headers["Authorization"].partition(" ")
    assert (scheme, b64decode(pair)) == ("Basic", b"us@er:p:ss")


async def test_two_providers_share_nothing():
    """No header, token or cookie of one provider reaches the server of another, nor comes back to its own."""
    first, second = Recorder({"Set-Cookie": "who=first"}), Recorder()
    async with (
        serve(first) as one,
        serve(second) as other,
        HttpProvider(one, token="secret", headers={"X-Mine": "1"}) as a,
        HttpProvider(other) as b,
    ):
        for _ in range(2):
            await a.list_collection_names()
            await b.list_collection_names()

    assert all("Cookie" not in request.headers for request in first.requests + second.requests)
    assert not any({"X-Chroma-Token", "X-Mine"} & set(request.headers) for request in second.requests)


async def test_redirects_are_not_followed():
    """A redirect is an error that says what to do, and the token never reaches where it leads."""
    elsewhere = Recorder()
    async with (
        serve(elsewhere) as other,
        serve(respond(b"", 307, {"Location": other})) as url,
        HttpProvider(url, token="secret") as provider,
    ):
        with pytest.raises(HttpError, match="redirects are not followed") as caught:
            await provider.list_collection_names()

    assert caught.value.status == 307
    assert elsewhere.requests == []


async def test_proxy_of_the_environment_is_ignored(monkeypatch):
    """The environment's proxy is not used: credentials go where the address says."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    async with serve(Recorder()) as url, HttpProvider(url) as provider:
        assert await provider.list_collection_names() == []


@pytest.mark.parametrize("suffix", ["/chroma", "/chroma/", "/chroma/api/v2"])
async def test_path_of_a_proxy(suffix):
    """A path in the address stands before Chroma's own, which may be written or left out."""
    recorder = Recorder()
    async with serve(recorder) as url, HttpProvider(url + suffix) as provider:
        await provider.list_collection_names()

    assert recorder.requests[0].path == f"/chroma{COLLECTIONS}"


@pytest.mark.parametrize("cap", [1_000, 300, 1])
async def test_server_that_caps_pages(cap):
    """All names come even where the server gives fewer per page than it was asked for."""
    names = [f"docs-{n}" for n in range(1_203 if cap > 1 else 9)]

    async def handler(request: web.Request) -> web.Response:
        start, limit = int(request.query["offset"]), min(cap, int(request.query["limit"]))
        page = [{"id": name, "name": name} for name in names[start : start + limit]]
        return web.Response(body=orjson.dumps(page))

    async with serve(handler) as url, HttpProvider(url) as provider:
        assert await provider.list_collection_names() == names


async def test_server_that_ignores_the_offset():
    """A server that gives the same page for ever does not keep the listing going for ever."""
    async with serve(respond([MODEL])) as url, HttpProvider(url) as provider:
        assert await provider.list_collection_names() == ["docs"]


@pytest.mark.parametrize(
    ("header", "low", "high"),
    [
        (None, None, None),
        ("2", 2, 2),
        ("0.5", 0.5, 0.5),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0, 0),
        (formatdate(4_102_444_800, usegmt=True), 1, 1e10),
        ("soon", None, None),
        ("-1", None, None),
        ("nan", None, None),
        ("inf", None, None),
    ],
)
async def test_retry_after(header, low, high):
    """A 429 carries the seconds to wait, from seconds or a date; what is neither is None."""
    told = {"Retry-After": header} if header is not None else None
    body = {"error": "ChromaError", "message": "Too many requests; backoff and try again"}
    async with serve(respond(body, 429, told)) as url, HttpProvider(url) as provider:
        with pytest.raises(HttpError, match="Too many requests") as caught:
            await (await handle(provider)).count()

    assert caught.value.status == 429
    if low is None:
        assert caught.value.retry_after is None
    else:
        assert low <= caught.value.retry_after <= high


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (502, b"<html>bad</html>", "Bad Gateway (502 from "),
        (401, {"error": "AuthError", "message": "Unauthorized"}, "Unauthorized (401 AuthError"),
        (403, b"", "pass token= or headers="),
        (404, b"", "check the address and its path"),
        (500, {"error": "InternalError", "message": "x" * 10_000}, f"{'x' * 500} (500"),
        (500, [1], "Internal Server Error (500 from "),
        (500, {"message": "no kind"}, "Internal Server Error (500 from "),
    ],
)
async def test_refusals_of_others(status, body, said):
    """Whatever the body, a refusal is an HttpError of a readable length that says what to do; never a LookupError."""
    async with serve(respond(body, status)) as url, HttpProvider(url) as provider:
        with pytest.raises(HttpError) as caught:
            await provider.list_collection_names()

    assert type(caught.value) is HttpError
    assert caught.value.status == status
    assert said in str(caught.value)
    assert len(str(caught.value)) < 700


GOOD_GET = {"ids": ["a", "b"], "documents": ["x", None], "metadatas": [{"n": 1}, None]}
GOOD_QUERY = {"ids": [["a", "b"]], "distances": [[0.5, 1]], "embeddings": [[[1.0, 2], None]]}


@pytest.mark.parametrize(
    "change",
    [
        {"ids": None},
        {"ids": ["a"]},
        {"ids": ["a", 1]},
        {"ids": [["a", "b"]]},
        {"documents": None},
        {"documents": ["x"]},
        {"documents": ["x", 1]},
        {"documents": {"a": "x"}},
        {"metadatas": [[{"n": 1}, None]]},
        {"metadatas": [{"n": 1}]},
        {"metadatas": [{"n": {"k": 1}}, None]},
        {"metadatas": [{"n": [None]}, None]},
        {"metadatas": [{"n": [[1]]}, None]},
        {"ids": ["a", "a"]},
    ],
    ids=str,
)
async def test_misaligned_get(change):
    """A `get` whose lists are missing, of another length or nested wrongly is an HttpResponseError."""
    async with serve(respond(GOOD_GET | change)) as url, HttpProvider(url) as provider:
        with pytest.raises(HttpResponseError, match="collection docs: "):
            await (await handle(provider)).get()


@pytest.mark.parametrize(
    "change",
    [
        {"ids": [["a", "b"], []]},
        {"ids": []},
        {"ids": ["a", "b"]},
        {"distances": None},
        {"distances": [0.5, 1.0]},
        {"distances": [[0.5]]},
        {"distances": [[0.5, 1.0], []]},
        {"distances": [[0.5, None]]},
        {"distances": [[0.5, "1"]]},
        {"distances": [[0.5, True]]},
        {"distances": [[0.5, 1e39]]},
        {"ids": [["a", "a"]]},
        {"embeddings": [[1.0, 2.0]]},
        {"embeddings": [[[1.0, None], None]]},
        {"embeddings": [[[1.0, -1e300], None]]},
        {"embeddings": [[[[1.0]], None]]},
    ],
    ids=str,
)
async def test_misaligned_query(change):
    """A `query` whose lists do not line up, or whose distances are not finite, is an HttpResponseError."""
    async with serve(respond(GOOD_QUERY | change)) as url, HttpProvider(url) as provider:
        with pytest.raises(HttpResponseError, match="collection docs: "):
            await (await handle(provider)).query([[1.0, 2.0]], include=["distances", "embeddings"])


async def test_aligned_answers_pass():
    """The answers that the misaligned ones were made from pass, unchanged."""
    async with serve(respond(GOOD_GET)) as url, HttpProvider(url) as provider:
        assert await (await handle(provider)).get() == GOOD_GET
    async with serve(respond(GOOD_QUERY)) as url, HttpProvider(url) as provider:
        answer = await (await handle(provider)).query([[1.0, 2.0]], include=["distances", "embeddings"])
        assert answer == GOOD_QUERY


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"hello",
        b"[",
        b"\xff\xfe",
        b"NaN",
        b"[" * 5_000,
        b'{"ids": [["a"]], "distances": [[1e999]]}',
        [],
        1,
        None,
    ],
    ids=lambda body: str(body)[:20],
)
async def test_body_that_is_not_an_answer(body):
    """A body that is not JSON, or JSON of another kind, is an HttpResponseError for each method."""
    async with serve(respond(body)) as url, HttpProvider(url) as provider:
        collection = await handle(provider)

        with pytest.raises(HttpResponseError, match="check the address"):
            await collection.query([[1.0]])
        with pytest.raises(HttpResponseError, match="check the address"):
            await collection.get()
        with pytest.raises(HttpResponseError, match="check the address"):
            await provider.get_collection("docs")


@pytest.mark.parametrize("body", [None, True, -1, 1.5, "3", [3]])
async def test_count_that_is_no_number(body):
    """A count that is not a whole number from 0 on is an HttpResponseError."""
    async with serve(respond(body)) as url, HttpProvider(url) as provider:
        with pytest.raises(HttpResponseError, match="not a number of records"):
            await (await handle(provider)).count()


@pytest.mark.parametrize(
    "body",
    [
        {},
        None,
        [1],
        [{}],
        [{"id": 1, "name": "docs"}],
        [{"id": "x"}],
        [MODEL | {"metadata": []}],
        [MODEL | {"dimension": "8"}],
        [MODEL | {"configuration_json": "{}"}],
    ],
    ids=str,
)
async def test_models_that_are_none(body):
    """A listing that is no list of collections, each with what a collection has, is an HttpResponseError."""
    async with serve(respond(body)) as url, HttpProvider(url) as provider:
        with pytest.raises(HttpResponseError):
            await provider.list_collection_names()


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n[1, 2",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n[1, 2\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd",
        b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n",
    ],
)
async def test_broken_http(raw):
    """An answer that is cut short, packed wrongly or not HTTP at all is an HttpResponseError."""
    async with answer_bytes(raw) as url, HttpProvider(url) as provider:
        with pytest.raises(HttpResponseError, match=r"127\.0\.0\.1"):
            await provider.list_collection_names()


async def test_server_that_hangs_up():
    """A connection that ends before an answer is an HttpConnectionError."""
    async with answer_bytes(b"") as url, HttpProvider(url) as provider:
        with pytest.raises(HttpConnectionError, match="hung up"):
            await provider.list_collection_names()


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "http://no-such-host.invalid:8000", "http://[::1]:1"])
async def test_nobody_there(url):
    """An address where nothing answers, or that does not resolve, is named without a word on TLS, as stood there before."""
    async with HttpProvider(url) as provider:
        with pytest.raises(HttpConnectionError) as caught:
            await provider.list_collection_names()

    assert f"cannot connect to {url}" in str(caught.value)
    assert "ssl" not in str(caught.value)


class Stuck:
    """A handler that never answers, and counts who came and who left."""

    def __init__(self) -> None:
        self.came, self.left = asyncio.Event(), asyncio.Event()

    async def __call__(self, request: web.Request) -> web.Response:
        """Answer a count; keep everyone else waiting."""
        if request.path.endswith("/count"):
            return web.Response(body=b"0")
        self.came.set()
        try:
            # aiohttp's test server cancels a handler whose caller hangs up.
            await asyncio.Event().wait()
        finally:
            self.left.set()
        raise AssertionError


async def test_timeout():
    """A server that does not answer in time is an HttpConnectionError that names the limit."""
    async with serve(Stuck()) as url, HttpProvider(url, timeout=0.05) as provider:
        with pytest.raises(HttpConnectionError, match=r"did not answer within 0.05 s; raise timeout="):
            await provider.list_collection_names()


async def test_cancelled_call_leaves_nothing():
    """A call that is cancelled ends as cancelled, its connection is closed, no task stays, its place is free."""
    stuck = Stuck()
    async with serve(stuck) as url, HttpProvider(url, connections=1) as provider:
        collection = await handle(provider)
        await collection.count()
        before = asyncio.all_tasks()
        task = asyncio.create_task(collection.get())
        await stuck.came.wait()
        task.cancel()

        with pytest.raises(asyncio.CancelledError):
            await task
        await stuck.left.wait()

        assert asyncio.all_tasks() <= before
        assert await collection.count() == 0


async def test_cancelled_while_waiting_for_a_connection():
    """A call that is cancelled before its turn ends as cancelled, and its place is not lost."""
    stuck = Stuck()
    async with serve(stuck) as url, HttpProvider(url, connections=1) as provider:
        collection = await handle(provider)
        first = asyncio.create_task(collection.get())
        await stuck.came.wait()
        second = asyncio.create_task(collection.count())
        await asyncio.sleep(0)
        for task in (second, first):
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        assert await collection.count() == 0


async def test_close_ends_calls_under_way():
    """Closing fails the calls under way and those that wait for a connection; nothing is taken for cancelled."""
    stuck = Stuck()
    async with serve(stuck) as url:
        provider = HttpProvider(url, connections=1)
        collection = await handle(provider)
        first = asyncio.create_task(collection.get())
        await stuck.came.wait()
        second = asyncio.create_task(collection.get())
        await asyncio.sleep(0)
        await provider.close()

        for task in (first, second):
            with pytest.raises(HttpConnectionError):
                await task


async def test_closed_provider():
    """A closed provider says so, and closing it once more is nothing."""
    async with serve(Recorder()) as url:
        async with HttpProvider(url) as provider:
            await provider.list_collection_names()
        await provider.close()

        with pytest.raises(HttpConnectionError, match="is closed; open a new one") as caught:
            await provider.list_collection_names()

    assert caught.value.code == "closed"


async def test_two_loops():
    """One provider serves two loops at once; closing it in one closes the connections of the other as well."""
    async with serve(respond(3)) as url:
        provider = HttpProvider(url)
        collection = await handle(provider)
        other = asyncio.new_event_loop()
        thread = threading.Thread(target=other.run_forever)
        thread.start()

        counts = [
            await collection.count(),
            await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(collection.count(), other)),
        ]
        sessions = list(provider._server.sessions.values())
        await provider.close()
        # The other loop does in order what it is given, so it is done closing when it is done with this.
        for _ in range(3):
            await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(asyncio.sleep(0), other))
        other.call_soon_threadsafe(other.stop)
        await asyncio.to_thread(thread.join)
        other.close()

    assert counts == [3, 3]
    assert len(sessions) == 2
    assert all(session.closed for session in sessions)


def test_one_loop_after_another():
    """The session of a loop that is closed is let go when the next loop calls, or when the provider is closed."""
    provider = None
    seen = []

    async def use(last: bool) -> None:
        nonlocal provider
        async with serve(respond(3, headers={"Connection": "close"})) as url:
            provider = provider or HttpProvider(url)
            provider._server.root = url
            seen.append(await (await handle(provider)).count())
            sessions.append(list(provider._server.sessions))

    sessions: list[list[Any]] = []
    for last in (False, False, True):
        asyncio.run(use(last))
    asyncio.run(provider.close())

    assert seen == [3, 3, 3]
    assert [len(known) for known in sessions] == [1, 1, 1]
    assert provider._server.sessions == {}


# --------------------------------------------------------------------------------------------------------- TLS


async def test_tls_is_verified(tls):
    """A certificate that nobody trusts is refused by default, before the token is sent, with the way out."""
    recorder = Recorder()
    async with serve(recorder, tls) as url, HttpProvider(url, token="secret") as provider:
        with pytest.raises(HttpConnectionError, match="pass a context that trusts its certificate as ssl="):
            await provider.list_collection_names()

    assert recorder.requests == []


async def test_tls_with_a_context_or_without_a_check(certificate, tls):
    """A context that trusts the certificate verifies it, and `ssl=False` asks no questions."""
    trusting = ssl.create_default_context(cafile=str(certificate[0]))
    async with serve(Recorder(), tls) as url:
        for choice in (trusting, False):
            async with HttpProvider(url, ssl=choice) as provider:
                assert await provider.list_collection_names() == []


async def test_https_to_a_server_of_http():
    """Speaking TLS to a server that does not is an HttpConnectionError that says to check it."""
    async with serve(Recorder()) as url, HttpProvider(url.replace("http:", "https:")) as provider:
        with pytest.raises(HttpConnectionError, match="check that it speaks https"):
            await provider.list_collection_names()


# ----------------------------------------------------------------------------------- addresses, options, errors


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("localhost:8000", "starts neither with http"),
        ("ftp://localhost", "starts neither with http"),
        ("", "starts neither with http"),
        ("http://", "no host"),
        ("http://:8000", "no host"),
        ("http://a:b", "malformed"),
        ("http://a:99999", "malformed"),
        ("http://[::1", "malformed"),
        ("http://a..b:1", "malformed"),
        ("http://a?x=1", "query or a fragment"),
        ("http://a#x", "query or a fragment"),
        ("http://a b", "without spaces"),
        ("http://a\n", "without spaces"),
        (None, "without spaces"),
    ],
)
def test_bad_address(url, problem):
    """An address that cannot be one is refused, with what is wrong and an example."""
    with pytest.raises(ChromaSQLError, match=problem) as caught:
        HttpProvider(url)

    assert "write it as http://localhost:8000" in str(caught.value)


@pytest.mark.parametrize(
    ("url", "origin", "base"),
    [
        ("http://localhost:8000", "http://localhost:8000", "http://localhost:8000"),
        ("HTTP://Host", "http://host:80", "http://host"),
        ("https://host/a/", "https://host:443", "https://host/a"),
        ("http://[::1]:8000/a b".replace(" ", "%20"), "http://[::1]:8000", "http://[::1]:8000/a%20b"),
        ("http://u:p@host:1/api/v2/", "http://host:1", "http://host:1"),
    ],
)
def test_address(url, origin, base):
    """An address is named with its port even where it is left out, and has no trailing slash, version or password."""
    address = parse_address(url)

    assert (address.origin, address.base) == (origin, base)


@pytest.mark.parametrize(
    "options",
    [
        {"connections": 0},
        {"connections": True},
        {"connections": 2.0},
        {"timeout": 0},
        {"timeout": float("inf")},
        {"timeout": 10**400},
        {"max_response_bytes": 0},
        {"max_response_bytes": 1e9},
        {"timeout": float("nan")},
        {"timeout": True},
        {"timeout": None},
        {"tenant": "a\nb"},
        {"database": "."},
        {"tenant": 3},
        {"tenant": ""},
        {"ssl": "yes"},
        {"token": "two\nlines"},
        {"token": 3},
        {"headers": {"X-A": "a\nb"}},
        {"headers": {"X A": "a"}},
        {"headers": {"": "a"}},
        {"headers": {"X-A": None}},
    ],
    ids=str,
)
def test_bad_option(options):
    """An option that cannot work is refused when the provider is made, by name."""
    with pytest.raises(ChromaSQLError) as caught:
        HttpProvider("http://localhost:8000", **options)

    assert caught.value.code == "invalid-argument"
    assert "two" not in str(caught.value)


SECRETS = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), max_size=20).map("§".__add__)


@given(user=SECRETS, password=SECRETS, token=SECRETS, header=SECRETS)
def test_secrets_are_never_shown(user, password, token, header):
    """No repr and no error shows the user, the password, the token or a header."""
    from urllib.parse import quote

    url = f"http://{quote(user, safe='')}:{quote(password, safe='')}@localhost:8000"
    provider = HttpProvider(url, token=token, headers={"X-Key": header})
    server = provider._server
    shown = [repr(provider), repr(server), repr(provider._read_model(MODEL)), str(server.malformed_response("x"))]
    shown += [str(server._closed_error()), str(server._explain(OSError("x"))), repr(vars(provider))]
    for bad in (url + ":x", url.replace("localhost", "["), url.replace("http", "htp"), url + "?q"):
        with pytest.raises(ChromaSQLError) as caught:
            HttpProvider(bad)
        shown += [str(caught.value), repr(caught.value.__cause__)]

    text = "\n".join(shown)
    pair = b64encode(f"{user}:{password}".encode()).decode()
    for secret in (user, password, token, header):
        assert secret not in text
        assert quote(secret, safe="") not in text
    assert pair not in text


@pytest.mark.parametrize(
    "error",
    [
        HttpError("refused", status=429, kind="ChromaError", retry_after=2.0),
        HttpNotFoundError("gone", status=404, kind="NotFoundError"),
        HttpConnectionError("unreachable"),
        HttpResponseError("garbage"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_pickle(error):
    """Every error comes back from a pickle with its text and its fields."""
    copy = pickle.loads(pickle.dumps(error))

    assert type(copy) is type(error)
    assert str(copy) == str(error)
    assert vars(copy) == vars(error)


CELLS = {
    "distances": st.floats(-3.4e38, 3.4e38) | st.integers(-(10**38), 10**38),
    "documents": st.none() | st.text(),
    "embeddings": st.none() | st.lists(st.floats(-3.4e38, 3.4e38)),
    "metadatas": st.none() | st.dictionaries(st.text(), st.integers()),
    "uris": st.none() | st.text(),
}


@st.composite
def rows(draw: st.DrawFn) -> tuple[list[str], dict[str, list[Any]]]:
    """A list of ids, and columns that line up with it."""
    ids = draw(st.lists(st.text(), max_size=5, unique=True))
    names = draw(st.sets(st.sampled_from(sorted(CELLS))))
    return ids, {name: draw(st.lists(CELLS[name], min_size=len(ids), max_size=len(ids))) for name in names}


@given(rows())
def test_law_aligned_lists_pass(answer):
    """Ids and columns of one length, holding what they should, have nothing wrong with them."""
    ids, columns = answer

    assert find_misfit(ids, columns) is None


@given(rows().filter(lambda answer: answer[1]), st.data())
def test_law_one_cell_decides(answer, data):
    """One cell more, less or of another kind in any column is found, and the column is named."""
    ids, columns = answer
    name = data.draw(st.sampled_from(sorted(columns)))
    column = columns[name]
    wrong = data.draw(st.sampled_from(["more", "less", "kind"] if column else ["more"]))
    place = data.draw(st.integers(0, max(0, len(column) - 1)))
    match wrong:
        case "more":
            changed = [*column, data.draw(CELLS[name])]
        case "less":
            changed = column[:place] + column[place + 1 :]
        case _:
            changed = [*column[:place], True, *column[place + 1 :]]

    problem = find_misfit(ids, columns | {name: changed})

    assert problem is not None
    assert name.rstrip("s") in problem


@given(
    st.text(),
    st.dictionaries(st.text(), st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.none())),
)
def test_law_no_json_gets_through_unchecked(key, body):
    """Whatever object a server answers, `find_misfit` judges it without failing itself."""
    verdict = find_misfit(body.get("ids", body), {"documents": body.get(key), "distances": body.get(key)})

    assert verdict is None or isinstance(verdict, str)
