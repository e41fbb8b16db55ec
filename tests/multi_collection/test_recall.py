"""The measured recall is that of a brute force written apart, and what an index misses is found."""

import json
import subprocess
import sys

import chromadb
import numpy as np
import pytest

import chromasql
from chromasql.multi_collection.recall import CollectionRecall
from tests.support.distributed import DistributedCollection, DistributedProvider, Record

RANDOM = np.random.default_rng(7)
_ELSEWHERE = "import sys, chromadb; docs = chromadb.PersistentClient(sys.argv[1]).get_collection('docs')"


def fill(client, name, vectors, *, metadatas=None, **hnsw):
    """Make a collection of these vectors, whose ids are their numbers."""
    made = client.create_collection(name, embedding_function=None, configuration={"hnsw": hnsw} if hnsw else None)
    ids = [str(number) for number in range(len(vectors))]
    for start in range(0, len(ids), 2_000):
        part = slice(start, start + 2_000)
        made.add(ids=ids[part], embeddings=vectors[part], metadatas=metadatas and metadatas[part])
    return made


def write_elsewhere(folder, *statements):
    """Run statements on the collection docs of a folder, in a process of its own."""
    code = "; ".join([_ELSEWHERE, *statements])
    subprocess.run([sys.executable, "-W", "ignore", "-c", code, str(folder)], check=True, timeout=120)


def normal(count, dimension):
    return RANDOM.normal(size=(count, dimension)).astype(np.float32)


def recall_by_hand(collection, vectors, k, where=None, matching=None):
    """Return the mean recall at k over all matching records, from the vectors that were added, in float64."""
    matching = range(len(vectors)) if matching is None else matching
    exact = vectors.astype(np.float64)
    shares = []
    for number in matching:
        others = [other for other in matching if other != number]
        true = sorted(others, key=lambda other: ((exact[other] - exact[number]) ** 2).sum())[:k]
        found = collection.query(query_embeddings=[vectors[number]], n_results=k + 1, where=where, include=[])["ids"][0]
        hits = [int(row_id) for row_id in found if int(row_id) != number][:k]
        shares.append(len(set(hits) & set(true)) / len(true))
    return sum(shares) / len(shares)


async def measure(client, source, **options):
    async with chromasql.connect_async(client) as db:
        return await chromasql.measure_recall(db, source, **options)


async def test_recall_equals_a_brute_force_written_apart(client):
    """Over all records of a collection with a poor index, recall at 5 is that of float64 by hand, and not 1."""
    vectors = normal(300, 48)
    made = fill(client, "docs", vectors, ef_search=5, max_neighbors=4)
    report = await measure(client, "docs", k=5, samples=300)

    (one,) = report.collections
    assert (one.records, one.samples) == (300, 300)
    assert one.recall == pytest.approx(recall_by_hand(made, vectors, 5), abs=1e-6)
    assert 0 <= one.worst <= one.recall < 0.97
    assert report.recall == one.recall


@pytest.mark.parametrize("sql_filter", ["m = 1", "m = 1 OR m = 7", "m IS NOT NULL AND m = 1"])
async def test_recall_under_a_filter_is_that_of_the_filtered_search(client, sql_filter):
    """Neighbours are those among the records that satisfy the filter, whether Chroma can be sent it or not."""
    vectors = normal(300, 48)
    made = fill(client, "docs", vectors, metadatas=[{"m": number % 2} for number in range(300)], ef_search=5)
    (one,) = (await measure(client, "docs", k=5, samples=300, sql_filter=sql_filter)).collections

    assert one.records == one.samples == 150
    assert one.recall == pytest.approx(recall_by_hand(made, vectors, 5, {"m": 1}, range(1, 300, 2)), abs=1e-6)
    assert one.deleted is None


async def test_a_wider_search_says_what_ef_search_would_find(client):
    """`wider` has the recall of more requested records, cut to k, and the advice names the first that is good."""
    vectors = normal(2_000, 48)
    fill(client, "docs", vectors, ef_search=10)
    (one,) = (await measure(client, "docs", k=10, samples=50)).collections

    assert list(one.wider) == [20 * 2**power for power in range(len(one.wider))]
    assert list(one.wider.values()) == sorted(one.wider.values())
    good = next(width for width, recall in one.wider.items() if recall >= 0.95)
    assert f'"ef_search": {good}' in one.advice[0]


