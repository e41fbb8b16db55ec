"""Sorted access: ranked answers are those of one collection, and nobody is asked for more than the answer needs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import chromasql
from chromasql.adapters.memory import MemoryCollection
from chromasql.operators.sorted_access import Ask, Demand, Found, SortedAccess

NAMES = [f"docs-{number}" for number in range(5)]

Records = dict[str, list[dict[str, Any]]]


@st.composite
def spreads(draw: st.DrawFn) -> Records:
    """
    Records dealt out over five collections, some of them empty.

    Evenly, all in one, or the near ones together; many are equally far, and some are copies in another collection.
    """
    count = draw(st.integers(0, 60))
    positions = [draw(st.integers(0, draw(st.sampled_from([2, 30])))) for _ in range(count)]
    how = draw(st.sampled_from(["even", "one", "near together"]))
    found: Records = {name: [] for name in NAMES}
    for index, position in enumerate(positions):
        place = {"even": index % 5, "one": 3, "near together": 0 if position < 5 else 1 + index % 4}[how]
        metadata = {"group": draw(st.sampled_from(["a", "b", "c", "d"])), "n": index % 10}
        record = {"id": f"r{index:02}", "embedding": [float(position), 0.0], "metadata": metadata}
        found[NAMES[place]].append(record)
        if draw(st.integers(0, 9)) == 0:
            found[NAMES[(place + 1) % 5]].append(record)
    return found


def ranked(records: Records, least: int) -> list[tuple[float, str, int, dict[str, Any]]]:
    """Return the records with n >= least by distance from the origin, ties by id, then by collection."""
    return sorted(
        (
            (record["embedding"][0] ** 2, record["id"], place, {**record["metadata"], "_collection": name})
            for place, name in enumerate(NAMES)
            for record in records[name]
            if record["metadata"]["n"] >= least
        ),
        key=lambda item: item[:3],
    )


def asked(records: Records, sql: str) -> list[dict[str, Any]]:
    """Return the rows of a statement over the five collections."""
    return chromasql.connect(chromasql.MemoryProvider(records)).execute(sql).rows


SELECT = f"SELECT id, _collection FROM {', '.join(NAMES)}"


def shown(rows: Any) -> list[tuple[str, str]]:
    """Return ids with their collections."""
    return [(identity, metadata["_collection"]) for _, identity, _, metadata in rows]


def seen(rows: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Return ids with their collections."""
    return [(row["id"], row["_collection"]) for row in rows]


@given(spreads(), st.integers(0, 10), st.integers(1, 20), st.integers(0, 30))
def test_a_page_is_a_slice_of_one_order(records: Records, least: int, limit: int, offset: int) -> None:
    """The page of a ranking is cut from the order of all records that satisfy WHERE, whatever the filter leaves."""
    expected = shown(ranked(records, least))

    found = asked(records, f"{SELECT} WHERE n >= {least} RANK BY KNN([0, 0]) LIMIT {limit} OFFSET {offset}")

    assert seen(found) == expected[offset : offset + limit]


@given(spreads(), st.integers(0, 9), st.integers(1, 3), st.one_of(st.none(), st.integers(1, 8)))
def test_keep_sees_every_record(records: Records, least: int, count: int, limit: int | None) -> None:
    """GROUP BY .. KEEP n by score fills its LIMIT, or has seen every record."""
    held: Counter[str] = Counter()
    expected = []
    for row in ranked(records, least):
        held[row[3]["group"]] += 1
        if held[row[3]["group"]] <= count:
            expected.append(row)
    page = "" if limit is None else f" LIMIT {limit}"

    found = asked(
        records,
        f"{SELECT} WHERE n >= {least} RANK BY KNN([0, 0]) GROUP BY group KEEP {count}{page}".replace(
            " group ", " `group` "
        ),
    )

    assert seen(found) == shown(expected[:limit])


