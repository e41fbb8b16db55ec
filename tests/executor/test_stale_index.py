"""What another process writes to a folder is noticed: deleted records never come, and the outcome says why."""

import subprocess
import sys

import pytest

import chromasql

VECTOR = "USING EMBEDDING (VECTOR [0, 0])"


@pytest.fixture
def folder(client, tmp_path):
    """Give the folder of two collections whose vectors this process has read; each record has a document and metadata."""
    for name in ("docs-a", "docs-b"):
        made = client.create_collection(name, embedding_function=None)
        ids = [f"{name[-1]}{number}" for number in range(8)]
        made.add(
            ids=ids,
            embeddings=[[number, 0] for number in range(8)],
            documents=ids,
            metadatas=[{"n": number} for number in range(8)],
        )
        made.query(query_embeddings=[[0, 0]])
    return tmp_path / "chroma"


def elsewhere(folder, *statements):
    """Run statements in another process, on the collections a and b of the folder."""
    opened = "import sys, chromadb; c = chromadb.PersistentClient(sys.argv[1]); a, b = map(c.get_collection, ('docs-a', 'docs-b'))"
    command = [sys.executable, "-W", "ignore", "-c", "; ".join([opened, *statements]), str(folder)]
    subprocess.run(command, check=True, timeout=120)


@pytest.mark.parametrize("columns", ["id, document", "id, n", "*", "id, document, n, embedding"])
@pytest.mark.parametrize("source", ["docs-a", "docs-*"])
def test_deleted_records_never_come(client, folder, columns, source):
    """Of the nearest records those that another process deleted are left out, others take their place, and a warning says so."""
    elsewhere(folder, "a.delete(ids=['a0', 'a2'])", "b.delete(ids=['b0'])")
    with chromasql.connect(client) as db:
        result = db.execute(f"SELECT {columns} FROM {source} {VECTOR} LIMIT 4")

    expected = ["a1", "a3", "a4", "a5"] if source == "docs-a" else ["a1", "b1", "b2", "a3"]
    assert [row["id"] for row in result] == expected
    assert {warning.code for warning in result.warnings} == {"stale-index"}
    stale = [outcome for outcome in result.outcomes if outcome.stale is not None]
    assert stale
    assert "another process" in stale[0].stale
    assert result.complete


def test_many_deleted_records_are_passed_over(client, folder):
    """Where the nearest seven were all deleted, the eighth comes."""
    elsewhere(folder, "a.delete(ids=['a%d' % number for number in range(7)])")
    with chromasql.connect(client) as db:
        result = db.execute(f"SELECT id, document FROM docs-a {VECTOR} LIMIT 2")

    assert result.rows == [{"id": "a7", "document": "a7"}]
    assert "7 records were left out" in str(result.warnings[0])


@pytest.mark.parametrize(
    "statement",
    [
        f"SELECT id FROM docs-a {VECTOR} WHERE n = 9 LIMIT 4",
        f"SELECT id FROM docs-a {VECTOR} LIMIT 20",
        "SELECT id, embedding FROM docs-a",
    ],
)
def test_a_record_that_the_index_lacks_is_a_stale_index(client, folder, statement):
    """Chroma's internal error for a record that another process added is said in words, in the outcome and in the failure."""
    elsewhere(folder, "a.add(ids=['x'], embeddings=[[9, 0]], metadatas=[{'n': 9}])")
    with chromasql.connect(client) as db, pytest.raises(chromasql.ChromaSQLExecutionError) as raised:
        db.execute(statement)

    (failure,), (outcome,) = raised.value.failures, raised.value.outcomes
    assert failure.kind == "StaleIndex"
    assert "another process writes to the same folder" in failure.message
    assert outcome.stale


def test_records_without_document_and_metadata_are_shown(client):
    """A record that never had a document or metadata comes, without a warning."""
    client.create_collection("docs-bare", embedding_function=None).add(ids=["a", "b"], embeddings=[[0, 0], [1, 0]])
    with chromasql.connect(client) as db:
        result = db.execute(f"SELECT id, document, n FROM docs-bare {VECTOR}")

    assert [row["id"] for row in result] == ["a", "b"]
    assert not result.warnings
    assert result.outcomes[0].stale is None


def test_after_an_own_write_nothing_is_stale(client, folder):
    """A write of this process brings its index up to date, so that the next statement has no warning."""
    elsewhere(folder, "a.delete(ids=['a0'])")
    client.get_collection("docs-a").update(ids=["a7"], metadatas=[{"n": 70}])
    with chromasql.connect(client) as db:
        result = db.execute(f"SELECT id, document FROM docs-a {VECTOR} LIMIT 1")

    assert [row["id"] for row in result] == ["a1"]
    assert not result.warnings


def test_two_processes_may_write_and_read_in_turn(client, folder):
    """While another process deletes and this one reads, no answer has a record that was deleted before it began."""
    with chromasql.connect(client) as db:
        for number in range(4):
            elsewhere(folder, f"a.delete(ids=['a{number}'])")
            rows = db.execute(f"SELECT id, document, n FROM docs-a {VECTOR} LIMIT 3").rows
            assert [row["id"] for row in rows] == [f"a{number + step}" for step in (1, 2, 3)]
            assert all(row["document"] == row["id"] for row in rows)
