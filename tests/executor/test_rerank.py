"""RERANK BY: maximal marginal relevance, and strategies that an application registers."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import chromasql
from chromasql import (
    ChromaSQLError,
    ChromaSQLExecutionError,
    ChromaSQLPlanningError,
    RerankRequest,
    register_reranker,
)
from chromasql.adapters import MemoryProvider
from tests.support.distributed import DistributedCollection, DistributedProvider
from tests.support.distributed import Record as CloudRecord

relaxed = settings(suppress_health_check=list(HealthCheck))
pytestmark = pytest.mark.timeout(7200)

Vector = tuple[float, ...]


def provider(*parts: dict[str, Vector | None], **options: Any) -> MemoryProvider:
    """Return a collection for each part, of ids with their vectors."""
    return MemoryProvider(
        {
            f"part-{at}": [
                {"id": row_id, "embedding": vector, "document": f"document {row_id}", "metadata": {"name": row_id}}
                for row_id, vector in part.items()
            ]
            for at, part in enumerate(parts)
        },
        **options,
    )


def ask(source: Any, clauses: str, columns: str = "id", **params: Any) -> list[Any]:
    rows = chromasql.connect(source).execute(f"SELECT {columns} FROM * {clauses}", params or None).rows
    return [row["id"] for row in rows] if columns == "id" else rows


# MMR


def cosine(a: Vector, b: Vector) -> float:
    lengths = math.sqrt(sum(x * x for x in a)) * math.sqrt(sum(y * y for y in b))
    return sum(x * y for x, y in zip(a, b, strict=True)) / lengths if lengths else 0.0


def mmr(relevance: Sequence[float], vectors: Sequence[Vector], weight: float) -> Iterator[tuple[int, bool]]:
    """
    Yield which row is taken at each step, and whether another was as good as that.

    Carbonell and Goldstein, SIGIR 1998: the row with the highest lambda * relevance - (1 - lambda) * the similarity to the
    most similar row that is taken.
    """
    left = list(range(len(vectors)))
    taken: list[int] = []
    while left:
        values = {
            at: weight * relevance[at]
            - (1 - weight) * max((cosine(vectors[at], vectors[other]) for other in taken), default=0.0)
            for at in left
        }
        best = max(left, key=lambda at: values[at])
        yield best, any(at != best and abs(values[at] - values[best]) < 1e-9 for at in left)
        taken.append(best)
        left.remove(best)


weights = st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.7, 1.0])
vectors_of_three = st.tuples(*[st.floats(-1, 1).map(lambda x: round(x, 3))] * 3).filter(any)


@relaxed
@given(st.lists(vectors_of_three, min_size=1, max_size=12), vectors_of_three, weights, st.integers(1, 4))
def test_mmr(vectors, query, weight, count):
    """MMR takes at each step what an independent implementation takes, however the records are spread."""
    parts: list[dict[str, Vector]] = [{} for _ in range(count)]
    for at, vector in enumerate(vectors):
        parts[at % count][f"r{at:02}"] = vector
    by_id = {row_id: vector for part in parts for row_id, vector in part.items()}
    source = provider(*parts, space="cosine")
    best = ask(source, "RANK BY KNN(:q)", q=list(query))

    got = ask(source, f"RANK BY KNN(:q) RERANK BY MMR(lambda = {weight})", q=list(query))

    relevance = [cosine(query, by_id[row_id]) for row_id in best]
    assert sorted(got) == sorted(best)
    for place, (at, tied) in enumerate(mmr(relevance, [by_id[row_id] for row_id in best], weight)):
        if tied:
            break
        assert got[place] == best[at]


@relaxed
@given(st.lists(vectors_of_three, min_size=2, max_size=10, unique=True), vectors_of_three)
def test_lambda_one(vectors, query):
    """With lambda = 1 only relevance counts, so a ranking by cosine stays as it is."""
    source = provider({f"r{at:02}": vector for at, vector in enumerate(vectors)}, space="cosine")
    plain = ask(source, "RANK BY KNN(:q)", "id, distance", q=list(query))

    got = ask(source, "RANK BY KNN(:q) RERANK BY MMR(lambda = 1)", "id, distance", q=list(query))

    assert [row["distance"] for row in got] == pytest.approx([row["distance"] for row in plain], abs=1e-6)


def test_lambda_zero():
    """With lambda = 0 only diversity counts, from the best row on."""
    source = provider({"best": (1.0, 0.0), "same": (1.0, 0.01), "other": (0.0, 1.0), "against": (-1.0, 0.0)})

    assert ask(source, "RANK BY KNN([1, 0]) RERANK BY MMR(lambda = 0)")[:2] == ["best", "against"]


def test_it_reorders():
    """A near copy of what is already taken gives way to something else."""
    source = provider({"a": (1.0, 0.0), "copy of a": (1.0, 0.01)}, {"b": (0.8, 0.6)}, space="cosine")

    assert ask(source, "RANK BY KNN([1, 0.1]) LIMIT 2") == ["copy of a", "a"]
    assert ask(source, "RANK BY KNN([1, 0.1]) RERANK BY MMR(lambda = 0.3) LIMIT 2") == ["copy of a", "b"]


def test_ties_keep_the_order_of_the_ranking():
    """Of rows that are equally good the one that was better before comes first."""
    source = provider({"b": (1.0, 0.0), "a": (1.0, 0.0), "c": (1.0, 0.0)})

    assert ask(source, "RANK BY KNN([1, 0]) RERANK BY MMR") == ["a", "b", "c"]


def test_missing_embeddings():
    """Rows without an embedding come last, in the order that they had."""
    source = MemoryProvider(
        {
            "docs": [
                {"id": "b", "document": "fox fox"},
                {"id": "a", "document": "fox dog"},
                {"id": "c", "embedding": [1.0], "document": "fox red dog"},
            ],
            "bare": [{"id": "d", "document": "fox dog blue red"}],
        }
    )

    assert ask(source, "RANK BY BM25('fox')") == ["b", "a", "c", "d"]
    assert ask(source, "RANK BY BM25('fox') RERANK BY MMR") == ["c", "b", "a", "d"]
    assert ask(source, "RANK BY BM25('fox') RERANK BY MMR", "id, score")[0]["id"] == "c"


def test_no_embeddings_at_all():
    """Where no row has an embedding, the order stays."""
    source = MemoryProvider({"docs": [{"id": "b", "document": "fox fox"}, {"id": "a", "document": "fox dog"}]})

    assert ask(source, "RANK BY BM25('fox') RERANK BY MMR") == ["b", "a"]


def test_nothing_to_rerank():
    """An empty ranking stays empty."""
    assert ask(provider({"a": (1.0,)}), "WHERE id = 'nobody' RANK BY KNN([1]) RERANK BY MMR") == []


def test_relevance_of_a_fusion():
    """Where the rank is more than a KNN, relevance is the score, 1 for the best and 0 for the worst candidate."""
    rows = {"a": (1.0, 0.0), "b": (0.9, 0.1), "c": (0.0, 1.0)}
    source = provider(rows, space="cosine")
    rank = "RANK BY RRF(KNN([1, 0]), KNN([0.9, 0.1]))"
    scores = {row["id"]: row["score"] for row in ask(source, rank, "id, score")}
    low, high = min(scores.values()), max(scores.values())
    best = ask(source, rank)
    relevance = [(high - scores[row_id]) / (high - low) for row_id in best]

    expected = [best[at] for at, _ in mmr(relevance, [rows[row_id] for row_id in best], 0.4)]
    assert ask(source, f"{rank} RERANK BY MMR(lambda = 0.4)") == expected


@pytest.mark.parametrize("rank", ["KNN([1, 0]) * 0", "1 / (KNN([1, 0]) * 0)", "KNN([1, 0]) + metadata.nothing"])
def test_relevance_without_a_scale(rank):
    """Scores that are all equal, infinite or NULL say nothing of relevance, so diversity alone chooses."""
    source = provider({"a": (1.0, 0.0), "b": (1.0, 0.01), "c": (0.0, 1.0)})

    assert ask(source, f"RANK BY {rank} RERANK BY MMR") == ["a", "c", "b"]


def test_infinite_scores():
    """An infinitely good score is as relevant as the best, an infinitely bad one as the worst."""
    source = provider({"a": (1.0, 0.0), "b": (2.0, 0.0), "c": (3.0, 0.0)})

    assert ask(source, "RANK BY LOG(KNN([1, 0])) RERANK BY MMR(lambda = 1)") == ["a", "b", "c"]


def test_candidates():
    """Only the best candidates are re-ordered; what is behind them stays there."""
    source = provider({"a": (1.0, 0.0), "b": (1.0, 0.01), "c": (1.0, 0.02), "d": (-1.0, 0.0)}, space="cosine")

    assert ask(source, "RANK BY KNN([1, 0]) RERANK BY MMR(lambda = 0, candidates = 3)") == ["a", "c", "b", "d"]
    assert ask(source, "RANK BY KNN([1, 0]) RERANK BY MMR(lambda = 0, candidates = 4)")[:2] == ["a", "d"]


@pytest.mark.parametrize(
    ("clauses", "candidates"),
    [("", 200), ("LIMIT 5", 200), ("LIMIT 20 OFFSET 300", 200), ("TOPK 40 LIMIT 5", 40)],
)
def test_candidates_by_default(clauses, candidates):
    """MMR has 200 candidates, or TOPK, whatever the page (50 or four times LIMIT before), and the search finds as many."""
    plan = chromasql.build_plan(chromasql.parse(f"SELECT id FROM a RANK BY KNN([1]) RERANK BY MMR {clauses}"))

    assert plan.rerank.candidates == candidates
    assert plan.rankings[0].leaves[0].limit >= candidates


def test_distributed():
    """Over Chroma Cloud the embeddings come from the collection, and MMR works alike."""
    rows = {"a": (1.0, 0.0), "copy": (1.0, 0.01), "b": (0.8, 0.6)}
    cloud = DistributedProvider(
        DistributedCollection("docs", [CloudRecord(each, vector) for each, vector in rows.items()], space="cosine")
    )
    sql = "SELECT id FROM docs RANK BY KNN([1, 0.1]) RERANK BY MMR(lambda = 0.3) LIMIT 2"

    result = chromasql.connect(cloud, dialect="distributed").execute(sql)

    assert [row["id"] for row in result.rows] == ["copy", "b"]


# What happens to the page


def worst_first(request: RerankRequest) -> list[float]:
    return list(range(len(request.rows)))


def test_order_by_sorts_the_page():
    """The strategy chooses the page and ORDER BY sorts it."""
    register_reranker("WORST_FIRST", worst_first)
    source = provider({"c": (1.0,), "b": (2.0,), "a": (3.0,)})

    assert ask(source, "RANK BY KNN([1]) RERANK BY WORST_FIRST LIMIT 2") == ["a", "b"]
    assert ask(source, "RANK BY KNN([1]) RERANK BY WORST_FIRST ORDER BY score LIMIT 2") == ["b", "a"]
    assert ask(source, "RANK BY KNN([1]) RERANK BY WORST_FIRST ORDER BY id LIMIT 1 OFFSET 1") == ["b"]


@relaxed
@given(st.lists(vectors_of_three, min_size=1, max_size=20), st.integers(1, 5))
def test_pages(vectors, size):
    """Pages follow one another: together they are the whole, where they re-order the same candidates."""
    source = provider({f"r{at:02}": vector for at, vector in enumerate(vectors)}, space="cosine")
    sql = "RANK BY KNN([1, 2, 3], limit = 30) RERANK BY MMR(candidates = 15)"
    pages = [ask(source, f"{sql} LIMIT {size} OFFSET {at}") for at in range(0, len(vectors), size)]

    assert [row_id for page in pages for row_id in page] == ask(source, sql)


def test_threshold_and_groups_come_first():
    """What the threshold or KEEP leaves out is not re-ordered."""
    register_reranker("WORST_FIRST", worst_first)
    source = provider({"a": (1.0,), "b": (2.0,), "c": (3.0,)})

    assert ask(source, "RANK BY KNN([1]) WITH SCORE THRESHOLD 1 RERANK BY WORST_FIRST") == ["b", "a"]
    assert ask(source, "RANK BY KNN([1]) GROUP BY _collection KEEP 2 RERANK BY WORST_FIRST") == ["b", "a"]


# The registry


def test_what_a_strategy_is_given():
    """A strategy sees the rows, best first, with the parts it named, the text, the vector and the arguments."""
    seen: list[RerankRequest] = []

    def look(request: RerankRequest) -> list[float]:
        seen.append(request)
        return [0.0] * len(request.rows)

    register_reranker("LOOK", look, parts=["metadata", "document"], arguments=["Model", "top"])
    ask(provider({"a": (1.0,)}, {"b": (2.0,)}), "RANK BY KNN(:q) RERANK BY look(model = 'm', TOP = [1, 2])", q=[1.0])

    (request,) = seen
    assert request.rows == [
        {
            "id": each,
            "_collection": collection,
            "score": distance,
            "distance": distance,
            "document": f"document {each}",
            "metadata": {"name": each},
        }
        for each, collection, distance in [("a", "part-0", 0.0), ("b", "part-1", 1.0)]
    ]
    assert (request.text, request.vector) == (None, [1.0])
    assert request.arguments == {"model": "m", "top": (1, 2)}


@pytest.mark.parametrize(
    ("rank", "text", "vector"),
    [
        ("KNN('red fox')", "red fox", [1.0]),
        ("-KNN('red fox')", "red fox", None),
        ("BM25('Red fox')", "Red fox", None),
        ("RRF(KNN([2]), BM25('Red fox'))", "Red fox", None),
        ("RRF(KNN([2]), KNN([3]))", None, None),
    ],
)
def test_query_of_a_strategy(rank, text, vector):
    """The text is that of the first text query as it is written, and the vector that of a KNN that is the whole rank."""
    seen: list[RerankRequest] = []

    def look(request: RerankRequest) -> list[float]:
        seen.append(request)
        return [0.0] * len(request.rows)

    register_reranker("LOOK", look)
    database = chromasql.connect(provider({"a": (1.0,)}), embed_fn=lambda text, model: [1.0])
    database.execute(f"SELECT id FROM * RANK BY {rank} RERANK BY LOOK")

    assert [(request.text, request.vector) for request in seen] in ([(text, vector)], [])
    assert seen or "BM25" in rank


def test_coroutine_function():
    """A strategy may be a coroutine function."""

    async def slowly(request: RerankRequest) -> list[float]:
        await asyncio.sleep(0)
        return worst_first(request)

    register_reranker("SLOWLY", slowly)

    assert ask(provider({"a": (1.0,), "b": (2.0,)}), "RANK BY KNN([1]) RERANK BY SLOWLY") == ["b", "a"]


def test_object_with_an_async_call():
    """A strategy may be any object that is called, whose answer may be awaited."""

    class Model:
        async def __call__(self, request: RerankRequest) -> list[float]:
            return worst_first(request)

    register_reranker("MODEL", Model())

    assert ask(provider({"a": (1.0,), "b": (2.0,)}), "RANK BY KNN([1]) RERANK BY MODEL") == ["b", "a"]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ([1.0], "given 2 rows and must return as many numbers"),
        ([1.0, 2.0, 3.0], "given 2 rows and must return as many numbers"),
        ([1.0, float("nan")], "given 2 rows and must return as many numbers"),
        (None, "rerank strategy WRONG failed"),
        (["high", "low"], "rerank strategy WRONG failed"),
    ],
)
def test_wrong_answer(answer, message):
    """A strategy that does not return a number for each row ends the statement."""
    register_reranker("WRONG", lambda request: answer)

    with pytest.raises(ChromaSQLExecutionError, match=message):
        ask(provider({"a": (1.0,), "b": (2.0,)}), "RANK BY KNN([1]) RERANK BY WRONG")


@pytest.mark.parametrize("asynchronous", [False, True])
def test_strategy_that_raises(asynchronous):
    """What a strategy raises is the cause of our error, and told in it."""

    def fail(request: RerankRequest) -> list[float]:
        raise LookupError("no such model")

    async def fail_later(request: RerankRequest) -> list[float]:
        return fail(request)

    register_reranker("FAIL", fail_later if asynchronous else fail)

    with pytest.raises(ChromaSQLExecutionError, match="no such model") as caught:
        ask(provider({"a": (1.0,)}), "RANK BY KNN([1]) RERANK BY FAIL")
    assert isinstance(caught.value.__cause__, LookupError)


def test_own_error():
    """An error of ours that a strategy raises is passed on as it is."""

    def fail(request: RerankRequest) -> list[float]:
        raise ChromaSQLError("mine")

    register_reranker("FAIL", fail)

    with pytest.raises(ChromaSQLError, match=r"^mine$"):
        ask(provider({"a": (1.0,)}), "RANK BY KNN([1]) RERANK BY FAIL")


def test_unknown_strategy():
    """An unknown strategy is a planning error that names those near, or all."""
    register_reranker("CROSS_ENCODER", worst_first)

    with pytest.raises(ChromaSQLPlanningError, match="did you mean CROSS_ENCODER"):
        ask(provider({"a": (1.0,)}), "RANK BY KNN([1]) RERANK BY CROSS_ENCODERS")
    with pytest.raises(ChromaSQLPlanningError, match="the strategies are CROSS_ENCODER, MMR"):
        ask(provider({"a": (1.0,)}), "RANK BY KNN([1]) RERANK BY XYZ")


def test_strategy_that_is_gone(rerankers):
    """A plan whose strategy is no longer registered says so."""
    register_reranker("GONE", worst_first)
    plan = chromasql.build_plan(chromasql.parse("SELECT id FROM docs RANK BY KNN([1]) RERANK BY GONE"))
    del rerankers["GONE"]
    collection = asyncio.run(provider({"a": (1.0,)}).get_collection("part-0"))

    with pytest.raises(ChromaSQLExecutionError, match="GONE is no longer registered"):
        chromasql.execute_plan(plan, collection)


@pytest.mark.parametrize(
    ("rerank", "message"),
    [
        ("MMR(lambda = 1.5)", "from 0 .diverse. to 1 .relevant., not 1.5"),
        ("MMR(lambda = 'much')", "not 'much'"),
        ("MMR(lambda = TRUE)", "not True"),
        ("MMR(candidates = 0)", "candidates takes a whole number of at least 1"),
        ("MMR(candidates = 2.5)", "candidates takes a whole number of at least 1"),
        ("MMR(labda = 1)", "MMR has no argument labda; it takes candidates, lambda"),
        ("NONE_AT_ALL(x = 1)", "NONE_AT_ALL has no argument x; it takes candidates"),
        ("MMR(lambda = {1: 0.5})", "lambda takes a value or a list"),
    ],
)
def test_arguments(rerank, message):
    """The arguments of a strategy are checked when the statement is planned."""
    register_reranker("NONE_AT_ALL", worst_first, arguments=[])

    with pytest.raises(ChromaSQLPlanningError, match=message) as caught:
        ask(provider({"a": (1.0,)}), f"RANK BY KNN([1]) RERANK BY {rerank}")
    assert caught.value.span is not None


def test_any_arguments():
    """A strategy that does not name its arguments takes any."""
    register_reranker("ANY", worst_first)

    assert ask(provider({"a": (1.0,)}), "RANK BY KNN([1]) RERANK BY ANY(x = 1, y = 'z')") == ["a"]


def test_groups_are_not_reranked():
    """RERANK BY orders records, so it is refused beside aggregates."""
    with pytest.raises(ChromaSQLPlanningError, match="returns groups"):
        ask(provider({"a": (1.0,)}), "RANK BY KNN([1]) RERANK BY MMR", "COUNT(*)")


@pytest.mark.parametrize(
    ("name", "parts", "message"),
    [
        ("cross encoder", ["document"], "is not a valid name for a strategy"),
        ("X", ["documents"], "have no part 'documents'"),
    ],
)
def test_registration(name, parts, message):
    """A name that no statement could write, or a part that no record has, is refused at once."""
    with pytest.raises(ChromaSQLPlanningError, match=message):
        register_reranker(name, worst_first, parts=parts)


def test_replacing():
    """A name registered again stands for the new strategy."""
    register_reranker("MINE", lambda request: [0.0] * len(request.rows))
    register_reranker("mine", worst_first)

    assert ask(provider({"a": (1.0,), "b": (2.0,)}), "RANK BY KNN([1]) RERANK BY MINE") == ["b", "a"]
