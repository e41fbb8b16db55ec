"""Whatever networks and servers do, a statement ends in time, with rows that are right and outcomes that tell the rest."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from chromasql import ChromaSQLError, ChromaSQLExecutionError, ExecutionResult, Settings
from tests.faults.fleet import CASES, NAMES, SERVERS, Case, Fleet, all_told, problem_of
from tests.support.proxy import (
    Cut,
    Drip,
    Fault,
    Garbage,
    Hang,
    Infinite,
    Misshapen,
    Pass,
    Refuse,
    Request,
    Schedule,
    Status,
    Truncated,
)

pytestmark = [pytest.mark.server, pytest.mark.timeout(7200)]

MARGIN = 20.0
"""In seconds: how much later than its deadline a statement may end on a machine that is busy with other things."""

REQUEST_SECONDS = 0.5
"""How long one answer is waited for where requests may hang."""

LASTING: Sequence[Fault] = (Status(500), Truncated(), Garbage(), Misshapen())
"""Faults that no second attempt is made after."""

PASSING: Sequence[Fault] = (
    Refuse(),
    Cut(),
    Status(429),
    Status(429, "0"),
    Status(429, "3600"),
    Status(502),
    Status(503, "0.1"),
    Status(504),
)

FAULTS = st.sampled_from([*LASTING, *PASSING, Infinite(), Hang(), Drip(0.1), Drip(3.0), Pass(0.05)])


def turns(faults: Sequence[Fault], *, again: bool = False) -> Schedule:
    """Do one of these after the other to the requests, from the start ``again`` or then nothing more."""
    left = itertools.cycle(faults) if again else itertools.chain(faults, itertools.repeat(Pass()))
    return lambda _: next(left)


def on(verb: str, fault: Fault) -> Schedule:
    """Do this to every request of a kind."""

    def schedule(request: Request) -> Fault:
        return fault if request.verb == verb else Pass()

    return schedule


async def ask(fleet: Fleet, case: Case, patience: float = 60.0, **options: Any) -> ExecutionResult:
    """Run one statement over the fleet, on connections of its own that wait so many seconds for one answer."""
    async with fleet.database(Settings(**options), timeout=patience) as database:
        return await database.execute(case.sql)


# Without faults, and with one at a time


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_no_fault(fleet: Fleet, case: Case) -> None:
    """Where nothing goes wrong, answers over three servers are complete and the oracle's."""
    result = await ask(fleet, case)
    assert problem_of(case, result) is None
    assert result.complete


@pytest.mark.parametrize("fault", [*LASTING, *PASSING, Infinite(), Hang()], ids=repr)
async def test_a_server_that_fails_every_query(fleet: Fleet, fault: Fault) -> None:
    """A server whose answers to queries are no good takes its own collections with it, and no others."""
    fleet.suffers({"b": on("query", fault)})
    result = await ask(fleet, CASES[0], patience=3.0 if fault == Hang() else 60.0, retries=1)
    assert [outcome.collection for outcome in result.failures] == [name for name in NAMES if name.startswith("b.")]
    assert problem_of(CASES[0], result) is None


@pytest.mark.parametrize("fault", [*PASSING[:4], *PASSING[5:]], ids=repr)
async def test_a_fault_that_passes(fleet: Fleet, fault: Fault) -> None:
    """What may pass is tried again, and the answer is complete."""
    fleet.suffers({server: turns([Pass(), fault]) for server in SERVERS})
    result = await ask(fleet, CASES[0])
    assert result.complete
    assert problem_of(CASES[0], result) is None


# Any faults at all


schedules = st.fixed_dictionaries(
    {
        server: st.builds(turns, st.lists(st.just(Pass()) | FAULTS, min_size=1, max_size=12), again=st.booleans())
        for server in SERVERS
    }
)
limits = st.fixed_dictionaries(
    {
        "on_error": st.sampled_from(["skip", "skip", "fail"]),
        "retries": st.integers(0, 2),
    },
    optional={
        "timeout": st.sampled_from([0.15, 0.4, 1.0]),
        "collection_timeout": st.sampled_from([0.1, 0.4]),
        "min_success": st.sampled_from([1, 6, 12, 0.5, 1.0]),
    },
)


def longest(limit: dict[str, Any]) -> float:
    """Return the seconds in which a statement has to end that is limited so."""
    if "timeout" in limit:
        return float(limit["timeout"])
    # In each of four waves each attempt may take as long as a request may, and the pauses between them some more.
    waves, attempts = 4, 1 + int(limit["retries"])
    return waves * attempts * len(NAMES) * (REQUEST_SECONDS + 1.0)


async def suffered(fleet: Fleet, case: Case, limit: dict[str, Any]) -> ExecutionResult | ChromaSQLError:
    """Run a statement and return what came of it; a statement that hangs fails the test."""
    async with asyncio.timeout(longest(limit) + MARGIN):
        try:
            return await ask(fleet, case, REQUEST_SECONDS, **limit)
        except ChromaSQLError as error:
            return error


def check_result(case: Case, limit: dict[str, Any], result: ExecutionResult) -> None:
    """A result is right as far as it goes, and goes as far as it was to."""
    assert problem_of(case, result) is None
    if limit["on_error"] == "fail":
        assert result.complete
    asked = [outcome for outcome in result.outcomes if outcome.status != "skipped"]
    answered = sum(outcome.status == "ok" for outcome in asked)
    wanted = limit.get("min_success", 1)
    assert answered >= (wanted * len(asked) if isinstance(wanted, float) else min(wanted, len(asked)))


@settings(max_examples=min(500, max(50, settings.default.max_examples // 2)), suppress_health_check=list(HealthCheck))
@given(case=st.sampled_from(CASES), schedule=schedules, limit=limits)
def test_any_schedule(servers: Fleet, case: Case, schedule: dict[str, Schedule], limit: dict[str, Any]) -> None:
    """
    Under any schedule of faults a statement ends in time, in an error of ours or in a result.

    The result is complete only if its rows are the oracle's over all collections. Otherwise they are what the oracle says
    of the collections that answered. Where one of these fails later, when parts of its rows are fetched, they are the
    answer in which it had its part, without those of its rows that were lost, and filled up with the next ones.
    """
    servers.suffers(schedule)
    ended = asyncio.run(suffered(servers, case, limit))
    if isinstance(ended, ExecutionResult):
        event("complete" if ended.complete else "partial")
        check_result(case, limit, ended)
        return
    event(type(ended).__name__)
    if isinstance(ended, ChromaSQLExecutionError) and ended.outcomes:
        assert all_told(case, ended.outcomes)
