"""LangChain's EnsembleRetriever over a store per collection, where langchain-chroma is installed."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from tests.benchmarks.fanout import Router
from tests.benchmarks.records import Shape, query_vector
from tests.benchmarks.timing import alternate

_NEEDED = ("langchain_chroma", "langchain_classic")
_SQL = "SELECT id, document, metadata FROM docs USING EMBEDDING (TEXT :text) LIMIT 10"


class _Embeddings:
    """Embeds whatever it is given as one vector, at once."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [query_vector() for _ in texts]

    def embed_query(self, text: str) -> list[float]:
        return query_vector()


async def measure(url: str, shape: Shape, rounds: int) -> dict[str, Any] | None:
    """Return the costs of top 10 by both; nothing where LangChain is not installed."""
    if any(find_spec(name) is None for name in _NEEDED):
        print("skipped: install langchain-chroma and langchain-classic")
        return None
    import chromadb
    from langchain_chroma import Chroma
    from langchain_classic.retrievers import EnsembleRetriever

    import chromasql

    host, port = url.removeprefix("http://").split(":")
    client = chromadb.HttpClient(host, int(port))
    stores = [Chroma(name, _Embeddings(), client=client, create_collection_if_not_exists=False) for name in shape.names]
    ensemble = EnsembleRetriever(retrievers=[each.as_retriever(search_kwargs={"k": 10}) for each in stores])
    router = Router()
    router.names = shape.names
    async with chromasql.connect_async(
        url, router=router, embed_fn=lambda text, _model: _Embeddings().embed_query(text)
    ) as database:
        costs = await alternate(
            {
                "langchain": lambda: ensemble.ainvoke("question"),
                "address": lambda: database.execute(_SQL, {"text": "question"}),
            },
            rounds,
        )
    return {name: vars(cost) for name, cost in costs.items()}
