"""How many collections must answer, how long each may take, and what is told of those that did not."""

from __future__ import annotations

import asyncio
import math
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chromasql import (
    ChromaSQLExecutionError,
    ChromaSQLPlanningError,
    ChromaSQLTimeoutError,
    MemoryProvider,
    Settings,
    connect_async,
)
from tests.support.doubles import Hang, Spy, others, raises, without_waiting

RANKED = "SELECT id, _collection FROM * USING EMBEDDING (VECTOR [0.0]) TOPK 40"
FILTERED = "SELECT id, _collection FROM * ORDER BY id"
COUNTED = "SELECT COUNT(*) FROM *"
STATEMENTS = pytest.mark.parametrize("sql", [RANKED, FILTERED, COUNTED], ids=["ranked", "filtered", "counted"])


def many(count: int) -> Spy:
    """Return collections c0, c1, .. of one record each, under watch."""
    return Spy(MemoryProvider({f"c{n}": [{"id": f"r{n}", "embedding": [float(n)]}] for n in range(count)}))


def run(spy: Spy, sql: str, *, timeout: float | None = None, **settings: Any) -> Any:
    """Run a statement where every pause passes at once, and show that it leaves no task."""

    async def main() -> Any:
        try:
            return await connect_async(spy, settings=Settings(**settings)).execute(sql, timeout=timeout)
        finally:
            assert not others()

    return without_waiting(main())


# How many must answer


@STATEMENTS
@given(
    failing=st.lists(st.booleans(), min_size=1, max_size=10),
    wanted=st.one_of(st.integers(1, 12), st.sampled_from([n / 10 for n in range(1, 11)])),
)
def test_min_success(sql: str, failing: list[bool], wanted: float) -> None:
    """An answer comes exactly where at least so many, or such a share, of the collections asked gave theirs."""
    spy = many(len(failing))
    for number, fails in enumerate(failing):
        if fails:
            spy.instead[f"c{number}", "open"] = raises(OSError("disk full"))
    answering = failing.count(False)
    share = isinstance(wanted, float)
    enough = answering * 10 >= round(wanted * 10) * len(failing) if share else answering >= min(wanted, len(failing))

    if enough and answering:
        result = run(spy, sql, min_success=wanted)
        assert result.complete is (answering == len(failing))
        assert sum(outcome.status == "ok" for outcome in result.outcomes) == answering
        return
    with pytest.raises(ChromaSQLExecutionError) as caught:
        run(spy, sql, min_success=wanted)
    assert len(caught.value.failures) == failing.count(True)
    assert [outcome.status for outcome in caught.value.outcomes].count("failed") == failing.count(True)
    if answering:
        assert f"{answering} of {len(failing)} collections answered, but min_success" in str(caught.value)


def test_min_success_of_show() -> None:
    """It holds for SHOW COLLECTIONS, too, which has a count of each."""
    spy = many(2)
    spy.instead["c0", "count"] = raises(OSError("disk full"))
    assert run(spy, "SHOW COLLECTIONS", min_success=0.5).rows[0] == {"name": "c0", "count": None}
    with pytest.raises(ChromaSQLExecutionError, match="1 of 2 collections answered, but min_success = 1 requires 2"):
        run(spy, "SHOW COLLECTIONS", min_success=1.0)


def test_skipped_collections_need_not_answer() -> None:
    """A collection that is not asked, as there are rows enough, is none of those that must answer."""
    result = run(many(9), "SELECT id FROM * LIMIT 1", min_success=1.0)
    assert [outcome.status for outcome in result.outcomes] == ["ok", *["skipped"] * 8]


def test_min_success_when_the_deadline_passed() -> None:
    """Collections that are late count as those that fail, and the error is that of the deadline."""
    spy = many(3)
    spy.instead["c1", "query"] = Hang()
    assert len(run(spy, RANKED, timeout=9, min_success=2)) == 2
    with pytest.raises(ChromaSQLTimeoutError, match="2 of 3 collections answered, but min_success = 3 requires 3"):
        run(spy, RANKED, timeout=9, min_success=3)


# How long each may take


@pytest.mark.parametrize(
    ("method", "sql"), [("open", RANKED), ("query", RANKED), ("open", FILTERED), ("get", FILTERED)]
)
@pytest.mark.parametrize("timeout", [None, 600])
def test_collection_timeout(method: str, sql: str, timeout: float | None) -> None:
    """A collection that takes longer than any may is left out as timed out, whatever the statement has."""
    spy = many(3)
    hang = spy.instead["c1", method] = Hang()
    result = run(spy, sql, collection_timeout=5, timeout=timeout)

    assert {row["_collection"] for row in result} == {"c0", "c2"}
    assert [outcome.status for outcome in result.outcomes] == ["ok", "timed_out", "ok"]
    assert "timed out after 5 s (timeout of a collection)" in str(result.failures[0].error)
    assert hang.cancelled


