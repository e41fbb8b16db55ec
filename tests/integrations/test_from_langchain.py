"""Each row of the page on coming from LangChain: the statement finds what LangChain's own store finds."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from langchain_chroma import Chroma
from langchain_core.embeddings import Embeddings

import chromasql
from chromasql.integrations.langchain import ChromaSQLRetriever
from tests.integrations.conftest import WORDS, embed

TEXTS = [" ".join(words) for words in itertools.combinations(WORDS, 3)]


class Words(Embeddings):
    """Counts words; a longer text has a longer vector, so that all distances differ."""

    def embed_query(self, text: str) -> list[float]:
        return [weight * value for weight, value in zip((0.3, 1.0, 1.1, 1.2, 1.3, 1.4, 1.5), embed(text), strict=True)]

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [self.embed_query(text) for text in texts]


@pytest.fixture(scope="module", params=["cosine", "l2"])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Give LangChain's store with twenty texts, of which every third is in French and every fourth has no language."""
    import chromadb

    client = chromadb.PersistentClient(tmp_path_factory.mktemp("langchain"))
    space: Any = {"hnsw": {"space": request.param}}
    store = Chroma("docs", Words(), client=client, collection_configuration=space)
    metadatas: list[Any] = [
        {"year": 2015 + number, **({} if number % 4 == 0 else {"lang": "fr" if number % 3 == 0 else "en"})}
        for number in range(len(TEXTS))
    ]
    store.add_texts(TEXTS, metadatas, [f"id-{number}" for number in range(len(TEXTS))])
    yield store
    client.close()


def space_of(store: Any) -> str:
    return store._collection.configuration["hnsw"]["space"]


def texts(documents: Any) -> list[str]:
    return [document.page_content for document in documents]


def ask(store: Any, statement: str, query: str = "rain snow wind", **params: Any) -> list[Any]:
    """Return the documents of a retriever with this statement."""
    database = chromasql.connect(store._client, embed_fn=Words())
    return ChromaSQLRetriever(database, statement, params=params).invoke(query)


@pytest.mark.parametrize(
    ("statement", "params", "options"),
    [
        ("SELECT * FROM docs RANK BY KNN(:query) LIMIT 4", {}, {"k": 4}),
        (
            "SELECT * FROM docs WHERE lang = :lang RANK BY KNN(:query) LIMIT 5",
            {"lang": "en"},
            {"k": 5, "filter": {"lang": "en"}},
        ),
        (
            "SELECT * FROM docs WHERE year >= 2020 AND (lang != 'fr' OR lang IS NULL) RANK BY KNN(:query) LIMIT 20",
            {},
            {"k": 20, "filter": {"$and": [{"year": {"$gte": 2020}}, {"lang": {"$ne": "fr"}}]}},
        ),
        (
            "SELECT * FROM docs WHERE document CONTAINS 'fog' RANK BY KNN(:query) LIMIT 20",
            {},
            {"k": 20, "where_document": {"$contains": "fog"}},
        ),
    ],
)
def test_similarity_search(store: Any, statement: str, params: Any, options: Any) -> None:
    """A search by similarity, with its filters on metadata and documents, finds the same documents at the same distances."""
    before = store.similarity_search_with_score("rain snow wind", **options)
    now = ask(store, statement, **params)

    assert texts(now) == texts(document for document, _ in before)
    assert [document.metadata["distance"] for document in now] == pytest.approx(
        [score for _, score in before], abs=1e-5
    )


@pytest.mark.parametrize("weight", [0.2, 0.5, 0.9])
def test_marginal_relevance(store: Any, weight: float) -> None:
    """In the space cosine, RERANK BY MMR chooses what ``max_marginal_relevance_search`` chooses, which sorts it again."""
    query = "rain rain snow sun"
    before = store.max_marginal_relevance_search(query, k=5, fetch_k=12, lambda_mult=weight)
    sql = f"SELECT * FROM docs RANK BY KNN(:query, limit = 12) RERANK BY MMR(lambda = {weight}) LIMIT 5"
    now = sorted(ask(store, sql, query), key=lambda document: document.metadata["distance"])

    if space_of(store) == "cosine":
        assert texts(now) == texts(before)
    else:
        # There the variety is measured by the distances of the collection, where LangChain takes cosines.
        assert len(now) == len(before)


def test_by_vector_and_by_id(store: Any) -> None:
    """A vector, and ids, find what they find in LangChain's store."""
    database = chromasql.connect(store._client)
    vector = Words().embed_query("sun fog hail")
    near = database.execute("SELECT * FROM docs RANK BY KNN(:vector) LIMIT 3", {"vector": vector})
    named = database.execute("SELECT * FROM docs WHERE id IN ('id-3', 'id-5')")

    assert [row["document"] for row in near] == texts(store.similarity_search_by_vector(vector, k=3))
    assert {row["document"] for row in named} == set(texts(store.get_by_ids(["id-3", "id-5"])))


def test_a_threshold(store: Any) -> None:
    """In the space cosine, a relevance of at least 0.7 is a distance of at most 0.3; in others it is another number."""
    query = "rain rain snow sun"
    now = ask(store, "SELECT * FROM docs RANK BY KNN(:query) LIMIT 20 WITH SCORE THRESHOLD 0.3", query)
    if space_of(store) == "cosine":
        before = store.similarity_search_with_relevance_scores(query, k=20, score_threshold=0.7)
        assert 0 < len(now) < len(TEXTS)
        assert texts(now) == texts(document for document, _ in before)
    assert all(document.metadata["distance"] <= 0.3 for document in now)
