"""SHOW COLLECTIONS and DESCRIBE on real collections."""

from __future__ import annotations

from typing import Any

import pytest
from chromadb.errors import InternalError

from chromasql import ChromaSQLExecutionError, ChromaSQLPlanningError, Settings, connect, connect_async
from chromasql.adapters import clients
from tests.support.doubles import Spy, fill, raises
from tests.support.embedding_functions import Letters


async def shown(source: Any, sql: str, params: Any = None) -> list[tuple[str, int | None]]:
    result = await connect_async(source).execute(sql, params)
    assert result.columns == ("name", "count")
    return [(row["name"], row["count"]) for row in result]


async def test_show(client: Any) -> None:
    """SHOW COLLECTIONS lists names in their order, with the number of records of each."""
    fill(client, "second", 2)
    fill(client, "empty", 0)
    fill(client, "first", 1)
    assert await shown(client, "SHOW COLLECTIONS") == [("empty", 0), ("first", 1), ("second", 2)]


async def test_show_some(client: Any) -> None:
    """LIKE, LIMIT and OFFSET choose among the names, and only those are counted."""
    for name in ("logs-a", "logs-b", "logs-c", "notes"):
        fill(client, name, 1)
    spy = Spy.on(client)
    assert await shown(spy, "SHOW COLLECTIONS LIKE 'logs-%' LIMIT 1 OFFSET 1") == [("logs-b", 1)]
    assert {name for name, _ in spy.sent("open", "count")} == {"logs-b"}
    assert await shown(client, "SHOW COLLECTIONS LIKE :p LIMIT :n", {"p": "%s", "n": 5}) == [("notes", 1)]
    assert await shown(client, "SHOW COLLECTIONS LIKE 'LOGS%'") == []
    assert await shown(client, "SHOW COLLECTIONS LIMIT 0") == []


