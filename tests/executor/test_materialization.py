"""When parts of the records are fetched changes what a statement costs, never what it answers."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import chromadb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chromasql import connect, parse
from chromasql.planner import bind_collections, build_plan, materialization

NAMES = ("one", "two", "three", "empty")
DIMENSION = 3
WORDS = ("red", "green", "blue")


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Give three collections of records that lack a document or metadata here and there, and an empty one."""
    client = chromadb.PersistentClient(tmp_path_factory.mktemp("chroma"))
    rng = random.Random(7)
    for name, count in zip(NAMES, (25, 12, 5, 0), strict=True):
        collection = client.create_collection(name, embedding_function=None)
        for number in range(count):
            collection.add(
                ids=[f"{rng.choice('abc')}{number}"],
                embeddings=[[rng.choice((0.0, 0.5, 1.0, 2.0)) for _ in range(DIMENSION)]],
                documents=None if number % 7 == 3 else [" ".join(rng.choices(WORDS, k=3))],
                metadatas=None if number % 5 == 4 else [{"n": rng.randrange(6), "kind": rng.choice(WORDS)}],
            )
    yield client
    client.close()


SHOWN = ("document", "metadata", "embedding", "uri", "n", "kind", "distance", "score", "_collection")
VECTORS = st.lists(st.sampled_from((0.0, 0.5, 1.0)), min_size=DIMENSION, max_size=DIMENSION)
CONDITIONS = ("n > 2", "n != 3", "kind IN ('red', 'blue')", "n IS NULL", "document LIKE '%red%'", "kind LIKE 'b%'")
SORTS = ("n", "n DESC, id", "kind DESC", "document", "id", "score DESC")


@st.composite
def ranks(draw: st.DrawFn) -> str:
    """Return a rank expression, of one leaf or of several, that may read metadata."""

    def knn() -> str:
        limit = draw(st.sampled_from(("", ", limit = 3", ", limit = 20")))
        return f"KNN({draw(VECTORS)}{limit})"

    form = draw(st.sampled_from(("plain", "weighted", "boosted", "fused")))
    match form:
        case "plain":
            return knn()
        case "weighted":
            return f"0.5 * {knn()} + {knn()}"
        case "boosted":
            return f"{knn()} - 0.1 * COALESCE(n, 0)"
        case _:
            return f"RRF({knn()}, {knn()})"


@st.composite
def statements(draw: st.DrawFn) -> str:
    """Return a ranked statement over some of the collections."""
    shown = draw(st.lists(st.sampled_from(SHOWN), unique=True, max_size=4))
    names = draw(st.lists(st.sampled_from(NAMES), unique=True, min_size=1))
    clauses = [f"SELECT {', '.join(['id', *shown])} FROM {', '.join(names)} RANK BY {draw(ranks())}"]
    if draw(st.booleans()):
        clauses.append(f"WHERE {draw(st.sampled_from(CONDITIONS))}")
    if draw(st.booleans()):
        clauses.append("GROUP BY kind KEEP 2" + draw(st.sampled_from(("", " BY n", " BY score"))))
    if draw(st.booleans()):
        clauses.append(f"ORDER BY {draw(st.sampled_from(SORTS))}")
    if draw(st.booleans()):
        clauses.append("WITH SCORE THRESHOLD 1.5")
    if draw(st.booleans()):
        clauses.append(f"LIMIT {draw(st.integers(0, 8))} OFFSET {draw(st.integers(0, 4))}")
    if draw(st.booleans()):
        clauses.append("WITH (" + draw(st.sampled_from(("merge = RRF", "per_collection = 4"))) + ")")
    return " ".join(clauses)


@given(sql=statements())
def test_late_and_early_are_equal(client: Any, sql: str) -> None:
    """A statement answers the same, row for row, be its parts fetched with the candidates or for the winners alone."""
    answers = []
    with connect(client) as database:
        for cost in (float("-inf"), float("inf")):
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(materialization, "_late_cost", lambda *_, cost=cost: cost)
                answers.append(database.execute(sql))
        weighed = database.execute(sql)
    late, early = answers
    assert not late.plan.materialization.for_page or set(early.plan.materialization.with_candidates) > set(
        late.plan.materialization.with_candidates
    )
    assert late.rows == early.rows == weighed.rows
    assert late.columns == early.columns
    assert late.warnings == early.warnings


def fetch_of(sql: str, collections: int) -> Any:
    return bind_collections(build_plan(parse(sql)), [f"c{number}" for number in range(collections)]).materialization


NEAREST = "SELECT id, document, metadata FROM docs USING EMBEDDING (VECTOR [1, 2]) LIMIT "


@pytest.mark.parametrize(
    ("collections", "limit", "late"),
    [
        (1, 10, False),
        (1, 1000, False),
        (2, 10, False),
        (8, 10, False),
        (37, 1, True),
        (37, 10, True),
        (37, 200, False),
        (100, 200, False),
    ],
)
def test_weighing(collections: int, limit: int, late: bool) -> None:
    """Few collections give everything at once, many give documents for their winners alone, as was measured."""
    assert bool(fetch_of(NEAREST + str(limit), collections).for_page) is late


def test_heavier_parts_come_late_sooner() -> None:
    """Embeddings tip the scale where documents and metadata do not yet."""
    assert not fetch_of(f"{NEAREST} 1000", 37).for_page
    assert fetch_of(f"{NEAREST.replace('metadata', 'metadata, embedding')} 1000", 37).for_page


def test_nothing_to_fetch() -> None:
    """A statement that shows ids and distances fetches nothing, and a part that the filter reads comes first anyway."""
    assert fetch_of("SELECT id, distance FROM docs USING EMBEDDING (VECTOR [1]) LIMIT 200", 37).with_candidates == ()
    checked = fetch_of("SELECT id, n FROM docs WHERE n != 1 USING EMBEDDING (VECTOR [1]) LIMIT 200", 37)
    assert (checked.with_candidates, checked.for_page) == (("metadata",), ())


def test_no_collections() -> None:
    """A plan on no collection at all has nothing to weigh."""
    assert fetch_of(f"{NEAREST} 10", 0).for_page == ()


@given(rows=st.integers(0, 500), collections=st.integers(1, 500))
def test_owners(rows: int, collections: int) -> None:
    """Rows have no more owners than there are rows or collections, and one more row never has fewer."""
    owners = materialization._owners(rows, collections)
    assert 0 <= owners <= min(rows, collections) + 1e-9
    assert owners <= materialization._owners(rows + 1, collections) + 1e-9
