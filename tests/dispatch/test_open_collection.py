"""Handles of collections: kept, renewed when they are stale, compared before anything is sent, asked within limits."""

from __future__ import annotations

import asyncio
from typing import Any

import chromadb
import pytest
from chromadb.errors import ChromaError, NotFoundError

from chromasql import (
    ChromaSQLExecutionError,
    ChromaSQLPlanningError,
    ChromaSQLRoutingError,
    MemoryProvider,
    SimpleAsyncClientAdapter,
    connect,
    connect_async,
)
from chromasql.dispatch.open_collection import CollectionHandle
from tests.support.doubles import Spy, answers, fill, raises
from tests.support.embedding_functions import Letters

RANKED = "SELECT id, distance, _collection FROM {} USING EMBEDDING (VECTOR [0.0, 0.0]) TOPK 10"


class CountingClient:
    """A chromadb client that counts how often each collection is opened."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.opened: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def get_collection(self, name: str) -> Any:
        self.opened.append(name)
        return self._client.get_collection(name)


# Kept and renewed


async def test_handles_are_kept(client: Any) -> None:
    """A database opens each collection once, however many statements ask it."""
    for name in ("one", "two"):
        fill(client, name)
    counting = CountingClient(client)
    database = connect_async(counting)
    for _ in range(3):
        await database.execute(RANKED.format("one, two"))
        await database.execute("SELECT id FROM one, two")
        await database.execute("DESCRIBE one")
    assert sorted(counting.opened) == ["one", "two"]


class Keeping:
    """A provider that keeps one of its two collections, ``kept`` says how."""

    def __init__(self, kept: Any) -> None:
        self._provider = MemoryProvider({name: [{"id": name, "embedding": [1.0, 0.0]}] for name in ("one", "two")})
        self._kept = kept
        self.opened: list[str] = []

    def kept_collection(self, name: str) -> Any:
        return self._kept(self._provider._collections[name]) if name == "one" else None

    async def get_collection(self, name: str) -> Any:
        self.opened.append(name)
        return await self._provider.get_collection(name)

    async def list_collection_names(self) -> Any:
        return await self._provider.list_collection_names()


async def test_what_is_kept_is_not_opened() -> None:
    """A ranked statement opens only the collections that the provider does not keep."""
    provider = Keeping(lambda collection: collection)
    result = await connect_async(provider, dialect="local").execute(RANKED.format("one, two"))
    assert provider.opened == ["two"]
    assert [row["id"] for row in result] == ["one", "two"]
    assert [[step.step for step in outcome.steps] for outcome in result.outcomes] == [["open", "rank"]] * 2


@pytest.mark.parametrize("kept", [lambda _: "no collection", lambda _: 1 / 0], ids=["none", "fails"])
async def test_what_is_kept_badly_is_opened(kept: Any) -> None:
    """A kept handle that is none, or that cannot be had, is opened instead."""
    provider = Keeping(kept)
    result = await connect_async(provider, dialect="local").execute(RANKED.format("one, two"))
    assert provider.opened == ["one", "two"]
    assert result.complete


@pytest.mark.parametrize("gone", ["one", "two"])
async def test_kept_beside_opened(gone: str) -> None:
    """One that cannot be opened is missing from the answer, whether another one was kept or not."""

    def broken(_: Any) -> Any:
        raise OSError("broken")

    provider = Keeping(broken if gone == "one" else lambda collection: collection)
    opened = provider.get_collection

    async def get_collection(name: str) -> Any:
        return broken(name) if name == gone else await opened(name)

    provider.get_collection = get_collection  # type: ignore[method-assign]
    result = await connect_async(provider, dialect="local").execute(RANKED.format("one, two"))
    assert [row["id"] for row in result] == [{"one": "two", "two": "one"}[gone]]
    assert [outcome.status for outcome in result.outcomes if outcome.collection == gone] == ["failed"]


STALE = pytest.mark.parametrize(
    "sql", ["SELECT id FROM docs", RANKED.format("docs"), "DESCRIBE docs"], ids=["get", "query", "count"]
)


@STALE
async def test_a_collection_made_again(client: Any, sql: str) -> None:
    """A collection that was deleted and made again between two statements is opened once more, and answers."""
    fill(client, "docs", 3)
    counting = CountingClient(client)
    database = connect_async(counting)
    await database.execute(sql)
    client.delete_collection("docs")
    fill(client, "docs", 2, first=7)
    again = await database.execute(sql)

    assert counting.opened == ["docs", "docs"]
    assert again.complete
    if sql.startswith("SELECT"):
        assert [row["id"] for row in again] == ["docs-7", "docs-8"]
    else:
        assert again.rows[0]["value"] == 2
    await database.execute(sql)
    assert counting.opened == ["docs", "docs"]


@STALE
def test_a_collection_made_again_on_a_server(chroma_server: Any, unique_name: Any, sql: str) -> None:
    """The same holds for a server that is asked over aiohttp."""
    client = chromadb.HttpClient(host=chroma_server.host, port=chroma_server.port)
    name = unique_name()
    sql = sql.replace("docs", f'"{name}"')
    fill(client, name, 3)
    with connect(chroma_server.url) as database:
        database.execute(sql)
        client.delete_collection(name)
        fill(client, name, 2, first=7)
        again = database.execute(sql)
    assert again.complete
    if sql.startswith("SELECT"):
        assert [row["id"] for row in again] == [f"{name}-7", f"{name}-8"]


async def test_a_collection_made_again_in_another_space(client: Any) -> None:
    """Where it has another space or dimension now the statement starts over, and is judged by what is there now."""
    for name in ("one", "two"):
        fill(client, name, 3)
    database = connect_async(client)
    await database.execute(RANKED.format("one, two"))
    client.delete_collection("two")
    fill(client, "two", 3, space="cosine")
    with pytest.raises(ChromaSQLPlanningError, match="different spaces cannot be compared"):
        await database.execute(RANKED.format("one, two"))

    client.delete_collection("two")
    fill(client, "two", 3, dimension=5)
    with pytest.raises(ChromaSQLPlanningError, match="different dimensions cannot be compared"):
        await database.execute(RANKED.format("one, two"))

    client.delete_collection("two")
    fill(client, "two", 3)
    assert len(await database.execute(RANKED.format("one, two"))) == 6


async def test_a_collection_made_again_with_another_function(client: Any) -> None:
    """Where it has another embedding function now, texts are embedded again, with that one."""
    client.create_collection("docs", embedding_function=Letters()).add(ids=["1"], documents=["b"])
    database = connect_async(client)
    sql = "SELECT distance FROM docs USING EMBEDDING (TEXT 'b')"
    assert (await database.execute(sql)).rows == [{"distance": 0.0}]
    client.delete_collection("docs")
    client.create_collection("docs", embedding_function=Letters(3.0)).add(ids=["1"], documents=["b"])
    assert (await database.execute(sql)).rows == [{"distance": 0.0}]


async def test_a_collection_that_keeps_changing(client: Any) -> None:
    """A statement starts over once; a collection that changes again meanwhile is an error that says so."""
    fill(client, "docs", 3)
    fill(client, "other", 3, space="cosine")
    fill(client, "third", 3, space="ip")
    turns = iter(["docs", "other", "third", "docs"])
    spy = Spy.on(client)

    class Fickle:
        """Gives another collection each time, and each turns out stale."""

        async def get_collection(self, name: str) -> Any:
            return await spy.get_collection(next(turns))

        async def list_collection_names(self) -> Any:
            return ["docs"]

    for name in ("docs", "other", "third"):
        spy.instead[name, "query"] = raises(NotFoundError("stale"))
    with pytest.raises(ChromaSQLExecutionError, match=r"collection docs .* during the query; retry"):
        await connect_async(Fickle(), dialect="local").execute(RANKED.format("docs"))


async def test_a_deleted_collection(client: Any) -> None:
    """A collection that was deleted between two statements is no collection any more."""
    fill(client, "docs")
    fill(client, "docs-new")
    database = connect_async(client)
    await database.execute("SELECT id FROM docs")
    client.delete_collection("docs")
    with pytest.raises(ChromaSQLRoutingError, match="collection docs does not exist; did you mean docs-new"):
        await database.execute("SELECT id FROM docs")


async def test_a_handle_is_renewed_once(client: Any) -> None:
    """A collection that says it is missing, and again when it was opened anew, has failed."""
    fill(client, "docs")
    spy = Spy.on(client, {("docs", "get"): raises(NotFoundError("no such collection"))})
    with pytest.raises(ChromaSQLExecutionError, match="docs: NotFoundError: no such collection"):
        await connect_async(spy, dialect="local").execute("SELECT id FROM docs")
    assert [method for _, method in spy.calls] == ["open", "get", "forget", "open", "get"]


async def test_a_provider_that_forgets_nothing() -> None:
    """A provider need not have forget_collection."""

    class Bare:
        async def get_collection(self, name: str) -> Any:
            return await provider.get_collection(name)

        async def list_collection_names(self) -> Any:
            return ["docs"]

    provider = Spy(MemoryProvider({"docs": [{"id": "1"}]}))
    provider.instead["docs", "get"] = raises(KeyError("docs"))
    with pytest.raises(ChromaSQLExecutionError, match="docs: KeyError"):
        await connect_async(Bare()).execute("SELECT id FROM docs")


async def test_a_provider_that_cannot_forget(client: Any) -> None:
    """A provider that fails to forget is that collection's failure."""
    fill(client, "docs")
    spy = Spy.on(client, {("docs", "get"): raises(NotFoundError("stale"))})

    def forget_collection(name: str) -> None:
        raise OSError("cannot forget")

    spy.forget_collection = forget_collection  # type: ignore[method-assign]
    with pytest.raises(ChromaSQLExecutionError, match="docs: OSError: cannot forget"):
        await connect_async(spy).execute("SELECT id FROM docs")