def test_collection_timeout_of_the_only_one() -> None:
    """Where it is the only one, or failures end the statement, that is an error of the clock."""
    spy = many(2)
    spy.instead["c1", "get"] = Hang()
    with pytest.raises(ChromaSQLTimeoutError, match="the collection failed\n  c1: Timeout: timed out after"):
        run(spy, "SELECT id FROM c1", collection_timeout=5)
    with pytest.raises(ChromaSQLTimeoutError, match=r"failed \(on_error = FAIL\)"):
        run(spy, FILTERED, collection_timeout=5, on_error="fail")


def test_collection_timeout_of_a_stream() -> None:
    """A stream, which has no partial answer, ends."""
    spy = many(2)
    spy.instead["c1", "get"] = Hang()

    async def main() -> list[Any]:
        database = connect_async(spy, settings=Settings(collection_timeout=5))
        return [row async for row in database.stream("SELECT id FROM *")]

    with pytest.raises(ChromaSQLTimeoutError, match="so the stream ends"):
        without_waiting(main())


def test_collection_timeout_counts_every_wave() -> None:
    """The time that a collection took in one step is missing in the next."""
    answering = many(2)

    async def ranks() -> Any:
        await asyncio.sleep(3)
        collection = await answering.provider.get_collection("c1")
        return await collection.query([[0.0]], include=["distances"])

    async def opens() -> Any:
        await asyncio.sleep(3)
        return await answering.get_collection("c1")

    answering.instead["c1", "query"] = ranks
    assert run(answering, RANKED, collection_timeout=5).complete
    assert run(Spy(answering, {("c1", "open"): opens}), RANKED, collection_timeout=7).complete
    (late,) = run(Spy(answering, {("c1", "open"): opens}), RANKED, collection_timeout=5).failures
    assert (late.collection, late.status) == ("c1", "timed_out")


def test_a_timeout_of_its_own() -> None:
    """A TimeoutError that a collection raises is its failure, not ours."""
    spy = many(2)
    spy.instead["c1", "get"] = raises(TimeoutError("their clock"))
    (failure,) = run(spy, FILTERED, collection_timeout=5).failures
    assert (failure.status, str(failure.error)) == ("failed", "c1: TimeoutError: their clock")


# What is told of the others


def test_cancelled_and_skipped() -> None:
    """With on_error = FAIL the error tells which collections were cancelled for it and which never asked."""
    spy = many(4)
    hang = Hang()

    async def fail_then() -> Any:
        await hang.reached.wait()
        raise OSError("disk full")

    spy.instead.update({("c0", "open"): hang, ("c1", "open"): fail_then})

    async def main() -> Any:
        database = connect_async(spy, settings=Settings(on_error="fail"), max_concurrency=2, dialect="local")
        return await database.execute(FILTERED)

    with pytest.raises(ChromaSQLExecutionError) as caught:
        without_waiting(main())
    outcomes = [(each.collection, each.status) for each in caught.value.outcomes]
    assert outcomes == [("c0", "cancelled"), ("c1", "failed"), ("c2", "skipped"), ("c3", "skipped")]
    assert pickle.loads(pickle.dumps(caught.value)).outcomes == caught.value.outcomes


def test_outcomes_of_a_timeout() -> None:
    """The error of the deadline tells them, too."""
    spy = many(3)
    spy.instead["c1", "query"] = Hang()
    with pytest.raises(ChromaSQLTimeoutError) as caught:
        run(spy, RANKED, timeout=9, on_error="fail")
    assert [each.status for each in caught.value.outcomes] == ["ok", "timed_out", "ok"]


@pytest.mark.parametrize("value", [0, -1, 0.0, 1.5, math.nan, True, "half"])
def test_bad_min_success(value: Any) -> None:
    """min_success takes a number of collections, or a share of them."""
    with pytest.raises(ChromaSQLPlanningError, match="min_success takes a whole number from 1 on, or a share above 0"):
        Settings(min_success=value)


@pytest.mark.parametrize("value", [0, -1, math.inf, "5", True])
def test_bad_collection_timeout(value: Any) -> None:
    """collection_timeout takes a number of seconds above 0."""
    with pytest.raises(ChromaSQLPlanningError, match="collection_timeout takes a number of seconds above 0"):
        Settings(collection_timeout=value)


@pytest.mark.parametrize("option", ["min_success = 1", "collection_timeout = 5", "retries = 9"])
def test_no_statement_sets_them(option: str) -> None:
    """These are the application's: WITH has no such option."""
    with pytest.raises(ChromaSQLPlanningError, match="there is no option"):
        run(many(1), f"{FILTERED} WITH ({option})")
