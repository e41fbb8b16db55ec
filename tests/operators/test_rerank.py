"""The registry of strategies, and MMR."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from chromasql.errors import ChromaSQLPlanningError
from chromasql.operators.rerank import (
    RerankRequest,
    _registry,
    known_strategies,
    register_reranker,
    strategy_named,
)

pytestmark = pytest.mark.unit

# Two near duplicates and a third that is less relevant to [1, 0].
VECTORS = ([1.0, 0.0], [0.99, 0.01], [0.6, 0.8])


@pytest.fixture
def registry() -> Iterator[None]:
    kept = dict(_registry)
    yield
    _registry.clear()
    _registry.update(kept)


def order(weight: float, vector: Sequence[float] | None = (1.0, 0.0)) -> list[int]:
    rows = [{"embedding": embedding, "score": float(index)} for index, embedding in enumerate(VECTORS)]
    strategy = strategy_named("MMR")
    assert strategy is not None
    scores = strategy.rerank(RerankRequest(rows, vector=vector, arguments={"lambda": weight}))
    assert isinstance(scores, list)
    return sorted(range(len(rows)), key=lambda index: -scores[index])


def test_mmr_goes_from_relevance_to_diversity() -> None:
    """With lambda 1 the order is that of relevance; with a low lambda the near duplicate comes last."""
    assert order(1.0) == [0, 1, 2]
    assert order(0.2) == [0, 2, 1]


def test_mmr_without_a_vector_takes_the_scores() -> None:
    """Where the rank is not one KNN, relevance is the score, the lowest of which is best."""
    assert order(1.0, None) == [0, 1, 2]
    assert order(0.2, None) == [0, 2, 1]


def test_mmr_puts_rows_without_an_embedding_last() -> None:
    """A row without an embedding scores below every other; if none has one, all score the same."""
    strategy = strategy_named("MMR")
    assert strategy is not None
    rows = [{"embedding": None, "score": 0.0}, {"embedding": [1.0, 0.0], "score": 1.0}]

    assert strategy.rerank(RerankRequest(rows)) == [-float("inf"), 1.0]
    assert strategy.rerank(RerankRequest(rows[:1])) == [0.0]


@pytest.mark.parametrize("weight", [-0.1, 1.1, "x", True])
def test_mmr_checks_lambda(weight: object) -> None:
    """Lambda is a number from 0 to 1; anything else is explained."""
    strategy = strategy_named("MMR")
    assert strategy is not None
    assert "from 0 (diverse) to 1 (relevant)" in (strategy.check({"lambda": weight}) or "")
    assert strategy.check({}) is None


@pytest.mark.usefixtures("registry")
def test_a_strategy_is_registered_under_its_name_in_capitals() -> None:
    """A registered strategy is found by its name in capitals, with the parts that it reads and its arguments."""
    register_reranker("shortest", lambda request: [0.0] * len(request.rows), parts=["uri", "uri"], arguments=["Weight"])

    strategy = strategy_named("SHORTEST")
    assert strategy is not None
    assert (strategy.parts, strategy.arguments) == (("uri",), frozenset({"weight"}))
    assert "SHORTEST" in known_strategies()


@pytest.mark.parametrize(("name", "parts"), [("two words", ("document",)), ("fine", ("vector",))])
def test_a_bad_registration_is_refused(name: str, parts: tuple[str, ...]) -> None:
    """A name that SQL cannot say and a part that records do not have are refused at once."""
    with pytest.raises(ChromaSQLPlanningError) as caught:
        register_reranker(name, lambda _: [], parts=parts)

    assert caught.value.code == "invalid-argument"
