"""Answers are right: rows, order and distances equal those of the oracle, however records are spread and fetched."""

from __future__ import annotations

import asyncio
import dataclasses
import random
from collections.abc import Iterator, Sequence
from typing import Any
from unittest.mock import patch

import chromadb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import chromasql
from chromasql.adapters import SimpleAsyncClientAdapter
from chromasql.operators.merge import merge_by_rank
from chromasql.operators.row import Row
from chromasql.plan import Materialization, QueryPlan
from tests.support.oracle.predicates import Column, Compare
from tests.support.oracle.statements import Statement, agree, answer, matching
from tests.support.oracle.values import Collection, Record
from tests.support.stores import filled
from tests.support.strategies.records import MOST_COLLECTIONS, Data, datasets, rankings, scans

pytestmark = pytest.mark.timeout(7200)
# Each example is a set of collections that answers several statements.
relaxed = settings(max_examples=settings.default.max_examples // 2, suppress_health_check=list(HealthCheck))
fewer = settings(relaxed, max_examples=settings.default.max_examples // 4)
names = [f"answers-{at}" for at in range(MOST_COLLECTIONS)]
STATEMENTS = 4
ID, COLLECTION, DISTANCE, SCORE = (Column(part) for part in ("id", "_collection", "distance", "score"))


@pytest.fixture(scope="module")
def store() -> Any:
    return chromadb.EphemeralClient()


def ask(store: Any, statement: Statement, sources: Sequence[str]) -> chromasql.ExecutionResult:
    sql, params = statement.sql(sources)
    return chromasql.connect(store).execute(sql, params)


def names_of(data: Data) -> list[str]:
    return [collection.name for collection in data.collections]


def same_lists(got: Sequence[Any], expected: Sequence[Any]) -> bool:
    return len(got) == len(expected) and all(agree(*lists, tolerance=1e-6) for lists in zip(got, expected, strict=True))


def one_of_the_answers(got: list[dict[str, Any]], statement: Statement, data: Data) -> bool:
    """Tell whether rows whose order is free are as many as asked for, and all of them among those that match."""
    whole = dataclasses.replace(statement, limit=None, offset=None)
    left = matching(whole, data.collections)
    for row in got:
        at = next((at for at, other in enumerate(left) if agree([row], [other])), None)
        if at is None:
            return False
        del left[at]
    return len(got) == len(answer(statement, data.collections)[0])


# Against the oracle


@relaxed
@given(st.data())
def test_ranked(store, draws):
    """Many collections are ranked as one: by distance, ties by id and collection; TOPK, threshold, order and page apply to all."""
    data = draws.draw(datasets(names, simple=True))
    with filled(store, data.collections):
        for _ in range(STATEMENTS):
            statement = draws.draw(rankings(data, depth=1))
            assert same_lists(ask(store, statement, names_of(data)).results, answer(statement, data.collections))


@fewer
@given(st.data())
def test_different_spaces(store, draws):
    """With merge = RRF collections of different spaces are fused by rank, and their distances break no tie."""
    data = draws.draw(datasets(names, simple=True, one_space=False))
    with filled(store, data.collections):
        for _ in range(STATEMENTS):
            statement = dataclasses.replace(draws.draw(rankings(data, depth=1)), merge="RRF", threshold=None)
            assert same_lists(ask(store, statement, names_of(data)).results, answer(statement, data.collections))


@relaxed
@given(st.data())
def test_unranked(store, draws):
    """ORDER BY sorts the rows of all collections; without it the rows are any that match, and the same on every run."""
    data = draws.draw(datasets(names, simple=True))
    with filled(store, data.collections):
        for _ in range(STATEMENTS):
            statement = draws.draw(scans(data, depth=1))
            got = ask(store, statement, names_of(data)).rows
            if statement.order:
                assert agree(got, answer(statement, data.collections)[0])
            else:
                assert one_of_the_answers(got, statement, data)
                assert ask(store, statement, names_of(data)).rows == got


# The two promises


@fewer
@given(st.data())
def test_spread(store, draws):
    """One collection of all records gives the same rows, order and scores as the same records over up to eight."""
    data = draws.draw(datasets(names[:-1], simple=True))
    by_id = {record.id: record for record in data.hits}
    holder = {id(record): at for at, each in enumerate(data.collections) for record in each.records}
    spread = [
        dataclasses.replace(each, records=tuple(r for r in by_id.values() if holder[id(r)] == at))
        for at, each in enumerate(data.collections)
    ]
    together = Collection(names[-1], tuple(by_id.values()), data.collections[0].space)
    once = dataclasses.replace(data, collections=tuple(spread))
    with filled(store, [*spread, together]):
        for _ in range(STATEMENTS):
            statement = dataclasses.replace(
                draws.draw(rankings(once, depth=0)), merge="SCORE", per_collection=None, where=None
            )
            shown = tuple(column for column in statement.columns if column.part != "_collection")
            order = tuple(item for item in statement.order if item.column.part != "_collection")
            statement = dataclasses.replace(statement, columns=shown, order=order)
            apart = ask(store, statement, names_of(once)).results
            assert same_lists(apart, ask(store, statement, [together.name]).results)


@fewer
@given(st.data(), st.integers(1, 7))
def test_pages(store, draws, size):
    """Pages by LIMIT and OFFSET put together are the whole answer: none skips a row and none repeats one."""
    data = draws.draw(datasets(names, simple=True))
    ranked = draws.draw(st.booleans())
    whole = draws.draw(rankings(data, depth=1) if ranked else scans(data, depth=1))
    whole = dataclasses.replace(
        whole, batch=False, vectors=whole.vectors[:1], limit=None, offset=None, topk=100 if ranked else None
    )
    with filled(store, data.collections):
        everything = ask(store, whole, names_of(data)).rows
        pages: list[dict[str, Any]] = []
        while page := ask(store, dataclasses.replace(whole, limit=size, offset=len(pages)), names_of(data)).rows:
            pages += page

    assert pages == everything


# Other ways in, and other ways through


@fewer
@given(st.data())
def test_one_collection_by_plan(store, draws):
    """`parse`, `build_plan` and `execute_plan` give the same answer over one collection."""
    data = draws.draw(datasets(names[:1], simple=True))
    with filled(store, data.collections):
        for _ in range(STATEMENTS):
            statement = draws.draw(rankings(data, depth=1))
            sql, params = statement.sql(names_of(data))
            plan = chromasql.build_plan(chromasql.parse(sql), params)
            got = chromasql.execute_plan(plan, store.get_collection(names[0], embedding_function=None))
            assert same_lists(got.results, answer(statement, data.collections))


@fewer
@given(st.data())
def test_execute_multi_collection(store, draws):
    """`execute_multi_collection` gives the same answer, with its keyword arguments in place of WITH."""
    data = draws.draw(datasets(names, simple=True))
    with filled(store, data.collections):
        for _ in range(STATEMENTS):
            statement = draws.draw(rankings(data, depth=1))
            bare = dataclasses.replace(statement, merge="SCORE", per_collection=None)
            sql, params = bare.sql(["anywhere"])
            got = asyncio.run(
                chromasql.execute_multi_collection(
                    sql,
                    lambda _: names_of(data),
                    SimpleAsyncClientAdapter(store),
                    merge_strategy="rrf" if statement.merge == "RRF" else "distance",
                    n_results_per_collection=statement.per_collection,
                    params=params,
                )
            )
            assert same_lists(got.results, answer(statement, data.collections))


def fetches(plan: QueryPlan) -> Iterator[Materialization]:
    """Give the ways to fetch the parts that a plan needs: all at once, before the order, or as late as can be."""
    needed = plan.materialization
    parts = tuple(sorted({*needed.with_candidates, *needed.for_scoring, *needed.for_ordering, *needed.for_page}))
    ordered = tuple(part for part in parts if any(key.column.part == part for key in plan.order))
    late = tuple(part for part in parts if part not in ordered)
    yield Materialization(with_candidates=parts)
    if plan.rankings:
        yield Materialization(for_ordering=parts)
        yield Materialization(for_ordering=ordered, for_page=late)
    else:
        yield Materialization(with_candidates=ordered, for_page=late)


@fewer
@given(st.data())
def test_fetching(store, draws):
    """When documents and metadata are fetched changes nothing in the answer."""
    data = draws.draw(datasets(names, simple=True))
    ranked = draws.draw(st.booleans())
    with filled(store, data.collections):
        for _ in range(STATEMENTS):
            statement = draws.draw(rankings(data, depth=1) if ranked else scans(data, depth=1))
            usual = ask(store, statement, names_of(data))
            for fetch in fetches(usual.plan):
                with patch("chromasql.planner.placement.plan_materialization", lambda plan, count, fetch=fetch: fetch):
                    assert ask(store, statement, names_of(data)).results == usual.results


# Beyond what the index returns by itself


@pytest.fixture(scope="module")
def large(store) -> Iterator[tuple[Collection, ...]]:
    """Over three thousand records of sixteen dimensions in three collections; some of them far from everything."""
    source = random.Random(7)
    records = [
        Record(
            f"r{at:04}",
            tuple(source.gauss(40 if at % 50 == 0 else 0, 1) for _ in range(16)),
            document=f"text {at}",
            metadata={"n": at, "far": at % 50 == 0, "name": f"n{at % 97}"},
        )
        for at in range(3_300)
    ]
    collections = tuple(Collection(f"large-{at}", tuple(records[at::3])) for at in range(3))
    with filled(store, collections):
        yield collections


@pytest.mark.parametrize(
    "where",
    [
        Compare(Column("metadata", "far", "far"), "=", True),
        Compare(Column("metadata", "name", "name"), "<", "n11"),
        Compare(Column("metadata", "name", "name"), "!=", "n5"),
        Compare(ID, ">=", "r3000"),
        None,
    ],
    ids=["pushed", "re-checked", "hardly restricting", "by id", "none"],
)
def test_all_that_match(store, large, where):
    """A ranked statement with room for them returns every record that its predicate matches, also those far away."""
    statement = Statement((COLLECTION, ID, DISTANCE), where=where, vectors=((0.0,) * 16,), topk=5_000)
    got = ask(store, statement, [collection.name for collection in large]).rows
    (expected,) = answer(statement, large)
    exact = {(row["_collection"], row["id"]): row["distance"] for row in expected}

    assert len(got) == len(expected)
    assert {(row["_collection"], row["id"]) for row in got} == set(exact)
    assert [row["distance"] for row in got] == sorted(row["distance"] for row in got)
    assert all(
        abs(row["distance"] - exact[row["_collection"], row["id"]]) <= 1e-5 * max(1, row["distance"]) for row in got
    )


@pytest.mark.parametrize("far", [True, False])
def test_nearest_that_match(store, large, far):
    """The nearest records that match come first, also where records that do not match are all nearer."""
    where = Compare(Column("metadata", "far", "far"), "=", far)
    statement = Statement((ID, DISTANCE), where=where, vectors=((0.5,) * 16,), topk=20)
    got = ask(store, statement, [collection.name for collection in large]).rows
    (expected,) = answer(statement, large)

    assert len(got) == 20
    assert [row["distance"] for row in got] == pytest.approx([row["distance"] for row in expected], rel=1e-5)


# Found by the tests above, each in its smallest form


def test_candidates_beyond_the_page(store):
    """With merge = RRF each collection gives per_collection candidates, also where LIMIT is smaller."""
    collections = (
        Collection("deep-a", (Record("both", (1.0,)), Record("a alone", (1.0,)))),
        Collection("deep-b", (Record("both", (1.0,)),)),
    )
    statement = Statement((ID,), vectors=((1.0,),), merge="RRF", per_collection=2, limit=1)
    with filled(store, collections):
        assert ask(store, statement, ["deep-a", "deep-b"]).rows == [{"id": "both"}]


def test_ties_of_different_spaces(store):
    """Distances of different spaces break no tie of ranks; the id does."""
    collections = (
        Collection("tie-l2", (Record("b", (1.0, 0.0)),), "l2"),
        Collection("tie-ip", (Record("a", (0.0, 9.0)),), "ip"),
    )
    statement = Statement((ID,), vectors=((1.0, 0.0),), merge="RRF")
    with filled(store, collections):
        assert [row["id"] for row in ask(store, statement, ["tie-l2", "tie-ip"])] == ["a", "b"]


def test_collection_of_another_kind(store):
    """`_collection = 1` is false for every collection, and no error."""
    with filled(store, [Collection("kinds", (Record("a", (1.0,)),))]):
        database = chromasql.connect(store)
        assert database.execute("SELECT id FROM kinds WHERE _collection = 1").rows == []
        assert database.execute("SELECT id FROM kinds WHERE _collection != 1").rows == [{"id": "a"}]


@given(st.lists(st.lists(st.sampled_from("abcdef"), unique=True), max_size=6), st.randoms(use_true_random=False))
def test_fusing_is_order_free(lists, source):
    """The order in which lists are fused changes neither a score nor the order of the answer."""

    def fused(order: Sequence[int]) -> list[tuple[str, Any]]:
        rows = [[Row("c", at, each) for each in lists[at]] for at in order]
        return [(row.id, row.score) for row in merge_by_rank(rows, 10, comparable=True)]

    order = list(range(len(lists)))
    source.shuffle(order)
    assert fused(order) == fused(range(len(lists)))
