"""What a service reads of an error that ends a run: its stable code, and the collection that failed."""

from __future__ import annotations

from typing import Any

import pytest

from chromasql import ChromaSQLError, MemoryProvider, Settings, connect_async, register_reranker
from chromasql.adapters.memory import MemoryCollection
from chromasql.operators import rerank

RECORDS = [{"id": "a", "document": "text", "embedding": [0.0, 1.0]}]
RANKED = "SELECT id FROM {} USING EMBEDDING (VECTOR [0.0, 1.0]) TOPK 1"


class Broken:
    """A provider of collections, some of which fail or answer wrongly."""

    def __init__(self) -> None:
        self._memory = MemoryProvider(
            {
                "good": MemoryCollection("good", RECORDS, space="l2"),
                "cosine": MemoryCollection("cosine", RECORDS, space="cosine"),
                "wide": MemoryCollection("wide", [{**RECORDS[0], "embedding": [0.0, 1.0, 2.0]}], space="l2"),
            }
        )

    async def list_collection_names(self) -> list[str]:
        return ["good", "cosine", "wide", "down"]

    async def get_collection(self, name: str) -> Any:
        if name == "down":
            raise ConnectionError("connection refused")
        return await self._memory.get_collection(name)


def fail(*_: Any) -> Any:
    raise OSError("the model is not on this machine")


@pytest.fixture(autouse=True)
def failing_strategy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Register a strategy that fails, for one test."""
    monkeypatch.setattr(rerank, "_registry", dict(rerank._registry))
    register_reranker("FAILING", fail)


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("SELECT id FROM good, down WITH (on_error = FAIL)", "collection-failed"),
        ("SELECT id FROM down", "collection-failed"),
        (RANKED.format("good, cosine"), "space-mismatch"),
        (RANKED.format("cosine") + " SIMILARITY L2", "space-mismatch"),
        (RANKED.format("good, wide"), "dimension-mismatch"),
        (RANKED.format("wide"), "dimension-mismatch"),
        (RANKED.format("good").replace("VECTOR [0.0, 1.0]", "TEXT 'a'"), "embedding-failed"),
        (RANKED.format("good") + " RERANK BY FAILING", "rerank-failed"),
    ],
)
async def test_codes(sql: str, code: str) -> None:
    """Each error that ends a run has its own code; they all had that of their class."""
    with pytest.raises(ChromaSQLError) as caught:
        await connect_async(Broken(), embed_fn=fail).execute(sql)
    assert caught.value.to_dict()["code"] == code


async def test_too_few_collections() -> None:
    """Too few collections that answer have a code of their own."""
    with pytest.raises(ChromaSQLError) as caught:
        await connect_async(Broken(), settings=Settings(min_success=2)).execute("SELECT id FROM good, down")
    assert caught.value.code == "too-few-collections"


async def test_the_collection_that_failed_is_named() -> None:
    """An error of one collection names it, in the sentence and as data."""
    with pytest.raises(ChromaSQLError, match=r"collection down failed \(on_error = FAIL\)") as caught:
        await connect_async(Broken()).execute("SELECT id FROM good, down WITH (on_error = FAIL)")
    assert caught.value.to_dict()["collection"] == "down"


async def test_a_missing_embedding_function() -> None:
    """A text that nothing can embed, and a model that nothing can choose, have codes of their own."""
    sql = "SELECT id FROM good USING EMBEDDING (TEXT 'a'{}) TOPK 1"
    with pytest.raises(ChromaSQLError) as caught:
        await connect_async(Broken()).execute(sql.format(""))
    assert caught.value.code == "no-embedding-function"
    with pytest.raises(ChromaSQLError) as caught:
        await connect_async(Broken(), embed_fn=lambda text: [0.0, 1.0]).execute(sql.format(" MODEL 'big'"))
    assert caught.value.code == "unsupported-model"
