"""Distances compare: embedded and over a server they are the same numbers, and thresholds cut at the same records."""

import chromadb
import numpy as np
import pytest

import chromasql

SPACES = ("cosine", "ip", "l2")


@pytest.fixture
def both(client, chroma_server, unique_name):
    """Give a function that fills a collection embedded and on the server, and returns its name and both databases."""
    opened = []

    def make(space, vectors):
        name = unique_name(space)
        remote = chromadb.HttpClient(host=chroma_server.host, port=chroma_server.port)
        for chroma in (client, remote):
            chroma.create_collection(name, embedding_function=None, configuration={"hnsw": {"space": space}}).add(
                ids=[f"{number:03}" for number in range(len(vectors))], embeddings=vectors
            )
        remote._server._session.close()
        remote._admin_client._server._session.close()
        opened.extend([chromasql.connect(client), chromasql.connect(chroma_server.url)])
        return name, opened[-2:]

    yield make
    for database in opened:
        database.close()


@pytest.mark.parametrize("space", SPACES)
def test_embedded_and_served_distances_are_the_same_numbers(both, space):
    """Both return the very same floats, though one client widens a distance and the other reads its shortest decimal."""
    vectors = np.random.default_rng(7).normal(size=(60, 33)).astype(np.float32)
    name, databases = both(space, vectors)
    sql = f"SELECT id, distance FROM {name} USING EMBEDDING (VECTOR :v) LIMIT 60"
    embedded, served = (database.execute(sql, {"v": vectors[0].tolist()}).rows for database in databases)

    assert embedded == served
    assert len(embedded) == 60
    assert all(row["distance"] == float(np.float32(row["distance"])) for row in embedded)


@pytest.mark.parametrize("space", SPACES)
def test_a_threshold_taken_from_an_answer_keeps_its_record(both, space):
    """A threshold that equals a record's distance keeps it and what is nearer, over both, whichever it was taken from."""
    vectors = np.random.default_rng(8).normal(size=(40, 17)).astype(np.float32)
    name, databases = both(space, vectors)
    ranked = f"SELECT id, distance FROM {name} USING EMBEDDING (VECTOR :v) LIMIT 40"
    vector = {"v": vectors[3].tolist()}
    rows = databases[0].execute(ranked, vector).rows
    for source in databases:
        limit = source.execute(ranked, vector).rows[17]["distance"]
        for database in databases:
            kept = database.execute(f"{ranked} WITH SCORE THRESHOLD :limit", vector | {"limit": limit}).rows
            assert [row["id"] for row in kept] == [row["id"] for row in rows[:18]]


@pytest.mark.parametrize("space", ["ip", "l2"])
def test_infinite_distances_are_refused(both, space):
    """A distance that overflows single precision, inf embedded and null over HTTP, is an error that names the reason."""
    name, databases = both(space, [[1e20, 0], [-1e20, 0], [1, 1]])
    for database in databases:
        with pytest.raises(chromasql.ChromaSQLExecutionError, match="check the vectors for huge values"):
            database.execute(f"SELECT id FROM {name} USING EMBEDDING (VECTOR [1e20, 0])")


def test_cosine_distances_stay_as_they_are(both):
    """The distance of a vector to itself is a tiny number on either side of 0, and none is made 0."""
    vectors = np.random.default_rng(9).normal(size=(200, 64)).astype(np.float32)
    name, databases = both("cosine", vectors)
    items = ", ".join(f"VECTOR {vector.tolist()}" for vector in vectors[:50])
    for database in databases:
        result = database.execute(f"SELECT distance FROM {name} USING EMBEDDING BATCH ({items}) TOPK 1")
        own = [rows[0]["distance"] for rows in result.results]
        assert min(own) < 0 < max(own) < 1e-5
