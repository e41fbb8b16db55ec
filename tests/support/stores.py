"""Real Chroma filled with the oracle's records."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from tests.support.oracle.values import Collection


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


def drop(client: Any, made: Any, *, arrays: bool = True) -> None:
    """
    Delete a collection and what is in it.

    Deleting the collection alone leaves its array metadata behind in Chroma 1.5.9, and later records inherit it. Where
    no record has ``arrays`` in its metadata, deleting the records first is time lost.
    """
    while arrays and (ids := made.get(include=[], limit=5_000)["ids"]):
        made.delete(ids=ids)
    client.delete_collection(made.name)


def has_arrays(collection: Collection) -> bool:
    """Return whether a record has an array in its metadata."""
    return any(isinstance(value, list) for record in collection.records for value in (record.metadata or {}).values())


@contextmanager
def filled(client: Any, collections: Sequence[Collection]) -> Iterator[None]:
    """Have the collections in Chroma for a while."""
    made: list[tuple[Any, bool]] = []
    try:
        for collection in collections:
            made.append((fill(client, collection), has_arrays(collection)))
        yield
    finally:
        for created, arrays in made:
            drop(client, created, arrays=arrays)
