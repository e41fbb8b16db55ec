"""What Chroma answers in one process about what another one wrote to the same folder."""

import subprocess
import sys
from pathlib import Path

import chromadb
import pytest
from chromadb.errors import InternalError

_OPEN = "import sys, chromadb; docs = chromadb.PersistentClient(sys.argv[1]).get_collection('docs', embedding_function=None); "


def elsewhere(path: Path, code: str) -> None:
    """Run one statement on the collection in a process of its own."""
    subprocess.run([sys.executable, "-W", "ignore", "-c", _OPEN + code, str(path)], check=True, timeout=120)


@pytest.fixture
def docs(folder):
    """Give a collection of five records, whose vectors were read once."""
    collection = folder().create_collection("docs", embedding_function=None)
    collection.add(
        ids=list("abcde"),
        embeddings=[[number, 0] for number in range(5)],
        documents=list("ABCDE"),
        metadatas=[{"k": number} for number in range(5)],
    )
    assert len(ask(collection)) == 5
    return collection


def ask(collection: chromadb.Collection, **options: object) -> list[str]:
    return collection.query(query_embeddings=[[0, 0]], n_results=20, **options)["ids"][0]


def test_what_another_process_adds_comes_in_get_and_not_in_query(docs, tmp_path):
    """`count` and `get` have the new record, `query` has not, its vector is an InternalError; an own write mends it."""
    elsewhere(tmp_path / "db", "docs.add(ids=['f'], embeddings=[[9, 0]], metadatas=[{'k': 9}])")

    assert docs.count() == 6
    assert docs.get()["ids"] == list("abcdef")
    assert ask(docs) == list("abcde")
    with pytest.raises(InternalError, match="finding id"):
        docs.get(include=["embeddings"])
    with pytest.raises(InternalError, match="finding id"):
        ask(docs, where={"k": 9})

    docs.update(ids=["a"], metadatas=[{"k": 100}])
    assert ask(docs) == list("abcdef")


def test_what_another_process_deletes_still_comes_in_query(docs, tmp_path):
    """A deleted record keeps its place in `query`, with None for document and metadata; `get` no longer has it."""
    elsewhere(tmp_path / "db", "docs.delete(ids=['a'])")
    found = docs.query(query_embeddings=[[0, 0]], n_results=2)

    assert docs.get()["ids"] == list("bcde")
    assert found["ids"] == [["a", "b"]]
    assert found["documents"] == [[None, "B"]]
    assert found["metadatas"] == [[None, {"k": 1}]]


def test_two_spellings_of_a_path_are_two_clients(docs, tmp_path):
    """A path and the same with a slash behind it see one another's records in `get`, and not in `query`."""
    other = chromadb.PersistentClient(str(tmp_path / "db") + "/").get_collection("docs", embedding_function=None)
    other.add(ids=["f"], embeddings=[[9, 0]])

    assert docs.get()["ids"] == list("abcdef")
    assert ask(docs) == list("abcde")
