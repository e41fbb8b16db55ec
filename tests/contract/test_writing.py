"""What Chroma does when records are written."""

import sqlite3
from typing import Any

import chromadb
import numpy as np
import pytest
from chromadb.errors import InternalError
from chromadb.utils.embedding_functions import ONNXMiniLM_L6_V2


def metadata_of(collection: chromadb.Collection, id_: str = "a") -> Any:
    return collection.get(ids=[id_])["metadatas"][0]


def test_adding_a_known_id_changes_nothing(make):
    """Of two ids, `add` stores the new one and ignores the known one, without an error."""
    collection = make()
    collection.add(ids=["a"], embeddings=[[0, 0]], documents=["old"], metadatas=[{"k": 1}])
    collection.add(ids=["a", "b"], embeddings=[[5, 5], [6, 6]], documents=["new", "b"], metadatas=[{"k": 2}, {"k": 2}])

    assert collection.get()["documents"] == ["old", "b"]
    assert collection.query(query_embeddings=[[5, 5]], ids=["a"])["distances"] == [[50.0]]


def test_upsert_merges_metadata(make):
    """`upsert` of a record that is there keeps the keys, and the document, that it does not name."""
    collection = make()
    collection.add(ids=["a"], embeddings=[[0, 0]], documents=["text"], metadatas=[{"k": 1, "p": 1}])
    collection.upsert(ids=["a"], embeddings=[[1, 1]], metadatas=[{"k": 2}])

    assert metadata_of(collection) == {"k": 2, "p": 1}
    assert collection.get()["documents"] == ["text"]


def test_update_with_none_removes_a_key(make):
    """A key leaves a record where `update` names it with None; a record without keys shows None, not {}."""
    collection = make()
    collection.add(ids=["a"], embeddings=[[0, 0]], metadatas=[{"k": 1, "p": 1}])
    collection.update(ids=["a"], metadatas=[{"k": None}])
    assert metadata_of(collection) == {"p": 1}

    collection.update(ids=["a"], metadatas=[{"p": None}])
    assert metadata_of(collection) is None


def test_add_refuses_none_in_metadata(make):
    """`add` refuses the None that `update` takes, with a TypeError."""
    with pytest.raises(TypeError):
        make().add(ids=["a"], embeddings=[[0, 0]], metadatas=[{"k": None}])


def test_lists_in_metadata_are_of_one_type_and_not_empty(make):
    """A list keeps its order and its duplicates; an empty one, and one of two types, are refused."""
    collection = make()
    collection.add(ids=["a"], embeddings=[[0, 0]], metadatas=[{"t": ["b", "a", "b"]}])
    assert metadata_of(collection) == {"t": ["b", "a", "b"]}

    for refused in ([], [1, 2.5], [True, 1], [["a"]]):
        with pytest.raises(ValueError):
            collection.add(ids=["b"], embeddings=[[0, 0]], metadatas=[{"t": refused}])


def test_most_numpy_numbers_are_refused_in_metadata(make):
    """`np.float64` is a Python float and is stored; `np.int64`, `np.float32` and `np.bool_` are refused."""
    collection = make()
    collection.add(ids=["a"], embeddings=[[0, 0]], metadatas=[{"k": np.float64(1.5)}])
    assert metadata_of(collection) == {"k": 1.5}

    for refused in (np.int64(3), np.float32(1.5), np.bool_(True)):
        with pytest.raises(ValueError):
            collection.add(ids=["b"], embeddings=[[0, 0]], metadatas=[{"k": refused}])


def test_integers_beyond_63_bits_become_floats(make):
    """2**63 is stored as a float."""
    collection = make()
    collection.add(ids=["a"], embeddings=[[0, 0]], metadatas=[{"k": 2**63}])

    assert isinstance(metadata_of(collection)["k"], float)


def test_a_nan_in_metadata_is_dropped(make):
    """A NaN is not stored, and nothing is said."""
    collection = make()
    collection.add(ids=["a"], embeddings=[[0, 0]], metadatas=[{"k": float("nan"), "p": 1}])

    assert metadata_of(collection) == {"p": 1}


def test_get_or_create_drops_what_differs(client, make):
    """A second call with another space and other metadata shows and uses those of the first."""
    collection = make(metadata={"m": 1}, configuration={"hnsw": {"space": "l2"}})
    again = client.get_or_create_collection(
        collection.name, metadata={"m": 2}, configuration={"hnsw": {"space": "cosine"}}, embedding_function=None
    )

    assert again.metadata == {"m": 1}
    assert again.configuration_json["hnsw"]["space"] == "l2"


