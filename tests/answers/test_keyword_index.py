"""BM25 with a keyword index answers as without one, whoever writes meanwhile."""

from __future__ import annotations

import random
import uuid
from pathlib import Path
from typing import Any

import chromadb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import chromasql
from chromasql.adapters.memory import MemoryCollection

WORDS = ("red", "fox", "blue", "東京", "don't", "été")
STATEMENTS = (
    "SELECT id, score FROM {names} RANK BY BM25('red été')",
    "SELECT id, score FROM {names} RANK BY BM25('fox 東京', k1 = 0.5, b = 1, limit = 3)",
    "SELECT id, score, document FROM {names} WHERE kind = 1 RANK BY BM25('red fox') LIMIT 2",
    "SELECT id, score FROM {names} WHERE kind = 1 RANK BY BM25('red fox', statistics = ALL)",
    "SELECT id, score FROM {names} WHERE document LIKE '%fox%' RANK BY BM25('red fox')",
    "SELECT id, score FROM {names} RANK BY RRF(KNN([1, 0]), BM25('blue'), BM25('red')) LIMIT 4",
    "SELECT id, score FROM {names} RANK BY BM25('blue') WITH (merge = RRF)",
    "SELECT id, score FROM {names} RANK BY BM25('nowhere')",
    "SELECT id, score FROM {names} RANK BY KNN([1, 0]) + BM25('red', default = 0) LIMIT 4",
)

texts = st.one_of(st.none(), st.lists(st.sampled_from(WORDS), max_size=6).map(" ".join))
steps = st.lists(
    st.one_of(
        st.tuples(st.just("add"), texts, st.integers(0, 1)),
        st.tuples(st.just("delete"), st.integers(0, 30), st.just(0)),
        st.tuples(st.just("ask"), st.sampled_from(STATEMENTS), st.just(0)),
    ),
    max_size=12,
)


@pytest.fixture(scope="module")
def client() -> Any:
    return chromadb.EphemeralClient()


class Collections:
    """Two collections of a client, with a name of their own, for one example."""

    def __init__(self, client: Any, documents: list[str | None]) -> None:
        self.client = client
        self.names = [f"k{uuid.uuid4().hex[:12]}" for _ in range(2)]
        self.made = [client.create_collection(name, embedding_function=None) for name in self.names]
        self.ids: list[tuple[int, str]] = []
        for document in documents:
            self.add(document, len(self.ids) % 2)

    def add(self, document: str | None, where: int) -> None:
        row_id = f"d{len(self.ids):03}"
        row = {"ids": [row_id], "embeddings": [[1.0, float(len(self.ids))]], "metadatas": [{"kind": len(self.ids) % 3}]}
        self.made[where].add(**row, **({} if document is None else {"documents": [document]}))
        self.ids.append((where, row_id))

    def delete(self, number: int) -> None:
        if self.ids:
            where, row_id = self.ids[number % len(self.ids)]
            self.made[where].delete(ids=[row_id])

    def sql(self, statement: str) -> str:
        return statement.format(names=", ".join(self.names))

    def drop(self) -> None:
        for name in self.names:
            self.client.delete_collection(name)


def answer(database: Any, sql: str) -> tuple[Any, ...]:
    result = database.execute(sql)
    steps = [[(step.step, step.rows) for step in outcome.steps if step.step == "rank"] for outcome in result.outcomes]
    return result.rows, [(warning.code, warning.message) for warning in result.warnings], steps


@settings(suppress_health_check=list(HealthCheck), deadline=None)
@given(st.lists(texts, max_size=10), steps)
def test_with_an_index_as_without(client: Any, documents: list[str | None], schedule: list[Any]) -> None:
    """
    Whatever is added and deleted between statements, rows, scores, counts and warnings are those of reading.

    Where both left the number of records as it was, `refresh` is called first, as the documentation says.
    """
    held = Collections(client, documents)
    try:
        indexed, plain = chromasql.connect(client, keyword_index=True), chromasql.connect(client)
        counts = [0, 0]
        for kind, value, where in [*schedule, *(("ask", statement, 0) for statement in STATEMENTS)]:
            if kind == "add":
                held.add(value, where)
            elif kind == "delete":
                held.delete(value)
            else:
                before, counts = counts, [collection.count() for collection in held.made]
                if any(old == new for old, new in zip(before, counts, strict=True)):
                    indexed.keyword_index.refresh(", ".join(held.names))
                sql = held.sql(value)
                assert answer(indexed, sql) == answer(plain, sql), sql
    finally:
        held.drop()


