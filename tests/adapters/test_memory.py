from __future__ import annotations

from typing import Any
from uuid import uuid4

import chromadb
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chromasql.adapters import MemoryProvider
from chromasql.adapters.memory import MemoryCollection
from chromasql.protocols import AsyncCollection, AsyncCollectionProvider
from chromasql.testing import check_provider

VALUES: list[Any] = ["a", "b", "", "1", 1, 2, -1, 1.0, 2.0, True, False, ["a", "b"], [1, 2], [1.0], [True], None]
DOCUMENTS = ["Hello world", "", "hello\nthere", "50% of _it_", None]
RECORDS = [
    {
        "id": f"r{number}",
        "document": DOCUMENTS[number % len(DOCUMENTS)],
        "metadata": None if VALUES[number % len(VALUES)] is None else {"k": VALUES[number % len(VALUES)], "n": number},
        "embedding": [float(number % 7), float(number % 5) - 1, float(number % 3)],
        "uri": f"file:{number}",
    }
    for number in range(32)
]


@pytest.fixture(scope="module", params=["l2", "cosine", "ip"])
def twins(request: pytest.FixtureRequest) -> tuple[MemoryCollection, Any]:
    """Give the records in memory and in a real Chroma."""
    name = f"memory-{uuid4().hex[:8]}"
    real = chromadb.EphemeralClient().create_collection(
        name, configuration={"hnsw": {"space": request.param}}, embedding_function=None
    )
    for record in RECORDS:  # one by one, since a batch cannot mix documents with None
        real.add(
            ids=[record["id"]],
            embeddings=[record["embedding"]],
            documents=None if record["document"] is None else [record["document"]],
            metadatas=None if record["metadata"] is None else [record["metadata"]],
            uris=[record["uri"]],
        )
    return MemoryCollection(name, RECORDS, space=request.param), real


def plain(value: Any) -> Any:
    """Turn an array of chromadb's client into a list, as the REST interface gives it."""
    return value.tolist() if isinstance(value, np.ndarray) else value


SCALARS = st.sampled_from([value for value in VALUES if not isinstance(value, list) and value is not None])
COMPARISONS = st.one_of(
    st.tuples(st.sampled_from(["$eq", "$ne", "$contains", "$not_contains"]), SCALARS),
    st.tuples(st.sampled_from(["$gt", "$gte", "$lt", "$lte"]), st.integers(-2, 30)),
    st.tuples(
        st.sampled_from(["$in", "$nin"]),
        st.one_of(
            st.lists(st.sampled_from(["a", "1", ""]), min_size=1, max_size=3),
            st.lists(st.integers(-1, 2), min_size=1, max_size=3),
            st.lists(st.booleans(), min_size=1, max_size=2),
        ),
    ),
).map(lambda pair: {pair[0]: pair[1]})
NEEDLES = st.sampled_from(["Hello", "hello", "l", "%", "_", "\n", "world"])
DOCUMENT_TESTS = st.tuples(st.sampled_from(["$contains", "$not_contains"]), NEEDLES).map(
    lambda pair: {pair[0]: pair[1]}
)
REGEXES = st.tuples(
    st.sampled_from(["$regex", "$not_regex"]), st.sampled_from(["^hel", "(?i)hello$", r"\d+%", "^$", "world|there"])
).map(lambda pair: {pair[0]: pair[1]})


