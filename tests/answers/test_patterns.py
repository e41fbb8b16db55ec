"""Patterns run in linear time: RE2 is what re-checks them here, and long texts are answered in Chroma and here."""

from __future__ import annotations

from typing import Any

import chromadb
import pytest
import re2

import chromasql
from chromasql.operators import patterns
from tests.support.stores import drop

LENGTHS = (10, 1_000, 100_000)


@pytest.fixture
def store(unique_name: Any) -> Any:
    client = chromadb.EphemeralClient()
    collection = client.create_collection(unique_name())
    for length in LENGTHS:
        text = "a" * length
        collection.add(
            ids=[f"plain-{length}", f"accented-{length}"],
            embeddings=[[0.0], [1.0]],
            documents=[text, text + "é"],
            metadatas=[{"text": text}, {"text": text + "é"}],
        )
    yield client, collection.name
    drop(client, collection)


def test_re2_re_checks_patterns(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A REGEX on metadata, which Chroma cannot test, is compiled by RE2 and by no other engine."""
    client, name = store
    compiled = []
    really = re2.compile

    def compile_and_note(pattern: str, options: Any) -> Any:
        compiled.append(pattern)
        return really(pattern, options)

    monkeypatch.setattr(re2, "compile", compile_and_note)
    patterns._kept.clear()
    with chromasql.connect(client) as database:
        rows = database.execute(f"SELECT id FROM {name} WHERE text REGEX '^a{{10}}$'").rows

    assert rows == [{"id": "plain-10"}]
    assert set(compiled) == {"^a{10}$"}


@pytest.mark.parametrize("field", ["document", "text"])
@pytest.mark.parametrize("pattern", ["^a+$", "^[a-z]*$", "a$"])
def test_long_texts_are_matched(store: Any, field: str, pattern: str) -> None:
    """A plain pattern is answered on texts that grow to 100,000 characters, pushed to Chroma or re-checked here."""
    client, name = store
    with chromasql.connect(client) as database:
        sql = f"SELECT id FROM {name} WHERE {field} REGEX :pattern"
        found = {row["id"] for row in database.execute(sql, {"pattern": pattern})}

    assert found == {f"plain-{length}" for length in LENGTHS}


@pytest.mark.parametrize("field", ["document", "text"])
def test_like_of_many_wildcards(store: Any, field: str) -> None:
    """A LIKE of two hundred wildcards is answered on long texts, whether it matches or just misses."""
    client, name = store
    with chromasql.connect(client) as database:
        sql = f"SELECT id FROM {name} WHERE {field} LIKE :pattern"

        assert database.execute(sql, {"pattern": "%a" * 200 + "%b"}).rows == []
        assert len(database.execute(sql, {"pattern": "%a" * 200 + "%"})) == 4