async def test_a_provider_that_does_not_wait(client: Any) -> None:
    """A provider may give a collection at once instead of a coroutine."""
    fill(client, "docs", 2)

    class AtOnce:
        def get_collection(self, name: str) -> Any:
            return client.get_collection(name)

        async def list_collection_names(self) -> Any:
            return ["docs"]

    assert len(await connect_async(AtOnce()).execute("SELECT id FROM docs")) == 2


# What is known of a collection


@pytest.mark.parametrize("space", ["l2", "cosine", "ip"])
async def test_facts_of_real_collections(client: Any, space: str) -> None:
    """Space and dimension are read from chromadb's collections; an empty one has no dimension yet."""
    fill(client, "full", 1, dimension=4, space=space)
    fill(client, "empty", 0, space=space)
    full, empty = CollectionHandle("full", 0), CollectionHandle("empty", 1)
    full.attach(client.get_collection("full"))
    empty.attach(client.get_collection("empty"))
    assert full.signature == (space, 4, None)
    assert empty.signature == (space, None, None)


def test_facts_from_metadata() -> None:
    """A collection that has no configuration may say its space in metadata, as old ones do."""

    class Old:
        metadata = {"hnsw:space": "ip"}

        def get(self) -> None: ...

        def query(self) -> None: ...

    handle = CollectionHandle("old", 0)
    handle.attach(Old())
    assert handle.signature == ("ip", None, None)


