"""Warnings about an answer that may not be what was meant; each was silent before."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chromasql import ChromaSQLRoutingError, MemoryProvider, Scope, connect
from chromasql.adapters.memory import MemoryCollection

RECORDS = [
    {
        "id": f"r{number}",
        "document": "rain",
        "embedding": [float(number), 1.0],
        "metadata": {"rating": number, "year": "2024", "tags": ["x", "y"], "title": f"ls({number})", "flag": "true"},
    }
    for number in range(4)
]


def warnings(sql: str, params: dict[str, Any] | None = None, **options: Any) -> list[tuple[str, str]]:
    source = MemoryProvider({"docs": RECORDS})
    with connect(source, embed_fn=lambda _: [0.0, 0.0], **options) as db:
        return [(warning.code, str(warning)) for warning in db.execute(sql, params).warnings]


@pytest.mark.parametrize(
    ("where", "advice"),
    [
        (
            "rating = '4'",
            "rating is a number in every record of a sample, so rating = '4' is never true; give a number",
        ),
        ("rating IN ('4', '5')", "rating IN ('4', '5') is never true; give a number"),
        ("year >= 2022", "year is a string in every record of a sample, so year >= 2022 is never true; give a string"),
        ("flag = TRUE", "flag = TRUE is never true; give a string"),
        ("tags = 'x'", "write tags CONTAINS 'x'"),
        ("tags IN ('x')", "write tags CONTAINS 'x'"),
        ("tags LIKE '%x%'", "write CONTAINS 'element'"),
        ("rating LIKE '3%'", "compare it with = or <"),
        ("title CONTAINS 'ls'", "CONTAINS looks into lists; write title LIKE '%..%'"),
    ],
)
def test_a_test_of_another_kind(where: str, advice: str) -> None:
    """A test whose kind no sampled record has comes with what to write, in SELECT and in COUNT alike."""
    for select in ("id", "COUNT(*)"):
        ((code, message),) = warnings(f"SELECT {select} FROM docs WHERE {where}")

        assert code == "type-mismatch"
        assert message.endswith(advice)


def test_an_underscore_in_like() -> None:
    """A LIKE with a _ that matched nothing says that it is a letter here."""
    ((code, message),) = warnings("SELECT id FROM docs WHERE title LIKE 'ls_1_'")

    assert code == "like-underscore"
    assert "REGEX" in message


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT COUNT(*) AS n FROM docs WHERE ratin = 1",
        "SELECT SUM(ratin) AS s FROM docs",
        "SELECT COUNT(ratin) AS n FROM docs",
        "SELECT ratin, COUNT(*) AS n FROM docs GROUP BY ratin",
        "SELECT id FROM docs ORDER BY ratin",
        "SELECT id FROM docs WHERE ratin IS NULL",
        "SELECT id FROM docs RANK BY KNN([0, 0]) + COALESCE(ratin, 0)",
        "SELECT id FROM docs RANK BY KNN([0, 0]) GROUP BY ratin KEEP 1",
        "SELECT * EXCEPT (ratin) FROM docs",
    ],
)
def test_an_unknown_key_in_any_clause(sql: str) -> None:
    """A key that no sampled record has is named with the nearest, whichever clause it stands in."""
    found = dict(warnings(sql))

    assert found["unknown-key"] == "no record of a sample has the metadata key ratin; did you mean rating?"


def test_a_misspelt_column_in_except_comes_with_the_column() -> None:
    """EXCEPT takes columns, so they are among the nearest names; none was proposed before."""
    ((code, message),) = warnings("SELECT * EXCEPT (documnt) FROM docs")

    assert code == "unknown-key"
    assert message.endswith("did you mean document?")


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT id FROM docs WHERE rating = 1",
        "SELECT COUNT(*) AS n FROM docs WHERE rating >= 2 AND tags CONTAINS 'x'",
        "SELECT id FROM docs ORDER BY rating DESC LIMIT 2",
        "SELECT id FROM docs WHERE rating = 99",
        "SELECT id FROM docs RANK BY KNN([0, 0]) + 0.1 * rating",
        "SELECT rating, COUNT(*) FROM docs GROUP BY rating",
        "SELECT * EXCEPT (tags) FROM docs",
    ],
)
def test_no_warning_where_nothing_is_wrong(sql: str) -> None:
    """A statement whose keys and kinds are those of the records has no warning, with and without rows."""
    assert warnings(sql) == []


@given(
    st.sampled_from(["rating", "year", "flag", "title"]), st.sampled_from([0, 1, 2.5, "2024", "true", True, "ls(1)"])
)
def test_a_test_that_finds_rows_is_never_a_mismatch(key: str, value: Any) -> None:
    """Where a test finds a record it is not said to be of another kind."""
    source = MemoryProvider({"docs": RECORDS})
    with connect(source) as db:
        result = db.execute(f"SELECT id FROM docs WHERE {key} = :value", {"value": value})

    codes = {warning.code for warning in result.warnings}
    assert not (result.rows and "type-mismatch" in codes)


def test_sums_say_what_they_left_out() -> None:
    """SUM and AVG over values that are not numbers say how many they left out, ranked and unranked."""
    assert ("not-numbers", "SUM(title) left out 4 values that are not a number") in warnings(
        "SELECT SUM(title) FROM docs"
    )
    assert ("not-numbers", "AVG(year) left out 4 values that are not a number") in warnings(
        "SELECT AVG(year) FROM docs RANK BY KNN([0, 0])"
    )
    assert warnings("SELECT SUM(rating) FROM docs") == []


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("SELECT id FROM docs RANK BY KNN([0, 0]) * boost", "null-rank"),
        ("SELECT id FROM docs RANK BY 1 - KNN([0, 0])", "inverted-rank"),
        ("SELECT id FROM docs RANK BY -0.5 * KNN([0, 0]) + rating", "inverted-rank"),
        ("SELECT id FROM docs RANK BY RRF(KNN([0, 0]), BM25('rain')) WITH SCORE THRESHOLD 0.5", "threshold-keeps-all"),
        ("SELECT id FROM docs RANK BY BM25('rain') WITH SCORE THRESHOLD 1", "threshold-keeps-all"),
        ("SELECT id FROM docs USING EMBEDDING (TEXT ' ')", "empty-query"),
        ("SELECT id FROM docs RANK BY BM25('..')", "empty-query"),
    ],
)
def test_rankings_that_are_hardly_meant(sql: str, code: str) -> None:
    """A rank without a value, one that puts the farthest first, a useless threshold and an empty text are named."""
    assert code in dict(warnings(sql))


@pytest.mark.parametrize("sql", ["SELECT id FROM docs, broken", "SELECT COUNT(*) AS n FROM docs, broken"])
def test_a_partial_answer_says_what_is_missing(sql: str) -> None:
    """Where a collection failed the warning names it, beside a count too."""

    class Broken(MemoryCollection):
        async def get(self, **_: Any) -> Any:
            raise OSError("gone")

        async def count(self) -> int:
            raise OSError("gone")

    source = MemoryProvider({"docs": RECORDS, "broken": Broken("broken", RECORDS)})
    with connect(source) as db:
        found = {warning.code: str(warning) for warning in db.execute(sql).warnings}

    assert found["partial"] == "1 of 2 collections is missing from the answer: broken"


def test_an_except_that_leaves_nothing_out_is_an_error() -> None:
    """A misspelt collection in EXCEPT is an error with the nearest name, since it would be shown."""
    source = MemoryProvider({"docs-a": RECORDS, "docs-drafts": RECORDS})
    with connect(source) as db, pytest.raises(ChromaSQLRoutingError, match="did you mean docs-drafts") as caught:
        db.execute("SELECT id FROM docs-* EXCEPT (docs-draft)")

    assert caught.value.code == "unknown-collection"


def test_samples_stay_inside_the_scope() -> None:
    """Within a scope the sample sees its records alone: a key that only others have is unknown."""
    source = MemoryProvider({"docs": [*RECORDS, {"id": "other", "metadata": {"tenant": "b", "secret": 1}}]})
    with connect(source, scope=Scope(where="rating >= 0")) as db:
        found = [str(warning) for warning in db.execute("SELECT id FROM docs WHERE secre = 1").warnings]

    assert found == ["no record of a sample has the metadata key secre"]
