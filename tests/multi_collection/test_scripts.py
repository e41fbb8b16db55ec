"""Scripts of several statements, the audit trail of a row, and which Chroma is asked in which way."""

from __future__ import annotations

import asyncio
from typing import Any

import chromadb
import pytest
from chromadb.api.async_fastapi import AsyncFastAPI
from chromadb.api.models.AsyncCollection import AsyncCollection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import chromasql
from chromasql import ChromaSQLError, ChromaSQLPlanningError, MemoryProvider
from chromasql.adapters.http import HttpCollection
from tests.support.distributed import DistributedCollection, DistributedProvider
from tests.support.distributed import Record as CloudRecord
from tests.support.oracle.ranks import Bm25, Knn, Rrf, bm25, leaves_of
from tests.support.oracle.values import Hit, distance
from tests.support.strategies.ranked import cloud, datasets, statements

fewer = settings(suppress_health_check=list(HealthCheck), max_examples=max(10, settings.default.max_examples // 3))
pytestmark = pytest.mark.timeout(7200)


@pytest.fixture
def memory() -> MemoryProvider:
    """Give two collections of records at 0, 1, 2, ..."""
    return MemoryProvider(
        {
            name: [
                {"id": f"{name}{at}", "embedding": [float(at)], "document": f"document {at}", "metadata": {"at": at}}
                for at in range(count)
            ]
            for name, count in (("a", 3), ("b", 5))
        }
    )


def on_cloud(count: int = 5, *names: str) -> DistributedProvider:
    return DistributedProvider(
        *(
            DistributedCollection(
                name, [CloudRecord(f"{name}{at}", [float(at)], f"document {at}", {"at": at}) for at in range(count)]
            )
            for name in names or ("docs",)
        )
    )


# Scripts


async def test_results_in_order(memory):
    """A script gives one result for each statement, in their order, whichever is ready first."""
    database = chromasql.connect_async(memory)

    results = await database.execute_many(
        "SELECT COUNT(*) FROM b; SHOW COLLECTIONS; SELECT id FROM a RANK BY KNN([2]) LIMIT 1; EXPLAIN SELECT id FROM a"
    )

    assert [result.rows for result in results[:3]] == [
        [{"COUNT(*)": 5}],
        [{"name": "a", "count": 3}, {"name": "b", "count": 5}],
        [{"id": "a2"}],
    ]
    assert results[3].explanation.startswith("Project: id")


async def test_statements_run_at_once():
    """The statements of a script run at the same time."""
    waiting = asyncio.Event()
    arrived: list[str] = []

    class Slow(DistributedCollection):
        async def get(self, **arguments: Any) -> Any:
            arrived.append(self.name)
            if len(arrived) == 2:
                waiting.set()
            await waiting.wait()
            return await super().get(**arguments)

    provider = DistributedProvider(Slow("one", [CloudRecord("x")]), Slow("two", [CloudRecord("y")]))
    database = chromasql.connect_async(provider, dialect="distributed")

    results = await database.execute_many("SELECT id FROM one; SELECT id FROM two")

    assert [result.rows for result in results] == [[{"id": "x"}], [{"id": "y"}]]


def test_shared_parameters(memory):
    """Named parameters are shared: each statement takes those that it names."""
    script = "SELECT id FROM a WHERE at = :n; SELECT id FROM b WHERE at = :n; SELECT id FROM b WHERE at > :m"

    results = chromasql.connect(memory).execute_many(script, {"n": 1, "m": 3})

    assert [result.rows for result in results] == [[{"id": "a1"}], [{"id": "b1"}], [{"id": "b4"}]]


@pytest.mark.parametrize(
    ("script", "params", "message"),
    [
        ("SELECT id FROM a WHERE at = :n; SELECT id FROM b", {"n": 1, "no": 2}, "no statement .* uses .* 'no'"),
        ("SELECT id FROM a WHERE at = :n; SELECT id FROM b", {"n": 1, 5: 2}, "no statement .* uses .* 5"),
        ("SELECT id FROM a WHERE at = :n; SELECT id FROM b", None, "n"),
        ("SELECT id FROM a WHERE at = ?; SELECT id FROM b WHERE at = ?", [1, 2], "are named"),
    ],
)
def test_wrong_parameters(memory, script, params, message):
    """Unused, missing and positional parameters are errors of ours; a key that is not a name raised AttributeError."""
    with pytest.raises(ChromaSQLPlanningError, match=message):
        chromasql.connect(memory).execute_many(script, params)


def test_script_of_one(memory):
    """A script of one statement takes positional parameters, too."""
    (result,) = chromasql.connect(memory).execute_many("SELECT id FROM a WHERE at = ?;", [1])

    assert result.rows == [{"id": "a1"}]


async def test_first_error_ends_the_others():
    """The first error is raised, and no statement runs on."""
    reached, cancelled = asyncio.Event(), []

    class Hanging(DistributedCollection):
        async def get(self, **arguments: Any) -> Any:
            reached.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancelled.append(self.name)
                raise

    class Failing(DistributedCollection):
        async def get(self, **arguments: Any) -> Any:
            await reached.wait()
            raise OSError("no route")

    provider = DistributedProvider(Hanging("one"), Failing("two"))
    database = chromasql.connect_async(provider, dialect="distributed")

    with pytest.raises(ChromaSQLError, match="no route"):
        await database.execute_many("SELECT id FROM one; SELECT id FROM two")
    assert cancelled == ["one"]


def test_error_in_a_script(memory):
    """An error shows the line of the statement that it is in."""
    with pytest.raises(ChromaSQLError) as caught:
        chromasql.connect(memory).execute_many("SELECT id FROM a;\nSELECT id FROM b WHERE score < 1")

    assert "2 | SELECT id FROM b WHERE score < 1" in str(caught.value)


# The audit trail


@fewer
@given(st.data())
def test_explain_rows(draws):
    """_explain holds the rank and the distance that each leaf gave the record, over all collections, and its score."""
    data = draws.draw(datasets())
    statement, _ = draws.draw(statements(data))
    sources = [each.name for each in data.collections]
    hits = [
        Hit(record, collection.name, place)
        for place, collection in enumerate(data.collections)
        for record in collection.records
        if statement.where is None or statement.where.truth(record)
    ]
    found = []
    for leaf, _ in leaves_of(statement.rank):
        measured = leaf.measure(hits, data.space)
        best = sorted(measured, key=lambda each: (each[0], each[1].tie))[: leaf.limit or 100]
        found.append({hit.key: (place, value) for place, (value, hit) in enumerate(best)})

    rows = chromasql.connect(cloud(data), dialect="distributed").execute(statement.sql(sources), explain_rows=True).rows

    if isinstance(statement.rank, Knn | Bm25) and statement.rank.limit is None:
        return  # its pool is the page
    for row in rows:
        expected = [leaf.get((row["_collection"], row["id"])) for leaf in found]
        assert row["_explain"]["score"] == pytest.approx(row["score"], nan_ok=True)
        for leaf, known in zip(row["_explain"]["leaves"], expected, strict=True):
            if known is None:
                assert leaf is None
            else:
                assert leaf == {"rank": known[0], "distance": pytest.approx(known[1], rel=1e-5, abs=1e-5)}


def test_score_from_the_trail(memory):
    """The score of a hybrid row can be worked out from what is shown of it."""
    result = chromasql.connect(memory).execute(
        "SELECT id, score FROM * RANK BY RRF(KNN([1], limit = 3), BM25('2 1'), weights = [2, 1]) LIMIT 5",
        explain_rows=True,
    )

    assert result.columns == ("id", "score", "_explain")
    for row in result.rows:
        near, words = row["_explain"]["leaves"]
        terms = [2 / (60 + near["rank"])] if near else []
        terms += [1 / (60 + words["rank"])] if words else []
        assert row["score"] == pytest.approx(-sum(terms), rel=1e-6)


def test_trail_of_the_leaves(memory):
    """Distances in the trail are those of the leaves, of BM25 its score."""
    hits = [Hit(_record(f"document {at}", f"b{at}"), "b", 0) for at in range(5)]
    expected = {hit.record.id: score for score, hit in bm25("2", hits)}

    (row,) = chromasql.connect(memory).execute("SELECT id FROM b RANK BY BM25('2')", explain_rows=True).rows

    assert row["_explain"]["leaves"] == [{"rank": 0, "distance": pytest.approx(expected["b2"])}]
    assert distance("l2", [0.0], [2.0]) == 4.0


def _record(document: str, record_id: str) -> Any:
    from tests.support.oracle.values import Record

    return Record(record_id, (0.0,), document)


def test_no_trail_where_nothing_is_ranked(memory):
    """A statement that ranks nothing, or returns groups, has no audit trail."""
    database = chromasql.connect(memory)

    assert database.execute("SELECT id FROM a LIMIT 1", explain_rows=True).rows == [{"id": "a0"}]
    counted = database.execute("SELECT COUNT(*) FROM a RANK BY KNN([0])", explain_rows=True)
    assert counted.rows == [{"COUNT(*)": 3}]


# Which Chroma


@pytest.mark.parametrize(
    ("sql", "how"),
    [
        ("RANK BY KNN([0]) LIMIT 2", "ranks the whole statement in one payload"),
        ("RANK BY RRF(KNN([0]), BM25('x')) LIMIT 2", "one payload for each leaf; the lists are fused here"),
        ("RANK BY KNN([0], limit = 301) LIMIT 2", "candidates: the index\n"),
    ],
)
def test_explain_distributed(sql, how):
    """EXPLAIN says how the Search API is used, where it is there."""
    database = chromasql.connect(on_cloud(), dialect="distributed")

    assert how in database.execute(f"EXPLAIN SELECT id FROM docs {sql}").explanation


def test_explain_local(memory):
    """EXPLAIN says that the index is asked where there is no Search API."""
    found = chromasql.connect(memory).execute("EXPLAIN SELECT id FROM a RANK BY KNN([0]) LIMIT 2").explanation

    assert "candidates: the index\n" in found
    assert "Search API" not in found


@pytest.mark.parametrize("level", ["index_and_wal", "index_only", "index_and_bounded_wal"])
@pytest.mark.parametrize("rest", ["LIMIT 2", "ORDER BY at LIMIT 2"])
def test_read_level(level, rest):
    """The read level goes with the payloads, by option of the statement or setting of the caller."""
    provider = on_cloud()
    sql = f"SELECT id FROM docs RANK BY KNN([0]) {rest}"

    by_option = chromasql.connect(provider, dialect="distributed")
    by_option.execute(f"{sql} WITH (read_level = {level.upper()})")
    by_setting = chromasql.connect(provider, dialect="distributed", settings=chromasql.Settings(read_level=level))
    by_setting.execute(sql)

    assert [call["read_level"] for call in provider.sent("search")] == [level, level]
    assert f"read level: {level}, passed to Chroma" in by_setting.execute(f"EXPLAIN {sql}").explanation


def test_read_level_of_no_effect(memory):
    """Where there is no read level to choose, EXPLAIN says that it has no effect, and the statement runs."""
    database = chromasql.connect(memory)
    sql = "SELECT id FROM a RANK BY KNN([0]) LIMIT 1 WITH (read_level = INDEX_ONLY)"

    assert database.execute(sql).rows == [{"id": "a0"}]
    assert "index_only, of no effect" in database.execute(f"EXPLAIN {sql}").explanation


# Detection


def test_detection_of_the_double():
    """A collection that answers an empty search has the Search API; it is asked once, whatever follows."""
    provider = on_cloud()
    database = chromasql.connect(provider)

    plans = [database.execute("SELECT id FROM docs RANK BY KNN([0]) LIMIT 1").plan for _ in range(2)]
    chromasql.connect(provider).execute("SELECT id FROM docs")

    assert [(plan.dialect, plan.search) for plan in plans] == [("distributed", "whole")] * 2
    assert [call["searches"] for call in provider.sent("search") if not call["searches"]] == [[]]


async def test_one_probe_for_many_statements():
    """Statements that begin at the same time wait for one probe."""
    provider = on_cloud()
    database = chromasql.connect_async(provider)

    await database.execute_many("; ".join(["SELECT id FROM docs RANK BY KNN([0]) LIMIT 1"] * 5))

    assert [call["searches"] for call in provider.sent("search")].count([]) == 1


@pytest.mark.parametrize("dialect", ["local", "distributed"])
def test_dialect_of_the_caller(dialect):
    """A dialect that the caller gives is not asked for."""
    provider = on_cloud()

    result = chromasql.connect(provider, dialect=dialect).execute("SELECT id FROM docs RANK BY KNN([0]) LIMIT 1")

    assert result.plan.dialect == dialect
    assert [call["searches"] for call in provider.sent("search")].count([]) == 0


def test_unknown_dialect(memory):
    """An unknown dialect is an error that names the two."""
    with pytest.raises(ChromaSQLPlanningError, match="local, distributed"):
        chromasql.connect(memory, dialect="postgres")
    with pytest.raises(ChromaSQLPlanningError, match="did you mean distributed"):
        chromasql.connect(memory, dialect="distribute")


def test_probe_that_fails():
    """A probe that fails in any other way says nothing: the statement runs as on local Chroma, and the next asks anew."""
    provider = on_cloud()
    collection = provider.collections["docs"]
    real = collection.search

    async def fail(**arguments: Any) -> Any:
        collection.search = real
        raise OSError("try again later")

    collection.search = fail
    database = chromasql.connect(provider)

    dialects = [database.execute("SELECT id FROM docs RANK BY KNN([0]) LIMIT 1").plan.dialect for _ in range(2)]

    assert dialects == ["local", "distributed"]


@pytest.fixture
def filled(chroma_server, unique_name) -> Any:
    """Give the names of three collections of a real server."""
    client = chromadb.HttpClient(
        chroma_server.host, chroma_server.port, settings=chromadb.Settings(anonymized_telemetry=False)
    )
    names = [unique_name() for _ in range(3)]
    for name in names:
        client.create_collection(name, embedding_function=None).add(ids=["a"], embeddings=[[0.0]])
    yield names
    for name in names:
        client.delete_collection(name)


async def test_detection_over_http(chroma_server, filled, monkeypatch):
    """A single node is asked once by an HttpProvider, over several collections and statements, and answers 501."""
    errors = _count_errors(monkeypatch, HttpCollection, "search")
    script = "; ".join([f"SELECT id FROM {', '.join(filled)} RANK BY KNN([0])"] * 3)

    async with chromasql.connect_async(chroma_server.url) as database:
        await database.execute_many(script)
        results = await database.execute_many(script)

    assert [result.plan.dialect for result in results] == ["local"] * 3
    assert [error.status for error in errors] == [501]


async def test_detection_by_the_async_client(chroma_server, open_async_client, filled, monkeypatch):
    """A single node is asked once through chromadb's async client, which two databases share."""
    errors = _count_errors(monkeypatch, AsyncFastAPI, "_search")
    client = await open_async_client(
        chroma_server.host, chroma_server.port, settings=chromadb.Settings(anonymized_telemetry=False)
    )
    sql = f"SELECT id FROM {', '.join(filled)} RANK BY KNN([0])"

    await chromasql.connect_async(client).execute_many(f"{sql}; {sql}")
    result = await chromasql.connect_async(client).execute(sql)

    assert isinstance(await client.get_collection(filled[0], embedding_function=None), AsyncCollection)
    assert result.plan.dialect == "local"
    assert len(errors) == 1
    assert "not implemented" in str(errors[0]).lower()


def test_detection_of_embedded_chroma(tmp_path):
    """Embedded Chroma, which blocks, has no Search API either."""
    client = chromadb.PersistentClient(tmp_path / "chroma")
    client.create_collection("docs", embedding_function=None).add(ids=["a"], embeddings=[[0.0]])

    result = chromasql.connect(client).execute("SELECT id FROM docs RANK BY KNN([0])")
    client.close()

    assert (result.plan.dialect, result.rows) == ("local", [{"id": "a"}])


def _count_errors(monkeypatch, owner: type, name: str) -> list[Any]:
    """Keep what a method raises."""
    real, errors = getattr(owner, name), []

    async def watched(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return await real(self, *args, **kwargs)
        except Exception as error:
            errors.append(error)
            raise

    monkeypatch.setattr(owner, name, watched)
    return errors


# Quotas


@fewer
@given(st.data())
def test_quotas(draws):
    """Nothing that is sent of a generated statement is beyond the quotas of Chroma Cloud, which the double enforces."""
    data = draws.draw(datasets())
    statement, _ = draws.draw(statements(data))
    provider = cloud(data)
    result = chromasql.connect(provider, dialect="distributed").execute(
        statement.sql([e.name for e in data.collections])
    )

    assert all(outcome.error is None for outcome in result.outcomes)
    assert all(call["limit"] is None or call["limit"] <= 300 for call in provider.sent("get"))


def test_pages_of_a_scan():
    """Records are read in pages of 300 that begin with the last record of the page before, until one is empty."""
    provider = on_cloud(700)

    result = chromasql.connect(provider, dialect="distributed").execute("SELECT id FROM docs WHERE at >= 650")

    assert len(result.rows) == 50
    assert [(call["limit"], call["offset"]) for call in provider.sent("get")] == [(300, 0), (300, 49), (300, 50)]


def test_long_lists():
    """A list longer than a filter may hold is checked here."""
    provider = on_cloud(20)
    wanted = list(range(0, 20, 2))

    rows = chromasql.connect(provider, dialect="distributed").execute(
        "SELECT id FROM docs WHERE at IN :wanted RANK BY KNN([0]) LIMIT 20", {"wanted": wanted}
    )

    assert [row["id"] for row in rows.rows] == [f"docs{at}" for at in wanted]
    assert provider.sent("search")[0]["searches"][0]["filter"] is None


def test_many_knn():
    """A rank of more than five KNN goes leaf by leaf, five payloads to a call."""
    provider = on_cloud(20)
    rank = " + ".join(f"KNN([{at}])" for at in range(6))

    result = chromasql.connect(provider, dialect="distributed").execute(f"SELECT id FROM docs RANK BY {rank} LIMIT 1")

    assert [row["id"] for row in result.rows] == ["docs2"]
    assert [len(call["searches"]) for call in provider.sent("search")] == [5, 1]


def test_fusion_is_a_rank():
    """A fusion of one ranking is that ranking."""
    rank = Rrf((Knn((0.0,)),)).sql()

    rows = (
        chromasql.connect(on_cloud(), dialect="distributed").execute(f"SELECT id FROM docs RANK BY {rank} LIMIT 2").rows
    )

    assert [row["id"] for row in rows] == ["docs0", "docs1"]


@pytest.mark.parametrize("weak", [True, False])
def test_what_cannot_be_remembered(weak):
    """A client and a provider that nothing can be remembered of are asked for each statement, and no less right."""

    class Forgettable(DistributedCollection):
        __hash__ = None  # type: ignore[assignment]

    class Slotted:
        __slots__ = ("get_collection", "list_collection_names")

    collection = (DistributedCollection if weak else Forgettable)("docs", [CloudRecord("a", [0.0])])
    inner = DistributedProvider(collection)
    provider = Slotted()
    provider.get_collection, provider.list_collection_names = inner.get_collection, inner.list_collection_names
    database = chromasql.connect(provider)

    plans = [database.execute("SELECT id FROM docs RANK BY KNN([0]) LIMIT 1").plan for _ in range(2)]

    assert [plan.dialect for plan in plans] == ["distributed"] * 2
    assert [call["searches"] for call in inner.sent("search")].count([]) == (1 if weak else 2)
