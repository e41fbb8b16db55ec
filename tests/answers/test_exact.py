"""Under exact = TRUE, and where few records satisfy the filter, no record is lost to the index."""

import subprocess
import sys
from typing import Any

import chromadb
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import chromasql
from chromasql.plan import FEW_MATCHES
from chromasql.retrieval import exact
from tests.support.distributed import DistributedCollection, DistributedProvider, Record
from tests.support.doubles import Spy
from tests.support.oracle.statements import agree, answer
from tests.support.stores import filled
from tests.support.strategies.records import datasets, rankings

relaxed = settings(max_examples=max(5, settings.default.max_examples // 3), suppress_health_check=list(HealthCheck))
names = [f"exact-{number}" for number in range(4)]
RANDOM = np.random.default_rng(7)
EXACT = "WITH (exact = TRUE)"
VECTOR = "USING EMBEDDING (VECTOR :v)"


@pytest.fixture(scope="module")
def store() -> Any:
    return chromadb.EphemeralClient()


def normal(count, dimension):
    return RANDOM.normal(size=(count, dimension)).astype(np.float32)


def fill(client, name, vectors, **options):
    """Make a collection whose ids are numbers of four digits, and whose metadata says which of 50 classes they are in."""
    made = client.create_collection(name, embedding_function=None, **options)
    made.add(
        ids=[f"{number:04}" for number in range(len(vectors))],
        embeddings=vectors,
        metadatas=[{"n": number % 50, "even": number % 2 == 0} for number in range(len(vectors))],
    )
    return made


def true_order(vectors, query, numbers=None):
    """Return ids by squared distance in float64."""
    numbers = range(len(vectors)) if numbers is None else numbers
    exact_vectors, point = vectors.astype(np.float64), np.asarray(query, np.float64)
    return [f"{n:04}" for n in sorted(numbers, key=lambda n: ((exact_vectors[n] - point) ** 2).sum())]


def unreachable(client, dimension=256):
    """Make collections of 1,000 records until one has records that nothing reaches; return it, its vectors and their numbers."""
    for attempt in range(20):
        vectors = normal(1_000, dimension)
        made = fill(client, f"unreachable-{attempt}", vectors)
        found = made.query(query_embeddings=vectors[:1], n_results=1_000, include=[])["ids"][0]
        missing = sorted({f"{number:04}" for number in range(1_000)} - set(found))
        alone = [
            int(row_id)
            for row_id in missing
            if not made.query(query_embeddings=[vectors[int(row_id)]], ids=[row_id], n_results=1, include=[])["ids"][0]
        ]
        if alone:
            return made.name, vectors, alone
    pytest.fail("each of 20,000 records was reached")


@relaxed
@given(st.data())
def test_exact_statements_are_those_of_the_oracle(store, draws):
    """With the setting exact = True every ranked statement has the oracle's rows, whatever it filters, fuses or groups."""
    data = draws.draw(datasets(names, simple=True))
    with filled(store, data.collections), chromasql.connect(store, settings=chromasql.Settings(exact=True)) as db:
        for _ in range(4):
            statement = draws.draw(rankings(data, depth=1))
            sql, params = statement.sql([collection.name for collection in data.collections])
            lists = zip(db.execute(sql, params).results, answer(statement, data.collections), strict=True)
            assert all(agree(*pair, tolerance=1e-6) for pair in lists)


@pytest.mark.parametrize("space", ["cosine", "ip", "l2"])
def test_exact_and_index_agree_where_the_index_is_right(client, space):
    """For 80 records, all of which an index returns, both ways have the same order and distances within 1e-6."""
    vectors = normal(80, 24)
    fill(client, "docs", vectors, configuration={"hnsw": {"space": space}})
    sql, params = f"SELECT id, distance, n FROM docs {VECTOR} LIMIT 80", {"v": vectors[0].tolist()}
    with chromasql.connect(client) as db:
        index, measured = db.execute(sql, params).rows, db.execute(f"{sql} {EXACT}", params).rows

    assert [row["id"] for row in index] == [row["id"] for row in measured]
    assert [row["n"] for row in index] == [row["n"] for row in measured]
    assert [row["distance"] for row in measured] == pytest.approx(
        [row["distance"] for row in index], rel=2e-6, abs=2e-6
    )


def test_a_record_that_nothing_reaches_comes(client):
    """Records that the index returns in no way are found by their own vector under exact = TRUE, and are not without it."""
    name, vectors, missing = unreachable(client)
    sql = f"SELECT id FROM {name} {VECTOR} LIMIT 5"
    with chromasql.connect(client) as db:
        for number in missing:
            params = {"v": vectors[number].tolist()}
            assert [row["id"] for row in db.execute(f"{sql} {EXACT}", params)] == true_order(vectors, vectors[number])[
                :5
            ]
            assert f"{number:04}" not in [row["id"] for row in db.execute(sql, params)]


@pytest.mark.parametrize("condition", ["n = :n", "n = :n AND even IS NOT NULL", "n = :n AND id LIKE '%'", "id IN :ids"])
def test_a_filter_that_few_records_match_loses_none(client, condition):
    """Where few satisfy the filter, those that nothing reaches come without exact; FALSE asks the index."""
    name, vectors, missing = unreachable(client)
    number = missing[0]
    numbers = [other for other in range(1_000) if other % 50 == number % 50]
    params = {"v": vectors[number].tolist(), "n": number % 50, "ids": [f"{other:04}" for other in numbers]}
    params = {key: value for key, value in params.items() if f":{key}" in f"{condition} :v"}
    sql = f"SELECT id FROM {name} {VECTOR} WHERE {condition} LIMIT 5"
    with chromasql.connect(client) as db:
        found = [row["id"] for row in db.execute(sql, params)]
        by_index = [row["id"] for row in db.execute(f"{sql} WITH (exact = FALSE)", params)]

    assert found == true_order(vectors, vectors[number], numbers)[:5]
    assert found[0] == f"{number:04}"
    # A filter that Chroma cannot say is tested here on what the index returns, and what that lacks is looked up.
    assert f"{number:04}" not in by_index or "IS NOT NULL" in condition


async def test_few_is_counted_over_all_collections(client):
    """Whether records are measured depends on how many satisfy the filter in all, not on how they are spread."""
    vectors = normal(300, 8)
    fill(client, "docs-whole", vectors)
    for part in range(3):
        fill(client, f"docs-part-{part}", vectors[part * 100 : part * 100 + 100])
    condition = "id IS NOT NULL AND id LIKE '%' AND even IN (TRUE, FALSE)"
    used = {}
    for source in ("docs-whole", "docs-part-*"):
        spy = Spy.on(client)
        async with chromasql.connect_async(spy) as db:
            for wanted in (condition, f"{condition} AND n < 10"):
                spy.calls.clear()
                await db.execute(f"SELECT id FROM {source} {VECTOR} WHERE {wanted} LIMIT 3", {"v": vectors[0].tolist()})
                used[source, wanted] = {method for _, method in spy.sent("get", "query")}

    assert FEW_MATCHES < 300
    assert used["docs-whole", condition] == used["docs-part-*", condition] == {"query"}
    few = f"{condition} AND n < 10"
    assert "get" in used["docs-whole", few]
    assert "get" in used["docs-part-*", few]


def test_ten_openings_have_one_answer(tmp_path):
    """A folder below 1,000 records, whose graph is built anew at each opening, has one answer under exact = TRUE."""
    vectors, queries = normal(900, 64), normal(5, 64)
    client = chromadb.PersistentClient(tmp_path / "db")
    fill(client, "docs", vectors, configuration={"hnsw": {"ef_search": 10}})
    client.close()
    answers = []
    for _ in range(10):
        with chromasql.connect(tmp_path / "db") as db:
            rows = [
                db.execute(f"SELECT id, distance FROM docs {VECTOR} LIMIT 10 {EXACT}", {"v": query.tolist()}).rows
                for query in queries
            ]
            answers.append(rows)

    assert all(answer == answers[0] for answer in answers)
    for rows, query in zip(answers[0], queries, strict=True):
        assert [row["id"] for row in rows] == true_order(vectors, query)[:10]


def test_what_another_process_deleted_never_comes(client, tmp_path):
    """Vectors come from the records that are there, so a deleted record is not measured although the index has it."""
    fill(client, "docs", [[number, 0] for number in range(8)]).query(query_embeddings=[[0, 0]])
    code = "import sys, chromadb; chromadb.PersistentClient(sys.argv[1]).get_collection('docs').delete(ids=['0000'])"
    command = [sys.executable, "-W", "ignore", "-c", code, str(tmp_path / "chroma")]
    subprocess.run(command, check=True, timeout=120)
    with chromasql.connect(client) as db:
        rows = db.execute(f"SELECT id, distance FROM docs {VECTOR} LIMIT 2 {EXACT}", {"v": [0, 0]}).rows

    assert [row["id"] for row in rows] == ["0001", "0002"]


def test_equal_vectors_tie_by_id_wherever_they_stand(client):
    """Copies of one vector in several pages and collections are equally far, in each space, and ordered by id."""
    vector = normal(1, 33)
    for space in ("cosine", "ip", "l2"):
        others = normal(500, 33) * 0.1 + 100
        for part, count in enumerate((1, 7, 40)):
            copies = np.concatenate((others[: part * 13], np.repeat(vector, count, axis=0), others[200:211]))
            fill(client, f"{space}-{part}", copies, configuration={"hnsw": {"space": space}})
        with chromasql.connect(client) as db:
            sql = f"SELECT distance FROM {space}-* RANK BY KNN(:v) LIMIT 200 {EXACT}"
            near = db.execute(sql, {"v": vector[0].tolist()}).rows
        distances = [row["distance"] for row in near]
        assert max(distances.count(distance) for distance in set(distances)) == 48


async def test_memory_holds_one_page(client, monkeypatch):
    """No request is for more vectors than a page, with a filter and without one, and the answer is the same."""
    vectors = normal(1_000, 16)
    fill(client, "docs", vectors)
    monkeypatch.setattr(exact, "_PAGE_FLOATS", 16 * 90)
    sent = []
    get = chromadb.Collection.get
    monkeypatch.setattr(chromadb.Collection, "get", lambda self, **asked: sent.append(asked) or get(self, **asked))
    async with chromasql.connect_async(client) as db:
        whole = await db.execute(f"SELECT id FROM docs {VECTOR} LIMIT 7 {EXACT}", {"v": vectors[0].tolist()})
        even = await db.execute(
            f"SELECT id FROM docs {VECTOR} WHERE even = TRUE LIMIT 7 {EXACT}", {"v": vectors[0].tolist()}
        )
    measured = [asked for asked in sent if "embeddings" in asked["include"]]

    assert [row["id"] for row in whole] == true_order(vectors, vectors[0])[:7]
    assert [row["id"] for row in even] == true_order(vectors, vectors[0], range(0, 1_000, 2))[:7]
    assert len(measured) >= 12 + 6
    assert all(len(asked.get("ids", ())) <= 90 and asked.get("limit", 0) <= 91 for asked in measured)


def test_explain_says_what_is_measured(client):
    """EXPLAIN says that records are measured here: all, those that satisfy the filter, or few of them."""
    fill(client, "docs", normal(3, 2))
    with chromasql.connect(client) as db:

        def explain(rest):
            return db.execute(f"EXPLAIN SELECT id FROM docs {VECTOR} {rest}", {"v": [0, 0]}).explanation

        assert "candidates: every record, measured here from its stored vector" in explain(EXACT)
        assert "every record that satisfies the filter, measured here" in explain(f"WHERE n = 1 {EXACT}")
        assert f"up to {FEW_MATCHES} of them are measured here" in explain("WHERE id IN ('0001', '0002')")
        assert "measured here" not in explain("WHERE id IN ('0001', '0002') WITH (exact = FALSE)")


async def test_distributed_chroma_is_measured_up_to_a_limit(monkeypatch):
    """On distributed Chroma exact statements are right, and above the limit refused with a sentence."""
    vectors = normal(350, 3)
    records = [Record(f"{number:04}", vector.tolist()) for number, vector in enumerate(vectors)]
    provider = DistributedProvider(DistributedCollection("docs", records))
    sql, params = f"SELECT id FROM docs {VECTOR} LIMIT 5 {EXACT}", {"v": vectors[0].tolist()}
    async with chromasql.connect_async(provider, dialect="distributed") as db:
        rows = (await db.execute(sql, params)).rows
        assert [row["id"] for row in rows] == true_order(vectors, vectors[0])[:5]
        monkeypatch.setattr(exact, "MAX_REMOTE_RECORDS", 349)
        with pytest.raises(chromasql.ChromaSQLExecutionError, match="350 records") as raised:
            await db.execute(sql, params)
    assert raised.value.code == "exact-too-large"


def test_a_sparse_index_cannot_be_measured(client):
    """Exact = TRUE beside a KNN over a sparse index is refused; as a setting it does not reach that statement."""
    sql = "SELECT id FROM docs RANK BY KNN({1: 0.5}, key = 'words')"
    with pytest.raises(chromasql.ChromaSQLPlanningError, match="sparse"):
        chromasql.build_plan(chromasql.parse(f"{sql} {EXACT}"))
    assert chromasql.build_plan(chromasql.parse(sql), settings=chromasql.Settings(exact=True)).exact is None


def test_exact_needs_a_ranking_and_a_truth_value(client):
    """Without a ranking the option means nothing, and it takes TRUE or FALSE."""
    for sql, code in (
        (f"SELECT id FROM docs {EXACT}", "ranking-required"),
        ("SELECT id FROM docs RANK BY KNN([1]) WITH (exact = 1)", "invalid-option"),
    ):
        with pytest.raises(chromasql.ChromaSQLPlanningError) as raised:
            chromasql.build_plan(chromasql.parse(sql))
        assert raised.value.code == code


def test_infinite_distances_are_refused(client):
    """A distance that overflows single precision is an error here, too."""
    client.create_collection("docs", embedding_function=None).add(ids=["a"], embeddings=[[1e20, 0]])
    with chromasql.connect(client) as db, pytest.raises(chromasql.ChromaSQLExecutionError, match="huge values"):
        db.execute(f"SELECT id FROM docs {VECTOR} {EXACT}", {"v": [-1e20, 0]})
