"""Texts to vectors: how often, by whom, where, and what a bad embedder gets to hear."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter, OrderedDict
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from chromadb import Documents, EmbeddingFunction, Embeddings, Schema
from chromadb.api.types import SparseEmbeddingFunction, SparseVector, SparseVectorIndexConfig
from chromadb.utils import embedding_functions
from chromadb.utils.embedding_functions import register_sparse_embedding_function

from chromasql import (
    ChromaSQLExecutionError,
    ChromaSQLPlanningError,
    batch_embedder,
    build_plan,
    connect,
    connect_async,
    execute_plan,
    parse,
)
from chromasql.dispatch.open_collection import CollectionHandle
from chromasql.plan import TextQuery
from chromasql.retrieval import embedding
from chromasql.retrieval.embedding import VectorCache, embed_sparse
from tests.support.doubles import Hang, fill, others, plain_id
from tests.support.embedding_functions import Letters

NAMES = [f"part-{number}" for number in range(5)]
ALL = ", ".join(NAMES)
ONE_TEXT = f"SELECT id FROM {ALL} USING EMBEDDING (TEXT 'a') TOPK 3"
BATCH = f"SELECT id FROM {ALL} USING EMBEDDING BATCH (TEXT 'a', TEXT 'b', TEXT 'a') TOPK 3"


class Numbers:
    """Vectors for single letters, and a note of what was asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, Any]] = []

    def vector(self, text: str) -> list[float]:
        return [float(ord(text[0]) - ord("a"))] * 2

    def sync(self, text: str, model: str | None) -> list[float]:
        self.asked.append((text, model))
        return self.vector(text)

    async def coroutine(self, text: str, model: str | None) -> list[float]:
        return self.sync(text, model)

    def later(self, text: str, model: str | None) -> Any:
        return self.coroutine(text, model)

    def text_only(self, text: str) -> list[float]:
        return self.sync(text, None)

    def many(self, texts: list[str], model: str | None = None) -> list[list[float]]:
        self.asked.append((tuple(texts), model))
        return [self.vector(text) for text in texts]

    def unnamed(self, given: list[str], model: str | None) -> list[list[float]]:
        return self.many(given, model)

    async def many_later(self, texts: list[str], model: str | None = None) -> list[list[float]]:
        return self.many(texts, model)


class CallableLater:
    """An object whose call is a coroutine."""

    def __init__(self, numbers: Numbers) -> None:
        self.numbers = numbers

    async def __call__(self, text: str, model: str | None) -> list[float]:
        return self.numbers.sync(text, model)


@pytest.fixture
def parts(client: Any) -> Any:
    """Give five collections without an embedding function; record n of each is n from the origin."""
    for name in NAMES:
        fill(client, name, 3)
    return client


def ids(rows: Any) -> list[str]:
    return [row["id"] for row in rows]


# How often


@pytest.mark.parametrize(
    ("make", "asked"),
    [
        (lambda numbers: numbers.sync, [("a", None), ("b", None)]),
        (lambda numbers: numbers.coroutine, [("a", None), ("b", None)]),
        (lambda numbers: numbers.text_only, [("a", None), ("b", None)]),
        (lambda numbers: numbers.later, [("a", None), ("b", None)]),
        (CallableLater, [("a", None), ("b", None)]),
        (lambda numbers: numbers.many, [(("a", "b"), None)]),
        (lambda numbers: numbers.many_later, [(("a", "b"), None)]),
        (lambda numbers: batch_embedder(partial(Numbers.unnamed, numbers)), [(("a", "b"), None)]),
    ],
    ids=["sync", "async", "text only", "returns a coroutine", "async call", "list", "async list", "marked"],
)
async def test_each_text_once(parts: Any, make: Callable[[Numbers], Any], asked: list[Any]) -> None:
    """Each distinct text is embedded once, whatever the number of collections and of its mentions."""
    numbers = Numbers()
    result = await connect_async(parts, embed_fn=make(numbers)).execute(BATCH)

    assert sorted(numbers.asked) == asked
    assert ids(result.results[0]) == ids(result.results[2]) == ["part-0-0", "part-1-0", "part-2-0"]
    assert ids(result.results[1]) == ["part-0-1", "part-1-1", "part-2-1"]


