"""A real Chroma with what is awkward for frameworks: ids that two collections share, missing texts and metadata."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import chromasql

# Read when Haystack is imported: tests send nothing anywhere.
os.environ["HAYSTACK_TELEMETRY_ENABLED"] = "False"

WORDS = ("rain", "snow", "wind", "sun", "fog", "hail")


def embed(text: str) -> list[float]:
    """Return a vector that depends on the words of a text alone."""
    return [1.0, *(float(text.count(word)) for word in WORDS)]


@pytest.fixture(scope="session")
def weather(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """
    Give a client of chromadb with the collections guides and notes.

    Both have a record "1"; the record "3" of notes has no document, and "4" of notes no metadata.
    """
    import chromadb

    client = chromadb.PersistentClient(tmp_path_factory.mktemp("weather"))
    guides = client.create_collection("guides", embedding_function=None)
    texts = ["rain rain on the hills", "snow on the roof", "wind and rain at sea"]
    guides.add(
        ids=["1", "2", "3"],
        documents=texts,
        embeddings=[embed(text) for text in texts],
        metadatas=[
            {"lang": "en", "year": 2021},
            {"lang": "en", "year": 2022, "distance": "far", "_id": "not this"},
            {"lang": "fr", "year": 2023},
        ],
    )
    notes = client.create_collection("notes", embedding_function=None)
    notes.add(ids=["1", "2"], documents=["rain again", "sun"], embeddings=[embed("rain again"), embed("sun")])
    notes.add(ids=["3"], embeddings=[embed("fog")], metadatas=[{"lang": "fr", "year": 2020}])
    yield client
    client.close()


@pytest.fixture
def database(weather: Any) -> Iterator[chromasql.Database]:
    """Give a database for blocking code."""
    with chromasql.connect(weather, embed_fn=embed) as database:
        yield database


@pytest.fixture
def async_database(weather: Any) -> chromasql.AsyncDatabase:
    """Give a database for async code."""
    return chromasql.connect_async(weather, embed_fn=embed)


@pytest.fixture
def partial_database(weather: Any) -> Iterator[chromasql.Database]:
    """Give a database in which the collection notes fails, and a statement returns what is left."""

    class Broken(chromasql.SimpleAsyncClientAdapter):
        async def get_collection(self, name: str) -> Any:
            if name == "notes":
                raise ConnectionError("the server of notes is down")
            return await super().get_collection(name)

    settings = chromasql.Settings(on_error="skip", retries=0)
    with chromasql.connect(Broken(weather), embed_fn=embed, settings=settings) as database:
        yield database


@pytest.fixture
def weather_folder(weather: Any) -> Path:
    """Give the folder of that Chroma, for other processes."""
    return Path(weather.get_settings().persist_directory)
