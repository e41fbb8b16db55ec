"""Expressions: what they give, beside SQLite where both mean the same, and however the records are spread."""

from __future__ import annotations

import math
import sqlite3
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import chromasql
from tests.support.strategies.sqlite import CONDITIONS, NUMBERS, TEXTS, rows

COLUMNS = ("i", "j", "f", "t", "u")


def spread(records: list[dict[str, Any]], parts: int) -> chromasql.Database:
    """Return a database with the records dealt out over collections."""
    collections: dict[str, list[dict[str, Any]]] = {f"docs-{part}": [] for part in range(parts)}
    for index, record in enumerate(records):
        metadata = {name: record[name] for name in COLUMNS if name in record}
        collections[f"docs-{index * 7 % parts}"].append({"id": record["id"], "metadata": metadata})
    return chromasql.connect(chromasql.MemoryProvider(collections))


def by_sqlite(records: list[dict[str, Any]], sql: str) -> list[tuple[Any, ...]]:
    """Return what SQLite answers over a table of the records."""
    with sqlite3.connect(":memory:") as connection:
        connection.execute("CREATE TABLE docs (id TEXT, i INTEGER, j INTEGER, f REAL, t TEXT, u TEXT)")
        connection.executemany(
            "INSERT INTO docs VALUES (?, ?, ?, ?, ?, ?)",
            [(record["id"], *(record.get(name) for name in COLUMNS)) for record in records],
        )
        return connection.execute(sql).fetchall()


def same(ours: Any, theirs: Any) -> bool:
    """Whether two values are equal; SQLite has no booleans."""
    if isinstance(ours, bool):
        return theirs in (0, 1) and bool(theirs) is ours
    if isinstance(ours, float) or isinstance(theirs, float):
        return ours is not None and theirs is not None and math.isclose(ours, theirs, rel_tol=1e-12, abs_tol=1e-12)
    return type(ours) is type(theirs) and ours == theirs


@given(rows(), st.one_of(NUMBERS, TEXTS, CONDITIONS), st.sampled_from([1, 5]))
def test_values_are_those_of_sqlite(records: list[dict[str, Any]], expression: str, parts: int) -> None:
    """Arithmetic, CASE, functions and three-valued tests in SELECT give what SQLite gives, over one collection or five."""
    expected = by_sqlite(records, f"SELECT id, {expression} FROM docs ORDER BY id")

    found = spread(records, parts).execute(f"SELECT id, {expression} AS v FROM docs-* ORDER BY id").rows

    assert [row["id"] for row in found] == [identity for identity, _ in expected]
    for row, (_, value) in zip(found, expected, strict=True):
        assert same(row["v"], value), (row, value)


@given(rows(), CONDITIONS, st.sampled_from([1, 5]))
def test_conditions_keep_what_sqlite_keeps(records: list[dict[str, Any]], condition: str, parts: int) -> None:
    """WHERE with any expression keeps the records for which it is true, whatever part of it was sent to the store."""
    expected = by_sqlite(records, f"SELECT id FROM docs WHERE {condition} ORDER BY id")

    found = spread(records, parts).execute(f"SELECT id FROM docs-* WHERE {condition} ORDER BY id").rows

    assert [row["id"] for row in found] == [identity for (identity,) in expected]


@given(rows(), st.one_of(NUMBERS, TEXTS), NUMBERS, CONDITIONS, st.sampled_from([1, 5]))
def test_groups_are_those_of_sqlite(
    records: list[dict[str, Any]], key: str, summed: str, condition: str, parts: int
) -> None:
    """GROUP BY an expression makes SQLite's groups, with sums and filtered counts of expressions."""
    measures = f"COUNT(*), SUM({summed}), COUNT(*) FILTER (WHERE {condition}), MIN({summed})"
    expected = by_sqlite(records, f"SELECT {key}, {measures} FROM docs GROUP BY 1 ORDER BY 1 NULLS LAST")

    found = spread(records, parts).execute(
        f"SELECT {key} AS k, COUNT(*) AS n, SUM({summed}) AS s, COUNT(*) FILTER (WHERE {condition}) AS c, "
        f"MIN({summed}) AS least FROM docs-* GROUP BY k ORDER BY k"
    )

    if key.strip("()- ").replace(".", "").isdigit() and "." not in key:
        return  # a position of SELECT
    assert len(found.rows) == len(expected)
    for row, values in zip(found.rows, expected, strict=True):
        for ours, theirs in zip(row.values(), values, strict=True):
            assert same(ours, theirs), (row, values)


