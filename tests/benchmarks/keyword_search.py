"""
Keyword search: BM25 and hybrid with a keyword index and without one, beside bm25s and LangChain's EnsembleRetriever.

The documents have 80 words of a Zipf vocabulary of 30,000. Each query has two rare words and three common ones. Contenders that
are not installed are left out.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

import chromasql

COLLECTIONS, WORDS, VOCABULARY, DIMENSION, QUERIES = 12, 80, 30_000, 32, 10
_BATCH = 5_000


def _texts(count: int) -> list[str]:
    source = np.random.default_rng(5)
    shares = 1 / np.arange(1, VOCABULARY + 1)
    numbers = source.choice(VOCABULARY, size=(count, WORDS), p=shares / shares.sum())
    names = [f"w{number}" for number in range(VOCABULARY)]
    return [" ".join(map(names.__getitem__, row)) for row in numbers.tolist()]


def _queries() -> list[str]:
    source = np.random.default_rng(6)
    return [
        " ".join(f"w{n}" for n in (*source.integers(2_000, VOCABULARY, 2), *source.integers(0, 50, 3)))
        for _ in range(QUERIES)
    ]


def _store(folder: Path, texts: list[str]) -> Any:
    """Return a client of an embedded Chroma that holds the texts, in twelve collections; it is built once."""
    import chromadb

    client = chromadb.PersistentClient(str(folder))
    if len(client.list_collections()) == COLLECTIONS:
        return client
    vectors = np.random.default_rng(7).standard_normal((len(texts), DIMENSION)).astype(np.float32)
    for part in range(COLLECTIONS):
        collection = client.get_or_create_collection(f"docs-{part:02}", embedding_function=None)
        numbers = list(range(part, len(texts), COLLECTIONS))
        for start in range(0, len(numbers), _BATCH):
            batch = numbers[start : start + _BATCH]
            collection.add(
                ids=[f"d{number:07}" for number in batch],
                embeddings=vectors[batch],
                documents=[texts[number] for number in batch],
                metadatas=[{"year": 2020 + number % 6} for number in batch],
            )
    return client


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    gc.collect()
    began = time.perf_counter()
    found = work()
    return (time.perf_counter() - began) * 1000, found


def _ms(work: Callable[[str], Any], queries: list[str], rounds: int) -> float:
    """Return the median over queries and rounds, after one that is not counted."""
    work(queries[0])
    return median(_timed(lambda query=query: work(query))[0] for _ in range(rounds) for query in queries)


def measure(folder: Path, count: int, rounds: int) -> dict[str, Any]:
    """Return what keyword search costs over so many documents, in milliseconds."""
    texts, queries = _texts(count), _queries()
    client = _store(folder, texts)
    vector = np.random.default_rng(8).standard_normal(DIMENSION).tolist()
    kept = folder / "keyword-index"
    figures: dict[str, Any] = {"documents": count}
    indexed, plain = chromasql.connect(client, keyword_index=kept), chromasql.connect(client)
    figures["build"], _ = _timed(indexed.keyword_index.build)
    figures["disk"] = sum(path.stat().st_size for path in kept.iterdir())
    opened = chromasql.connect(client, keyword_index=kept)
    figures["open"], _ = _timed(opened.keyword_index.status)

    words = "SELECT id, score FROM docs-* RANK BY BM25(:q) LIMIT 10"
    hybrid = "SELECT id, score FROM docs-* {where} RANK BY RRF(KNN(:v), BM25(:q)) LIMIT 10"
    nearest = "SELECT id, score FROM docs-* RANK BY KNN(:v) LIMIT 10"
    filtered = hybrid.format(where="WHERE year != 2020")

    def run(database: Any, sql: str) -> Callable[[str], Any]:
        given = [name for name in ("q", "v") if f":{name}" in sql]
        return lambda query: database.execute(sql, {name: {"q": query, "v": vector}[name] for name in given}).rows

    for query in queries[:2]:
        assert run(indexed, words)(query) == run(plain, words)(query)
    figures["words, index"] = _ms(run(indexed, words), queries, rounds)
    figures["words, no index"] = _ms(run(plain, words), queries[:2], 1)
    figures["nearest"] = _ms(run(indexed, nearest), queries, rounds)
    figures["hybrid, index"] = _ms(run(indexed, hybrid.format(where="")), queries, rounds)
    figures["hybrid, index, filter"] = _ms(run(indexed, filtered), queries, rounds)
    if find_spec("bm25s") is not None:
        _bm25s(texts, queries, rounds, figures)
    if find_spec("langchain_chroma") is not None and find_spec("rank_bm25") is not None:
        _ensemble(client, texts, queries, vector, figures)
    first = client.get_collection("docs-00", embedding_function=None)
    new = [f"n{number}" for number in range(1_000)]
    first.add(ids=new, embeddings=[vector] * 1_000, documents=texts[:1_000])
    figures["refresh"], _ = _timed(indexed.keyword_index.refresh)
    first.delete(ids=new)
    return figures


def _bm25s(texts: list[str], queries: list[str], rounds: int, figures: dict[str, Any]) -> None:
    import bm25s

    def build() -> Any:
        index = bm25s.BM25(method="lucene", k1=1.2, b=0.75)
        index.index(bm25s.tokenize(texts, stopwords=None, show_progress=False), show_progress=False)
        return index

    figures["bm25s, build"], index = _timed(build)

    def retrieve(query: str) -> Any:
        return index.retrieve([query.split()], k=10, show_progress=False)

    figures["bm25s, words"] = _ms(retrieve, queries, rounds)


def _ensemble(client: Any, texts: list[str], queries: list[str], vector: list[float], figures: dict[str, Any]) -> None:
    from langchain_chroma import Chroma
    from langchain_classic.retrievers import EnsembleRetriever
    from langchain_community.retrievers import BM25Retriever
    from langchain_core.embeddings import Embeddings

    class One(Embeddings):
        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            return [vector for _ in texts]

        def embed_query(self, text: str) -> list[float]:
            return vector

    stores = [
        Chroma(f"docs-{part:02}", One(), client=client, create_collection_if_not_exists=False)
        for part in range(COLLECTIONS)
    ]
    figures["EnsembleRetriever, build"], words = _timed(lambda: BM25Retriever.from_texts(texts, k=10))
    retrievers = [*(store.as_retriever(search_kwargs={"k": 10}) for store in stores), words]
    ensemble = EnsembleRetriever(retrievers=retrievers)
    figures["EnsembleRetriever, hybrid"] = _ms(ensemble.invoke, queries[:3], 1)


def table(figures: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Return the lines of the table of goals: what was compared, the figure, and the goal; without what was not run."""

    def ratio(name: str, of: str) -> str | None:
        return f"{figures[name] / figures[of]:.3g}" if name in figures and of in figures else None

    lines = [
        ("BM25 top 10 with the index / without it", ratio("words, index", "words, no index"), "<= 0.01"),
        (
            "BM25 top 10 with the index / `bm25s.retrieve` over the same tokens",
            ratio("words, index", "bm25s, words"),
            "<= 2.0",
        ),
        ("hybrid top 10 / `KNN` alone", ratio("hybrid, index", "nearest"), "<= 2.0"),
        ("hybrid / LangChain's `EnsembleRetriever`", ratio("hybrid, index", "EnsembleRetriever, hybrid"), "<= 0.05"),
        ("building the index / `bm25s`", ratio("build", "bm25s, build"), "<= 1.5"),
        ("opening a kept index", f"{figures['open'] / 1000:.2g} s", "<= 0.5 s"),
        ("refresh after 1,000 additions", f"{figures['refresh'] / 1000:.2g} s", "<= 2 s"),
        ("hybrid under a filter of 83 % / without it", ratio("hybrid, index, filter", "hybrid, index"), "<= 5.0"),
    ]
    return [(what, found, goal) for what, found, goal in lines if found is not None]
