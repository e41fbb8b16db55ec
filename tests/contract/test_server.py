"""What a Chroma server does that an embedded Chroma does not."""

import json
import urllib.request
from typing import Any
from uuid import uuid4

import chromadb
import numpy as np
import pytest
from chromadb.errors import ChromaError


@pytest.fixture
def served(remote):
    """Give an empty collection on the server."""
    return remote.create_collection(f"c-{uuid4().hex}", embedding_function=None)


@pytest.fixture
def post(server, served):
    """Give a function that posts to that collection, and returns the status, the headers and the answer."""
    path = f"/api/v2/tenants/default_tenant/databases/default_database/collections/{served.id}/"
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def post(action: str, body: Any, **headers: str) -> tuple[int, Any, Any]:
        data = json.dumps(body).encode()
        request = urllib.request.Request(
            server.url + path + action, data, {"Content-Type": "application/json"} | headers
        )
        with direct.open(request, timeout=60) as response:
            return response.status, response.headers, json.load(response)

    return post


def test_an_infinite_distance_is_null_over_http(make, served):
    """A distance that overflows is inf embedded, and None over HTTP."""
    for collection, distance in ((make(), float("inf")), (served, None)):
        collection.add(ids=["a"], embeddings=[[1e20, 0]])
        assert collection.query(query_embeddings=[[-1e20, 0]])["distances"] == [[distance]]


def test_one_distance_is_two_floats(make, served):
    """Embedded and server return other Python floats for one distance; after a cast to single precision they are equal."""
    embeddings = np.random.default_rng(7).normal(size=(20, 64)).astype(np.float32)
    found = []
    for collection in (make(), served):
        collection.add(ids=[str(number) for number in range(20)], embeddings=embeddings)
        found.append(collection.query(query_embeddings=embeddings[:1], n_results=20)["distances"][0])
    embedded, remote = found

    assert embedded != remote
    assert np.array_equal(np.float32(embedded), np.float32(remote))


def test_search_works_on_no_server_started_by_chroma_run(served):
    """A `chroma run` answers a search with "not implemented", and its client raises ChromaError."""
    served.add(ids=["a"], embeddings=[[0, 0]])
    with pytest.raises(ChromaError, match=r"(?i)not implemented"):
        served.search(chromadb.Search())


def test_a_misspelt_field_is_ignored(post, served):
    """The server takes a body with a field that it does not know; a misspelt filter filters nothing."""
    served.add(ids=["a", "b"], embeddings=[[0, 0]] * 2, metadatas=[{"k": 1}, {"k": 2}])

    assert post("get", {"where": {"k": 1}})[2]["ids"] == ["a"]
    assert post("get", {"were": {"k": 1}})[2]["ids"] == ["a", "b"]


def test_answers_are_not_compressed(post, served):
    """The server sends a long answer as it is to a client that takes gzip."""
    served.add(ids=["a"], embeddings=[[0, 0]], documents=["word " * 10_000])
    _, headers, answer = post("get", {"include": ["documents"]}, **{"Accept-Encoding": "gzip, deflate"})

    assert headers["Content-Encoding"] is None
    assert len(answer["documents"][0]) == 50_000


def test_an_id_twice_in_one_call_is_dropped_by_the_server(post, served):
    """Clients refuse an id that is named twice; the server stores the first of `add`."""
    body = {"ids": ["a", "a", "b"], "embeddings": [[1, 0], [2, 0], [3, 0]], "documents": ["first", "second", "b"]}

    assert post("add", body)[0] == 201
    assert served.get()["documents"] == ["first", "b"]


def test_collections_are_listed_in_a_random_order(remote):
    """`list_collections` sorts by the ids of the collections, which are random; names and times do not count."""
    stem = f"s-{uuid4().hex}"
    for number in range(12):
        remote.create_collection(f"{stem}-{number:02}", embedding_function=None)
    listed = [collection for collection in remote.list_collections(limit=1_000) if collection.name.startswith(stem)]
    names = [collection.name for collection in listed]

    assert [str(collection.id) for collection in listed] == sorted(str(collection.id) for collection in listed)
    assert names != sorted(names)


def test_closing_a_client_leaves_its_connections_open(server):
    """After `HttpClient.close()` the two pools of connections under it are still open."""
    client = chromadb.HttpClient(host=server.host, port=server.port)
    client.heartbeat()
    client.close()
    pools = (client._server._session, client._admin_client._server._session)

    assert not any(pool.is_closed for pool in pools)
    for pool in pools:
        pool.close()
