"""Candidates, aliases and groups of one SELECT."""

from __future__ import annotations

import pytest

from chromasql import ChromaSQLPlanningError, QueryPlan, Scope, build_plan, parse
from chromasql.plan import Column, OrderKey
from chromasql.planner.conditions import MAX_PATTERN_SIZE

pytestmark = pytest.mark.unit

EMBEDDING = "SELECT id FROM docs USING EMBEDDING (VECTOR [1])"


def plan(sql: str, **options: object) -> QueryPlan:
    return build_plan(parse(sql), **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("clauses", "candidates"),
    [
        ("", 10),
        ("LIMIT 3", 10),
        ("LIMIT 3 OFFSET 20", 23),
        ("ORDER BY year LIMIT 40", 40),
        ("TOPK 5 LIMIT 3", 5),
        ("WITH SCORE THRESHOLD 0.5", 10),
    ],
)
def test_using_embedding_has_the_candidates_of_1_8(clauses: str, candidates: int) -> None:
    """Without TOPK there are max(10, LIMIT + OFFSET), as in 1.8.0; it failed before, with 100 and LIMIT."""
    (ranking,) = plan(f"{EMBEDDING} {clauses}").rankings

    assert ranking.leaves[0].limit == candidates


def test_each_item_of_a_batch_has_its_candidates() -> None:
    """The items of a BATCH have max(10, LIMIT + OFFSET) candidates each."""
    batch = plan("SELECT id FROM docs USING EMBEDDING BATCH (VECTOR [1], VECTOR [2]) LIMIT 12")

    assert [ranking.leaves[0].limit for ranking in batch.rankings] == [12, 12]


def test_a_scope_lowers_the_candidates() -> None:
    """A scope of at most 4 candidates has 4 for a statement that does not say."""
    (ranking,) = plan(f"{EMBEDDING} LIMIT 3", scope=Scope(max_candidates=4)).rankings

    assert ranking.leaves[0].limit == 4


def test_order_by_sees_an_alias_before_a_column_of_its_name() -> None:
    """ORDER BY id sorts by what is called id in the result, as in SQL; it failed before, by the id of the record."""
    (key,) = plan("SELECT id AS x, v AS id FROM docs ORDER BY id").order

    assert key.column == Column("metadata", "v")
    assert plan("SELECT id FROM docs ORDER BY id").order == (OrderKey(Column("id")),)


@pytest.mark.parametrize(("nulls", "first"), [("", False), ("NULLS FIRST", True), ("NULLS LAST", False)])
def test_keep_puts_null_where_it_is_told(nulls: str, first: bool) -> None:
    """KEEP .. BY puts NULL last unless it says NULLS FIRST, in DESC too; it failed before, when NULLS was ignored."""
    keep = plan(f"SELECT id FROM docs RANK BY KNN([1]) GROUP BY g KEEP 1 BY date DESC {nulls}").keep

    assert keep is not None
    assert keep.order == (OrderKey(Column("metadata", "date"), descending=True, nulls_first=first),)


def test_patterns_are_bounded_together() -> None:
    """Patterns that would take long to compile are refused together; it failed before, when each was compiled."""
    one = r"t REGEX r'\w{60}0'"
    plan(f"SELECT id FROM docs WHERE {one}")
    with pytest.raises(ChromaSQLPlanningError, match="too large together") as caught:
        plan("SELECT id FROM docs WHERE " + " OR ".join(one.replace("0'", f"{index}'") for index in range(20)))

    assert caught.value.code == "patterns-too-large"
    assert MAX_PATTERN_SIZE == 300_000


@pytest.mark.parametrize("pattern", [r"\<a", r"a\>", r"\b{start}a", r"a{,2}", r"a{", r"\p{^L}", r"\0", r"[\<]"])
def test_patterns_that_the_engines_read_differently_are_refused(pattern: str) -> None:
    """What Rust's engine and RE2 do not read alike is refused with what to write; it failed before, in silence."""
    for column in ("document", "title"):
        with pytest.raises(ChromaSQLPlanningError) as caught:
            plan(f"SELECT id FROM docs WHERE {column} REGEX r'{pattern}'")
        assert caught.value.code == "invalid-pattern"


@pytest.mark.parametrize("pattern", [r"a{2}", r"a{2,}", r"\x{e9}", r"\{x\}", r"[{]", r"\bword\b", r"\p{L}+"])
def test_patterns_that_the_engines_read_alike_are_taken(pattern: str) -> None:
    """Repetitions, escaped braces, braces in a class and hexadecimal escapes are what both engines know."""
    assert plan(f"SELECT id FROM docs WHERE document REGEX r'{pattern}'").filter.restricts
