"""
The demo's folder: texts spread over the collections of an embedded Chroma.

A marker file says whose folder it is and whether it is complete; it is written before the first collection
and again after the last record, so an interrupted build is recognized and repeated.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from contextlib import closing
from itertools import groupby
from pathlib import Path
from typing import Any

from chromasql.cli.demo.corpus import COLLECTIONS, Text, collection_of
from chromasql.errors import ChromaSQLError, describe_exception

__all__ = ["MARKER", "build_store", "is_complete"]

MARKER = "chromasql-demo.json"
"""The name of the marker file in the demo's folder."""


_FORMAT = 1


_BATCH = 1000


def is_complete(folder: Path) -> bool:
    """Tell whether the folder holds all of the demo's data."""
    return _read_marker(folder) == {"format": _FORMAT, "complete": True}


def build_store(
    folder: Path,
    texts: Iterable[Text],
    *,
    on_progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> None:
    """
    Embed the texts and store each in the collection of its topic (cosine space).

    ``on_progress`` is called after each batch with the number of texts stored so far and the number of all texts. What
    an interrupted build left is dropped first. Raises `chromasql.ChromaSQLError` where WordLlama is missing, the
    folder cannot be written, or it holds something else, which stays as it is.
    """
    from chromadb.errors import ChromaError

    from chromasql.cli.demo.embedding import load_model

    load_model()  # first, so that without WordLlama nothing is written
    chosen = sorted(texts, key=_collection_name)  # stable: texts keep their order within a collection
    try:
        _claim(folder)
        _store(folder, chosen, on_progress)
        _write_marker(folder, complete=True)
    except (ChromaError, OSError, ValueError) as error:
        raise ChromaSQLError(
            f"the demo cannot write to {folder}: {describe_exception(error)}; choose or make a new folder",
            code="demo-failed",
        ) from error


def _store(folder: Path, texts: list[Text], on_progress: Callable[[int, int], None]) -> None:
    import chromadb

    from chromasql.cli.demo.embedding import WordLlamaEmbeddingFunction

    embed: Any = WordLlamaEmbeddingFunction()  # chromadb's signature wants one for images as well
    client: Any = chromadb.PersistentClient(str(folder))  # the type it declares has no close()
    with closing(client):
        for leftover in {known.name for known in client.list_collections()} & set(COLLECTIONS):
            client.delete_collection(leftover)
        done = 0
        for name, members in groupby(texts, key=_collection_name):
            collection = client.create_collection(
                name, embedding_function=embed, configuration={"hnsw": {"space": "cosine"}}
            )
            for batch in _batches(list(members)):
                collection.add(
                    ids=[text.id for text in batch],
                    documents=[text.document for text in batch],
                    metadatas=[text.metadata for text in batch],
                )
                done += len(batch)
                on_progress(done, len(texts))


def _collection_name(text: Text) -> str:
    return collection_of(text.package)


def _batches(texts: list[Text]) -> Iterable[list[Text]]:
    return (texts[start : start + _BATCH] for start in range(0, len(texts), _BATCH))


def _claim(folder: Path) -> None:
    """Make the folder ours, unless something else lives there."""
    folder.mkdir(parents=True, exist_ok=True)
    if _read_marker(folder) is None and any(folder.iterdir()):
        raise ChromaSQLError(
            f"{folder} is not empty and was not made by the demo, so it is left alone; choose a new folder",
            code="demo-failed",
        )
    _write_marker(folder, complete=False)


def _read_marker(folder: Path) -> object:
    try:
        return json.loads((folder / MARKER).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None


def _write_marker(folder: Path, *, complete: bool) -> None:
    # Renaming is one step for the file system: the marker is never half written.
    half = folder / f"{MARKER}.new"
    half.write_text(json.dumps({"format": _FORMAT, "complete": complete}), encoding="utf-8")
    half.replace(folder / MARKER)
