"""A cache that is bounded by bytes, and the caches made of it."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chromasql import parse, parser
from chromasql.concurrency.byte_cache import ByteCache
from chromasql.multi_collection.plan_cache import PlanCache
from chromasql.operators import patterns
from chromasql.planner import Settings
from chromasql.planner.scope import OPEN


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 60), st.booleans())))
def test_against_a_list(steps: list[tuple[int, int, bool]]) -> None:
    """It holds what a list in order of use holds that lets go from its start, and counts its bytes."""
    cache: ByteCache[int, int] = ByteCache(100)
    model: list[tuple[int, int]] = []
    for key, size, is_read in steps:
        known = next((entry for entry in model if entry[0] == key), None)
        if is_read:
            assert cache.get(key) == (None if known is None else known[1])
            used = known
        else:
            assert cache.keep(key, size, size) == size
            used = (key, size) if size <= 50 else None
        if used is not None:
            model = [*(entry for entry in model if entry[0] != key), used]
        while sum(kept for _, kept in model) > 100:
            del model[0]
        assert (len(cache), cache.size) == (len(model), sum(kept for _, kept in model))


@pytest.fixture
def often() -> Iterator[None]:
    """Have threads take turns as often as can be."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("often")
def test_plans_of_many_threads() -> None:
    """Threads that use more plans than are kept get their own plans, and no error."""
    plans, settings = PlanCache(OPEN, max_bytes=14_000), Settings()
    statements = [parse(f"SELECT id FROM docs LIMIT {limit}") for limit in range(1, 5)]
    errors: list[BaseException] = []

    def work(first: int) -> None:
        try:
            for number in range(400):
                index = (first + number) % 4
                _, plan = plans.bind_and_plan(statements[index], None, settings)
                assert plan.limit == index + 1  # type: ignore[union-attr]
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(first,)) for first in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors


def test_long_texts_and_large_patterns() -> None:
    """Trees and patterns are kept by the memory that they take: few large ones, where 512 and 256 were kept before."""
    parser._kept.clear()
    patterns._kept.clear()
    for number in range(40):
        tests = " OR ".join(f"a{index} = {number}" for index in range(500))
        parse(f"SELECT id FROM docs WHERE {tests}")
    assert 0 < parser._kept.size <= 16_000_000
    assert len(parser._kept) < 40
    for number in range(20):
        patterns.compile_regex(rf"\w{{180}}{number}")
    assert 0 < patterns._kept.size <= 64_000_000
    assert len(patterns._kept) < 20
