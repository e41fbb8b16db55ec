"""Real Chroma filled with the oracle's records."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from oracle import Collection


def fill(client: Any, collection: Collection) -> Any:
    """Make a collection and give it its records, in order."""
    made = client.create_collection(
        collection.name, embedding_function=None, configuration={"hnsw": {"space": collection.space}}
    )
    if collection.records:
        made.add(
            ids=[record.id for record in collection.records],
            embeddings=[list(record.vector) for record in collection.records],
            documents=[record.document for record in collection.records],
            metadatas=[record.metadata for record in collection.records],
        )
    return made


@contextmanager
def filled(client: Any, collections: Sequence[Collection]) -> Iterator[None]:
    """Have the collections in Chroma for a while."""
    made: list[Any] = []
    try:
        made += [fill(client, collection) for collection in collections]
        yield
    finally:
        for each in made:
            # Deleting a collection alone leaves its array metadata behind in Chroma 1.5.9, and later records inherit it.
            if each.count():
                each.delete(ids=each.get(include=[])["ids"])
            client.delete_collection(each.name)