@given(rows(), NUMBERS, st.sampled_from([1, 5]))
def test_an_order_by_an_expression_is_that_of_sqlite(
    records: list[dict[str, Any]], expression: str, parts: int
) -> None:
    """ORDER BY an expression, ties by id, NULL last."""
    ordered = f"0 + {expression}"  # not a position
    expected = by_sqlite(records, f"SELECT id FROM docs ORDER BY {ordered} NULLS LAST, id")

    found = spread(records, parts).execute(f"SELECT id FROM docs-* ORDER BY {ordered}").rows

    assert [row["id"] for row in found] == [identity for (identity,) in expected]


# Dates

DATES = [
    {"id": "day", "metadata": {"at": "2024-05-01"}},
    {"id": "east", "metadata": {"at": "2024-05-01T01:30:00+02:00"}},
    {"id": "late", "metadata": {"at": "2024-05-01T23:59:59.5Z"}},
    {"id": "none", "metadata": {"n": 1}},
    {"id": "not", "metadata": {"at": "soon"}},
    {"id": "west", "metadata": {"at": "2024-04-30T23:30:00-02:00"}},
]


def asked(sql: str, **settings: Any) -> list[dict[str, Any]]:
    """Return the rows of a statement over the dates."""
    database = chromasql.connect(chromasql.MemoryProvider({"docs": DATES}), **settings)
    return database.execute(sql).rows


def test_dates_compare_as_moments() -> None:
    """A date-only text, a time with a zone and one without are compared as moments in UTC, though their texts order otherwise."""
    found = asked("SELECT id FROM docs WHERE at >= DATE '2024-05-01' ORDER BY id")

    assert [row["id"] for row in found] == ["day", "late", "west"]
    assert [row["id"] for row in asked("SELECT id FROM docs WHERE DATE(at) = '2024-05-01' ORDER BY id")] == [
        "day",
        "late",
        "west",
    ]


def test_dates_in_groups_and_rows_are_texts() -> None:
    """What a date function gives is shown as ISO text, and a text that is no date is NULL."""
    rows_ = asked("SELECT DATE(at) AS d, COUNT(*) AS n FROM docs GROUP BY d ORDER BY d")

    assert rows_ == [{"d": "2024-04-30", "n": 1}, {"d": "2024-05-01", "n": 3}, {"d": None, "n": 2}]
    assert asked("SELECT at + INTERVAL '1 month' AS later FROM docs WHERE id = 'east'") == [
        {"later": "2024-05-30T23:30:00+00:00"}
    ]


@pytest.mark.parametrize(
    "value",
    [date(2024, 5, 1), datetime(2024, 5, 1), datetime(2024, 5, 1, 2, tzinfo=timezone(timedelta(hours=2))), np.datetime64("2024-05-01")],
)  # fmt: skip
def test_dates_are_parameters(value: Any) -> None:
    """A date or a datetime, naive ones in UTC, is compared as a moment; its isoformat() had to be passed before."""
    database = chromasql.connect(chromasql.MemoryProvider({"docs": DATES}))

    found = database.execute("SELECT id FROM docs WHERE at >= :since ORDER BY id", {"since": value}).rows
    equal = database.execute("SELECT id FROM docs WHERE at IN :days", {"days": [value, date(1999, 1, 1)]}).rows

    assert [row["id"] for row in found] == ["day", "late", "west"]
    assert [row["id"] for row in equal] == ["day"]


def test_now_is_one_moment_of_the_statement() -> None:
    """NOW() is read once for a statement, from the clock that the application gives, and never from a kept plan."""
    moments = iter([datetime(2024, 5, 2, tzinfo=UTC), datetime(2023, 1, 1, tzinfo=UTC)])
    database = chromasql.connect(
        chromasql.MemoryProvider({"docs": DATES}), settings=chromasql.Settings(clock=lambda: next(moments))
    )
    sql = "SELECT COUNT(*) AS n FROM docs WHERE at < NOW() AND at > NOW() - INTERVAL '1 day'"

    assert [database.execute(sql).rows for _ in range(2)] == [[{"n": 2}], [{"n": 0}]]


# Spread