def joined(leaves: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.recursive(
        leaves,
        lambda inner: st.tuples(st.sampled_from(["$and", "$or"]), st.lists(inner, min_size=2, max_size=3)).map(
            lambda pair: {pair[0]: pair[1]}
        ),
        max_leaves=5,
    )


WHERES = joined(
    st.one_of(
        st.tuples(st.sampled_from(["k", "n", "missing"]), st.one_of(COMPARISONS, SCALARS)).map(
            lambda pair: {pair[0]: pair[1]}
        ),
        DOCUMENT_TESTS.map(lambda test: {"#document": test}),
    )
)


@given(where=st.none() | WHERES, where_document=st.none() | joined(st.one_of(DOCUMENT_TESTS, REGEXES)))
def test_filters_keep_what_chroma_keeps(twins: Any, where: Any, where_document: Any) -> None:
    """Any filter gives the records, in the order, that single-node Chroma gives."""
    memory, real = twins
    coroutine = memory.get(where=where, where_document=where_document, include=[])

    with pytest.raises(StopIteration) as answer:  # a coroutine that never waits
        coroutine.send(None)

    assert answer.value.value["ids"] == real.get(where=where, where_document=where_document, include=[])["ids"]


@pytest.mark.parametrize("operator", ["$eq", "$ne", "$contains", "$not_contains"])
@pytest.mark.parametrize("operand", [value for value in VALUES if isinstance(value, str | int | float)], ids=repr)
async def test_kinds_mix_as_in_chroma(twins: Any, operator: str, operand: Any) -> None:
    """Numbers compare by value but not with booleans, and an element of a list is of the operand's own type."""
    memory, real = twins

    where = {"k": {operator: operand}}

    assert (await memory.get(where=where))["ids"] == real.get(where=where)["ids"]


COLUMNS = ["documents", "embeddings", "metadatas", "uris"]


@pytest.mark.parametrize("include", [[], ["documents"], ["metadatas", "uris"], COLUMNS])
@pytest.mark.parametrize(
    "arguments", [{}, {"limit": 3, "offset": 5}, {"ids": ["r9", "r2", "no"]}, {"where": {"k": "no"}}, {"limit": 0}]
)
async def test_get_answers_as_chroma(twins: Any, arguments: dict[str, Any], include: list[str]) -> None:
    """Get gives the same columns with the same values, in record order whatever the order of ids."""
    memory, real = twins

    expected = real.get(**arguments, include=include)
    answer = await memory.get(**arguments, include=include)

    assert set(expected) - set(answer) == {"data"}
    for column, values in answer.items():
        found = plain(expected[column])
        if column == "embeddings" and values:  # Chroma normalises those of cosine and scales them back
            assert np.array(values) == pytest.approx(np.array(found))
        elif column == "metadatas" and values:  # where there is a uri, Chroma says {} for None
            assert values == [value or None for value in found]
        else:
            assert values == found


@pytest.mark.parametrize("include", [[], ["distances"], ["documents", "metadatas"], COLUMNS])
@pytest.mark.parametrize("arguments", [{}, {"where": {"n": {"$lt": 4}}}, {"where": {"k": "no"}}, {"ids": ["r9", "r2"]}])
async def test_query_answers_as_chroma(twins: Any, arguments: dict[str, Any], include: list[str]) -> None:
    """Query gives the nearest records of each vector with the distances of Chroma, in its shape."""
    memory, real = twins
    vectors = [[1.0, 2.0, 0.25], [0.0, 0.0, 0.0]]

    expected = real.query(query_embeddings=vectors, n_results=50, **arguments, include=[*include, "distances"])
    answer = await memory.query(query_embeddings=vectors, n_results=50, **arguments, include=[*include, "distances"])
    bare = await memory.query(query_embeddings=vectors, n_results=50, **arguments, include=include)

    for column in COLUMNS:
        assert (answer[column] is None) == (expected[column] is None) == (column not in include)
        assert bare[column] == answer[column]
    assert (bare["distances"] is None) == ("distances" not in include)
    for index in range(len(vectors)):
        near = dict(zip(expected["ids"][index], expected["distances"][index], strict=True))
        assert dict(zip(answer["ids"][index], answer["distances"][index], strict=True)) == pytest.approx(near, abs=1e-5)
        assert answer["distances"][index] == sorted(answer["distances"][index])


async def test_count_and_what_describes_a_collection(twins: Any) -> None:
    """Count, name, space and metadata are there as a collection of Chroma has them."""
    memory, real = twins

    assert await memory.count() == real.count() == len(RECORDS)
    assert memory.name == real.name
    assert memory.metadata == real.metadata
    assert memory.dimension == 3
    assert memory.configuration_json["hnsw"]["space"] == real.configuration_json["hnsw"]["space"]


async def test_ties_keep_record_order_and_the_cut() -> None:
    """Of equal distances the earlier record comes first, and n_results cuts there."""
    records = [{"id": f"r{number}", "embedding": [number % 2, 0]} for number in reversed(range(100))]

    answer = await MemoryCollection("ties", records).query(query_embeddings=[[1, 0]], n_results=75)

    assert answer["ids"] == [[f"r{number}" for number in [*range(99, 0, -2), *range(98, 48, -2)]]]


async def test_a_distance_does_not_depend_on_the_other_records() -> None:
    """A record has the same distance, to the last bit, alone and among others."""
    vectors = np.random.default_rng(1).normal(size=(40, 33)).tolist()
    records = [{"id": str(index), "embedding": vector} for index, vector in enumerate(vectors)]

    for space in ("l2", "cosine", "ip"):
        whole = await MemoryCollection("all", records, space=space).query([vectors[0]], n_results=40)
        parts = [await MemoryCollection("one", [record], space=space).query([vectors[0]]) for record in records]
        alone = {part["ids"][0][0]: part["distances"][0][0] for part in parts}
        assert dict(zip(whole["ids"][0], whole["distances"][0], strict=True)) == alone


async def test_records_without_an_embedding_are_not_near_anything() -> None:
    """A record without a vector is found by get and not by query."""
    collection = MemoryCollection("docs", [{"id": "a"}, {"id": "b", "embedding": [1.0]}])

    assert (await collection.get())["ids"] == ["a", "b"]
    assert (await collection.query(query_embeddings=[[1.0]]))["ids"] == [["b"]]


@pytest.mark.parametrize(
    "arguments",
    [
        {"ids": []},
        {"ids": ["a", "a"]},
        {"limit": -1},
        {"offset": -1},
        {"where": {}},
        {"where": {"a": 1, "b": 2}},
        {"where": {"$and": [{"a": 1}]}},
        {"where": {"a": None}},
        {"where": {"a": {"$gt": "x"}}},
        {"where": {"a": {"$in": []}}},
        {"where": {"a": {"$in": [1, 2.0]}}},
        {"where": {"a": {"$regex": "x"}}},
        {"where": {"#document": {"$regex": "x"}}},
        {"where": {"a": {"$contains": ["x"]}}},
        {"where_document": {"$contains": ""}},
        {"where_document": {"$like": "x"}},
        {"where_document": {"$regex": "(?=x)"}},
    ],
    ids=str,
)
async def test_what_chroma_refuses_is_refused(twins: Any, arguments: dict[str, Any]) -> None:
    """A call that Chroma raises for is a ValueError here, even before there is a record."""
    _, real = twins

    with pytest.raises(ValueError):
        await MemoryCollection("empty", []).get(**arguments)
    with pytest.raises(Exception):  # noqa: B017  several libraries' own
        real.get(**arguments)


async def test_wrong_queries_are_refused() -> None:
    """No vector, no results, a vector of another dimension and an unknown space are refused."""
    collection = MemoryCollection("docs", [{"id": "a", "embedding": [1, 2]}])

    for arguments in ({}, {"query_embeddings": []}, {"query_embeddings": [[1, 2]], "n_results": 0}):
        with pytest.raises(ValueError):
            await collection.query(**arguments)
    with pytest.raises(ValueError, match="expects embeddings of dimension 2, not 3"):
        await collection.query(query_embeddings=[[1, 2, 3]])
    with pytest.raises(ValueError, match="a space is one of l2, cosine, ip, not 'dot'"):
        MemoryCollection("docs", [], space="dot")


async def test_the_provider_keeps_the_contract() -> None:
    """Names in the order given, handles kept, a collection taken as it is, an unknown name a LookupError."""
    own = MemoryCollection("own", RECORDS, space="ip")
    provider = MemoryProvider({"docs": RECORDS, "own": own, "none": []}, space="cosine")

    await check_provider(provider)
    assert await provider.list_collection_names() == ["docs", "own", "none"]
    assert await provider.get_collection("own") is own
    assert (await provider.get_collection("docs")).configuration_json == {"hnsw": {"space": "cosine"}}
    assert isinstance(provider, AsyncCollectionProvider)
    assert isinstance(own, AsyncCollection)
    with pytest.raises(LookupError, match="collection doc does not exist; did you mean docs"):
        await provider.get_collection("doc")
