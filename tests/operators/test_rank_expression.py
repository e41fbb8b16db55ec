"""Rank expressions over candidates."""

from __future__ import annotations

import math

import numpy as np
import pytest

from chromasql.operators.rank_expression import candidates_of, rank_rows
from chromasql.operators.row import LeafHit, Row
from chromasql.plan import KnnLeaf, Ranking, TextQuery
from chromasql.plan.expressions import (
    RRF_K,
    Arithmetic,
    Constant,
    Expression,
    Fusion,
    LeafValue,
    MetadataValue,
    ScalarFunction,
)

pytestmark = pytest.mark.unit

FIRST = KnnLeaf(TextQuery("x"), 10)
DEFAULTED = KnnLeaf(TextQuery("y"), 10, default=2.0, optional=True)
RANKED = KnnLeaf(TextQuery("z"), 10, return_rank=True, optional=True)


def row(row_id: str, *hits: LeafHit | None, **metadata: object) -> Row:
    return Row("docs", 0, row_id, hits=hits, metadata=dict(metadata))


def value(score: Expression, one: Row, *leaves: KnnLeaf) -> float | None:
    return rank_rows(Ranking(leaves or (FIRST,), score), [one])[0].score


def test_arithmetic_is_in_single_precision_and_never_raises() -> None:
    """0.1 is the nearest float32, x / 0 is infinite and the logarithm of a negative number is NaN."""
    here = row("a", LeafHit(0, 0.1))

    assert value(LeafValue(0), here) == float(np.float32(0.1))
    assert value(Arithmetic("/", Constant(1), Constant(0)), here) == math.inf
    assert math.isnan(value(ScalarFunction("LOG", (Constant(-1),)), here) or 0.0)


def test_null_spreads_save_through_coalesce() -> None:
    """A missing or non-numeric key makes the value NULL; COALESCE takes the next argument."""
    here = row("a", LeafHit(0, 1.0), name="x", flag=True)

    for key in ("missing", "name", "flag"):
        assert value(Arithmetic("+", Constant(1), MetadataValue(key)), here) is None
        assert value(ScalarFunction("COALESCE", (MetadataValue(key), Constant(7))), here) == 7


def test_a_leaf_gives_its_distance_rank_or_default() -> None:
    """A leaf is worth the distance, or the rank with return_rank, and the default for a record that it did not find."""
    found, absent = row("a", LeafHit(4, 0.5)), row("a", None)

    assert value(LeafValue(0), found) == 0.5
    assert value(LeafValue(0), found, RANKED) == 4
    assert value(LeafValue(0), absent, DEFAULTED) == 2
    assert value(LeafValue(0), absent, RANKED) is None


def test_fusion_adds_nothing_for_an_absent_record() -> None:
    """RRF is -sum of weight / (k + rank), over the leaves that found the record."""
    fusion = Fusion((LeafValue(0), LeafValue(1)), (1.0, 3.0))

    both = value(fusion, row("a", LeafHit(0, 0.0), LeafHit(5, 0.0)), RANKED, RANKED)
    one = value(fusion, row("a", LeafHit(0, 0.0), None), RANKED, RANKED)

    assert both == pytest.approx(-(1 / RRF_K + 3 / (RRF_K + 5)))
    assert one == pytest.approx(-1 / RRF_K)


def test_a_candidate_is_in_every_leaf_that_is_not_optional() -> None:
    """A record stays if every leaf without a default found it, and remembers what each leaf found."""

    def lists() -> list[list[Row]]:
        return [
            [Row("docs", 0, "a", distance=1.0)],
            [Row("docs", 0, "b", distance=2.0), Row("docs", 0, "a", distance=3.0)],
        ]

    assert [found.id for found in candidates_of([FIRST, FIRST], lists())] == ["a"]
    (both,) = candidates_of([FIRST, DEFAULTED], lists())
    assert both.hits == (LeafHit(0, 1.0), LeafHit(1, 3.0))
    assert [found.id for found in candidates_of([DEFAULTED, DEFAULTED], lists())] == ["a", "b"]


def test_rows_come_best_first_and_null_last() -> None:
    """The lowest score is first and a NULL score last."""
    rows = [row("none", LeafHit(0, 0.0)), row("two", LeafHit(0, 0.0), n=2), row("one", LeafHit(0, 0.0), n=1)]

    assert [found.id for found in rank_rows(Ranking((FIRST,), MetadataValue("n")), rows)] == ["one", "two", "none"]