@pytest.mark.parametrize("count", [3, 6, 7])
async def test_show_lists_by_pages(client: Any, monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """A client that lists names page by page is asked for all pages, be the last one full or not."""
    monkeypatch.setattr(clients, "_PAGE", 3)
    for number in range(count):
        client.create_collection(f"c-{number}", embedding_function=None)
    assert await shown(client, "SHOW COLLECTIONS") == [(f"c-{number}", 0) for number in range(count)]


async def test_show_with_a_failure(client: Any) -> None:
    """A collection that cannot be counted is shown without a count; with on_error fail it ends the statement."""
    fill(client, "one", 1)
    fill(client, "two", 2)
    spy = Spy.on(client, {("one", "count"): raises(InternalError("disk full"))})
    result = await connect_async(spy).execute("SHOW COLLECTIONS")
    assert result.rows == [{"name": "one", "count": None}, {"name": "two", "count": 2}]
    assert str(result.failures[0].error) == "one: InternalError: disk full"
    with pytest.raises(ChromaSQLExecutionError, match=r"failed \(on_error = FAIL\)"):
        await connect_async(spy, settings=Settings(on_error="fail")).execute("SHOW COLLECTIONS")


async def test_show_a_collection_deleted_meanwhile(client: Any) -> None:
    """A collection that is deleted between the listing and its count is shown without one."""
    fill(client, "one", 1)
    fill(client, "two", 2)
    spy = Spy.on(client, {("one", "open"): raises(LookupError("gone"))})
    assert await shown(spy, "SHOW COLLECTIONS") == [("one", None), ("two", 2)]


DESCRIBED = [
    {"item": "count", "value": 4, "types": None, "share": None},
    {"item": "space", "value": "cosine", "types": None, "share": None},
    {"item": "dimension", "value": 3, "types": None, "share": None},
    {"item": "embedding_function", "value": None, "types": None, "share": None},
    {"item": "metadata.flag", "value": None, "types": "boolean", "share": 0.25},
    {"item": "metadata.mixed", "value": None, "types": "float, integer, string", "share": 0.75},
    {"item": "metadata.tags", "value": None, "types": "list of string", "share": 0.25},
]


def add_mixed(client: Any, name: str) -> None:
    """Make a collection whose metadata has all types, and a record without any."""
    collection = fill(client, name, 0, space="cosine")
    collection.add(
        ids=["1", "2", "3"],
        embeddings=[[1.0, 2.0, 3.0]] * 3,
        metadatas=[{"mixed": 1, "flag": True}, {"mixed": 1.5}, {"mixed": "x", "tags": ["a"]}],
    )
    collection.add(ids=["4"], embeddings=[[1.0, 2.0, 3.0]])


async def test_describe(client: Any) -> None:
    """DESCRIBE tells count, space, dimension, embedding function, and each metadata key with its types and share."""
    add_mixed(client, "docs")
    result = await connect_async(client).execute("DESCRIBE docs")
    assert result.rows == DESCRIBED
    assert result.columns == ("item", "value", "types", "share")
    (outcome,) = result.outcomes
    assert (outcome.calls, outcome.rows) == (2, 4)


def test_describe_on_a_server(chroma_server: Any, unique_name: Any) -> None:
    """A server's collection is described as an embedded one is."""
    import chromadb

    name = unique_name()
    add_mixed(chromadb.HttpClient(host=chroma_server.host, port=chroma_server.port), name)
    with connect(chroma_server.url) as database:
        assert database.execute(f'DESCRIBE "{name}"').rows == DESCRIBED


async def test_describe_an_empty_collection(client: Any) -> None:
    """An empty collection has no dimension and no keys."""
    fill(client, "docs", 0)
    rows = (await connect_async(client).execute("DESCRIBE docs")).rows
    assert [(row["item"], row["value"]) for row in rows] == [
        ("count", 0),
        ("space", "l2"),
        ("dimension", None),
        ("embedding_function", None),
    ]


async def test_describe_names_the_embedding_function(client: Any) -> None:
    """The embedding function that is stored with a collection is told by its name."""
    client.create_collection("docs", embedding_function=Letters())
    rows = (await connect_async(client).execute("DESCRIBE docs")).rows
    assert {"item": "embedding_function", "value": "letters", "types": None, "share": None} in rows


async def test_describe_samples(client: Any) -> None:
    """Keys are judged by the first thousand records, and their share is that of the sample."""
    collection = fill(client, "docs", 0)
    numbers = range(1200)
    collection.add(
        ids=[f"{n:04}" for n in numbers],
        embeddings=[[0.0, 0.0]] * 1200,
        metadatas=[{"n": n, **({"late": 1} if n >= 1000 else {}), **({"half": 1} if n % 2 else {})} for n in numbers],
    )
    result = await connect_async(client).execute("DESCRIBE docs")
    assert result.rows[0]["value"] == 1200
    assert {row["item"]: row["share"] for row in result.rows[4:]} == {"metadata.half": 0.5, "metadata.n": 1.0}


async def test_describe_odd_values() -> None:
    """An empty list is described as a list, and metadata that Chroma does not store is refused like any bad response."""
    from chromasql import MemoryProvider

    provider = MemoryProvider({"docs": [{"id": "1", "metadata": {"none": []}}]})
    result = await connect_async(provider).execute("DESCRIBE docs")
    assert {row["item"]: row["types"] for row in result.rows[4:]} == {"metadata.none": "list"}
    odd = MemoryProvider({"docs": [{"id": "1", "metadata": {"map": {"a": 1}}}]})
    with pytest.raises(ChromaSQLExecutionError, match="does not store"):
        await connect_async(odd).execute("DESCRIBE docs")


async def test_describe_a_parameter(client: Any) -> None:
    """The name may be a parameter; one that is no name is refused."""
    fill(client, "docs", 1)
    database = connect_async(client)
    assert (await database.execute("DESCRIBE :name", {"name": "docs"})).rows[0]["value"] == 1
    with pytest.raises(ChromaSQLPlanningError):
        await database.execute("DESCRIBE :name", {"name": 5})
