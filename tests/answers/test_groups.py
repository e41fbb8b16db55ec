"""GROUP BY: the first rows of each group, aggregates, HAVING and DISTINCT, over any split of the records."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import chromadb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import chromasql
from chromasql import ChromaSQLPlanningError
from chromasql.adapters import MemoryProvider
from chromasql.adapters.memory import MemoryCollection
from tests.support.oracle.values import orderable
from tests.support.strategies.ranked import Data, datasets, local

relaxed = settings(suppress_health_check=list(HealthCheck))
pytestmark = pytest.mark.timeout(7200)

Metadata = dict[str, Any]


@pytest.fixture(scope="module")
def client() -> Any:
    return chromadb.EphemeralClient()


def of(*metadatas: Metadata | None, parts: int = 1) -> MemoryProvider:
    """Return records r0, r1, .. at [0], [1], .. with these metadata, dealt out to some collections."""
    return MemoryProvider(
        {
            f"part-{part}": [
                {"id": f"r{at}", "embedding": [float(at)], "document": f"document {at}", "metadata": metadata}
                for at, metadata in enumerate(metadatas)
                if at % parts == part
            ]
            for part in range(parts)
        }
    )


def rows(source: Any, sql: str, **params: Any) -> list[dict[str, Any]]:
    return chromasql.connect(source).execute(sql, params or None).rows


def values(source: Any, sql: str, **params: Any) -> list[Any]:
    """Return the rows as tuples, or as values where there is one column."""
    found = [tuple(row.values()) for row in rows(source, sql, **params)]
    return [row[0] if len(row) == 1 else row for row in found]


# The first rows of each group


def test_best_of_each_group():
    """KEEP keeps the best rows of each group, and what is kept stands in the order of its score."""
    source = of({"k": "a"}, {"k": "a"}, {"k": "b"}, {"k": "a"}, {"k": "b"}, parts=2)

    assert values(source, "SELECT id FROM * RANK BY KNN([0]) GROUP BY k KEEP 1") == ["r0", "r2"]
    assert values(source, "SELECT id FROM * RANK BY KNN([0]) GROUP BY k KEEP 2") == ["r0", "r1", "r2", "r4"]
    assert values(source, "SELECT id FROM * RANK BY KNN([5]) GROUP BY k KEEP 1 BY score DESC") == ["r2", "r0"]


def test_records_without_the_key():
    """Records that lack the key are one group, whether they have other metadata or none."""
    source = of({"k": "a"}, None, {"other": 1}, None, parts=2)

    assert values(source, "SELECT id FROM * RANK BY KNN([0]) GROUP BY k KEEP 1") == ["r0", "r1"]


@pytest.mark.parametrize("direction", ["ASC", "DESC"])
def test_null_is_last_in_a_group(direction):
    """Within a group NULL is last in either direction."""
    source = of({"k": "a"}, {"k": "a", "year": 1})

    assert values(source, f"SELECT id FROM * RANK BY KNN([0]) GROUP BY k KEEP 1 BY year {direction}") == ["r1"]


def test_mixed_directions():
    """Each item has a direction of its own."""
    source = of({"y": 2, "p": 9}, {"y": 2, "p": 1}, {"y": 1, "p": 0})

    assert values(source, "SELECT id FROM * RANK BY KNN([0]) GROUP BY _collection KEEP 1 BY y DESC, p") == ["r1"]
    assert values(source, "SELECT id FROM * RANK BY KNN([0]) GROUP BY _collection KEEP 1 BY y, p DESC") == ["r2"]


def test_several_keys():
    """A group has the same value in each of its keys, of the same kind."""
    source = of({"a": 1, "b": 1}, {"a": 1, "b": True}, {"a": 1.0, "b": 1}, {"a": [1], "b": 1}, {"a": [1.0], "b": 1})

    assert values(source, "SELECT id FROM * RANK BY KNN([0]) GROUP BY a, b KEEP 1") == ["r0", "r1", "r3"]


def test_so_many_of_each_collection():
    """GROUP BY _collection KEEP n is a limit per collection."""
    source = of(*[{"x": 1}] * 9, parts=3)

    assert values(source, "SELECT _collection, id FROM * RANK BY KNN([0]) GROUP BY _collection KEEP 1") == [
        ("part-0", "r0"),
        ("part-1", "r1"),
        ("part-2", "r2"),
    ]


def test_by_document_and_id():
    """Records can be grouped by document or id, too."""
    source = MemoryProvider(
        {
            "a": [
                {"id": "x", "embedding": [0.0], "document": "same"},
                {"id": "y", "embedding": [1.0], "document": "same"},
            ],
            "b": [{"id": "x", "embedding": [2.0], "document": "other"}],
        }
    )

    assert values(source, "SELECT _collection, id FROM * RANK BY KNN([0]) GROUP BY document KEEP 1") == [
        ("a", "x"),
        ("b", "x"),
    ]
    assert values(source, "SELECT _collection, id FROM * RANK BY KNN([0]) GROUP BY id KEEP 1") == [
        ("a", "x"),
        ("a", "y"),
    ]


def test_keep_without_a_ranking():
    """Without a ranking KEEP takes the first by its items, or the first in record order."""
    source = of({"k": "a", "n": 3}, {"k": "a", "n": 1}, {"k": "b", "n": 2}, {"n": 5}, {"n": 4})

    assert values(source, "SELECT id FROM * GROUP BY k KEEP 1") == ["r0", "r2", "r3"]
    assert values(source, "SELECT id FROM * GROUP BY k KEEP 1 BY n ORDER BY n") == ["r1", "r2", "r4"]
    assert values(source, "SELECT id FROM * GROUP BY k KEEP 1 BY n ORDER BY n DESC LIMIT 1 OFFSET 1") == ["r2"]


def test_threshold_comes_first():
    """What the threshold leaves out takes no place in a group."""
    source = of({"k": 1}, {"k": 1}, {"k": 1})

    sql = "SELECT id FROM * RANK BY KNN([0]) WITH SCORE THRESHOLD 2 GROUP BY k KEEP 1 BY score DESC"
    assert values(source, sql) == ["r1"]


def test_pages_of_groups():
    """OFFSET and LIMIT count the rows that are kept."""
    source = of(*[{"k": at % 4} for at in range(12)], parts=2)

    sql = "SELECT id FROM * RANK BY KNN([0]) GROUP BY k KEEP 1"
    assert values(source, f"{sql} LIMIT 2 OFFSET 1") == ["r1", "r2"]
    assert values(source, f"{sql} ORDER BY k DESC LIMIT 2") == ["r3", "r2"]


# Aggregates


@dataclass(frozen=True)
class Call:
    """An aggregate as SQL, and what it is of a group."""

    sql: str
    of: Callable[[Sequence[Metadata]], Any]


def present(key: str, group: Sequence[Metadata], *, distinct: bool) -> list[Any]:
    """Return the values of a key, whole numbers first; of those that are equal only the first, if they must differ."""
    found = sorted((metadata[key] for metadata in group if key in metadata), key=lambda value: type(value) is float)
    if not distinct:
        return found
    kept: dict[Any, Any] = {}
    for value in found:
        kept.setdefault(orderable(value), value)
    return list(kept.values())


def total(values: Sequence[Any]) -> Fraction:
    return sum((Fraction(value) for value in values), Fraction(0))


def rounded(exact: Fraction) -> float:
    """Round once; what lies beyond the largest float is infinite."""
    try:
        return float(exact)
    except OverflowError:
        return math.inf if exact > 0 else -math.inf


def typed(rows: Sequence[Sequence[Any]]) -> list[list[tuple[type, Any]]]:
    """Tell 1 from 1.0."""
    return [[(type(value), value) for value in row] for row in rows]


def call(function: str, key: str, *, distinct: bool) -> Call:
    def numbers(group: Sequence[Metadata]) -> list[Any]:
        return [value for value in present(key, group, distinct=distinct) if type(value) in (int, float)]

    def extreme(choose: Any) -> Callable[[Sequence[Metadata]], Any]:
        return lambda group: choose(present(key, group, distinct=False), key=orderable, default=None)

    def average(group: Sequence[Metadata]) -> float | None:
        found = numbers(group)
        return rounded(total(found) / len(found)) if found else None

    def added(group: Sequence[Metadata]) -> float | None:
        found = numbers(group)
        if not found:
            return None
        # Whole numbers add up to a whole number, however large.
        whole = all(isinstance(number, int) for number in found)
        return int(total(found)) if whole else rounded(total(found))

    functions: dict[str, Callable[[Sequence[Metadata]], Any]] = {
        "COUNT": lambda group: len(present(key, group, distinct=distinct)),
        "SUM": added,
        "AVG": average,
        "MIN": extreme(min),
        "MAX": extreme(max),
    }
    return Call(f"{function}({'DISTINCT ' if distinct else ''}{key})", functions[function])


calls = st.one_of(
    st.just(Call("COUNT(*)", len)),
    st.builds(
        lambda function, key, distinct: call(function, key, distinct=distinct),
        st.sampled_from(["COUNT", "SUM", "AVG", "MIN", "MAX"]),
        st.sampled_from(["n", "x", "k"]),
        st.booleans(),
    ),
)
numbers = st.one_of(
    st.sampled_from([0, 1, 1.0, 2, -3, 0.1, 0.2, 0.3, 1e16, -1e16, 1e308, -1e308, 2**53 + 1, "a", "b", True, False]),
    st.floats(allow_nan=False, allow_infinity=False, width=32),
)
metadatas = st.fixed_dictionaries(
    {},
    optional={"k": st.sampled_from(["a", "b", 1, 1.0, True]), "n": numbers, "x": numbers},
)


def group_key(value: Any) -> Any:
    return None if value is None else orderable(value)


@relaxed
@given(
    st.lists(metadatas, max_size=25),
    st.integers(1, 6),
    st.lists(calls, min_size=1, max_size=3, unique_by=lambda each: each.sql),
    st.booleans(),
)
def test_aggregates(records, parts, wanted, grouped):
    """Aggregates are those of plain Python over all records, however they are spread; sums are rounded once."""
    columns = ", ".join(each.sql for each in wanted)
    groups: dict[Any, list[Metadata]] = {} if grouped else {None: []}
    for metadata in records:
        groups.setdefault(group_key(metadata.get("k")) if grouped else None, []).append(metadata)
    ordered = sorted(groups.items(), key=lambda item: (item[0] is None, item[0] or (0, 0)))
    expected = [tuple(each.of(group) for each in wanted) for _, group in ordered]

    for source in (of(*records), of(*records, parts=parts)):
        found = rows(source, f"SELECT {columns} FROM *{' GROUP BY k' if grouped else ''}")
        assert typed([[row[each.sql] for each in wanted] for row in found]) == typed(expected)


@relaxed
@given(st.data())
def test_aggregates_of_real_records(client, draws):
    """Over real Chroma, with a filter or without, groups are those of plain Python."""
    data: Data = draws.draw(datasets())
    groups: dict[Any, list[Metadata]] = {}
    for collection in data.collections:
        for record in collection.records:
            if record.document is not None:
                groups.setdefault(group_key(record.metadata.get("a")), []).append(record.metadata)
    wanted = [Call("COUNT(*)", len), call("SUM", "n", distinct=False), call("MAX", "n", distinct=False)]
    ordered = sorted(groups.items(), key=lambda item: (item[0] is None, item[0] or (0, 0)))

    with local(client, data) as database:
        found = database.execute(
            f"SELECT {', '.join(each.sql for each in wanted)} FROM {', '.join(each.name for each in data.collections)} "
            "WHERE document IS NOT NULL GROUP BY a"
        ).rows

    assert [tuple(row.values()) for row in found] == [tuple(each.of(group) for each in wanted) for _, group in ordered]


def test_one_and_true():
    """1 and 1.0 are one group, shown as the whole number; TRUE and '1' are others, NULL is the last."""
    source = of({"k": 1.0}, {"k": True}, {"k": 1}, {"k": "1"}, None, parts=3)

    found = values(source, "SELECT k, COUNT(*) FROM * GROUP BY k")

    assert found == [(True, 1), (1, 2), ("1", 1), (None, 1)]
    assert [type(key) for key, _ in found[:2]] == [bool, int]


def test_nothing_to_count():
    """Without records there is one row where nothing is grouped by, and none otherwise."""
    source = of()

    assert rows(source, "SELECT COUNT(*), COUNT(n), SUM(n), AVG(n), MIN(n), MAX(n) FROM *") == [
        {"COUNT(*)": 0, "COUNT(n)": 0, "SUM(n)": None, "AVG(n)": None, "MIN(n)": None, "MAX(n)": None}
    ]
    assert rows(source, "SELECT k, COUNT(*) FROM * GROUP BY k") == []
    assert values(of({"k": 1}), "SELECT COUNT(*) FROM * WHERE id = 'a' AND id = 'b'") == [0]


def test_sums():
    """A sum of whole numbers is whole and exact; with a float it is a float, rounded once; too large, it is infinite."""
    assert values(of({"n": 2**62}, {"n": 2**62}, {"n": 1}), "SELECT SUM(n) FROM *") == [2**63 + 1]
    assert values(of(*[{"n": 0.1}] * 10), "SELECT SUM(n), AVG(n) FROM *") == [(1.0, 0.1)]
    assert values(of({"n": 1e308}, {"n": 1e308}), "SELECT SUM(n), AVG(n) FROM *") == [(math.inf, 1e308)]
    assert values(of({"n": -1e308}, {"n": -1e308}), "SELECT SUM(n) FROM *") == [-math.inf]


@pytest.mark.parametrize("parts", [1, 3])
def test_huge_sums(parts):
    """What is too large for a float only on the way is not infinite, and a mean lies among its values."""
    source = of({"n": 1e308}, {"n": 1e308}, {"n": 1}, {"n": -1e308}, {"n": -1e308}, parts=parts)
    assert values(source, "SELECT SUM(n), AVG(n) FROM *") == [(1.0, 0.2)]
    assert values(of(*[{"n": 1.7e308}] * 3, parts=parts), "SELECT AVG(n) FROM *") == [1.7e308]
    assert values(of({"n": 10**400}, {"n": 0.5}, parts=parts), "SELECT SUM(n), AVG(n) FROM *") == [(math.inf, math.inf)]
    assert values(of({"n": 10**400}, {"n": 0}, parts=parts), "SELECT SUM(n) FROM *") == [10**400]


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("parts", [1, 2])
def test_sums_of_infinite_values(parts, sign):
    """One infinite value makes the sum and the mean infinite, whatever finite ones stand beside it."""
    infinite = sign * math.inf
    source = of({"n": 10**400}, {"n": infinite}, {"n": -sign * 1e308}, {"n": infinite}, parts=parts)
    expected = [(infinite,) * 4]
    assert values(source, "SELECT SUM(n), AVG(n), SUM(DISTINCT n), AVG(DISTINCT n) FROM *") == expected
    scores = f"SELECT SUM(score), AVG(score) FROM * RANK BY {sign} / KNN([0])"
    assert values(of({}, {}, {}, parts=parts), scores) == [(infinite, infinite)]


@pytest.mark.parametrize("parts", [1, 2, 3])
@pytest.mark.parametrize("summands", [(math.inf, -math.inf, 1), (1, math.nan, math.inf)], ids=["opposite", "nan"])
def test_sums_that_are_no_number(parts, summands):
    """Infinite values of either sign have no sum and no mean, nor has NaN: it is NaN, as in arithmetic."""
    source = of(*[{"n": number} for number in summands], parts=parts)
    for found in values(source, "SELECT SUM(n), AVG(n), SUM(DISTINCT n), AVG(DISTINCT n) FROM *")[0]:
        assert math.isnan(found)


def test_what_is_no_number():
    """SUM and AVG leave out what is no number; MIN and MAX order the kinds: boolean, number, string, list."""
    source = of({"n": 2}, {"n": "9"}, {"n": True}, {"n": [1]}, parts=2)

    assert values(source, "SELECT SUM(n), AVG(n), MIN(n), MAX(n), COUNT(n) FROM *") == [(2, 2.0, True, [1], 4)]


def test_distinct_aggregates():
    """COUNT(DISTINCT x) counts values that differ, 1 and 1.0 as one."""
    source = of({"n": 1}, {"n": 1.0}, {"n": True}, {"n": "1"}, {"n": [1]}, {"n": [1.0]}, None, parts=4)

    assert values(source, "SELECT COUNT(DISTINCT n), SUM(DISTINCT n), MIN(DISTINCT n), MAX(DISTINCT n) FROM *") == [
        (4, 1, True, [1])
    ]
    assert values(of({"n": 2}, {"n": 2.0}, {"n": 4}), "SELECT AVG(DISTINCT n) FROM *") == [3.0]
    assert values(of(), "SELECT MIN(DISTINCT n) FROM *") == [None]


@pytest.mark.parametrize("parts", [1, 2, 3])
@pytest.mark.parametrize("summands", list(itertools.permutations([2**53, float(2**53), 1])), ids=repr)
def test_which_of_equal_numbers_counts(parts, summands):
    """Of a whole number and an equal float the whole one counts, whichever came first and wherever it is."""
    sql = "SELECT SUM(DISTINCT n), MAX(n), MAX(DISTINCT n) FROM *"

    found = values(of(*[{"n": number} for number in summands], parts=parts), sql)

    assert typed(found) == typed([(2**53 + 1, 2**53, 2**53)])


@pytest.mark.parametrize("parts", [1, 2])
@pytest.mark.parametrize("arrays", [([1], [1.0]), ([1.0], [1])], ids=repr)
def test_which_of_equal_arrays_is_shown(parts, arrays):
    """Of equal arrays the one of whole numbers is shown, whichever came first."""
    source = of(*[{"k": array} for array in arrays], parts=parts)

    for sql in ("SELECT k FROM * GROUP BY k", "SELECT DISTINCT k FROM *", "SELECT MIN(k) FROM *"):
        (found,) = values(source, sql)
        assert typed([found]) == typed([[1]])


def test_having():
    """HAVING keeps the groups for which it is true, and reads keys, aliases and aggregates, shown or not."""
    source = of(*[{"k": "a", "n": at} for at in range(3)], *[{"k": "b", "n": 9}] * 2, {"n": 1}, parts=2)

    assert values(source, "SELECT k FROM * GROUP BY k HAVING COUNT(*) >= 2 AND MAX(n) > 5") == ["b"]
    assert values(source, "SELECT k, COUNT(*) AS c FROM * GROUP BY k HAVING c = 3") == [("a", 3)]
    assert values(source, "SELECT COUNT(*) FROM * GROUP BY k HAVING k IS NULL") == [1]
    assert values(source, "SELECT SUM(n) FROM * HAVING COUNT(*) > 100") == []


def test_order_of_groups():
    """Groups are ordered by aggregates, their aliases or keys; equal ones by their keys."""
    source = of(*[{"k": each} for each in "abbcca"], {"k": "d"}, parts=3)
    sql = "SELECT k, COUNT(*) AS c FROM * GROUP BY k"

    assert values(source, f"{sql} ORDER BY c DESC, k DESC") == [("c", 2), ("b", 2), ("a", 2), ("d", 1)]
    assert values(source, f"{sql} ORDER BY COUNT(*)") == [("d", 1), ("a", 2), ("b", 2), ("c", 2)]
    assert values(source, f"{sql} ORDER BY c DESC LIMIT 2 OFFSET 1") == [("b", 2), ("c", 2)]
    assert values(source, f"{sql} ORDER BY MAX(id) DESC LIMIT 1") == [("d", 1)]


def test_distinct():
    """SELECT DISTINCT shows each row once, in the order of its columns or as it is asked for."""
    source = of({"a": 1, "b": "x"}, {"a": 1.0, "b": "x"}, {"a": 2, "b": "x"}, {"b": "y"}, None, parts=2)

    assert values(source, "SELECT DISTINCT a, b FROM *") == [(1, "x"), (2, "x"), (None, "y"), (None, None)]
    assert values(source, "SELECT DISTINCT a FROM * ORDER BY a DESC LIMIT 2") == [None, 2]
    assert values(source, "SELECT DISTINCT _collection FROM *") == ["part-0", "part-1"]


def test_distinct_groups():
    """DISTINCT beside GROUP BY leaves out rows that show the same, and the first of them stays where it is."""
    source = of(*[{"k": each} for each in "aabcc"])

    assert values(source, "SELECT DISTINCT COUNT(*) FROM * GROUP BY k ORDER BY k") == [2, 1]
    assert values(source, "SELECT DISTINCT COUNT(*) FROM * GROUP BY k ORDER BY k DESC LIMIT 1") == [2]


def test_facets_of_a_ranking():
    """Aggregates of a ranked statement are over its candidates."""
    source = of({"k": "a"}, {"k": "b"}, {"k": "a"}, {"k": "b"}, {"k": "b"}, parts=2)
    sql = "SELECT k, COUNT(*) AS hits, MIN(score) AS best, MAX(distance) FROM * RANK BY KNN([0], limit = 4) GROUP BY k"

    assert values(source, f"{sql} ORDER BY best") == [("a", 2, 0.0, 4.0), ("b", 2, 1.0, 9.0)]
    assert values(source, f"{sql} HAVING best > 0 ORDER BY best") == [("b", 2, 1.0, 9.0)]
    assert values(source, "SELECT COUNT(*) FROM * RANK BY KNN([0]) WITH SCORE THRESHOLD 4") == [3]
    assert values(source, "SELECT COUNT(*) FROM * RANK BY KNN([0], limit = 3) LIMIT 5") == [3]


def test_scores_that_are_not_finite():
    """An infinite or undefined score is summed, counted and ordered like any other number, NaN after all."""
    source = of({"k": "a"}, {"k": "a"}, {"k": "b"})
    columns = "SUM(score), AVG(score), COUNT(DISTINCT score), MIN(score), MAX(score)"

    assert values(source, f"SELECT {columns} FROM * RANK BY 1 / KNN([0])") == [(math.inf, math.inf, 3, 0.25, math.inf)]
    (found,) = values(source, f"SELECT {columns} FROM * RANK BY LOG(0 - KNN([0])) - LOG(0 - KNN([0]))")
    assert [math.isnan(found[at]) for at in (0, 1, 3, 4)] == [True] * 4
    assert found[2] == 1
    ordered = values(source, "SELECT id FROM * RANK BY LOG(2 - KNN([0])) ORDER BY score, id")
    assert ordered == ["r1", "r0", "r2"]


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("SELECT k, n FROM * GROUP BY k", "add it to GROUP BY, or aggregate it: MIN.n."),
        ("SELECT n, COUNT(*) FROM *", "aggregate it, as MIN.n., or group by it"),
        ("SELECT * FROM * GROUP BY k", "cannot be grouped; name the columns"),
        ("SELECT DISTINCT * FROM *", "cannot be grouped; name the columns"),
        ("SELECT COUNT(*) FROM * GROUP BY embedding", "cannot compare embedding"),
        ("SELECT COUNT(*) FROM * GROUP BY metadata", "cannot compare metadata"),
        ("SELECT COUNT(*) FROM * RANK BY KNN([0]) GROUP BY score", "a group of every record"),
        ("SELECT MAX(metadata) FROM *", "cannot read metadata as a whole"),
        ("SELECT SUM(embedding) FROM *", "cannot read embedding as a whole"),
        ("SELECT COUNT(*) FROM * GROUP BY k KEEP 1", "KEEP cannot be combined with aggregates"),
        ("SELECT id FROM * WHERE COUNT(*) > 1", "HAVING can"),
        ("SELECT COUNT(*) FROM * GROUP BY COUNT", None),
        ("SELECT id FROM * GROUP BY k KEEP 1 BY COUNT(*)", "belongs in SELECT, HAVING or ORDER BY"),
    ],
)
def test_refused(sql, message):
    """What cannot be grouped is refused where it stands, with what to write instead."""
    if message is None:
        assert rows(of({"COUNT": 1}), sql) == [{"COUNT(*)": 1}]
        return
    with pytest.raises(ChromaSQLPlanningError, match=message) as caught:
        rows(of({"k": 1}), sql)
    assert caught.value.span is not None


# Size


class Counted(MemoryCollection):
    """A collection that notes how many records it returned at a time."""

    pages: list[int]

    async def get(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        answer = await super().get(*args, **kwargs)
        self.pages.append(len(answer["ids"]))
        return answer


def test_a_hundred_thousand_records():
    """Records are counted in pages of 10,000, each from the last record of the one before; without a filter not read."""
    records = [{"id": str(at), "embedding": [0.0], "metadata": {"k": at % 7}} for at in range(100_000)]
    collection = Counted("docs", records)
    collection.pages = []
    source = MemoryProvider({"docs": collection})

    assert values(source, "SELECT COUNT(*) FROM docs") == [100_000]
    assert collection.pages == []
    assert values(source, "SELECT k, COUNT(*) FROM docs GROUP BY k LIMIT 2") == [(0, 14286), (1, 14286)]
    assert max(collection.pages) == 10_000
    assert sum(collection.pages) == 100_000 + len(collection.pages) - 1
