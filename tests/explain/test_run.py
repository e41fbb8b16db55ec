"""What EXPLAIN ANALYZE says of a run: what was read and kept, which collections matter, and what to send instead."""

from __future__ import annotations

import re
from typing import Any

import pytest

from chromasql import MemoryProvider, Scope, connect
from chromasql.explain.run import run_lines
from chromasql.plan import QueryPlan
from chromasql.result import ExecutionResult, Outcome, StepTiming

RECORDS = [
    {
        "id": f"r{number}",
        "document": f"pass {number}",
        "embedding": [float(number), 1.0],
        "metadata": {"title": f"pass {number}", "even": number % 2 == 0},
    }
    for number in range(200)
]


def analyze(sql: str, collections: int = 1, **options: Any) -> str:
    """Return what EXPLAIN ANALYZE says of collections ``c0``, ``c1``, .. that all hold the records."""
    with connect(MemoryProvider({f"c{number}": RECORDS for number in range(collections)}), **options) as db:
        return db.execute(f"EXPLAIN ANALYZE {sql}").explanation or ""


def ran(*outcomes: Outcome) -> list[str]:
    """Return the lines below the times of the statement."""
    result = ExecutionResult([], outcomes=outcomes, plan=QueryPlan("SELECT id FROM docs", ()))
    return list(run_lines(result))[4:]


def answered(name: str, milliseconds: float, **changes: Any) -> Outcome:
    return Outcome(name, rows=1, calls=1, milliseconds=milliseconds, **changes)


@pytest.mark.parametrize(
    ("sql", "step"),
    [
        ("SELECT id FROM c0 WHERE title LIKE '%19%'", r"scan: 1 call, read 200, kept 12 \(6 %\), "),
        ("SELECT COUNT(*) FROM c0 WHERE title LIKE '%19%'", r"scan: 1 call, read 200, kept 12 \(6 %\), "),
        ("SELECT id FROM c0 WHERE even = TRUE", r"scan: 1 call, 100 rows, "),
        ("SELECT id, document FROM c0 RANK BY BM25('pass') LIMIT 3", r"fetch: 1 call, 3 rows, "),
    ],
)
def test_a_step_says_what_was_read_and_kept(sql: str, step: str) -> None:
    """A step has the records read beside those kept, where they differ; a fetch had 0 rows before."""
    assert re.search(step, analyze(sql))


def test_fetched_parts_are_not_rows_of_the_collection() -> None:
    """The rows of an outcome are those that a collection returned, not counted again when parts are fetched."""
    with connect(MemoryProvider({"docs": RECORDS})) as db:
        result = db.execute("SELECT id, document FROM docs RANK BY BM25('pass') LIMIT 3")

    (outcome,) = result.outcomes
    steps = {step.step: step.rows for step in outcome.steps}
    assert steps["fetch"] == 3
    assert outcome.rows == steps["rank"]


def test_opening_without_a_call_is_not_a_line() -> None:
    """A collection that was open already has no line for opening, which said 0 calls before."""
    assert "0 calls, 0 rows" not in analyze("SELECT id FROM c0, c1 RANK BY KNN([0, 0]) LIMIT 3", 2)


@pytest.mark.unit
def test_failures_stand_first_then_the_slowest_and_the_others_share_a_line() -> None:
    """Of many collections those that matter are shown, however fast they failed, and the others are added up."""
    usual = [answered(f"c{number}", float(number)) for number in range(10)]
    late = Outcome("late", "timed_out", milliseconds=0.5)
    retried = answered("retried", 0.1, retries=2)

    assert ran(*usual, late, Outcome("x", "skipped"), retried) == [
        "  late: timed_out",
        "  retried: ok, 2 retries",
        "  c9: ok",
        "  c8: ok",
        "  c7: ok",
        "  7 more: ok, 7 calls and 7 rows in all, each at most 6.0 ms",
        "  1 more: skipped",
    ]


@pytest.mark.unit
def test_a_line_for_a_single_collection_is_its_own() -> None:
    """Four collections are all shown, since a shared line for one of them would save nothing."""
    outcomes = [answered(f"c{number}", 1.0) for number in range(4)]

    assert ran(*outcomes) == ["  c0: ok", "  c1: ok", "  c2: ok", "  c3: ok"]


@pytest.mark.unit
def test_a_sample_keeps_nothing() -> None:
    """The records of a sample are read for warnings, so no share of them is said to be kept."""
    step = StepTiming("sample", 1, 0, 2.0, read=100)

    assert ran(answered("docs", 2.0, steps=(step,)))[1] == "    sample: 1 call, read 100, 2.0 ms"


@pytest.mark.parametrize(
    ("where", "advice"),
    [
        (
            "title LIKE '%199%'",
            "LIKE on metadata cannot be sent to Chroma; an equality or CONTAINS on a list of tags can",
        ),
        ("id LIKE '%199%'", "LIKE on id cannot be sent to Chroma; id = .. and id IN (..) can"),
    ],
)
def test_a_hint_says_what_could_be_sent(where: str, advice: str) -> None:
    """Where a re-checked test removed most of what was read, a hint names it and what Chroma could test."""
    text = analyze(f"SELECT id FROM c0 WHERE {where}")

    assert f"hint: of 200 records read 1 was kept (0.5 %); {advice}" in text


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT id FROM c0 WHERE title LIKE 'pass%'",
        "SELECT id FROM c0 WHERE title = 'pass 7'",
        "SELECT id FROM c0 RANK BY KNN([0, 0]) LIMIT 1",
    ],
)
def test_no_hint_where_what_was_read_was_needed(sql: str) -> None:
    """A test that keeps most records, one that Chroma tested, and no test at all give no hint."""
    assert "hint:" not in analyze(sql)


def test_a_scope_hides_what_was_read() -> None:
    """Within a scope there is neither what was read nor a hint nor an order by time, which hidden records change."""
    text = analyze("SELECT id FROM c* WHERE title LIKE '%199%'", 9, scope=Scope(where="even = FALSE"))

    assert re.findall(r"^  (c\d): ok$", text, re.MULTILINE) == [f"c{number}" for number in range(9)]
    assert "scan: 1 row, " in text
    assert not re.search(r"read \d|hint:|more: ok", text)