@pytest.mark.parametrize(
    ("what", "odd"), [("spaces", {"space": "cosine"}), ("dimensions", {"dimension": 3})], ids=["space", "dimension"]
)
async def test_distances_that_do_not_compare(client: Any, what: str, odd: dict[str, Any]) -> None:
    """Distances of different spaces or dimensions are refused by name, with the way out, before any query is sent."""
    fill(client, "one")
    fill(client, "two")
    fill(client, "odd", **odd)
    spy = Spy.on(client)
    value = next(iter(odd.values()))
    with pytest.raises(ChromaSQLPlanningError, match=f"different {what} cannot be compared .*{value}: odd") as caught:
        await connect_async(spy).execute(RANKED.format("one, odd, two"))
    assert "one, two" in str(caught.value)
    assert "WITH (merge = RRF)" in str(caught.value)
    assert not spy.sent("get", "query", "count")


async def test_ranks_of_different_spaces_compare(client: Any) -> None:
    """Ranks of different spaces compare, so merge = RRF takes them: the first of each list come first."""
    fill(client, "one", 3, first=1)
    fill(client, "odd", 3, first=1, space="ip")
    sql = "SELECT id, score FROM one, odd USING EMBEDDING (VECTOR [1.0, 1.0]) TOPK 2 WITH (merge = RRF)"
    result = await connect_async(client).execute(sql)
    assert result.rows == [{"id": "odd-3", "score": -1 / 60}, {"id": "one-1", "score": -1 / 60}]


async def test_ranks_of_different_dimensions_compare(client: Any) -> None:
    """Ranks of different dimensions compare, too, where each collection embeds by itself."""

    class Wide(Letters):
        def embed_query(self, input: Any) -> Any:  # noqa: A002 - chromadb's name
            import numpy as np

            return [np.zeros(3, dtype=np.float32) for _ in input]

    fill(client, "one", 2)
    fill(client, "odd", 2, dimension=3)
    functions = {"one": Letters(), "odd": Wide()}

    class Provider:
        async def get_collection(self, name: str) -> Any:
            return client.get_collection(name, embedding_function=functions[name])

        async def list_collection_names(self) -> Any:
            return list(functions)

    sql = "SELECT id FROM one, odd USING EMBEDDING (TEXT 'a') TOPK 2"
    with pytest.raises(ChromaSQLPlanningError, match="different dimensions"):
        await connect_async(Provider()).execute(sql)
    result = await connect_async(Provider()).execute(f"{sql} WITH (merge = RRF)")
    assert [row["id"] for row in result] == ["odd-0", "one-0"]


