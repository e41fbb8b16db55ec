"""What `chromasql.adapters.http` refuses of a server that sends too much, too long, or something else than was asked."""

from __future__ import annotations

import gzip
from typing import Any

import orjson
import pytest
from aiohttp import web

from chromasql.adapters import http
from chromasql.adapters.http import HttpError, HttpNotFoundError, HttpProvider, HttpResponseError
from tests.adapters.test_http import COLLECTIONS, MODEL, Recorder, handle, respond, serve


async def test_a_response_is_bounded():
    """
    A response longer than ``max_response_bytes`` ends with an error, whether or not the server says how long it is.

    A response of any size was read into memory.
    """
    piece = b" " * 10_000
    sent = 0

    async def endless(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(10_000):
            await response.write(piece)
            sent += len(piece)
        return response

    for handler in (endless, respond(piece * 10)):
        async with serve(handler) as url, HttpProvider(url, max_response_bytes=50_000) as provider:
            with pytest.raises(HttpResponseError, match=r"more than 50,000 bytes.*max_response_bytes"):
                await (await handle(provider)).get()
    assert sent < 100_000_000


async def test_a_response_as_large_as_allowed_is_read():
    """``max_response_bytes`` is the largest response that is read, not the first that is refused."""
    raw = orjson.dumps({"ids": ["a"]})
    async with serve(respond(raw)) as url:
        async with HttpProvider(url, max_response_bytes=len(raw)) as provider:
            assert await (await handle(provider)).get(include=[]) == {"ids": ["a"]}
        async with HttpProvider(url, max_response_bytes=len(raw) - 1) as provider:
            with pytest.raises(HttpResponseError):
                await (await handle(provider)).get(include=[])


@pytest.mark.parametrize("status", [200, 400])
async def test_a_packed_response_is_refused(status: int):
    """A response in a content encoding that nobody asked for is refused; it was unpacked, to whatever size."""
    packed = gzip.compress(b'{"ids": []}')
    async with serve(respond(packed, status, {"Content-Encoding": "gzip"})) as url, HttpProvider(url) as provider:
        with pytest.raises(HttpResponseError, match="encoding is gzip"):
            await (await handle(provider)).get(include=[])


@pytest.mark.parametrize("name", ["two words", "docs/other", "x", "docs?", "-docs", "a..b", "192.168.0.1"])
async def test_a_name_outside_the_rules_is_not_sent(name: str):
    """A name that Chroma does not allow is refused before anything is sent; it was sent, quoted."""
    recorder = Recorder()
    async with serve(recorder) as url, HttpProvider(url) as provider:
        with pytest.raises(HttpNotFoundError) as caught:
            await provider.get_collection(name)
    assert caught.value.code == "unknown-collection"
    assert recorder.requests == []


async def test_another_collection_than_requested_is_refused():
    """A server that returns the collection of another name is refused; the rows of the other were the answer."""
    async with serve(respond(MODEL | {"name": "other"})) as url, HttpProvider(url) as provider:
        with pytest.raises(HttpResponseError, match="docs was requested, and 'other' came"):
            await provider.get_collection("docs")
        assert provider.kept_collection("docs") is None


async def test_a_list_of_collections_has_an_end(monkeypatch: pytest.MonkeyPatch):
    """A server that always has another name ends with an error; the list went on for ever."""
    monkeypatch.setattr(http, "_MAX_COLLECTIONS", 3_000)

    async def handler(request: web.Request) -> web.Response:
        assert request.path == COLLECTIONS
        start = int(request.query["offset"])
        names = [f"docs-{start + number}" for number in range(1_000)]
        return web.Response(body=orjson.dumps([{"id": name, "name": name} for name in names]))

    async with serve(handler) as url, HttpProvider(url) as provider:
        with pytest.raises(HttpResponseError, match="no end"):
            await provider.list_collection_names()


@pytest.mark.parametrize(
    "body",
    [{"error": "x" * 3_000, "message": "y" * 3_000}, {"error": "a\x1bb", "message": "c\x07\x9bd\x00"}],
)
async def test_words_of_a_server_are_cut_and_plain(body: dict[str, Any]):
    """What a server says about a refusal is cut and has no control characters; its kind was passed on as it came."""
    async with serve(respond(body, 400)) as url, HttpProvider(url) as provider:
        with pytest.raises(HttpError) as caught:
            await (await handle(provider)).count()
    said = f"{caught.value}{caught.value.kind}"
    assert len(said) < 1_000
    assert said.isprintable()
