"""Plans as payloads of the Search API."""

from __future__ import annotations

from typing import Any

import pytest

from chromasql.parser import parse
from chromasql.plan import QueryPlan
from chromasql.plan.search_payload import NotExpressible, search_payload
from chromasql.planner import build_plan

pytestmark = pytest.mark.unit


def payload(sql: str) -> Any:
    plan = build_plan(parse(sql))
    assert isinstance(plan, QueryPlan)
    return search_payload(plan)


def test_a_statement_is_one_payload() -> None:
    """WHERE, RANK BY, LIMIT, OFFSET and SELECT become filter, rank, limit and select."""
    assert payload("SELECT id, year FROM docs WHERE year >= 2020 RANK BY KNN([1, 2], limit => 9) LIMIT 3 OFFSET 1") == {
        "filter": {"year": {"$gte": 2020}},
        "rank": {"$knn": {"query": [1, 2], "key": "#embedding", "limit": 9}},
        "group_by": {},
        "limit": {"offset": 1, "limit": 3},
        "select": {"keys": ["year"]},
    }


def test_a_batch_is_a_list_of_payloads() -> None:
    """Several vectors of USING EMBEDDING BATCH are a payload each, in their order."""
    sql = "SELECT id FROM docs USING EMBEDDING BATCH (VECTOR [1, 2], VECTOR [3, 4]) LIMIT 3"

    assert [item["rank"]["$knn"]["query"] for item in payload(sql)] == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT id FROM docs WHERE title ILIKE 'a%' RANK BY KNN([1]) LIMIT 1",
        "SELECT id FROM docs WHERE title < 'a' RANK BY KNN([1]) LIMIT 1",
        "SELECT id FROM docs RANK BY BM25('a') LIMIT 1",
        "SELECT id FROM docs RANK BY KNN([1]) + year LIMIT 1",
        "SELECT id FROM docs RANK BY COALESCE(KNN([1]), 1) LIMIT 1",
    ],
)
def test_what_the_search_api_cannot_express_is_said(sql: str) -> None:
    """A test, a leaf or a function that the Search API lacks raises rather than being left out."""
    with pytest.raises(NotExpressible):
        payload(sql)