async def test_similarity_is_checked(client: Any) -> None:
    """SIMILARITY that is not the collection's is refused before any query is sent."""
    fill(client, "one")
    spy = Spy.on(client)
    with pytest.raises(ChromaSQLPlanningError, match="SIMILARITY COSINE does not match the space of one"):
        await connect_async(spy).execute(RANKED.format("one") + " SIMILARITY COSINE")
    assert not spy.sent("get", "query", "count")


async def test_vector_length_is_checked(client: Any) -> None:
    """A VECTOR of another length than a collection's is refused, by name, before any query is sent."""
    fill(client, "one")
    spy = Spy.on(client)
    with pytest.raises(ChromaSQLPlanningError, match="has 3 dimensions, but collection one expects 2"):
        await connect_async(spy).execute("SELECT id FROM one USING EMBEDDING (VECTOR [1, 2, 3])")
    assert not spy.sent("get", "query", "count")


async def test_payloads_of_the_search_api(chroma_server: Any, open_async_client: Any, unique_name: Any) -> None:
    """Plain payloads reach chromadb's collections as its own objects: a single node reads them, and has no search."""
    payload = {"filter": {"n": 1}, "rank": None, "group_by": {}, "limit": {"limit": 5}, "select": {"keys": ["#score"]}}
    blocking = chromadb.HttpClient(chroma_server.host, chroma_server.port)
    name = unique_name()
    fill(blocking, name, 1)
    client = await open_async_client(chroma_server.host, chroma_server.port)
    for collection in (blocking.get_collection(name), await client.get_collection(name)):
        handle = CollectionHandle(name, 0)
        handle.attach(collection)
        for level in ({}, {"read_level": "index_only"}):
            with pytest.raises(ChromaError, match=r"[Nn]ot implemented"):
                await handle.collection.search(searches=[payload], **level)


async def test_payloads_of_other_collections() -> None:
    """A collection that is not chromadb's is given the payloads as they are, blocking or not."""

    class Blocking:
        def get(self) -> None: ...

        def query(self) -> None: ...

        def search(self, **arguments: Any) -> Any:
            return arguments

    handle = CollectionHandle("other", 0)
    handle.attach(Blocking())
    assert await handle.collection.search(searches=[{}]) == {"searches": [{}]}


# Limits and answers


@pytest.mark.parametrize("limit", [1, 3, 8])
@pytest.mark.parametrize("sql", [RANKED, "SELECT id FROM {} ORDER BY id"], ids=["ranked", "filtered"])
async def test_concurrency(client: Any, limit: int, sql: str) -> None:
    """No more than max_concurrency collections are asked at once, and that many are."""
    names = [f"part-{number}" for number in range(10)]
    for name in names:
        fill(client, name, 1)
    spy = Spy.on(client)
    under_way = most = 0

    async def during() -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        for _ in range(20):
            await asyncio.sleep(0)
        under_way -= 1

    spy.during = during
    result = await connect_async(spy, max_concurrency=limit).execute(sql.format(", ".join(names)))
    assert len(result) == 10
    assert most == limit


async def test_the_provider_says_its_concurrency() -> None:
    """A provider's own max_concurrency holds where the caller names none."""
    provider: Any = MemoryProvider({"docs": []})
    provider.max_concurrency = 0.5
    with pytest.raises(ChromaSQLPlanningError, match=r"max_concurrency must be a whole number of at least 1, not 0\.5"):
        connect_async(provider)
    provider.max_concurrency = 2
    assert len(await connect_async(provider).execute("SELECT id FROM docs")) == 0


@pytest.mark.parametrize("limit", [0, -1, 1.5, True, "8"])
def test_bad_concurrency(client: Any, limit: Any) -> None:
    """A limit that is no whole number of at least 1 is refused."""
    with pytest.raises(ChromaSQLPlanningError, match="max_concurrency must be a whole number of at least 1"):
        connect_async(client, max_concurrency=limit)


