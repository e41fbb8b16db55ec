"""The registry of strategies, and MMR."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from chromasql.errors import ChromaSQLPlanningError
from chromasql.operators import rerank
from chromasql.operators.rerank import (
    REQUIRED,
    RerankRequest,
    _registry,
    known_strategies,
    register_reranker,
    strategy_named,
    with_defaults,
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
    assert strategy.parts == ("uri",)
    assert strategy.arguments is not None
    assert list(strategy.arguments) == ["weight"]
    assert "SHORTEST" in known_strategies()


@pytest.mark.parametrize(("name", "parts"), [("two words", ("document",)), ("fine", ("vector",))])
def test_a_bad_registration_is_refused(name: str, parts: tuple[str, ...]) -> None:
    """A name that SQL cannot say and a part that records do not have are refused at once."""
    with pytest.raises(ChromaSQLPlanningError) as caught:
        register_reranker(name, lambda _: [], parts=parts)

    assert caught.value.code == "invalid-argument"


def test_mmr_measures_in_the_space_of_the_collections() -> None:
    """In l2 lambda = 1 is nearness, far vectors of the same direction included; it failed before, by the cosine."""
    vectors = ([1.0, 0.5], [100.0, 0.0], [3.0, -1.0])
    rows = [{"embedding": vector, "score": 0.0} for vector in vectors]
    strategy = strategy_named("MMR")
    assert strategy is not None

    def order_in(space: str) -> list[int]:
        request = RerankRequest(rows, vector=[1.0, 0.0], arguments={"lambda": 1.0}, space=space)
        scores = strategy.rerank(request)
        assert isinstance(scores, list)
        return sorted(range(len(rows)), key=lambda index: -scores[index])

    assert order_in("l2") == [0, 2, 1]
    assert order_in("ip") == [1, 2, 0]
    assert order_in("cosine") == [1, 2, 0]


def test_mmr_works_for_the_rows_that_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Similarities are measured once for each row of the page, not for each pair; it failed before (n x n at once)."""
    measured = []
    similarity = rerank._similarity
    monkeypatch.setattr(rerank, "_similarity", lambda *given: measured.append(1) or similarity(*given))
    rows = [{"embedding": [float(index), 1.0], "score": float(index)} for index in range(500)]
    strategy = strategy_named("MMR")
    assert strategy is not None

    few = strategy.rerank(RerankRequest(rows, vector=[1.0, 0.0], arguments={"lambda": 0.3}, wanted=7))
    assert len(measured) == 7
    every = strategy.rerank(RerankRequest(rows, vector=[1.0, 0.0], arguments={"lambda": 0.3}))
    assert isinstance(few, list)
    assert isinstance(every, list)

    def best(scores: list[float]) -> list[int]:
        return sorted(range(len(rows)), key=lambda index: -scores[index])[:7]

    assert best(few) == best(every)
    assert len(set(few)) == len(rows)


@pytest.mark.usefixtures("registry")
def test_arguments_have_defaults() -> None:
    """An argument that is not given has its default; one that is required and missing is an error that names it."""
    register_reranker("CROSS", lambda request: [0.0] * len(request.rows), arguments={"query": REQUIRED, "depth": 3})
    strategy = strategy_named("CROSS")
    assert strategy is not None

    assert with_defaults(strategy, {"query": "x"}) == {"query": "x", "depth": 3}
    with pytest.raises(ValueError, match=r"CROSS needs query = \.\."):
        with_defaults(strategy, {})