@settings(suppress_health_check=list(HealthCheck), deadline=None)
@given(st.lists(texts, min_size=1, max_size=10))
def test_the_index_is_read_from_its_folder(client: Any, tmp_path_factory: Any, documents: list[str | None]) -> None:
    """A second process that opens the folder answers from the files, without reading a document for its counts."""
    held, folder = Collections(client, documents), tmp_path_factory.mktemp("index")
    try:
        with chromasql.connect(client, keyword_index=folder) as first:
            first.keyword_index.build(", ".join(held.names))
        with chromasql.connect(client, keyword_index=folder) as second:
            built = second.keyword_index.status(", ".join(held.names))
            for statement in STATEMENTS:
                assert answer(second, held.sql(statement)) == answer(chromasql.connect(client), held.sql(statement))
        assert sum(status.documents for status in built) == sum(text is not None for text in documents)
    finally:
        held.drop()


@pytest.fixture
def docs(client: Any) -> Any:
    collection = client.create_collection("docs", embedding_function=None)
    documents = ["red fox", "blue fox", "red red", "green"]
    collection.add(
        ids=["a", "b", "c", "d"],
        embeddings=[[1.0]] * 4,
        documents=documents,
        metadatas=[{"kind": 1}, {"kind": 1}, {"kind": 2}, {"kind": 2}],
    )
    yield collection
    client.delete_collection("docs")


RED = "SELECT id, score FROM docs RANK BY BM25('red')"


def test_a_winner_that_was_changed_in_place(client: Any, docs: Any) -> None:
    """A document that is among the winners and was changed is noticed, and the collection is read again."""
    database = chromasql.connect(client, keyword_index=True)
    database.execute(RED)
    docs.update(ids=["c"], embeddings=[[1.0]], documents=["violet"])

    assert database.execute(RED).rows == chromasql.connect(client).execute(RED).rows
    assert [row["id"] for row in database.execute("SELECT id FROM docs RANK BY BM25('violet')")] == ["c"]


def test_a_loser_that_was_changed_in_place_is_seen_by_the_next_build(client: Any, docs: Any) -> None:
    """A document that holds a word only since it was changed is found after `build`, as the documentation says."""
    database = chromasql.connect(client, keyword_index=True)
    database.execute(RED)
    docs.update(ids=["d"], embeddings=[[1.0]], documents=["violet"])
    violet = "SELECT id FROM docs RANK BY BM25('violet')"
    before = database.execute(violet).rows

    database.keyword_index.build("docs")

    assert (before, database.execute(violet).rows) == ([], [{"id": "d"}])


def test_an_addition_and_a_deletion_that_leave_the_count(client: Any, docs: Any) -> None:
    """Where the deleted record was among the winners the collection is read again; else `refresh` compares the ids."""
    database = chromasql.connect(client, keyword_index=True)
    database.execute(RED)
    docs.delete(ids=["c"])
    docs.add(ids=["e"], embeddings=[[1.0]], documents=["red"])

    assert database.execute(RED).rows == chromasql.connect(client).execute(RED).rows

    docs.delete(ids=["d"])
    docs.add(ids=["f"], embeddings=[[1.0]], documents=["violet"])
    database.keyword_index.refresh("docs")

    assert [row["id"] for row in database.execute("SELECT id FROM docs RANK BY BM25('violet')")] == ["f"]


def test_a_collection_that_was_made_anew(client: Any, docs: Any) -> None:
    """A collection of the same name with as many records is another one, and its documents are read."""
    database = chromasql.connect(client, keyword_index=True)
    database.execute(RED)
    client.delete_collection("docs")
    again = client.create_collection("docs", embedding_function=None)
    again.add(ids=["a", "b", "c", "d"], embeddings=[[1.0]] * 4, documents=["one", "red", "two", "three"])

    assert database.execute(RED).rows == chromasql.connect(client).execute(RED).rows


def test_a_scope_learns_nothing_from_the_index(client: Any, docs: Any) -> None:
    """Within a scope rows, scores, counts and warnings are those of a database without an index, current or not."""
    scope = chromasql.Scope(where="kind = 1")
    indexed, plain = chromasql.connect(client, keyword_index=True), chromasql.connect(client)
    statements = [RED, "SELECT id, score FROM docs WHERE id = 'a' RANK BY BM25('red fox', statistics = ALL)"]
    for change in (
        lambda: None,
        lambda: indexed.execute(RED),
        lambda: docs.update(ids=["a"], embeddings=[[1.0]], documents=["violet red"]),
    ):
        change()
        for sql in statements:
            assert answer(indexed.scoped(scope), sql) == answer(plain.scoped(scope), sql)
    docs.delete(ids=["b"])

    assert answer(indexed.scoped(scope), RED) == answer(plain.scoped(scope), RED)