async def test_records_that_nothing_reaches_are_counted():
    """The count is that of asking for each record by its own vector and by its id; collections are made until it has some."""
    client = chromadb.EphemeralClient()
    for attempt in range(20):
        vectors = normal(1_000, 256)
        made = fill(client, f"docs-{attempt}", vectors)
        unreachable = [
            str(number)
            for number, vector in enumerate(vectors)
            if str(number) not in made.query(query_embeddings=[vector], n_results=10, include=[])["ids"][0]
            and not made.query(query_embeddings=[vector], ids=[str(number)], n_results=1, include=[])["ids"][0]
        ]
        (one,) = (await measure(client, f"docs-{attempt}", samples=5)).collections
        client.delete_collection(made.name)
        assert one.unreachable == len(unreachable)
        assert one.examples == tuple(unreachable[:5])
        if unreachable:
            assert any("come in no search" in sentence for sentence in one.advice)
            return
    pytest.fail("each of 20,000 records was reached")


async def test_what_another_process_wrote_is_found(client, tmp_path):
    """Records that another process added are in `get` and not in the index, those that it deleted the other way round."""
    made = fill(client, "docs", normal(50, 4), metadatas=[{"m": 1}] * 50)
    made.query(query_embeddings=[[0, 0, 0, 0]])
    write_elsewhere(
        tmp_path / "chroma",
        "docs.delete(ids=['0', '1', '2'])",
        "docs.add(ids=['x', 'y'], embeddings=[[0, 0, 0, 0]] * 2, metadatas=[{'m': 1}] * 2)",
    )
    (one,) = (await measure(client, "docs", k=5)).collections

    assert (one.records, one.not_indexed, one.deleted, one.unreachable) == (49, 2, 3, 0)
    assert set(one.examples) == {"x", "y", "0", "1", "2"}
    assert one.recall == 1.0
    assert "another process" in one.advice[0]

    (filtered,) = (await measure(client, "docs", k=5, sql_filter="m = 1")).collections
    assert (filtered.records, filtered.not_indexed, filtered.deleted, filtered.recall) == (49, 2, None, 1.0)


async def test_a_setting_that_is_shown_and_not_in_force_is_found(client):
    """A raised ef_search is contradicted by the answers until the folder is opened again; one in force is not."""
    made = fill(client, "docs", normal(2_000, 64), ef_search=10)
    (before,) = (await measure(client, "docs", samples=50)).collections
    made.modify(configuration={"hnsw": {"ef_search": 300}})
    client.get_collection("docs")
    (after,) = (await measure(client, "docs", samples=50)).collections

    assert (before.ef_search, before.ef_search_below) == (10, None)
    assert after.ef_search == 300
    assert 10 < after.ef_search_below <= 20
    assert any("open the folder again" in sentence for sentence in after.advice)


async def test_the_distance_behind_the_stored_graph_is_read_from_the_folder(client):
    """Below 1,000 records every write is behind, and the advice says that openings differ; in memory it is not known."""
    fill(client, "docs-small", normal(900, 48), ef_search=5)
    fill(client, "docs-large", normal(1_000, 4)).add(ids=["x"], embeddings=[[0, 0, 0, 0]])
    large, small = (await measure(client, "docs-*", samples=5)).collections

    assert (large.behind, small.behind) == (1, 900)
    assert "each opening builds another" in small.advice[-1]
    assert not large.advice
    memory = chromadb.EphemeralClient()
    fill(memory, "docs-recall-memory", normal(5, 4))
    (one,) = (await measure(memory, "docs-recall-memory")).collections
    assert one.behind is None


async def test_an_empty_collection_and_an_empty_answer_have_no_recall(client):
    """Without records recall is None and nothing is advised."""
    client.create_collection("docs-empty", embedding_function=None)
    fill(client, "docs-few", normal(3, 4), metadatas=[{"m": 1}] * 3)
    report = await measure(client, "docs-*", sql_filter="m = 2")

    assert [(one.records, one.recall, one.advice) for one in report.collections] == [(0, None, ())] * 2
    assert report.recall is None


