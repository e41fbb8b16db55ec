"""A ranked statement has one answer: of local Chroma, of the Search API whole or by its leaves, and of the reference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import chromadb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import chromasql
import tests.support.oracle.statements as reference
from tests.support.distributed import DistributedCollection, DistributedProvider
from tests.support.distributed import Record as CloudRecord
from tests.support.oracle.ranks import Knn, Number, Operation, Rrf, Statement, disagreement, leaves_of
from tests.support.oracle.values import Collection, Record
from tests.support.strategies import records as predicates
from tests.support.strategies.ranked import Data, cloud, datasets, local, statements

relaxed = settings(suppress_health_check=list(HealthCheck))
pytestmark = pytest.mark.timeout(7200)

STATEMENTS = 3
"""How many statements are asked of the same records."""


@pytest.fixture(scope="module")
def client() -> Any:
    return chromadb.EphemeralClient()


def scale_of(statement: Statement) -> float:
    """Return what single precision rounds against: sums of distances may cancel, a fusion alone may not."""
    if isinstance(statement.rank, Rrf):
        return 0.0
    defaults = [leaf.default or 0.0 for leaf, _ in leaves_of(statement.rank)]
    return max([10.0, *defaults])


def check(statement: Statement, ranked: Sequence[Any], data: Data, rows: Sequence[dict[str, Any]], who: str) -> None:
    problem = disagreement(statement, ranked, rows, scale=scale_of(statement))
    assert problem is None, f"{who}: {problem}\n{statement.sql([each.name for each in data.collections])}"

    records = {(each.name, one.id): one for each in data.collections for one in each.records}
    for row in rows:
        record = records[row["_collection"], row["id"]]
        if "document" in statement.shown:
            assert (row["document"], row["metadata"]) == (record.document, record.metadata)
        if "metadata.n" in statement.shown:
            assert row["metadata.n"] == record.metadata.get("n")


@relaxed
@given(st.data())
def test_one_answer(client, draws):
    """Local Chroma, the Search API by the statement or by its leaves, and the reference rank alike."""
    data = draws.draw(datasets())
    sources = [each.name for each in data.collections]
    with (
        local(client, data) as here,
        chromasql.connect(cloud(data), dialect="distributed") as there,
        chromasql.connect(cloud(data, compacted=False), dialect="distributed") as in_log,
    ):
        for _ in range(STATEMENTS):
            statement, ranked = draws.draw(statements(data))
            sql = statement.sql(sources)

            check(statement, ranked, data, here.execute(sql).rows, "local")
            check(statement, ranked, data, there.execute(sql).rows, "pushed")
            # With the audit trail the leaves are asked for apart.
            check(statement, ranked, data, there.execute(sql, explain_rows=True).rows, "leaves")
            check(statement, ranked, data, in_log.execute(sql).rows, "not yet compacted")


@relaxed
@given(st.data())
def test_pages_cut_ties_by_id(draws):
    """Where Chroma ranks the whole statement, pages still cut ties by id, though Chroma cuts them by record order."""
    vectors = draws.draw(st.lists(st.sampled_from([(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0)]), max_size=14))
    ids = draws.draw(st.permutations([f"r{at}" for at in range(len(vectors))]))
    records = tuple(Record(one, vector) for one, vector in zip(ids, vectors, strict=True))
    data = Data((Collection("search-0", records),), "l2", ((0.0, 0.0),))
    queries = st.sampled_from([(0.0, 0.0), (2.0, 0.5)])
    # The pool is larger than the collection, so that no tie is cut inside a KNN but where it is the whole rank.
    knn = Knn(draws.draw(queries), limit=draws.draw(st.sampled_from([None, 3])))
    scaled = Operation("*", Number(draws.draw(st.sampled_from([-1, 0, 2]))), Knn(draws.draw(queries)))
    statement = Statement(
        draws.draw(st.sampled_from([knn, scaled])),
        limit=draws.draw(st.integers(1, 6)),
        offset=draws.draw(st.integers(0, 6)),
    )
    provider = cloud(data)

    result = chromasql.connect(provider, dialect="distributed").execute(statement.sql(["search-0"]))

    assert result.plan.search == "whole"
    expected = statement.page(statement.ranked(data.collections, "l2"))
    assert [(row["id"], row["score"]) for row in result.rows] == [(hit.record.id, score) for hit, score in expected]


@relaxed
@given(st.data())
def test_filters(draws):
    """WHERE keeps on Chroma Cloud, which reads filters in a way of its own, exactly the records for which it is true."""
    drawn = draws.draw(predicates.datasets([f"search-{at}" for at in range(predicates.MOST_COLLECTIONS)]))
    collections = [
        replace(each, records=tuple(replace(one, metadata=_kept_whole(one.metadata)) for one in each.records))
        for each in drawn.collections
    ]
    provider = DistributedProvider(
        *(
            DistributedCollection(
                each.name,
                [CloudRecord(one.id, one.vector, one.document, one.metadata or {}) for one in each.records],
                compacted=draws.draw(st.booleans()),
            )
            for each in collections
        )
    )
    database = chromasql.connect(provider, dialect="distributed")
    for _ in range(STATEMENTS):
        statement = draws.draw(predicates.filters(drawn))
        sql, params = statement.sql([each.name for each in collections])

        (expected,) = reference.answer(statement, collections)
        assert reference.same_set(database.execute(sql, params).rows, expected), sql


def _kept_whole(metadata: dict[str, Any] | None) -> dict[str, Any] | None:
    """Leave out whole numbers of which Chroma Cloud keeps only the remainder by 2**32."""

    def is_kept(value: Any) -> bool:
        values = value if isinstance(value, list) else [value]
        return all(type(each) is not int or -(2**31) <= each < 2**32 for each in values)

    return None if metadata is None else {key: value for key, value in metadata.items() if is_kept(value)} or None


# By example


def one_collection(*records: CloudRecord, **options: Any) -> DistributedProvider:
    return DistributedProvider(DistributedCollection("docs", records, **options))


def ask(provider: DistributedProvider, sql: str, **options: Any) -> chromasql.ExecutionResult:
    return chromasql.connect(provider, dialect="distributed").execute(sql, **options)


def on_a_line(count: int, **keys: Any) -> list[CloudRecord]:
    """Return records at 0, 1, 2, .. from the query [0]."""
    return [CloudRecord(f"r{at:03}", [float(at)], f"document {at}", {"at": at, **keys}) for at in range(count)]


def test_whole_is_one_call():
    """A ranked statement over one collection is one payload, documents and all, where nothing is left to do here."""
    provider = one_collection(*on_a_line(20))

    result = ask(provider, "SELECT id, document, score FROM docs RANK BY KNN([0]) * 2 LIMIT 3 OFFSET 2")

    assert [row["document"] for row in result.rows] == ["document 2", "document 3", "document 4"]
    assert [method for method, _ in provider.collections["docs"].calls] == ["search"]


def test_leaves_are_one_call():
    """The leaves of a statement go to a collection in one call, five payloads at most."""
    provider = one_collection(*on_a_line(20))
    leaves = ", ".join(f"KNN([{at}])" for at in range(7))

    result = ask(provider, f"SELECT id FROM docs RANK BY RRF({leaves}) LIMIT 3")

    assert result.plan.search == "leaves"
    assert [len(call["searches"]) for call in provider.sent("search")] == [5, 2]


@pytest.mark.parametrize(
    "clauses",
    [
        "RANK BY KNN([0]) ORDER BY at LIMIT 3",
        "RANK BY KNN([0]) RERANK BY MMR LIMIT 3",
        "RANK BY KNN([0]) LIMIT 3 WITH (per_collection = 5)",
        "RANK BY KNN([0]) LIMIT 3 WITH (merge = RRF)",
        "RANK BY KNN([0])",
        "RANK BY KNN([0]) LIMIT 300",
        "RANK BY LOG(KNN([0])) LIMIT 3",
        "RANK BY EXP(KNN([0])) LIMIT 3",
        "RANK BY 1 / KNN([0]) LIMIT 3",
        "RANK BY KNN([0]) / 0 LIMIT 3",
        "RANK BY KNN([0]) * 1e13 LIMIT 3",
        "RANK BY KNN([0], default = 1e13) LIMIT 3",
        "RANK BY KNN([0]) + metadata.at LIMIT 3",
        "RANK BY COALESCE(KNN([0]), 1) LIMIT 3",
        "RANK BY RRF(KNN([0]) * 0, KNN([1])) LIMIT 3",
        "RANK BY RRF(KNN([0]), KNN([1]), weights = [0, 1]) LIMIT 3",
        "RANK BY RRF(KNN([0]), KNN([1]), k = 100000) LIMIT 3",
        "RANK BY RRF(KNN([0]), KNN([1]), default = -61) LIMIT 3",
        "RANK BY KNN([0]) GROUP BY at KEEP 1 LIMIT 3 OFFSET 1",
        "RANK BY KNN([0]) GROUP BY at KEEP 1 BY score DESC LIMIT 3",
        "RANK BY KNN([0]) GROUP BY at KEEP 1 BY at LIMIT 3",
        "WHERE at < 9 RANK BY KNN([0]) LIMIT 3 OFFSET 1",
        "WHERE at < 9 RANK BY KNN([0]) * 2 LIMIT 3",
        "WHERE at < 9 RANK BY KNN([0]) GROUP BY at KEEP 1 LIMIT 3",
    ],
)
def test_not_whole(clauses):
    """A statement whose page Chroma might give otherwise is ranked leaf by leaf, and fused here."""
    result = ask(one_collection(*on_a_line(20)), f"SELECT id FROM docs {clauses}")

    assert result.plan.search == "leaves"
    assert result.rows


def test_distance_of_a_scaled_rank():
    """The distance is not the score, so a rank that is more than a KNN is not left to Chroma where it is shown."""
    result = ask(one_collection(*on_a_line(5)), "SELECT distance, score FROM docs RANK BY KNN([1]) * 2 LIMIT 2")

    assert result.plan.search == "leaves"
    assert result.rows == [{"distance": 0.0, "score": 0.0}, {"distance": 1.0, "score": 2.0}]


def test_filter_that_lets_through():
    """Where a record that the filter only seemed to fit took a place in the page, the leaves are asked for."""
    records = on_a_line(6)
    records[0].metadata = {"at": [3, 4]}
    provider = one_collection(*records)

    result = ask(provider, "SELECT id FROM docs WHERE at < 4 RANK BY KNN([0]) LIMIT 2")

    assert result.plan.search == "whole"
    assert [row["id"] for row in result.rows] == ["r001", "r002"]
    assert [payload["limit"]["limit"] for call in provider.sent("search") for payload in call["searches"]] == [3, 3, 12]


def test_groups_that_differ_there():
    """1 and 1.0 are one group here and two to Chroma, which then kept too many."""
    records = on_a_line(4)
    records[0].metadata, records[1].metadata = {"at": 1}, {"at": 1.0}

    result = ask(one_collection(*records), "SELECT id, at FROM docs RANK BY KNN([0]) GROUP BY at KEEP 1 LIMIT 3")

    assert result.plan.search == "whole"
    assert result.rows == [{"id": "r000", "at": 1}, {"id": "r002", "at": 2}, {"id": "r003", "at": 3}]


def test_scores_beyond_single_precision():
    """A score that is too large for JSON does not come back from Chroma, and is computed here."""
    records = [CloudRecord("near", [0.0]), CloudRecord("far", [1e19])]

    result = ask(one_collection(*records), "SELECT id, score FROM docs RANK BY KNN([0]) * 10 LIMIT 2")

    assert [row["score"] for row in result.rows] == [0.0, float("inf")]


def test_selective_filter():
    """A dense KNN finds what a filter leaves beyond the 300 records that a payload returns."""
    records = on_a_line(700)
    for record in records[650:]:
        record.metadata = {"at": "far"}
    for record in records[:650]:
        record.metadata = {"at": ["far", "near"]}
    provider = one_collection(*records)

    result = ask(provider, "SELECT id FROM docs WHERE at = 'far' RANK BY KNN([0]) LIMIT 3")

    assert [row["id"] for row in result.rows] == ["r650", "r651", "r652"]
    assert [payload["limit"]["limit"] for call in provider.sent("search") for payload in call["searches"]] == [
        4, 4, 16, 64, 256, 300,
    ]  # fmt: skip


def test_uri():
    """The uri comes with the metadata, where Chroma keeps it, and what else it keeps there is not shown."""
    provider = one_collection(CloudRecord("a", [0.0], metadata={"x": 1}, uri="file://a"), CloudRecord("b", [1.0]))

    whole = ask(provider, "SELECT id, uri, metadata FROM docs RANK BY KNN([0]) LIMIT 2")
    leaves = ask(provider, "SELECT id, uri, metadata FROM docs RANK BY KNN([0]) LIMIT 2", explain_rows=True)

    expected = [{"id": "a", "uri": "file://a", "metadata": {"x": 1}}, {"id": "b", "uri": None, "metadata": {}}]
    assert whole.rows == expected
    assert [{name: row[name] for name in ("id", "uri", "metadata")} for row in leaves.rows] == expected


def test_embedding():
    """The embedding comes as plain numbers."""
    result = ask(one_collection(*on_a_line(2)), "SELECT embedding FROM docs RANK BY KNN([0]) LIMIT 2")

    assert result.rows == [{"embedding": [0.0]}, {"embedding": [1.0]}]


def test_both_filters_in_one():
    """A pattern goes by where_document to get and query, and beside the rest of the filter to search."""
    provider = one_collection(*on_a_line(20))

    result = ask(
        provider,
        "SELECT id FROM docs WHERE id != 'r001' AND document REGEX '[12]$' AND document REGEX 'm.n' "
        "RANK BY KNN([0]) LIMIT 3",
    )

    assert [row["id"] for row in result.rows] == ["r002", "r011", "r012"]
    (call,) = provider.sent("search")
    assert call["searches"][0]["filter"] == {
        "$and": [
            {"#id": {"$ne": "r001"}},
            {"$and": [{"#document": {"$regex": "[12]$"}}, {"#document": {"$regex": "m.n"}}]},
        ],
    }


# Sparse vectors, which local Chroma does not have


def sparse(**weights: float) -> dict[str, Any]:
    indices = sorted(int(key[1:]) for key in weights)
    return {"#type": "sparse_vector", "indices": indices, "values": [weights[f"_{index}"] for index in indices]}


def with_sparse() -> DistributedProvider:
    return one_collection(
        CloudRecord("a", [0.0], metadata={"words": sparse(_1=1.0, _2=0.5)}),
        CloudRecord("b", [1.0], metadata={"words": sparse(_2=1.0)}),
        CloudRecord("c", [2.0], metadata={"words": sparse(_7=1.0)}),
        CloudRecord("d", [3.0]),
        sparse=["words"],
    )


def test_sparse():
    """A sparse KNN scores by 1 - dot product, and finds what shares an index."""
    result = ask(with_sparse(), "SELECT id, score FROM docs RANK BY KNN({1: 1, 2: 0.5}, key = words) LIMIT 5")

    assert result.plan.search == "whole"
    assert result.rows == [{"id": "a", "score": -0.25}, {"id": "b", "score": 0.5}]


@pytest.mark.parametrize("explain_rows", [False, True])
def test_dense_and_sparse(explain_rows):
    """A fusion of a dense and a sparse ranking is the union of both, whoever fuses them."""
    result = ask(
        with_sparse(),
        "SELECT id, score FROM docs RANK BY RRF(KNN([3]), KNN({2: 1}, key = words)) LIMIT 4",
        explain_rows=explain_rows,
    )

    # By distance d c b a; by words b a.
    expected = {"b": -1 / 62 - 1 / 60, "a": -1 / 63 - 1 / 61, "d": -1 / 60, "c": -1 / 61}
    assert result.plan.search == "whole"
    assert [row["id"] for row in result.rows] == list(expected)
    assert [row["score"] for row in result.rows] == pytest.approx(list(expected.values()), rel=1e-5)


def test_sparse_over_collections():
    """Sparse rankings of several collections merge by score."""
    first, second = with_sparse().collections["docs"], with_sparse().collections["docs"]
    second.name, second.records[0].id = "more", "z"
    provider = DistributedProvider(first, second)

    result = ask(provider, "SELECT id, _collection FROM docs, more RANK BY KNN({1: 1}, key = words) LIMIT 2")

    assert [(row["id"], row["_collection"]) for row in result.rows] == [("a", "docs"), ("z", "more")]


def test_sparse_with_selective_filter():
    """A sparse KNN that a filter leaves too little of is an error, since Chroma gives no way to find the rest."""
    records = [CloudRecord(f"r{at}", metadata={"words": sparse(_1=1.0), "x": ["a", "b"]}) for at in range(400)]
    provider = one_collection(*records, sparse=["words"])

    with pytest.raises(chromasql.ChromaSQLExecutionError, match="of the 300 records nearest by words only 0 satisfy"):
        ask(provider, "SELECT id FROM docs WHERE x = 'a' RANK BY KNN({1: 1}, key = words) LIMIT 5")


def test_sparse_is_not_local(client):
    """Local Chroma has no sparse index, and the error names what to do instead."""
    client.create_collection("no-sparse", embedding_function=None)
    try:
        with pytest.raises(chromasql.ChromaSQLPlanningError, match="BM25"):
            chromasql.connect(client).execute("SELECT id FROM `no-sparse` RANK BY KNN({1: 1}, key = words)")
    finally:
        client.delete_collection("no-sparse")


def test_too_many_sparse_candidates():
    """More sparse candidates than a payload returns are refused before anything is sent."""
    provider = with_sparse()

    with pytest.raises(chromasql.ChromaSQLPlanningError, match="at most 300"):
        ask(provider, "SELECT id FROM docs RANK BY KNN({1: 1}, key = words, limit = 301)")

    assert not provider.sent("search")
