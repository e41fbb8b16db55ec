"""What Chroma's vector searches return. What is chance of a build is built until it is seen, a bounded number of times."""

import json
from typing import Any

import chromadb
import numpy as np
import pytest
from chromadb.errors import InternalError

RANDOM = np.random.default_rng(7)


def vectors(count: int, dimension: int) -> np.ndarray:
    return RANDOM.normal(size=(count, dimension)).astype(np.float32)


def ids_of(count: int) -> list[str]:
    return [str(number) for number in range(count)]


def ask(collection: chromadb.Collection, query: Any, n_results: int, **options: Any) -> list[str]:
    return collection.query(query_embeddings=[query], n_results=n_results, include=[], **options)["ids"][0]


def test_some_records_come_in_no_query(make):
    """Some records stand in `get` and come in no query: not for their own vector, not by `ids`; which is chance."""
    for _ in range(20):
        collection = make()
        embeddings = vectors(600, 384)
        collection.add(ids=ids_of(600), embeddings=embeddings)
        missing = set(ids_of(600)) - set(ask(collection, embeddings[0], 600))
        for id_ in missing:
            own = embeddings[int(id_)]
            if ask(collection, own, 1) != [id_] and ask(collection, own, 1, ids=[id_]) == []:
                assert collection.get(ids=[id_])["ids"] == [id_]
                return
    pytest.fail("each of 12,000 records was reached")


def test_another_n_results_above_ef_search_is_another_search(make):
    """Up to `ef_search` an answer is a prefix of every longer one; beyond it, the start of the answer changes."""
    collection = make(configuration={"hnsw": {"ef_search": 20}})
    collection.add(ids=ids_of(2_000), embeddings=vectors(2_000, 32))
    queries = vectors(20, 32)

    assert all(ask(collection, query, 5) == ask(collection, query, 20)[:5] for query in queries)
    assert any(ask(collection, query, 20) != ask(collection, query, 200)[:20] for query in queries)


def test_ties_at_the_cut_are_chance_of_the_build(make):
    """Of six records with one vector, three are asked for: they come in the order of insertion, which three is chance."""
    seen = set()
    for _ in range(60):
        collection = make()
        collection.add(ids=list("fedcba"), embeddings=[[1, 1]] * 6)
        answer = "".join(ask(collection, [1, 1], 3))
        assert answer == "".join(sorted(answer, reverse=True))
        seen.add(answer)
        if len(seen) > 1:
            return
    pytest.fail(f"60 builds had one answer, {seen}")


def test_a_record_is_not_at_distance_0_from_itself_under_cosine(make):
    """Cosine's distance of a vector to itself is a small number, sometimes below 0; that of l2 is 0."""
    embeddings = vectors(100, 64)
    own = {}
    for space in ("cosine", "l2"):
        collection = make(configuration={"hnsw": {"space": space}})
        collection.add(ids=ids_of(100), embeddings=embeddings)
        found = collection.query(query_embeddings=embeddings, n_results=1, include=["distances"])["distances"]
        own[space] = [distance for (distance,) in found]

    assert min(own["cosine"]) < 0 < max(own["cosine"]) < 1e-5
    assert set(own["l2"]) == {0.0}


def test_a_vector_of_zeros_is_at_distance_1_under_cosine(make):
    """Cosine's distance to a query of zeros is 1, of every record."""
    collection = make(configuration={"hnsw": {"space": "cosine"}})
    collection.add(ids=["a", "b"], embeddings=[[1, 0], [0, -1]])

    assert collection.query(query_embeddings=[[0, 0]])["distances"] == [[1.0, 1.0]]


def test_vectors_come_back_changed_under_cosine(make):
    """A collection with cosine returns other floats than it was given, close to them; one with l2 returns the same."""
    given = vectors(50, 64)
    returned = {}
    for space in ("cosine", "l2"):
        collection = make(configuration={"hnsw": {"space": space}})
        collection.add(ids=ids_of(50), embeddings=given)
        returned[space] = np.asarray(collection.get(include=["embeddings"])["embeddings"], np.float32)

    assert np.array_equal(returned["l2"], given)
    assert not np.array_equal(returned["cosine"], given)
    assert np.allclose(returned["cosine"], given, rtol=1e-5, atol=1e-6)