AGGREGATES = (
    "MEDIAN(f), QUANTILE(i, 0.3), QUANTILE_CONT(f, 0.9), STDDEV(f), VARIANCE(i), STRING_AGG(t, '|'), ARRAY_AGG(i), "
    "ANY_VALUE(t), BOOL_AND(i > 0), BOOL_OR(i > 5), COUNT(DISTINCT i, t), SUM(DISTINCT i), STRING_AGG(DISTINCT t, '|')"
)


@given(rows())
def test_aggregates_do_not_depend_on_the_spread(records: list[dict[str, Any]]) -> None:
    """Every aggregate is the same over one collection and over five."""
    one, five = (spread(records, parts).execute(f"SELECT {AGGREGATES} FROM docs-*").rows for parts in (1, 5))

    assert one == five


@pytest.mark.parametrize(
    ("aggregate", "value"),
    [
        ("MEDIAN(n)", 2.5),
        ("QUANTILE(n, 0.5)", 2),
        ("QUANTILE_CONT(n, 0.25)", 1.75),
        ("VARIANCE(n)", 5 / 3),
        ("STDDEV(n)", math.sqrt(5 / 3)),
        ("STRING_AGG(n, '-')", "1-2-3-4"),
        ("ARRAY_AGG(n)", [1, 2, 3, 4]),
        ("ANY_VALUE(n)", 1),
        ("BOOL_AND(n > 0)", True),
        ("BOOL_OR(n > 9)", False),
        ("COUNT(*) FILTER (WHERE n % 2 = 0)", 2),
        ("ROUND(AVG(n) * 1.25, 1)", 3.1),
    ],
)
def test_aggregates(aggregate: str, value: Any) -> None:
    """Each aggregate of 1, 2, 3, 4 by hand."""
    records = [{"id": str(number), "metadata": {"n": number}} for number in (1, 2, 3, 4)]
    database = chromasql.connect(chromasql.MemoryProvider({"docs": records}))

    assert database.execute(f"SELECT {aggregate} AS v FROM docs").rows == [{"v": value}]


# Totals and sizes


@pytest.mark.parametrize("page", ["LIMIT 2", "LIMIT 1 OFFSET 3", "ORDER BY i DESC LIMIT 2", "LIMIT 0"])
@given(rows())
def test_a_total_is_the_number_of_rows_without_the_page(page: str, records: list[dict[str, Any]]) -> None:
    """COUNT(*) OVER () and result.total are the number of rows that the same statement has without LIMIT and OFFSET."""
    database = spread(records, 3)
    whole = len(database.execute("SELECT id FROM docs-* WHERE i > 0").rows)

    result = database.execute(f"SELECT id, COUNT(*) OVER () AS total FROM docs-* WHERE i > 0 {page}")

    assert result.total == whole
    assert {row["total"] for row in result.rows} <= {whole}


@pytest.mark.parametrize(
    "expression",
    [
        "REPEAT('abc', 400000)",
        "POWER(10, 400000)",
        "REPLACE(REPEAT('a', 900000), 'a', 'bb')",
        "REPEAT('a', 600000) || REPEAT('a', 600000)",
        "CONCAT(REPEAT('a', 600000), REPEAT('a', 600000))",
    ],
)
def test_no_function_makes_a_huge_value(expression: str) -> None:
    """A value of more than 1,000,000 characters or bits is refused before it is made."""
    with pytest.raises(chromasql.ChromaSQLError) as caught:
        asked(f"SELECT {expression} AS v FROM docs")

    assert caught.value.code == "value-too-large"