async def test_equal_vectors_are_as_good_as_one_another(client):
    """Of copies of one vector any are right, in every space."""
    vectors = np.repeat(normal(20, 16), 30, axis=0)
    for space in ("cosine", "ip", "l2"):
        fill(client, f"docs-{space}", vectors, space=space)
    report = await measure(client, "docs-cosine, docs-l2", k=5, samples=50)

    assert [one.recall for one in report.collections] == [1.0, 1.0]
    assert [(one.space, one.space_shown) for one in report.collections] == [("cosine", "cosine"), ("l2", "l2")]


async def test_progress_comes_with_each_page(client):
    """The last step of a collection says that all of its records are measured."""
    fill(client, "docs", normal(4_500, 2))
    steps = []
    await measure(client, "docs", samples=2, on_progress=steps.append)

    assert [step.done for step in steps] == sorted(step.done for step in steps)
    assert (len(steps), steps[-1]) == (3, chromasql.RecallProgress("docs", 4_500, 4_500))


async def test_a_scope_limits_what_is_measured(client):
    """A scoped database measures the records that it may see, and a blocking one is taken as well."""
    fill(client, "docs", normal(100, 4), metadatas=[{"m": number % 4} for number in range(100)])
    with chromasql.connect(client, scope=chromasql.Scope(where="m = 3")) as db:
        (one,) = (await chromasql.measure_recall(db, "docs")).collections

    assert (one.records, one.deleted) == (25, None)


async def test_distributed_chroma_is_measured_as_far_as_it_answers():
    """Where answers are short there is recall, and what only long ones tell is None."""
    vectors = normal(50, 4)
    records = [Record(str(number), vector.tolist()) for number, vector in enumerate(vectors)]
    provider = DistributedProvider(DistributedCollection("docs", records))
    async with chromasql.connect_async(provider, dialect="distributed") as db:
        (one,) = (await chromasql.measure_recall(db, "docs", k=5)).collections

    assert one.recall == 1.0
    assert (one.unreachable, one.deleted, one.ef_search_below) == (None, None, None)
    assert one.wider == {}


async def test_a_collection_that_fails_is_among_the_failures(client):
    """The others are measured; where none can be, that is an error."""
    fill(client, "docs-a", normal(5, 4))
    fill(client, "docs-b", normal(5, 4))

    class Failing(chromasql.SimpleAsyncClientAdapter):
        async def get_collection(self, name):
            if name == "docs-a":
                raise RuntimeError("no")
            return await super().get_collection(name)

    provider = Failing(client)
    async with chromasql.connect_async(provider) as db:
        report = await chromasql.measure_recall(db, "docs-*")
        assert [one.collection for one in report.collections] == ["docs-b"]
        assert [failure.collection for failure in report.failures] == ["docs-a"]
        with pytest.raises(chromasql.ChromaSQLExecutionError):
            await chromasql.measure_recall(db, "docs-a")


@pytest.mark.parametrize("options", [{"k": 0}, {"samples": 0}, {"k": True}, {"samples": 1.5}, {"k": 10_000}])
async def test_a_number_that_cannot_be_meant_is_refused(client, options):
    """`k` and `samples` are whole numbers from 1 on, and `k` is below what Chroma returns at once."""
    fill(client, "docs", normal(5, 4))
    with pytest.raises(chromasql.ChromaSQLPlanningError) as raised:
        await measure(client, "docs", **options)
    assert raised.value.code == "invalid-argument"


async def test_a_filter_that_is_not_sql_is_refused(client):
    """The error points into the statement that was made of it."""
    with pytest.raises(chromasql.ChromaSQLParseError) as raised:
        await measure(client, "docs", sql_filter="m ==")
    assert raised.value.code


async def test_the_report_is_json(client):
    """`to_json` has the rows, with the fields of a `CollectionRecall`, and the lowest recall."""
    fill(client, "docs", normal(5, 4))
    report = await measure(client, "docs", k=2)
    said = json.loads(report.to_json())

    assert (said["k"], said["recall"], said["failures"]) == (2, 1.0, [])
    assert said["collections"][0].keys() == set(CollectionRecall.__dataclass_fields__)
