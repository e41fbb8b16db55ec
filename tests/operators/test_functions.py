"""Functions: what each gives, NULL in and out, and values of kinds that it does not take."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from chromasql.operators.functions import find_function, parse_interval, read_moment, shown_moment
from chromasql.operators.row import Row
from chromasql.operators.values import compile_value, reader, result_type
from chromasql.plan import Column, Computed
from chromasql.plan.values import Branch, Cases, Interval, Operation, Unvarying

LATE = datetime(2024, 5, 17, 8, 30, 15, 250_000, tzinfo=UTC)


def applied(name: str, *arguments: Any) -> Any:
    """Return what a function gives for values."""
    operation = Operation(name, tuple(map(Unvarying, arguments)))
    return compile_value(operation)(Row("docs", 0, "a"))


@pytest.mark.parametrize(
    ("name", "arguments", "value"),
    [
        ("LOWER", ("Ab",), "ab"),
        ("LOWER", (5,), None),
        ("UPPER", ("ab",), "AB"),
        ("UPPER", (5,), None),
        ("LENGTH", ("abc",), 3),
        ("LENGTH", (5,), None),
        ("SUBSTRING", ("abcdef", 2, 3), "bcd"),
        ("SUBSTRING", ("abcdef", -2), "ef"),
        ("SUBSTRING", ("abcdef", 0, 2), "a"),
        ("SUBSTRING", ("abcdef", 3, -5), ""),
        ("SUBSTRING", ("abcdef", "x"), None),
        ("LEFT", ("abc", 2), "ab"),
        ("LEFT", ("abc", -1), "ab"),
        ("LEFT", ("abc", 1.5), None),
        ("RIGHT", ("abc", 2), "bc"),
        ("RIGHT", ("abc", -1), "bc"),
        ("RIGHT", (1, 2), None),
        ("TRIM", (" a ",), "a"),
        ("TRIM", ("xax", "x"), "a"),
        ("LTRIM", (" a ",), "a "),
        ("RTRIM", (" a ",), " a"),
        ("RTRIM", (5,), None),
        ("REPLACE", ("aXa", "X", "--"), "a--a"),
        ("REPLACE", ("a", "", "x"), "a"),
        ("REPLACE", (1, "a", "b"), None),
        ("CONCAT", ("a", None, 1, True, ["x"]), "a1true"),
        ("||", ("a", 1.5), "a1.5"),
        ("||", ("a", ["x"]), None),
        ("SPLIT_PART", ("a/b", "/", 2), "b"),
        ("SPLIT_PART", ("a/b", "/", -1), "b"),
        ("SPLIT_PART", ("a/b", "/", 9), ""),
        ("SPLIT_PART", ("a/b", "/", 0), None),
        ("SPLIT_PART", ("ab", "", 1), "ab"),
        ("STARTS_WITH", ("abc", "ab"), True),
        ("STARTS_WITH", (1, "ab"), None),
        ("ENDS_WITH", ("abc", "x"), False),
        ("ENDS_WITH", (1, "x"), None),
        ("STRPOS", ("abc", "c"), 3),
        ("STRPOS", ("abc", 1), None),
        ("REPEAT", ("ab", 2), "abab"),
        ("REPEAT", ("ab", -1), ""),
        ("REPEAT", (1, 1), None),
        ("REVERSE", ("abc",), "cba"),
        ("REVERSE", (1,), None),
        ("REGEXP_EXTRACT", ("v1.8", r"(\d)\.(\d)", 2), "8"),
        ("REGEXP_EXTRACT", ("v", r"\d"), ""),
        ("REGEXP_EXTRACT", ("v1", r"\d", 3), None),
        ("REGEXP_EXTRACT", (1, r"\d"), None),
        ("REGEXP_REPLACE", ("a1b22", r"\d+", "#"), "a#b#"),
        ("REGEXP_REPLACE", ("ab", "(a)(b)", r"\2\1\\"), "ba\\"),
        ("REGEXP_REPLACE", ("ab", "(a)", r"\7"), r"\7b"),
        ("REGEXP_REPLACE", (1, "a", "b"), None),
        ("+", (1, 2), 3),
        ("+", (1, "2"), None),
        ("-", (1, 2.5), -1.5),
        ("-", (True, 1), None),
        ("*", (3, 4), 12),
        ("*", ("a", 4), None),
        ("*", (10**400, 1.5), None),
        ("/", (7, 2), 3.5),
        ("/", (7, 0), None),
        ("%", (-7, 3), -1),
        ("%", (7.5, 2), 1.5),
        ("%", (7, 0), None),
        ("%", (float("inf"), 2), None),
        ("negative", (5,), -5),
        ("negative", ("a",), None),
        ("positive", (5,), 5),
        ("positive", ("a",), None),
        ("ABS", (-2,), 2),
        ("ABS", ("a",), None),
        ("SIGN", (-2.5,), -1),
        ("SIGN", ("a",), None),
        ("ROUND", (2.5,), 3.0),
        ("ROUND", (-2.5,), -3.0),
        ("ROUND", (2.675, 2), 2.68),
        ("ROUND", (1234, -2), 1200),
        ("ROUND", (-1250, -2), -1300),
        ("ROUND", (12, 3), 12),
        ("ROUND", (1e300, 2), 1e300),
        ("ROUND", (1.5, -400), 0.0),
        ("ROUND", (1.5, 400), 1.5),
        ("ROUND", (float("inf"),), float("inf")),
        ("ROUND", ("a",), None),
        ("FLOOR", (-1.5,), -2),
        ("FLOOR", (float("inf"),), float("inf")),
        ("CEIL", (1.2,), 2),
        ("TRUNC", (-1.5,), -1),
        ("TRUNC", ("a",), None),
        ("SQRT", (9,), 3.0),
        ("SQRT", (-1,), None),
        ("SQRT", ("a",), None),
        ("POWER", (2, 10), 1024),
        ("POWER", (2, -1), 0.5),
        ("POWER", (-1, 5), -1),
        ("POWER", ("a", 5), None),
        ("EXP", (0,), 1.0),
        ("EXP", (1e9,), None),
        ("LN", (1,), 0.0),
        ("LN", (0,), None),
        ("LOG", (100,), 2.0),
        ("LOG", (2, 8), 3.0),
        ("LOG", (1, 8), None),
        ("MOD", (7, 4), 3),
        ("GREATEST", (1, None, 3), 3),
        ("GREATEST", (1, "a"), None),
        ("GREATEST", (None, None), None),
        ("LEAST", ("b", "a"), "a"),
        ("COALESCE", (None, 2), 2),
        ("COALESCE", (None, None), None),
        ("NULLIF", (1, 1.0), None),
        ("NULLIF", (1, True), 1),
        ("NULLIF", (None, 1), None),
        ("TYPEOF", (None,), "null"),
        ("TYPEOF", ("a",), "text"),
        ("TYPEOF", (True,), "boolean"),
        ("CARDINALITY", (["a", "b"],), 2),
        ("CARDINALITY", ("ab",), None),
        ("ARRAY_JOIN", (["a", 1, None], "-"), "a-1"),
        ("ARRAY_JOIN", ("a", "-"), None),
        ("element", (["a", "b"], 1), "a"),
        ("element", (["a", "b"], -1), "b"),
        ("element", (["a", "b"], 3), None),
        ("element", (["a", "b"], 0), None),
        ("element", (5, 1), None),
        ("cast INTEGER", ("12",), 12),
        ("cast INTEGER", ("2.5",), 3),
        ("cast INTEGER", (True,), 1),
        ("cast INTEGER", (1.5,), 2),
        ("try_cast INTEGER", ("x",), None),
        ("try_cast INTEGER", (float("inf"),), None),
        ("cast DOUBLE", ("1.5",), 1.5),
        ("cast DOUBLE", (True,), 1.0),
        ("try_cast DOUBLE", ("x",), None),
        ("try_cast DOUBLE", ([],), None),
        ("cast TEXT", (1,), "1"),
        ("cast BOOLEAN", ("Yes",), True),
        ("cast BOOLEAN", ("off",), False),
        ("cast BOOLEAN", (0,), False),
        ("cast BOOLEAN", (True,), True),
        ("try_cast BOOLEAN", ("perhaps",), None),
        ("cast TIMESTAMP", ("2024-05-17",), datetime(2024, 5, 17, tzinfo=UTC)),
        ("moment", ("2024-05-17T10:30:15+02:00",), datetime(2024, 5, 17, 8, 30, 15, tzinfo=UTC)),
        ("moment", ("20240517",), datetime(2024, 5, 17, tzinfo=UTC)),
        ("moment", ("2024-13-17",), None),
        ("moment", ("0001-01-01T00:00:00+14:00",), None),
        ("moment", (LATE,), LATE),
        ("add interval", (LATE, Interval(1, 15, 0)), datetime(2024, 7, 2, 8, 30, 15, 250_000, tzinfo=UTC)),
        ("add interval", (datetime(2024, 1, 31, tzinfo=UTC), Interval(1)), datetime(2024, 2, 29, tzinfo=UTC)),
        ("subtract interval", (LATE, Interval(0, 0, 250_000)), datetime(2024, 5, 17, 8, 30, 15, tzinfo=UTC)),
        ("add interval", (LATE, Interval(12 * 9000)), None),
        ("DATE", (LATE,), datetime(2024, 5, 17, tzinfo=UTC)),
        ("TIMESTAMP", (LATE,), LATE),
        ("DATE_TRUNC", ("year", LATE), datetime(2024, 1, 1, tzinfo=UTC)),
        ("DATE_TRUNC", ("quarter", LATE), datetime(2024, 4, 1, tzinfo=UTC)),
        ("DATE_TRUNC", ("months", LATE), datetime(2024, 5, 1, tzinfo=UTC)),
        ("DATE_TRUNC", ("week", LATE), datetime(2024, 5, 13, tzinfo=UTC)),
        ("DATE_TRUNC", ("week", datetime(1, 1, 1, tzinfo=UTC)), datetime(1, 1, 1, tzinfo=UTC)),
        ("DATE_TRUNC", ("day", LATE), datetime(2024, 5, 17, tzinfo=UTC)),
        ("DATE_TRUNC", ("hour", LATE), datetime(2024, 5, 17, 8, tzinfo=UTC)),
        ("DATE_TRUNC", ("minute", LATE), datetime(2024, 5, 17, 8, 30, tzinfo=UTC)),
        ("DATE_TRUNC", ("second", LATE), datetime(2024, 5, 17, 8, 30, 15, tzinfo=UTC)),
        ("DATE_TRUNC", ("age", LATE), None),
        ("DATE_PART", ("dow", LATE), 5),
        ("DATE_PART", ("isodow", LATE), 5),
        ("DATE_PART", ("doy", LATE), 138),
        ("DATE_PART", ("isoyear", LATE), 2024),
        ("DATE_PART", ("millisecond", LATE), 15250),
        ("DATE_PART", ("microsecond", LATE), 15_250_000),
        ("DATE_PART", ("epoch", datetime(1970, 1, 2, tzinfo=UTC)), 86400.0),
        ("DATE_PART", (5, LATE), None),
        ("DATE_DIFF", ("year", LATE, datetime(2025, 1, 1, tzinfo=UTC)), 1),
        ("DATE_DIFF", ("quarter", LATE, datetime(2025, 1, 1, tzinfo=UTC)), 3),
        ("DATE_DIFF", ("month", LATE, datetime(2025, 1, 1, tzinfo=UTC)), 8),
        ("DATE_DIFF", ("week", LATE, datetime(2024, 5, 20, tzinfo=UTC)), 1),
        ("DATE_DIFF", ("day", LATE, datetime(2024, 5, 16, tzinfo=UTC)), -1),
        ("DATE_DIFF", ("hour", LATE, datetime(2024, 5, 17, 10, tzinfo=UTC)), 2),
        ("DATE_DIFF", ("age", LATE, LATE), None),
        ("YEAR", (LATE,), 2024),
        ("QUARTER", (LATE,), 2),
        ("WEEK", (LATE,), 20),
        ("TO_TIMESTAMP", (86400,), datetime(1970, 1, 2, tzinfo=UTC)),
        ("TO_TIMESTAMP", ("a",), None),
        ("TO_TIMESTAMP", (1e20,), None),
        ("EPOCH", (datetime(1970, 1, 1, 0, 1, tzinfo=UTC),), 60.0),
        ("=", (1, 1.0), True),
        ("=", (1, True), False),
        ("!=", (1, "1"), True),
        ("<", (1, "1"), None),
        ("<", ([1], [2]), None),
        (">=", (2, 2), True),
        ("is distinct", (None, None), False),
        ("is distinct", (None, 1), True),
        ("is distinct", (1, 1), False),
        ("is null", (None,), True),
        ("is true", ("x",), False),
        ("is false", (False,), True),
        ("not", (True,), False),
        ("not", ("x",), None),
        ("in", (1, 2, 1), True),
        ("in", (1, 2, None), None),
        ("in", (1, 2), False),
        ("in", (None, 1), None),
        ("like", ("abc", "a%"), True),
        ("like", (1, "a%"), False),
        ("ilike", ("ABC", "a%"), True),
        ("ilike", (1, "a%"), False),
        ("regex", ("abc", "b"), True),
        ("regex", (1, "b"), False),
        ("contains", ([1, None, "a"], "a"), True),
        ("contains", ("a", "a"), False),
        ("contains text", ("abc", "b"), True),
        ("contains text", (1, "b"), False),
        ("= any", (1, [2, 1]), True),
        ("= any", (1, [2, None]), None),
        ("> all", (3, [1, 2]), True),
        ("> all", (3, [1, 5]), False),
        ("> all", (3, 1), None),
        ("and", (True, None), None),
        ("and", (False, None), False),
        ("or", (True, None), True),
        ("or", (False, None), None),
    ],
)
def test_values(name: str, arguments: tuple[Any, ...], value: Any) -> None:
    """Each function by hand: its values, its edges, and NULL for what it does not take."""
    found = applied(name, *arguments)

    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("name", ["LOWER", "SUBSTRING", "+", "REPLACE", "DATE_DIFF", "=", "not"])
def test_null_makes_null(name: str) -> None:
    """A strict function is NULL where an argument is."""
    function = find_function(name)
    assert function is not None

    assert applied(name, *[None] * function.least) is None


def test_what_a_plan_knows_of_a_value() -> None:
    """The kind of what an expression gives decides how it is shown: a date as a day, a moment with its time."""
    day = Operation("DATE", (Operation("moment", (Column("metadata", "at"),)),))
    assert result_type(day) == "date"
    assert result_type(Operation("and", ())) == "boolean"
    assert result_type(Operation("COALESCE", (day, Unvarying(LATE)))) == "timestamp"
    assert result_type(Operation("COALESCE", (day, Unvarying("a")))) == "any"
    assert result_type(Operation("NULLIF", (day, day))) == "date"
    assert result_type(Cases((Branch(Unvarying(value=True), day),), Unvarying(None))) == "date"
    assert result_type(Unvarying(Interval(1))) == "interval"
    assert result_type(Column("id")) == "text"
    row = Row("docs", 0, "a", metadata={"at": "2024-05-17T23:30:00-02:00"})
    assert reader(Computed(day, "DATE(at)"))(row) == "2024-05-18"
    assert reader(Computed(Operation("moment", (Column("metadata", "at"),)), "at"))(row) == "2024-05-18T01:30:00+00:00"


@pytest.mark.parametrize(
    ("text", "interval"),
    [
        ("1 month 3 days", Interval(1, 3, 0)),
        ("2 weeks, 1 year", Interval(12, 14, 0)),
        ("1.5 hours", Interval(0, 0, 5_400_000_000)),
        ("-5 milliseconds", Interval(0, 0, -5_000)),
        ("1.5 months", None),
        ("3 fortnights", None),
        ("", None),
    ],
)
def test_intervals(text: str, interval: Interval | None) -> None:
    """An interval is numbers with units; months and days are whole."""
    assert parse_interval(text) == interval


def test_moments_are_shown_as_text() -> None:
    """What is not a moment is shown as it is."""
    assert shown_moment("x", date=True) == "x"
    assert shown_moment(LATE, date=True) == "2024-05-17"
    assert read_moment(5) is None