async def test_topk_is_global(client: Any) -> None:
    """TOPK 10 over five collections is the ten nearest of all, each with the collection it came from."""
    names = [f"part-{number}" for number in range(5)]
    for number, name in enumerate(names):
        fill(client, name, 8, first=number)
    result = await connect_async(client).execute(RANKED.format("part-*"))

    assert len(result) == 10
    assert [row["distance"] for row in result] == [2.0 * n**2 for n in (0, 1, 1, 2, 2, 2, 3, 3, 3, 3)]
    assert all(row["id"].startswith(row["_collection"]) for row in result)
    assert [outcome.collection for outcome in result.outcomes] == names


async def test_per_collection(client: Any) -> None:
    """per_collection bounds the candidates that each collection gives."""
    for name in ("one", "two"):
        fill(client, name, 8)
    result = await connect_async(client).execute(RANKED.format("one, two") + " WITH (per_collection = 2)")
    assert sorted(row["id"] for row in result) == ["one-0", "one-1", "two-0", "two-1"]


async def test_batch(client: Any) -> None:
    """A batch gives a list of rows for each of its items, and all of them one after the other."""
    for name in ("one", "two"):
        fill(client, name, 4)
    sql = "SELECT id FROM one, two USING EMBEDDING BATCH (VECTOR [0.0, 0.0], VECTOR [3.0, 3.0]) TOPK 2"
    result = await connect_async(client).execute(sql)
    assert [[row["id"] for row in rows] for rows in result.results] == [["one-0", "two-0"], ["one-3", "two-3"]]
    assert result.rows == [row for rows in result.results for row in rows]


async def test_collections_that_no_row_can_be_in_are_not_asked(client: Any) -> None:
    """A condition on _collection keeps the others from being opened at all."""
    for name in ("one", "two", "six"):
        fill(client, name, 2)
    spy = Spy.on(client)
    result = await connect_async(spy).execute("SELECT id FROM one, two, six WHERE _collection = 'two'")
    assert [row["id"] for row in result] == ["two-0", "two-1"]
    assert {name for name, _ in spy.calls} == {"two"}


async def test_enough_rows_end_the_asking(client: Any) -> None:
    """A LIMIT without ORDER BY asks collections in turn, and those not asked are marked as skipped."""
    for name in ("one", "two", "six"):
        fill(client, name, 2)
    spy = Spy.on(client)
    result = await connect_async(spy).execute("SELECT id FROM one, two, six LIMIT 2")
    assert [row["id"] for row in result] == ["one-0", "one-1"]
    assert [outcome.status for outcome in result.outcomes] == ["ok", "skipped", "skipped"]
    assert result.complete


@pytest.mark.parametrize("sql", [RANKED.format("one, two"), "SELECT id FROM one, two"])
async def test_explain_sends_nothing(client: Any, sql: str) -> None:
    """EXPLAIN calls no collection (one is opened where the kind of Chroma is not known) and shows the plan as rows."""
    fill(client, "one")
    fill(client, "two")
    spy = Spy.on(client)
    result = await connect_async(spy, dialect="local").execute(f"EXPLAIN {sql}")
    assert not spy.calls
    assert (await connect_async(spy).execute(f"EXPLAIN {sql}")).rows == result.rows
    assert not spy.sent("get", "query", "count")
    assert result.explanation == "\n".join(row["plan"] for row in result)
    assert "one, two" in str(result.explanation)


async def test_the_answer_is_iterable(client: Any) -> None:
    """A result is iterated and counted as its rows."""
    fill(client, "docs", 2)
    result = await connect_async(client).execute("SELECT id FROM docs")
    assert list(result) == result.rows
    assert len(result) == 2
    assert result.columns == ("id",)


async def test_an_adapter_may_be_restricted(client: Any) -> None:
    """An adapter over some names of a client lists those, and has no other."""
    fill(client, "one", 1)
    fill(client, "two", 1)
    database = connect_async(SimpleAsyncClientAdapter(client, ["two"]))
    assert [row["id"] for row in await database.execute("SELECT id FROM *")] == ["two-0"]
    with pytest.raises(ChromaSQLRoutingError, match="collection one does not exist; available: two"):
        await database.execute("SELECT id FROM one")


async def test_a_misshapen_answer_is_not_kept(client: Any) -> None:
    """An answer that is refused is a failure even of the only collection."""
    fill(client, "one", 1)
    spy = Spy.on(client, {("one", "get"): answers({"ids": ["a"], "documents": []})})
    with pytest.raises(ChromaSQLExecutionError, match="get returned documents that do not line up with its 1 ids"):
        await connect_async(spy).execute("SELECT document FROM one")
