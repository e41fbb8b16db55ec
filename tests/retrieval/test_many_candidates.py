"""More candidates than local Chroma returns together with their parts."""

from __future__ import annotations

from typing import Any

import pytest

from chromasql import connect
from chromasql.plan.dialect import LOCAL

RECORDS = 33_000


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Give a collection of more records than one SQL statement of Chroma's may have variables."""
    import chromadb

    client = chromadb.PersistentClient(tmp_path_factory.mktemp("many"))
    collection = client.create_collection("big", embedding_function=None)
    for start in range(0, RECORDS, 5_000):
        numbers = range(start, min(start + 5_000, RECORDS))
        collection.add(
            ids=[f"r{number:05d}" for number in numbers],
            embeddings=[[float(number), 0.0] for number in numbers],
            metadatas=[{"number": number} for number in numbers],
        )
    yield connect(client)
    client.close()


@pytest.mark.parametrize("tail", ["", " ORDER BY number"])
def test_parts_of_many_candidates(database: Any, tail: str) -> None:
    """
    A ranked statement returns parts of as many records as there are.

    Above 32,766 candidates with parts, local Chroma failed with "too many SQL variables".
    """
    found = database.execute(f"SELECT id, number FROM big USING EMBEDDING (VECTOR [0.0, 0.0]){tail} LIMIT {RECORDS}")
    assert [row["number"] for row in found] == list(range(RECORDS))
    assert RECORDS > 32_766 > LOCAL.page