@given(spreads(), st.integers(0, 9), st.integers(1, 3), st.one_of(st.none(), st.integers(1, 8)))
def test_each_collection_keeps_its_own(records: Records, least: int, count: int, limit: int | None) -> None:
    """GROUP BY _collection KEEP n returns the best n of every collection."""
    held: Counter[str] = Counter()
    expected = []
    for row in ranked(records, least):
        held[row[3]["_collection"]] += 1
        if held[row[3]["_collection"]] <= count:
            expected.append(row)
    page = "" if limit is None else f" LIMIT {limit}"

    found = asked(records, f"{SELECT} WHERE n >= {least} RANK BY KNN([0, 0]) GROUP BY _collection KEEP {count}{page}")

    assert seen(found) == shown(expected[:limit])


@given(spreads(), st.integers(0, 9), st.one_of(st.none(), st.integers(1, 3)))
def test_distinct_stands_where_its_best_row_stands(records: Records, least: int, limit: int | None) -> None:
    """SELECT DISTINCT of a ranking returns each combination once, in the order of the best rows."""
    expected = list(dict.fromkeys(row[3]["group"] for row in ranked(records, least)))
    page = "" if limit is None else f" LIMIT {limit}"

    found = asked(
        records, f"SELECT DISTINCT `group` FROM {', '.join(NAMES)} WHERE n >= {least} RANK BY KNN([0, 0]){page}"
    )

    assert [row["group"] for row in found] == expected[:limit]


@given(spreads(), st.integers(0, 9), st.integers(0, 400), st.one_of(st.none(), st.integers(1, 8)))
def test_a_threshold_returns_every_row_within_it(records: Records, least: int, bound: int, limit: int | None) -> None:
    """A threshold without LIMIT returns all rows within it, however many they are."""
    expected = [row for row in ranked(records, least) if row[0] <= bound]
    page = "" if limit is None else f" LIMIT {limit}"

    found = asked(records, f"{SELECT} WHERE n >= {least} RANK BY KNN([0, 0]){page} WITH SCORE THRESHOLD {bound}")

    assert seen(found) == shown(expected[:limit])


@given(spreads(), st.integers(0, 9), st.integers(1, 5))
def test_a_total_is_of_all_records(records: Records, least: int, limit: int) -> None:
    """The total of one KNN is the number of records that satisfy WHERE."""
    database = chromasql.connect(chromasql.MemoryProvider(records))

    sql = f"{SELECT} WHERE n >= {least} RANK BY KNN([0, 0]) LIMIT {limit} WITH (total = TRUE)"

    assert database.execute(sql).total == len(ranked(records, least))


class CountingProvider(chromasql.MemoryProvider):
    """Counts the records that each collection is asked for."""

    def __init__(self, collections: Mapping[str, Any]) -> None:
        super().__init__(collections)
        self.most: Counter[str] = Counter()
        self.calls = 0

    async def get_collection(self, name: str) -> MemoryCollection:
        """Return a collection that reports its queries."""
        collection = await super().get_collection(name)
        provider = self

        class Counted(MemoryCollection):
            async def query(self, **arguments: Any) -> Any:
                provider.calls += 1
                provider.most[name] = max(provider.most[name], arguments["n_results"])
                return await collection.query(**arguments)

            def __getattr__(self, attribute: str) -> Any:
                return getattr(collection, attribute)

        counted = object.__new__(Counted)
        counted.__dict__.update(collection.__dict__)
        return counted


def evenly(collections: int, records: int) -> Records:
    """Return collections of so many records, near and far ones in each."""
    return {
        f"docs-{place:02}": [
            {
                "id": f"r{place:02}-{index:03}",
                "embedding": [index * collections + place, 0.0],
                "metadata": {"n": (index * 7 + place * 3) % 10},
            }
            for index in range(records)
        ]
        for place in range(collections)
    }


