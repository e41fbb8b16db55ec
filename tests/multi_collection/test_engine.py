"""What is worked out once and used again, and when it is not."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chromasql import ChromaSQLPlanningError, Settings, connect_async
from chromasql.multi_collection import plan_cache
from chromasql.plan import VectorQuery
from tests.support.doubles import fill


@pytest.fixture
def planned(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Note the statements that are planned."""
    seen: list[Any] = []
    really = plan_cache.plan_bound

    def plan_bound(bound: Any, **options: Any) -> Any:
        seen.append(bound)
        return really(bound, **options)

    monkeypatch.setattr(plan_cache, "plan_bound", plan_bound)
    return seen


async def test_planned_once(client: Any, planned: list[Any]) -> None:
    """A text without parameters is planned once, and answers the same whenever it is asked."""
    fill(client, "docs", 3)
    database = connect_async(client)
    first, second = [await database.execute("SELECT id FROM docs WHERE n > 0") for _ in range(2)]
    assert len(planned) == 1
    assert first.rows == second.rows == [{"id": "docs-1"}, {"id": "docs-2"}]


async def test_planned_for_each_setting_and_parameter(client: Any, planned: list[Any]) -> None:
    """Another timeout is another plan, and so is each value of a parameter."""
    fill(client, "docs", 3)
    database = connect_async(client, settings=Settings(timeout=60))
    for seconds in (None, 30, 30):
        result = await database.execute("SELECT id FROM docs LIMIT 1", timeout=seconds)
        assert result.plan.timeout == (seconds or 60)
    assert len(planned) == 2
    for number in (1, 2, 2):
        result = await database.execute("SELECT id FROM docs WHERE n = :n", {"n": number})
        assert [row["id"] for row in result] == [f"docs-{number}"]
    assert len(planned) == 5


async def test_planned_for_any_vector(client: Any, planned: list[Any]) -> None:
    """A statement whose vector is its only parameter is planned once, and each vector has its own answer."""
    client.create_collection("docs", embedding_function=None).add(
        ids=["a", "b", "c"], embeddings=[[0.0, 0.0], [1.0, 0.0], [5.0, 0.0]], metadatas=[{"n": n} for n in (1, 1, 2)]
    )
    database = connect_async(client)
    ranked = "SELECT id, distance FROM docs {} USING EMBEDDING (VECTOR :v) LIMIT 1"
    for component, nearest in ((0.25, "a"), (4.0, "c"), (0.75, "b")):
        result = await database.execute(ranked.format(""), {"v": [component, 0.0]})
        assert [row["id"] for row in result] == [nearest]
        assert result.plan.rankings[0].leaves[0].query == VectorQuery((component, 0.0))
    assert len(planned) == 1
    for number, nearest in ((1, "b"), (2, "c"), (1, "b")):
        result = await database.execute(ranked.format("WHERE n = :n"), {"v": [4.0, 0.0], "n": number})
        assert [row["id"] for row in result] == [nearest]
    assert len(planned) == 4


@pytest.mark.parametrize("params", [None, {}, {"v": {1: 0.5}}, {"v": []}, {"v": [1.0], "w": 1}], ids=str)
async def test_a_bad_vector_is_refused_each_time(client: Any, params: Any) -> None:
    """A statement that was planned with a vector is refused without one."""
    fill(client, "docs", 1)
    database = connect_async(client)
    ranked = "SELECT id FROM docs USING EMBEDDING (VECTOR :v) LIMIT 1"
    for _ in range(2):
        await database.execute(ranked, {"v": [0.0, 0.0]})
        with pytest.raises(ChromaSQLPlanningError):
            await database.execute(ranked, params)


async def test_a_missing_parameter_is_missed_each_time(client: Any) -> None:
    """A statement with parameters is refused without them, however often it was planned with them."""
    fill(client, "docs", 1)
    database = connect_async(client)
    await database.execute("SELECT id FROM docs WHERE n = :n", {"n": 0})
    for params in (None, {}):
        with pytest.raises(ChromaSQLPlanningError):
            await database.execute("SELECT id FROM docs WHERE n = :n", params)


async def test_reranked_statements_are_planned_each_time(client: Any, planned: list[Any]) -> None:
    """A plan that names a strategy is not kept, as another one may be registered under the name."""
    fill(client, "docs", 3)
    database = connect_async(client)
    for _ in range(2):
        await database.execute("SELECT id FROM docs USING EMBEDDING (VECTOR [0, 0]) LIMIT 2 RERANK BY MMR")
    assert len(planned) == 2


@given(st.lists(st.floats(allow_nan=False), max_size=12), st.lists(st.floats(allow_nan=False), max_size=12))
def test_hash_of_vectors(left: list[float], right: list[float]) -> None:
    """Equal vectors hash alike, though only the beginning of a vector is hashed."""
    one, other = VectorQuery(tuple(left)), VectorQuery(tuple(right))
    assert one == VectorQuery(tuple(left))
    assert hash(one) == hash(VectorQuery(tuple(left)))
    assert (one == other) is (left == right)