async def test_each_text_once_per_model(parts: Any) -> None:
    """The same text for two models is two vectors, and a list embedder is called once for each model."""
    sql = (
        f"SELECT id FROM {ALL} USING EMBEDDING BATCH "
        "(TEXT 'a' MODEL 'x', TEXT 'b' MODEL 'y', TEXT 'c' MODEL 'x', TEXT 'a')"
    )
    single, several = Numbers(), Numbers()
    await connect_async(parts, embed_fn=single.sync).execute(sql)
    await connect_async(parts, embed_fn=several.many).execute(sql)

    assert set(single.asked) == {("a", "x"), ("b", "y"), ("c", "x"), ("a", None)}
    assert len(single.asked) == 4
    assert set(several.asked) == {(("a", "c"), "x"), (("b",), "y"), (("a",), None)}


async def test_no_text_no_embedder(parts: Any) -> None:
    """A statement without TEXT calls no embedder."""
    numbers = Numbers()
    database = connect_async(parts, embed_fn=numbers.sync)
    await database.execute(f"SELECT id FROM {ALL} USING EMBEDDING (VECTOR [0.0, 0.0])")
    await database.execute(f"SELECT id FROM {ALL}")
    await database.execute(f"EXPLAIN {ONE_TEXT}")
    assert not numbers.asked


async def test_parameters_are_texts(parts: Any) -> None:
    """A text that comes as a parameter is embedded as it is."""
    numbers = Numbers()
    sql = f"SELECT id FROM {ALL} USING EMBEDDING (TEXT :text MODEL :model)"
    await connect_async(parts, embed_fn=numbers.sync).execute(sql, {"text": "a' OR", "model": "m"})
    assert numbers.asked == [("a' OR", "m")]


def test_execute_plan_embeds(parts: Any) -> None:
    """execute_plan takes the same embedders."""
    numbers = Numbers()
    plan = build_plan(parse("SELECT id FROM x USING EMBEDDING (TEXT 'b') TOPK 1"))
    result = execute_plan(plan, parts.get_collection("part-3"), embed_fn=numbers.sync)
    assert result.rows == [{"id": "part-3-1"}]
    assert numbers.asked == [("b", None)]


# Whose


async def test_own_function_once_for_all(client: Any) -> None:
    """Without an embedder, collections with equal embedding functions share one call, as a query and not a document."""
    for name in NAMES:
        client.create_collection(name, embedding_function=Letters()).add(ids=[f"{name}-b"], documents=["b"])
    Letters.asked.clear()
    result = await connect_async(client).execute(BATCH)

    assert Letters.asked == [("queries x 1", ("a", "b"))]
    assert not result.warnings
    assert len(result.results[1]) == 3


async def test_own_functions_one_call_each(client: Any) -> None:
    """Collections with different embedding functions are each asked with their own vector, and a warning says so."""
    for number, name in enumerate(NAMES):
        scale = 1.0 + number % 2
        client.create_collection(name, embedding_function=Letters(scale)).add(ids=[f"{name}-b"], documents=["b"])
    Letters.asked.clear()
    sql = f"SELECT id, distance FROM {ALL} USING EMBEDDING (TEXT 'b')"
    result = await connect_async(client).execute(sql)

    assert sorted(Letters.asked) == [("queries x 1", ("b",)), ("queries x 2", ("b",))]
    assert {row["distance"] for row in result} == {0.0}
    assert [warning.code for warning in result.warnings] == ["different-embedders"]

    fused = await connect_async(client).execute(f"{sql} WITH (merge = RRF)")
    assert not fused.warnings


def test_given_function_of_a_collection(client: Any) -> None:
    """An embedding function that chromadb does not store by name is used where the collection has it."""

    class Unstored(EmbeddingFunction[Documents]):
        def __init__(self) -> None:
            pass

        def __call__(self, input: Documents) -> Embeddings:  # noqa: A002 - chromadb's name
            return [np.array([1.0, 1.0], dtype=np.float32) for _ in input]

    fill(client, "docs", 3)
    collection = client.get_collection("docs", embedding_function=Unstored())
    plan = build_plan(parse("SELECT id FROM docs USING EMBEDDING (TEXT 'x') TOPK 1"))
    assert execute_plan(plan, collection).rows == [{"id": "docs-1"}]


async def test_no_function_at_all(parts: Any) -> None:
    """TEXT over collections without an embedding function is refused with the ways out."""
    with pytest.raises(ChromaSQLPlanningError, match="part-0 has no embedding function; pass embed_fn"):
        await connect_async(parts).execute(ONE_TEXT)