# Errors


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("SELECT UPPR(title) FROM docs", "there is no function UPPR; did you mean UPPER?"),
        ("SELECT LEFT(title) FROM docs", "LEFT takes 2 arguments, not 1"),
        ("SELECT DATE_TRUNC('fortnight', at) FROM docs", "DATE_TRUNC knows no unit 'fortnight'"),
        ("SELECT REGEXP_EXTRACT(at, n) FROM docs", "is the same for all rows"),
        ("SELECT at - at - DATE '2024-01-01' FROM docs", "dates take + and - with an INTERVAL"),
        ("SELECT id FROM docs WHERE at > DATE 'soon'", "'soon' is not a date"),
        ("SELECT id FROM docs WHERE 'a'", "'a' is not a condition"),
        ("SELECT id FROM docs ORDER BY 3", "ORDER BY 3 means column 3 of SELECT, but SELECT has 1"),
        ("SELECT n + 1 FROM docs GROUP BY at", "n is not the same in all records of a group"),
        ("SELECT SUM(COUNT(*)) FROM docs", "SUM cannot read another aggregate"),
        ("SELECT QUANTILE(n, 2) FROM docs", "QUANTILE takes a field and a share from 0 to 1"),
        ("SELECT id FROM docs WHERE at LIKE 'a!b' ESCAPE '!'", "it escapes %, _ and itself"),
        ("SELECT id FROM docs RANK BY KNN([1]) ORDER BY COUNT(*) OVER ()", "COUNT(*) OVER () belongs in SELECT"),
        ("SELECT id FROM docs RANK BY CASE WHEN KNN([1]) > 1 THEN 1 END", "a search can enter"),
        ("SELECT id FROM docs RANK BY KNN([1]) + LOWER(at)", "RANK BY takes numbers, and LOWER(at) is not one"),
    ],
)
def test_messages(sql: str, message: str) -> None:
    """What is not meant is refused with what it takes."""
    with pytest.raises(chromasql.ChromaSQLError) as caught:
        chromasql.build_plan(chromasql.parse(sql))

    assert message in caught.value.message


def test_a_cast_that_cannot_be_is_an_error_with_the_way_out() -> None:
    """CAST of a text that is not a number stops the statement; TRY_CAST gives NULL."""
    with pytest.raises(chromasql.ChromaSQLError, match="TRY_CAST") as caught:
        asked("SELECT CAST(at AS INTEGER) FROM docs")
    assert caught.value.code == "invalid-cast"

    assert asked("SELECT TRY_CAST(at AS INTEGER) AS v FROM docs WHERE id = 'not'") == [{"v": None}]


@pytest.mark.parametrize(
    ("condition", "ids"),
    [
        ("published", ["yes"]),
        ("NOT published", ["no"]),
        ("published IS NOT TRUE", ["no", "none"]),
        ("5 < price", ["yes"]),
        ("'b' = ANY(tags)", ["yes"]),
        ("price BETWEEN low AND low * 2", ["yes"]),
        ("title LIKE '%!%%' ESCAPE '!'", ["yes"]),
        ("LOWER(title) = 'fifty'", ["no"]),
        ("price / 0 > 1", []),
        ("TRUE", ["no", "none", "yes"]),
        ("price IN (price, 1)", ["no", "yes"]),
    ],
)
@pytest.mark.parametrize("store", ["memory", "embedded"])
def test_conditions(condition: str, ids: list[str], store: str, request: pytest.FixtureRequest) -> None:
    """Spellings that people type mean what they look like, on a store of our own and on Chroma."""
    records = [
        {"id": "yes", "metadata": {"published": True, "price": 8, "low": 5, "tags": ["a", "b"], "title": "50% off"}},
        {"id": "no", "metadata": {"published": False, "price": 2, "low": 5, "title": "Fifty"}},
        {"id": "none", "metadata": {"lang": "en"}},
    ]
    if store == "memory":
        source: Any = chromasql.MemoryProvider({"docs": records})
    else:
        client = request.getfixturevalue("client")
        collection = client.create_collection("expressions", embedding_function=None)
        collection.add(
            ids=[str(record["id"]) for record in records],
            embeddings=[[1.0, 0.0]] * 3,
            metadatas=[record["metadata"] for record in records],
        )
        source = client
    name = "docs" if store == "memory" else "expressions"

    found = chromasql.connect(source).execute(f"SELECT id FROM {name} WHERE {condition} ORDER BY id").rows

    assert [row["id"] for row in found] == ids