def test_n_results_of_0_is_refused(make):
    """No query asks for no records."""
    collection = make()
    collection.add(ids=["a"], embeddings=[[0, 0]])
    with pytest.raises(TypeError):
        ask(collection, [0, 0], 0)


def test_an_unknown_id_fails_a_query(make):
    """`query` with an unknown id is an InternalError, and beside a filter the id is dropped; `get` always drops it."""
    collection = make()
    collection.add(ids=["a"], embeddings=[[0, 0]], metadatas=[{"k": 1}])

    with pytest.raises(InternalError, match="finding id"):
        ask(collection, [0, 0], 1, ids=["a", "zzz"])
    assert ask(collection, [0, 0], 1, ids=["a", "zzz"], where={"k": 1}) == ["a"]
    assert collection.get(ids=["a", "zzz"])["ids"] == ["a"]


def test_search_works_on_no_local_chroma(make):
    """`search` is refused by an embedded Chroma, with NotImplementedError."""
    collection = make()
    collection.add(ids=["a"], embeddings=[[0, 0]])
    with pytest.raises(NotImplementedError):
        collection.search(chromadb.Search())


def test_embedded_clients_in_memory_share_their_collections(make):
    """Two `EphemeralClient` of one process are one store."""
    assert chromadb.EphemeralClient().get_collection(make().name, embedding_function=None).count() == 0


def test_a_changed_ef_search_waits_for_the_next_opening(folder):
    """`modify` shows the new `ef_search` at once; answers are those of the old one until the folder is opened anew."""
    collection = folder().create_collection("docs", configuration={"hnsw": {"ef_search": 1}}, embedding_function=None)
    embeddings = vectors(2_000, 64)
    collection.add(ids=ids_of(2_000), embeddings=embeddings)
    queries = vectors(30, 64)
    before = [ask(collection, query, 1) for query in queries]
    collection.modify(configuration={"hnsw": {"ef_search": 400}})
    shown = collection.configuration_json["hnsw"]["ef_search"]
    after = [ask(collection, query, 1) for query in queries]
    opened = folder().get_collection("docs", embedding_function=None)
    later = [ask(opened, query, 1) for query in queries]
    nearest = [[str(((embeddings - query) ** 2).sum(axis=1).argmin())] for query in queries]

    assert shown == 400
    assert after == before
    assert sum(map(list.__eq__, before, nearest)) < 20 < sum(map(list.__eq__, later, nearest))


def test_a_small_folder_is_built_anew_at_every_opening(folder, tmp_path):
    """Below 1,000 records no graph is stored: each opening builds another, and answers change though nothing was written."""
    collection = folder().create_collection("docs", configuration={"hnsw": {"ef_search": 10}}, embedding_function=None)
    collection.add(ids=ids_of(900), embeddings=vectors(900, 64))
    queries = vectors(20, 64)
    first = [ask(collection, query, 10) for query in queries]

    assert list((tmp_path / "db").rglob("data_level0.bin")) != []
    assert list((tmp_path / "db").rglob("index_metadata.pickle")) == []
    for _ in range(10):
        collection = folder().get_collection("docs", embedding_function=None)
        if [ask(collection, query, 10) for query in queries] != first:
            return
    pytest.fail("ten openings had one answer")


def test_from_1000_records_the_graph_is_stored(folder, tmp_path):
    """One `add` of 1,000 records stores the graph, and the next opening answers the same."""
    collection = folder().create_collection("docs", configuration={"hnsw": {"ef_search": 10}}, embedding_function=None)
    collection.add(ids=ids_of(1_000), embeddings=vectors(1_000, 64))
    queries = vectors(20, 64)
    first = [ask(collection, query, 10) for query in queries]
    opened = folder().get_collection("docs", embedding_function=None)

    assert len(list((tmp_path / "db").rglob("index_metadata.pickle"))) == 1
    assert json.dumps([ask(opened, query, 10) for query in queries]) == json.dumps(first)