async def test_function_that_is_not_registered(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stored embedding function that this process does not know is an error of ours that names it."""
    client.create_collection("docs", embedding_function=Letters(0.125)).add(ids=["1"], documents=["b"])
    database = connect_async(client)
    await database.execute("SELECT id FROM docs")  # chromadb itself builds the function when it opens
    monkeypatch.delitem(embedding_functions.known_embedding_functions, "letters")
    with pytest.raises(ChromaSQLExecutionError, match="embedding function letters of collection docs failed") as caught:
        await database.execute("SELECT id FROM docs USING EMBEDDING (TEXT 'a')")
    assert "letters is not registered with chromadb here" in str(caught.value)


async def test_chromadb_function_as_embedder(parts: Any) -> None:
    """One of chromadb's embedding functions serves as embed_fn, as it is."""
    Letters.asked.clear()
    result = await connect_async(parts, embed_fn=Letters()).execute(BATCH)
    assert Letters.asked == [("queries x 1", ("a", "b"))]
    assert ids(result.results[1]) == ["part-0-1", "part-1-1", "part-2-1"]


# MODEL


async def test_model_is_handed_on(parts: Any) -> None:
    """MODEL reaches an embedder that takes it."""
    numbers = Numbers()
    sql = ONE_TEXT.replace("'a'", "'a' MODEL 'big'")
    await connect_async(parts, embed_fn=numbers.sync).execute(sql)
    await connect_async(parts, embed_fn=numbers.many).execute(sql)
    assert numbers.asked == [("a", "big"), (("a",), "big")]


@pytest.mark.parametrize("make", [lambda: Numbers().text_only, Letters])
async def test_model_is_never_dropped(parts: Any, make: Callable[[], Any]) -> None:
    """MODEL is refused where the embedder does not take it."""
    with pytest.raises(ChromaSQLPlanningError, match=r"MODEL 'big' needs an embedder that takes \(text, model\)"):
        await connect_async(parts, embed_fn=make()).execute(ONE_TEXT.replace("'a'", "'a' MODEL 'big'"))


async def test_model_of_own_function(client: Any) -> None:
    """MODEL is refused where the collection's own embedding function is used."""
    client.create_collection("docs", embedding_function=Letters()).add(ids=["1"], documents=["b"])
    with pytest.raises(ChromaSQLPlanningError, match="MODEL 'big' needs embed_fn"):
        await connect_async(client).execute("SELECT id FROM docs USING EMBEDDING (TEXT 'a' MODEL 'big')")


# Where it runs


async def test_blocking_embedder_is_off_the_loop(parts: Any) -> None:
    """A blocking embedder runs on another thread, so the loop goes on while it computes."""
    started, may_end = threading.Event(), threading.Event()
    threads: list[int] = []

    def embed(text: str) -> list[float]:
        threads.append(threading.get_ident())
        started.set()
        return [0.0, 0.0] if may_end.wait(60) else []

    task = asyncio.create_task(connect_async(parts, embed_fn=embed).execute(ONE_TEXT))
    while not started.is_set():  # noqa: ASYNC110 - it is set by a thread
        await asyncio.sleep(0)
    may_end.set()
    assert len(await task) == 3
    assert threading.get_ident() not in threads


async def test_a_failed_text_stops_the_others(parts: Any) -> None:
    """Where one text cannot be embedded, the embedders of the others are cancelled and none is left."""
    hang = Hang()

    async def embed(text: str) -> Any:
        if text == "a":
            return await hang()
        await hang.reached.wait()
        raise OSError("no network")

    with pytest.raises(ChromaSQLExecutionError, match="OSError: no network"):
        await connect_async(parts, embed_fn=embed).execute(BATCH)
    assert hang.cancelled
    assert not others()


# Bad vectors


class Unreadable:
    """Looks like a vector and is none."""

    def __iter__(self) -> Any:
        raise OSError("gone")


@pytest.mark.parametrize(
    "vector",
    [
        [],
        None,
        5,
        "text",
        b"12345678",
        [float("nan"), 0.0],
        [float("inf"), 0.0],
        [1e300, 0.0],
        [10**400, 0.0],
        ["0", "1"],
        [None, 0.0],
        [[0.0, 0.0]],
        {"a": 1},
        object(),
        Unreadable(),
        np.array([np.nan, 0.0]),
    ],
    ids=plain_id,
)
async def test_bad_vectors(parts: Any, vector: Any) -> None:
    """What is no vector of finite single-precision numbers is an error that shows the text."""
    with pytest.raises(ChromaSQLExecutionError, match="no vector of finite numbers for 'a'"):
        await connect_async(parts, embed_fn=lambda text: vector).execute(ONE_TEXT)
    with pytest.raises(ChromaSQLExecutionError, match="no vector of finite numbers for 'a'"):
        await connect_async(parts, embed_fn=lambda texts: [vector]).execute(ONE_TEXT)


@pytest.mark.parametrize("vector", [(0.0, 0.0), [0, 0], np.zeros(2), np.zeros(2, dtype=np.float32), range(2)])
async def test_good_vectors(parts: Any, vector: Any) -> None:
    """Any sequence of numbers is a vector."""
    result = await connect_async(parts, embed_fn=lambda text: vector).execute(ONE_TEXT)
    assert len(result) == 3


async def test_long_texts_are_cut(parts: Any) -> None:
    """An error shows only the beginning of a long text."""
    with pytest.raises(ChromaSQLExecutionError, match=f"'{'a' * 37}...'"):
        await connect_async(parts, embed_fn=lambda text: []).execute(ONE_TEXT.replace("'a'", f"'{'a' * 500}'"))


async def test_vector_of_another_length(parts: Any) -> None:
    """A vector whose length is not that of a collection's is refused, by name, before anything is asked."""
    message = "the query vector has 3 dimensions, but collection part-0 expects 2"
    with pytest.raises(ChromaSQLPlanningError, match=message):
        await connect_async(parts, embed_fn=lambda text: [0.0] * 3).execute(ONE_TEXT)


@pytest.mark.parametrize("vectors", [[], [[0.0, 0.0]] * 3, None, 5, iter([])], ids=plain_id)
async def test_wrong_number_of_vectors(parts: Any, vectors: Any) -> None:
    """A list embedder that does not return a vector for each text is refused."""
    with pytest.raises(ChromaSQLExecutionError, match="was given 1 texts and must return as many vectors"):
        await connect_async(parts, embed_fn=lambda texts: vectors).execute(ONE_TEXT)


@pytest.mark.parametrize(
    "fault",
    [ValueError("broken"), StopIteration(), TimeoutError(), KeyError("model"), ExceptionGroup("x", [OSError()])],
)
async def test_an_embedder_that_raises(parts: Any, fault: Exception) -> None:
    """Whatever an embedder raises, blocking or not, is an error of ours that tells its name, which it did not before."""

    def embed(text: str) -> Any:
        raise fault

    async def embed_later(text: str) -> Any:
        raise fault

    for embedder in (embed, embed_later):
        with pytest.raises(ChromaSQLExecutionError, match=r"the embedder embed\w* \(embed_fn\) failed") as caught:
            await connect_async(parts, embed_fn=embedder).execute(ONE_TEXT)
        (failure,) = caught.value.failures
        assert failure.collection is None
        assert failure.kind in (type(fault).__name__, "RuntimeError")


def test_an_embedding_function_that_fails(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the collection whose embedding function failed, and the way out; before, it named neither."""
    for name in ("docs", "notes"):
        client.create_collection(name, embedding_function=Letters()).add(ids=["1"], documents=["b"])

    def fail(*_: Any) -> Any:
        raise ConnectionError("offline")

    monkeypatch.setattr(Letters, "embed_query", fail)
    with connect(client) as db, pytest.raises(ChromaSQLExecutionError) as caught:
        db.execute("SELECT id FROM docs, notes USING EMBEDDING (TEXT 'never seen before')")

    assert caught.value.message == (
        "the embedding function letters of collection docs and 1 more failed; pass embed_fn=.. to use another"
    )
    assert str(caught.value).endswith("ConnectionError: offline")


async def test_an_embedder_without_a_signature(parts: Any) -> None:
    """A callable whose parameters cannot be told is given text and model."""

    class Opaque:
        __signature__ = "none"

        def __call__(self, *given: Any) -> list[float]:
            assert given == ("a", None)
            return [0.0, 0.0]

    assert len(await connect_async(parts, embed_fn=Opaque()).execute(ONE_TEXT)) == 3


async def test_errors_of_ours_are_left_alone(parts: Any) -> None:
    """An embedder that raises an error of ChromaSQL is heard as it is."""
    refusal = ChromaSQLPlanningError("the model is asleep")

    def embed(text: str) -> Any:
        raise refusal

    with pytest.raises(ChromaSQLPlanningError) as caught:
        await connect_async(parts, embed_fn=embed).execute(ONE_TEXT)
    assert caught.value is refusal


# Remembered


async def test_vectors_are_remembered_between_statements(client: Any) -> None:
    """A collection's own function is asked once for a text, however many statements of a database name it."""
    client.create_collection("docs", embedding_function=Letters(0.25)).add(ids=["1"], documents=["b"])
    database = connect_async(client)
    Letters.asked.clear()
    for _ in range(3):
        await database.execute("SELECT id FROM docs USING EMBEDDING (TEXT 'b')")
    await database.execute("SELECT id FROM docs USING EMBEDDING BATCH (TEXT 'b', TEXT 'c')")
    assert Letters.asked == [("queries x 0.25", ("b",)), ("queries x 0.25", ("c",))]


def test_the_cache_is_bounded() -> None:
    """A cache forgets the vector that was used longest ago."""
    cache = VectorCache(700)
    first, second, third = (TextQuery(text) for text in "abc")
    cache.keep("x", {first: [1.0], second: [2.0]})
    assert cache.known("x", [first]) == {first: [1.0]}
    cache.keep("x", {third: [3.0]})
    assert cache.known("x", [first, second, third]) == {first: [1.0], third: [3.0]}
    assert cache.known("y", [first]) == {}


async def test_built_functions_are_bounded(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only so many embedding functions that were built are kept, and one that was dropped is built again."""
    monkeypatch.setattr(embedding, "_MAX_BUILT", 1)
    monkeypatch.setattr(embedding, "_built", OrderedDict())
    for number, name in enumerate(NAMES[:2]):
        client.create_collection(name, embedding_function=Letters(1 + number)).add(ids=["1"], documents=["b"])
    sql = "SELECT distance FROM {} USING EMBEDDING (TEXT 'b')"
    for name in (*NAMES[:2], NAMES[0]):
        assert (await connect_async(client).execute(sql.format(name))).rows == [{"distance": 0.0}]
        assert len(embedding._built) == 1


# Sparse


@register_sparse_embedding_function
class Counts(SparseEmbeddingFunction[Documents]):
    """One of chromadb's sparse embedding functions: how often each letter stands in a text."""

    asked: list[list[str]] = []

    def __init__(self) -> None:
        pass

    def __call__(self, input: Documents) -> Any:  # noqa: A002 - chromadb's name
        Counts.asked.append(list(input))
        counted = [sorted(Counter(text).items()) for text in input]
        return [
            SparseVector(indices=[ord(letter) for letter, _ in each], values=[float(count) for _, count in each])
            for each in counted
        ]

    @staticmethod
    def name() -> str:
        return "counts"

    @staticmethod
    def build_from_config(config: dict[str, Any]) -> Counts:
        return Counts()

    def get_config(self) -> dict[str, Any]:
        return {}


def with_sparse_index(schema: Any) -> CollectionHandle:
    """Return an opened handle of a collection with a schema."""
    collection = SimpleNamespace(get=print, query=print, schema=schema)
    handle = CollectionHandle("docs", 0)
    handle.attach(collection)
    return handle


@pytest.fixture
def schema() -> Schema:
    """Give a schema with a sparse index on words."""
    config = SparseVectorIndexConfig(embedding_function=Counts(), source_key="#document")
    return Schema().create_index(config=config, key="words")


async def test_sparse_texts(schema: Schema) -> None:
    """A text is embedded for a sparse index by the function in the schema, once, whichever form the schema has."""
    Counts.asked.clear()
    handles = [with_sparse_index(schema), with_sparse_index(schema.serialize_to_json())]
    found = await embed_sparse([(TextQuery("aab"), "words"), (TextQuery("aab"), "words")], handles)
    vector = {"#type": "sparse_vector", "indices": [97, 98], "values": [2.0, 1.0]}
    assert found == {"docs": {(TextQuery("aab"), "words"): vector}}
    assert Counts.asked == [["aab"]]


@pytest.mark.parametrize("schema_", [None, {}, {"keys": 5}, Schema()], ids=["none", "empty", "garbage", "default"])
async def test_no_sparse_function(schema_: Any) -> None:
    """A collection without such an index, or without its function, is told by name with the way out."""
    with pytest.raises(ChromaSQLExecutionError, match="docs has no embedding function for the sparse index words"):
        await embed_sparse([(TextQuery("a"), "words")], [with_sparse_index(schema_)])


async def test_sparse_functions_that_fail(schema: Schema, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sparse function that raises, or that this process does not know, is an error of ours that names it."""
    queries = [(TextQuery("a"), "words")]
    with monkeypatch.context() as patch:
        patch.setattr(Counts, "embed_query", lambda self, input: 1 / 0)  # noqa: A006 - chromadb's name
        with pytest.raises(ChromaSQLExecutionError, match="function counts cannot be used\n  ZeroDivisionError"):
            await embed_sparse(queries, [with_sparse_index(schema)])
    monkeypatch.delitem(embedding_functions.sparse_known_embedding_functions, "counts")
    with pytest.raises(ChromaSQLExecutionError, match="counts is not registered with chromadb here"):
        await embed_sparse(queries, [with_sparse_index(schema)])