SPELLINGS = [
    {
        "id": "a",
        "document": "Alpha one",
        "metadata": {"n": 1, "t": "x", "day": "2024-05-01", "tags": ["p", "q"], "ok": True},
    },
    {"id": "b", "document": "Beta two", "metadata": {"n": 2, "t": "y", "day": "2024-06-15", "ok": False}},
    {"id": "c", "metadata": {"n": 3, "t": "x%"}},
]


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        ('SELECT "t", COUNT(*) n FROM docs GROUP BY "t" ORDER BY 2 DESC, 1 LIMIT 1', [{"t": "x", "n": 1}]),
        ('SELECT id FROM docs WHERE "t" = "y"', [{"id": "b"}]),
        ("SELECT t AS kind, MAX(n) AS most FROM docs GROUP BY 1 HAVING most > 2", [{"kind": "x%", "most": 3}]),
        ("SELECT COUNT(ALL n) AS n FROM docs", [{"n": 3}]),
        ("SELECT ALL id FROM docs LIMIT 1", [{"id": "a"}]),
        ("SELECT COUNT(1) AS n FROM docs", [{"n": 3}]),
        ("SELECT d.* EXCLUDE (document, metadata) FROM docs d LIMIT 1", [{"id": "a"}]),
        ("SELECT * EXCEPT (metadata) REPLACE (LEFT(document, 2) AS document) FROM docs LIMIT 1", [{"id": "a", "document": "Al"}]),
        ("SELECT id FROM docs FETCH FIRST 1 ROWS ONLY", [{"id": "a"}]),
        ("SELECT id FROM docs LIMIT 1 + 0 OFFSET 2 * 1", [{"id": "c"}]),
        ("SELECT id FROM docs WHERE (n) = +1", [{"id": "a"}]),
        ("SELECT id FROM docs WHERE t ISNULL OR document NOTNULL AND n NOT NULL ORDER BY id LIMIT 1", [{"id": "a"}]),
        ("SELECT id FROM docs WHERE ok IS FALSE", [{"id": "b"}]),
        ("SELECT id FROM docs WHERE NOT ok IS TRUE ORDER BY id", [{"id": "b"}, {"id": "c"}]),
        ("SELECT id FROM docs WHERE n > ALL(tags)", []),
        ("SELECT id FROM docs WHERE NOT 'p' = ANY(tags)", []),
        ("SELECT id FROM docs WHERE t ILIKE 'X!%' ESCAPE '!'", [{"id": "c"}]),
        ("SELECT id FROM docs WHERE t LIKE '%' ESCAPE '!' AND t NOT LIKE 'x%' ESCAPE '!'", [{"id": "b"}]),
        ("SELECT id FROM docs WHERE UPPER(document) CONTAINS 'BETA'", [{"id": "b"}]),
        ("SELECT id FROM docs WHERE tags CONTAINS ANY (LOWER('P'), 'z')", [{"id": "a"}]),
        ("SELECT id FROM docs WHERE LOWER(t) IN ('x', LOWER('Y')) ORDER BY id", [{"id": "a"}, {"id": "b"}]),
        ("SELECT id FROM docs WHERE day IN (DATE '2024-06-15')", [{"id": "b"}]),
        ("SELECT id FROM docs WHERE LOWER(t) IS DISTINCT FROM 'x' ORDER BY id", [{"id": "b"}, {"id": "c"}]),
        ("SELECT id FROM docs WHERE LOWER(t) REGEX '^x$'", [{"id": "a"}]),
        ("SELECT id FROM docs WHERE n % 2 BETWEEN 0 AND 0", [{"id": "b"}]),
        ("SELECT id FROM docs WHERE NOT (n BETWEEN n AND n + 1)", []),
        ("SELECT id FROM docs WHERE EXTRACT(month FROM day) = 6", [{"id": "b"}]),
        ("SELECT id FROM docs WHERE day::date = DATE '2024-05-01'", [{"id": "a"}]),
        ("SELECT CAST(day AS TEXT) || '!' AS d FROM docs WHERE id = 'a'", [{"d": "2024-05-01!"}]),
        ("SELECT CURRENT_DATE() > DATE '2020-01-01' AS later FROM docs LIMIT 1", [{"later": True}]),
        ("SELECT INTERVAL '1 day' + day AS d FROM docs WHERE id = 'a'", [{"d": "2024-05-02T00:00:00+00:00"}]),
        ("SELECT CASE n WHEN 1 THEN 'one' WHEN 2 THEN 'two' END AS w FROM docs ORDER BY n", [{"w": "one"}, {"w": "two"}, {"w": None}]),
        ("SELECT CASE WHEN FALSE THEN 1 WHEN TRUE THEN 2 END AS w FROM docs LIMIT 1", [{"w": 2}]),
        ("SELECT CASE WHEN n = 1 THEN 1 WHEN TRUE THEN 2 ELSE 3 END AS w FROM docs ORDER BY n LIMIT 2", [{"w": 1}, {"w": 2}]),
        ("SELECT TRUE AND ok AS v FROM docs ORDER BY n", [{"v": True}, {"v": False}, {"v": None}]),
        ("SELECT n + 1 AS m FROM docs GROUP BY n + 1 ORDER BY n + 1 DESC LIMIT 1", [{"m": 4}]),
        ("SELECT MIN(LENGTH(t)) AS least, n % 2 AS odd FROM docs GROUP BY odd ORDER BY odd", [{"least": 1, "odd": 0}, {"least": 1, "odd": 1}]),
        ("SELECT id FROM docs GROUP BY n % 2 KEEP 1 BY n DESC", [{"id": "b"}, {"id": "c"}]),
        ("SELECT COUNT(DISTINCT n % 2, LENGTH(t)) AS n FROM docs", [{"n": 3}]),
        ("SELECT ANY_VALUE(document) AS v FROM docs WHERE n > 2", [{"v": None}]),
        ("SELECT QUANTILE(n, 0) AS v, STDDEV(n) AS s FROM docs WHERE n = 1", [{"v": 1, "s": None}]),
    ],
)  # fmt: skip
def test_spellings(sql: str, rows: list[dict[str, Any]]) -> None:
    """What people type means what it looks like."""
    assert chromasql.connect(chromasql.MemoryProvider({"docs": SPELLINGS})).execute(sql).rows == rows


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("SELECT COUNT(*) FROM docs WHERE t = 'x' AND x::money = 1", "unknown-type"),
        ('SELECT a || "b" FROM docs', "ambiguous-quotes"),
        ("SELECT my-docs.t FROM my-docs", "ambiguous-hyphen"),
        ("SELECT SUM(*) FROM docs", "invalid-argument"),
        ("SELECT COUNT(*) FILTER (WHERE t = 'x') OVER () FROM docs", "not-allowed-here"),
        ("SELECT LOWER(DISTINCT t) FROM docs", "not-allowed-here"),
        ("SELECT LOWER(t) FILTER (WHERE n = 1) FROM docs", "not-allowed-here"),
        ("SELECT LOWER(t AS text) FROM docs", "syntax-error"),
        ("SELECT LOWER(year FROM t) FROM docs", "syntax-error"),
        ("SELECT MONEY '5' FROM docs", "syntax-error"),
        ("SELECT MIN(n, t) FROM docs", "unknown-function"),
        ("SELECT COUNT(n, t) FROM docs", "invalid-argument"),
        ("SELECT STRING_AGG(t) FROM docs", "invalid-argument"),
        ("SELECT AVG(n, t) FROM docs", "invalid-argument"),
        ("SELECT SUM(metadata) FROM docs", "not-allowed-here"),
        ("SELECT metadata || 'x' FROM docs", "not-allowed-here"),
        ("SELECT INTERVAL 'x' FROM docs", "invalid-literal"),
        ("SELECT id FROM docs LIMIT n", "invalid-argument"),
        ("SELECT id FROM docs LIMIT ALL", "unsupported-syntax"),
        ("SELECT id FROM docs FETCH THE 5 BEST ROWS", "syntax-error"),
        ("SELECT * REPLACE (1 AS price) FROM docs", "unknown-column"),
        ("SELECT id FROM docs WHERE t LIKE 'a' ESCAPE 'ab'", "invalid-argument"),
        ("SELECT id FROM docs WHERE COUNT(*) OVER () > 1", "not-allowed-here"),
        ("SELECT KNN([1]) FROM docs", "not-allowed-here"),
        ("SELECT id FROM docs RANK BY KNN([1]) + distance", "not-allowed-here"),
        ("SELECT id FROM docs RANK BY KNN([1]) * LENGTH(t) + LEFT(t, 1)", "invalid-argument"),
        ("SELECT id FROM docs RANK BY 'words'", "invalid-argument"),
        ("SELECT id FROM docs RANK BY LOG(KNN([1]), 2)", "invalid-argument"),
        ("SELECT DISTINCT t FROM docs RANK BY KNN([1]) ORDER BY n", "not-allowed-here"),
        ("SELECT id FROM docs WHERE tags LIKE ANY ('a')", "unknown-function"),
    ],
)  # fmt: skip
def test_codes(sql: str, code: str) -> None:
    """What cannot be meant is refused by a stable code."""
    with pytest.raises(chromasql.ChromaSQLError) as caught:
        chromasql.build_plan(chromasql.parse(sql))

    assert caught.value.code == code
