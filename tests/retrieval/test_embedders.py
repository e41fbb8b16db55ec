"""Embedders of other libraries are taken as they are, the objects of those libraries themselves."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache, partial
from typing import Any

import numpy as np
import pytest
from haystack import component
from haystack.components.embedders import MockDocumentEmbedder, MockTextEmbedder
from langchain_core.embeddings import DeterministicFakeEmbedding
from llama_index.core.embeddings import MockEmbedding

from chromasql import (
    ChromaSQLExecutionError,
    ChromaSQLPlanningError,
    MemoryProvider,
    build_plan,
    connect,
    execute_plan,
    parse,
)
from tests.support.embedding_functions import Letters


class Model:
    """The shape of a SentenceTransformer: it can be called, with tensors, and encodes lists of texts."""

    def __init__(self) -> None:
        self.seen: list[Any] = []

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise AssertionError("called with a text")

    def encode(self, sentences: Sequence[str], prompt: str | None = None, **_: Any) -> Any:
        self.seen.append(sentences)
        return np.array([[1.0, float(len(text))] for text in sentences], dtype=np.float32)


class ModelWithPrompts(Model):
    """A newer one, which tells queries and documents apart."""

    def encode_query(self, sentences: Sequence[str]) -> Any:
        return self.encode([f"query: {text}" for text in sentences])


class Untyped:
    """A text embedder that returns something else."""

    def run(self, text: str) -> Any:
        return {"vector": [1.0]}


def found_by(embedder: Any, vectors: Sequence[Sequence[float]]) -> list[str]:
    """Return the id that each of the texts ``rain`` and ``sun`` finds among these vectors, called 0, 1, .."""
    records = [{"id": str(number), "embedding": list(vector)} for number, vector in enumerate(vectors)]
    sql = "SELECT id, distance FROM docs USING EMBEDDING BATCH (TEXT 'rain', TEXT 'sun') TOPK 1"
    with connect(MemoryProvider({"docs": records}), embed_fn=embedder) as db:
        lists = db.execute(sql).results
    assert all(row["distance"] < 1e-9 for rows in lists for row in rows)
    return [row["id"] for rows in lists for row in rows]


def test_langchain() -> None:
    """The Embeddings of LangChain embed the query by ``embed_query``; before, they were refused."""
    embeddings = DeterministicFakeEmbedding(size=8)

    assert found_by(embeddings, [embeddings.embed_query(text) for text in ("sun", "rain")]) == ["1", "0"]


def test_llama_index() -> None:
    """The BaseEmbedding of LlamaIndex, which can be called with nodes, is called for a query; before, it failed."""

    class Lengths(MockEmbedding):
        def _get_query_embedding(self, query: str) -> list[float]:
            return [1.0, float(len(query))]

    assert found_by(Lengths(embed_dim=2), [[1, 3], [1, 4]]) == ["1", "0"]


def test_haystack() -> None:
    """A text embedder of Haystack runs for each text; before, it was refused."""
    embedder = MockTextEmbedder(dimension=8)
    vectors = [embedder.run(text=text)["embedding"] for text in ("sun", "rain")]

    assert found_by(embedder, vectors) == ["1", "0"]


def test_haystack_warm_up() -> None:
    """A component is warmed up before its first text, and once, as most cannot run before."""

    @component
    class Cold:
        model: Any = None

        def warm_up(self) -> None:
            assert self.model is None
            self.model = len

        @component.output_types(embedding=list[float])
        def run(self, text: str) -> dict[str, Any]:
            return {"embedding": [1.0, float(self.model(text))]}

    assert found_by(Cold(), [[1, 3], [1, 4]]) == ["1", "0"]


def test_chromadb() -> None:
    """An embedding function of chromadb is taken as it is."""
    function = Letters()

    assert found_by(function, function(["sun", "rain"])) == ["1", "0"]


@pytest.mark.parametrize(
    ("kind", "sent"), [(Model, ["rain", "sun"]), (ModelWithPrompts, ["query: rain", "query: sun"])]
)
def test_sentence_transformers(kind: type[Model], sent: list[str]) -> None:
    """A model with ``encode`` gets all texts at once, as queries where it has a method for them; before, it was called."""
    model = kind()

    assert found_by(model, [[1, len(text)] for text in reversed(sent)]) == ["1", "0"]
    assert model.seen == [sent]


def test_a_plan_by_hand() -> None:
    """``execute_plan`` takes what ``connect`` takes."""
    import chromadb

    with chromadb.EphemeralClient() as client:
        collection = client.create_collection("embedders-by-hand", embedding_function=None)
        collection.add(ids=["x"], embeddings=[[1.0, 1.0]])
        plan = build_plan(parse("SELECT id, distance FROM docs USING EMBEDDING (TEXT 'a')"))

        assert execute_plan(plan, collection, embed_fn=Model()).rows == [{"id": "x", "distance": 0.0}]
        client.delete_collection("embedders-by-hand")


@pytest.mark.parametrize(
    ("embedder", "sentence"),
    [
        (5, "not int"),
        ("all-MiniLM", "not str"),
        (object(), "not object"),
        (MockDocumentEmbedder(), r"MockDocumentEmbedder has run\(\), but does not take a text"),
        (MockTextEmbedder, r"the class MockTextEmbedder; make an object of it: embed_fn=MockTextEmbedder\(\.\.\)"),
    ],
)
def test_what_is_not_an_embedder(embedder: Any, sentence: str) -> None:
    """What cannot embed a text is refused as the database is opened, with what is taken; before, a class was called."""
    with pytest.raises(ChromaSQLPlanningError, match=sentence) as caught:
        connect(MemoryProvider({}), embed_fn=embedder)
    assert caught.value.code == "invalid-argument"


def test_functions_stay_functions() -> None:
    """What is called with a text is called, though it has other methods; so are partial and cached functions."""

    class Service:
        def __call__(self, text: str) -> list[float]:
            return [1.0, float(len(text))]

        def encode(self, text: str) -> bytes:
            return text.encode()

    def embed(scale: float, text: str) -> list[float]:
        return [1.0, scale * len(text)]

    vectors = [[1, 3], [1, 4]]
    assert found_by(Service(), vectors) == ["1", "0"]
    assert found_by(partial(embed, 1.0), vectors) == ["1", "0"]
    assert found_by(lru_cache(lambda text: embed(1.0, text)), vectors) == ["1", "0"]


@pytest.mark.parametrize(
    ("embedder", "sentence"),
    [
        (Untyped(), "Untyped returned no embedding"),
        (
            MockTextEmbedder(dimension=2, embedding_fn=lambda _: 1 / 0),
            r"the embedder MockTextEmbedder \(embed_fn\) failed",
        ),
    ],
)
def test_failures(embedder: Any, sentence: str) -> None:
    """An embedder that fails, or returns nothing, is an error of ours that names the embedder."""
    with (
        connect(MemoryProvider({"docs": [{"id": "1", "embedding": [1.0, 2.0]}]}), embed_fn=embedder) as db,
        pytest.raises(ChromaSQLExecutionError, match=sentence) as caught,
    ):
        db.execute("SELECT id FROM docs USING EMBEDDING (TEXT 'a')")
    assert caught.value.code == "embedding-failed"


def test_a_model_that_is_named() -> None:
    """MODEL is refused where the embedder has a model of its own, as nothing would obey it."""
    with (
        connect(MemoryProvider({"docs": [{"id": "1", "embedding": [1.0]}]}), embed_fn=Model()) as db,
        pytest.raises(ChromaSQLPlanningError, match="needs an embedder that takes"),
    ):
        db.execute("SELECT id FROM docs USING EMBEDDING (TEXT 'a' MODEL 'large')")