def test_creating_a_known_collection_is_an_internal_error(client, make):
    """`create_collection` of a name that is there raises InternalError, embedded."""
    with pytest.raises(InternalError):
        client.create_collection(make().name, embedding_function=None)


def test_a_space_in_metadata_can_lose_or_win(make):
    """`hnsw:space` beats an explicit l2, which is the default, and loses to any configuration that is not the default."""

    def space(configuration: Any) -> str:
        collection = make(metadata={"hnsw:space": "cosine"}, configuration=configuration)
        return collection.configuration_json["hnsw"]["space"]

    assert space({"hnsw": {"space": "l2"}}) == "cosine"
    assert space({"hnsw": {"space": "ip"}}) == "ip"
    assert space({"hnsw": {"ef_search": 50}}) == "l2"


def test_delete_counts_the_ids_it_was_given(make):
    """`delete` of an id that is not there says that one was deleted."""
    collection = make()
    collection.add(ids=["a"], embeddings=[[0, 0]])

    assert collection.delete(ids=["zzz"]) == {"deleted": 1}
    assert collection.count() == 1


def test_without_an_embedding_function_the_default_one_embeds(make, monkeypatch):
    """A text without a vector reaches the default model, though the collection was made with `embedding_function=None`."""
    seen: list[Any] = []

    def embed(self: Any, input: Any) -> Any:  # noqa: A002 - Chroma's own name
        seen.extend(input)
        return [np.zeros(2, np.float32) for _ in input]

    monkeypatch.setattr(ONNXMiniLM_L6_V2, "__call__", embed)
    collection = make()
    collection.add(ids=["a"], embeddings=[[1, 1]], documents=["old"])
    collection.update(ids=["a"], documents=["new"])
    collection.query(query_texts=["asked"])

    assert seen == ["new", "asked"]


def test_lists_stand_in_a_table_of_their_own(folder, tmp_path):
    """On disk a list is not among `embedding_metadata`, its elements are rows of `embedding_metadata_array`."""
    collection = folder().create_collection("docs", embedding_function=None)
    collection.add(ids=["a"], embeddings=[[0, 0]], metadatas=[{"t": ["x", "y"], "k": 1}])

    with sqlite3.connect(tmp_path / "db" / "chroma.sqlite3") as database:
        assert database.execute("SELECT key FROM embedding_metadata").fetchall() == [("k",)]
        assert database.execute("SELECT COUNT(*) FROM embedding_metadata_array WHERE key = 't'").fetchone() == (2,)


def test_lists_stay_behind_when_a_collection_is_deleted(folder, tmp_path):
    """`delete_collection` removes the records and their plain metadata, and leaves the rows of their lists."""
    client = folder()
    collection = client.create_collection("docs", embedding_function=None)
    collection.add(ids=["a"], embeddings=[[0, 0]], metadatas=[{"t": ["x", "y"], "k": 1}])
    client.delete_collection("docs")

    with sqlite3.connect(tmp_path / "db" / "chroma.sqlite3") as database:
        assert database.execute("SELECT COUNT(*) FROM embedding_metadata").fetchone() == (0,)
        assert database.execute("SELECT COUNT(*) FROM embedding_metadata_array").fetchone() == (2,)


def test_a_new_record_inherits_the_lists_of_a_deleted_collection(folder):
    """A record of another collection has the lists of one that was deleted with its collection, and filters find it."""
    client = folder()
    client.create_collection("old", embedding_function=None).add(
        ids=["a"], embeddings=[[0, 0]], metadatas=[{"tags": ["x", "y"]}]
    )
    client.delete_collection("old")
    new = client.create_collection("new", embedding_function=None)
    new.add(ids=["b"], embeddings=[[0, 0]], metadatas=[{"year": 2024}])

    assert metadata_of(new, "b") == {"year": 2024, "tags": ["x", "y"]}
    assert new.get(where={"tags": {"$contains": "x"}})["ids"] == ["b"]


def test_records_deleted_first_leave_no_lists(folder, tmp_path):
    """`delete` of the records removes their lists, so that nothing is inherited after the collection goes."""
    client = folder()
    collection = client.create_collection("old", embedding_function=None)
    collection.add(ids=["a"], embeddings=[[0, 0]], metadatas=[{"tags": ["x", "y"]}])
    collection.delete(ids=["a"])
    client.delete_collection("old")

    with sqlite3.connect(tmp_path / "db" / "chroma.sqlite3") as database:
        assert database.execute("SELECT COUNT(*) FROM embedding_metadata_array").fetchone() == (0,)