@pytest.mark.parametrize(
    ("where", "limit", "most", "rounds"),
    [
        ("", 10, 4, 1),
        ("", 200, 15, 1),
        ("WHERE n != 3", 10, 5, 1),
        ("WHERE n >= 5", 10, 6, 2),
        ("WHERE n = 4", 10, 12, 2),
    ],
)
def test_no_collection_is_asked_for_more_than_it_must(where: str, limit: int, most: int, rounds: int) -> None:
    """Of 37 collections with evenly spread records each is asked for its share and a little more, with a filter too."""
    provider = CountingProvider(evenly(37, 100))
    database = chromasql.connect(provider)

    database.execute(f"SELECT id FROM docs-* {where} RANK BY KNN([0, 0]) LIMIT {limit}")

    assert max(provider.most.values()) <= most + 1  # one more, to see whether the last ones are equally far
    assert provider.calls <= 37 * rounds


def test_a_collection_that_holds_all_winners_is_asked_twice() -> None:
    """Where one collection holds all that is wanted, it alone goes on, once, by what is missing."""
    near = [{"id": f"n{index:03}", "embedding": [index / 1000, 0.0]} for index in range(300)]
    far = {
        f"docs-{place}": [{"id": f"f{place}-{index}", "embedding": [9.0, float(index)]} for index in range(50)]
        for place in range(9)
    }
    provider = CountingProvider({"docs-near": near, **far})

    found = chromasql.connect(provider).execute("SELECT id FROM docs-* RANK BY KNN([0, 0]) LIMIT 60").rows

    assert [row["id"] for row in found] == [f"n{index:03}" for index in range(60)]
    assert provider.calls == 11
    assert provider.most["docs-near"] <= 100


def test_a_filter_that_nearly_nothing_passes_is_pushed() -> None:
    """Where hardly anything passes, the search goes over to the pushed filter, and never reads ever more."""
    records = evenly(5, 400)
    records["docs-03"][399]["metadata"]["rare"] = True
    provider = CountingProvider(records)

    found = chromasql.connect(provider).execute("SELECT id FROM docs-* WHERE rare RANK BY KNN([0, 0]) LIMIT 10").rows

    assert [row["id"] for row in found] == ["r03-399"]
    assert provider.calls <= 5 * 5


@pytest.mark.parametrize("far", [50, 120, 250, 900])
@pytest.mark.parametrize(
    "sql", ["SELECT id, `group` FROM docs-* {} GROUP BY `group` KEEP 1", "SELECT DISTINCT `group` FROM docs-* {}"]
)
def test_a_rare_group_takes_few_rounds(sql: str, far: int) -> None:
    """Where the last group that is wanted is rare, sizes grow by steps: before, by a record a round, 97 rounds."""
    records = evenly(3, 400)
    for place, held in enumerate(records.values()):
        for index, record in enumerate(held):
            position = index * 3 + place
            record["metadata"]["group"] = "rare" if position >= far and position % 7 == 0 else f"g{position % 4}"
    provider = CountingProvider(records)

    found = chromasql.connect(provider).execute(sql.format("RANK BY KNN([0, 0])") + " LIMIT 5").rows

    assert [row["group"] for row in found] == ["g0", "g1", "g2", "g3", "rare"]
    assert provider.calls <= 3 * 4


# The pure part


def test_an_extension_replaces_what_was_seen() -> None:
    """A longer answer of an index may hold nearer records than the shorter one: the merge is done anew with it."""
    from chromasql.operators.row import Row

    def rows(place: int, *distances: float) -> list[Row]:
        return [Row(f"c{place}", place, f"{place}-{distance}", distance=distance) for distance in distances]

    access = SortedAccess([0, 1], Demand(4))
    assert access.first() == {0: Ask(4, pushed=True), 1: Ask(4, pushed=True)}
    access.add(0, Found(rows(0, 1, 2, 3, 4), (4.0, "0-4", 0), 4))
    access.add(1, Found(rows(1, 2.5), (2.5, "1-2.5", 1), 1))
    more = access.more()
    assert set(more) == {1}
    access.add(1, Found(rows(1, 0.5, 2.5, 9), None, 3))

    assert access.more() == {}
    assert [row.distance for row in access.rows()] == [0.5, 1, 2, 2.5]