def test_a_statement_in_a_scope_does_not_build(client: Any, docs: Any) -> None:
    """A statement that may not see every record reads those that it may, and leaves the index as it is."""
    database = chromasql.connect(client, keyword_index=True)
    scoped = database.scoped(chromasql.Scope(where="kind = 1"))
    scoped.execute(RED)

    assert [status.documents for status in database.keyword_index.status("docs")] == [None]
    with pytest.raises(chromasql.ChromaSQLPlanningError, match="within a scope") as caught:
        scoped.keyword_index.build("docs")
    assert caught.value.code == "not-allowed-here"


def test_a_damaged_index_is_refused(client: Any, docs: Any, tmp_path: Path) -> None:
    """A statement over a damaged file is an error of ours, and building makes the file anew."""
    chromasql.connect(client, keyword_index=tmp_path).execute(RED)
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:-30])
    database = chromasql.connect(client, keyword_index=tmp_path)

    with pytest.raises(chromasql.ChromaSQLExecutionError) as caught:
        database.execute(RED)
    assert caught.value.code == "keyword-index-damaged"

    database.keyword_index.build("docs")
    assert database.execute(RED).rows == chromasql.connect(client).execute(RED).rows


def test_without_an_index_there_is_nothing_to_build(client: Any) -> None:
    """A database that was opened without an index says how to get one."""
    with pytest.raises(chromasql.ChromaSQLPlanningError, match="keyword_index='folder'") as caught:
        chromasql.connect(client).keyword_index.status()
    assert caught.value.code == "no-keyword-index"


def test_what_an_index_is_kept_in(client: Any) -> None:
    """A value that is neither a folder nor a flag is refused."""
    with pytest.raises(chromasql.ChromaSQLPlanningError, match="not int"):
        chromasql.connect(client, keyword_index=3)


def test_a_collection_that_fails_while_its_winners_are_compared() -> None:
    """A collection that cannot be compared is missing from the answer and from its statistics, and the answer says so."""

    class Failing(MemoryCollection):
        async def get(self, **arguments: Any) -> Any:
            if arguments.get("ids") is not None:
                raise OSError("the disk is gone")
            return await super().get(**arguments)

    rows = {name: [{"id": f"{name}1", "embedding": [1.0], "document": "red fox"}] for name in ("a", "b")}
    intact = MemoryCollection("a", rows["a"])
    provider = chromasql.MemoryProvider({"a": intact, "b": Failing("b", rows["b"])})
    sql = "SELECT id, score FROM {} RANK BY BM25('red')"

    result = chromasql.connect(provider, keyword_index=True).execute(sql.format("*"))

    assert [warning.code for warning in result.warnings] == ["partial"]
    assert result.rows == chromasql.connect(provider).execute(sql.format("a")).rows


def test_progress(client: Any, docs: Any) -> None:
    """Building says how many records of which collection it has read."""
    told: list[Any] = []
    chromasql.connect(client, keyword_index=True).keyword_index.build("docs", on_progress=told.append)

    assert [(progress.collection, progress.records) for progress in told] == [("docs", 4)]


async def test_async(client: Any, docs: Any) -> None:
    """The index of an async database is awaited."""
    async with chromasql.connect_async(client, keyword_index=True) as database:
        (status,) = await database.keyword_index.build("docs")

        assert status.documents == 4


def test_slow_without_an_index() -> None:
    """A statement that read more than 20,000 documents for BM25 says so, and one with an index does not."""
    source = random.Random(1)
    rows = [{"id": str(n), "embedding": [1.0], "document": source.choice(WORDS)} for n in range(20_001)]
    provider = chromasql.MemoryProvider({"docs": rows})

    slow = chromasql.connect(provider).execute(RED + " LIMIT 1")
    quick = chromasql.connect(provider, keyword_index=True).execute(RED + " LIMIT 1")

    assert slow.rows == quick.rows
    assert [warning.code for warning in slow.warnings] == ["slow-keyword-search"]
    assert [warning.code for warning in quick.warnings] == []
