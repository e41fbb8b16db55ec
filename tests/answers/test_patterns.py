"""Patterns run in linear time, in Chroma and here: what makes an engine that backtracks run for ever is answered."""

from __future__ import annotations

from typing import Any

import chromadb
import pytest

import chromasql
from tests.support.stores import drop

LONG = "a" * 1_000
EXPLOSIVE = ["^(a+)+$", "^(a|aa)*$", "(a*)*b$", "^([a-z]+)*!$", "(x+x+)+y|^(a?){30}a{30}$"]


@pytest.fixture
def store(unique_name: Any) -> Any:
    client = chromadb.EphemeralClient()
    collection = client.create_collection(unique_name())
    collection.add(
        ids=["plain", "spoilt"],
        embeddings=[[0.0], [1.0]],
        documents=[LONG, LONG + "é"],
        metadatas=[{"text": LONG}, {"text": LONG + "é"}],
    )
    yield client, collection.name
    drop(client, collection)


@pytest.mark.parametrize("field", ["document", "text"])
@pytest.mark.parametrize("pattern", EXPLOSIVE, ids=range(len(EXPLOSIVE)))
def test_regex_does_not_backtrack(store: Any, field: str, pattern: str) -> None:
    """A pattern with an exponential number of ways to fail is answered, pushed to Chroma or re-checked here."""
    client, name = store
    with chromasql.connect(client) as database:
        rows = database.execute(f"SELECT id FROM {name} WHERE {field} REGEX :pattern", {"pattern": pattern}).rows

    assert rows == ([{"id": "plain"}] if pattern in EXPLOSIVE[:2] else [])


@pytest.mark.parametrize("field", ["document", "text"])
def test_like_does_not_backtrack(store: Any, field: str) -> None:
    """A LIKE of many wildcards that just misses is answered."""
    client, name = store
    with chromasql.connect(client) as database:
        sql = f"SELECT id FROM {name} WHERE {field} LIKE :pattern"

        assert database.execute(sql, {"pattern": "%a" * 200 + "%b"}).rows == []
        assert len(database.execute(sql, {"pattern": "%a" * 200 + "%"})) == 2
