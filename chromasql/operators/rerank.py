"""
RERANK BY: strategies that re-order the best candidates of a ranking.

A strategy is looked up by name in a registry; MMR is built in, and `register_reranker` adds an application's own.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from chromasql.ast import is_number
from chromasql.errors import ChromaSQLPlanningError
from chromasql.plan.parts import PARTS

__all__ = ["RerankRequest", "Reranker", "Strategy", "known_strategies", "register_reranker", "strategy_named"]


@dataclass(frozen=True, slots=True)
class RerankRequest:
    """
    What a strategy is given.

    ``rows`` are the candidates, best first, each with ``id``, ``_collection``, ``score``, ``distance`` and the
    parts that the strategy registered for. ``text`` is the text of the statement's first text query and ``vector``
    the vector of the KNN that is the whole rank, or None. ``arguments`` are those of ``RERANK BY NAME(..)``, by
    lower-case name.
    """

    rows: Sequence[Mapping[str, Any]]
    text: str | None = None
    vector: Sequence[float] | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)


Reranker: TypeAlias = Callable[[RerankRequest], Sequence[float] | Awaitable[Sequence[float]]]
"""
Scores the candidates: a number for each row, higher is better; the rows are re-ordered by it, ties keep their order.

It may be a coroutine function; a blocking one runs off the event loop. A wrong count of numbers, or a NaN, is an error.
"""


@dataclass(frozen=True, slots=True)
class Strategy:
    """
    A registered strategy: the parts of a record that it reads, and the names of its arguments (None: any).

    ``check`` says what is wrong with the arguments of a statement, or returns None.
    """

    name: str
    rerank: Reranker
    parts: tuple[str, ...] = ("document",)
    arguments: frozenset[str] | None = None
    check: Callable[[Mapping[str, Any]], str | None] = lambda _: None


def register_reranker(
    name: str,
    rerank: Reranker,
    *,
    parts: Sequence[str] = ("document",),
    arguments: Sequence[str] | None = None,
) -> None:
    """
    Add a strategy, so that ``RERANK BY name(..)`` calls ``rerank`` with a `RerankRequest`.

    A name that was registered before is replaced.

    Parameters
    ----------
    name
        An identifier; case does not matter.
    rerank
        The function that scores the candidates; see `Reranker`.
    parts
        What it reads of a record: document, metadata, embedding, uri.
    arguments
        Names of the arguments that it takes besides ``candidates``. Default: any.

    Raises
    ------
    ChromaSQLPlanningError
        If the name is not an identifier, or records do not have a part of that name.
    """
    if not name.isidentifier():
        raise ChromaSQLPlanningError(
            f"{name!r} is not a valid name for a strategy; use letters, digits and underscores", code="invalid-argument"
        )
    wrong = [part for part in parts if part not in PARTS]
    if wrong:
        raise ChromaSQLPlanningError(
            f"records have no part {wrong[0]!r}; the parts are {', '.join(PARTS)}", code="invalid-argument"
        )
    taken = None if arguments is None else frozenset(item.lower() for item in arguments)
    _registry[name.upper()] = Strategy(name.upper(), rerank, tuple(sorted(set(parts))), taken)


def known_strategies() -> tuple[str, ...]:
    """Return the names of all strategies."""
    return tuple(sorted(_registry))


def strategy_named(name: str) -> Strategy | None:
    """Return a strategy by its name in capitals."""
    return _registry.get(name)


def _mmr(request: RerankRequest) -> Sequence[float]:
    """
    Maximal marginal relevance (Carbonell and Goldstein, SIGIR 1998), greedily from the best row on.

    Each step takes the row with the highest lambda * relevance - (1 - lambda) * similarity to the rows taken.
    Similarity is the cosine of the stored embeddings. Relevance is the cosine with the query vector where the rank
    is one KNN, and otherwise the score, scaled so that the best candidate has 1 and the worst 0.
    """
    import numpy as np

    weight = float(request.arguments.get("lambda", 0.5))
    present = [index for index, row in enumerate(request.rows) if row["embedding"] is not None]
    if not present:
        return [0.0] * len(request.rows)
    vectors = _unit(np.array([request.rows[index]["embedding"] for index in present], dtype=np.float64))
    if request.vector is not None:
        relevance = vectors @ _unit(np.array([request.vector], dtype=np.float64))[0]
    else:
        relevance = _scaled([request.rows[index]["score"] for index in present])
    similarity = vectors @ vectors.T
    nearest = np.full(len(present), -np.inf)
    left = np.ones(len(present), dtype=bool)
    scores = [-float("inf")] * len(request.rows)
    for step in range(len(present)):
        penalty = 0.0 if step == 0 else nearest
        value = np.where(left, weight * relevance - (1 - weight) * penalty, -np.inf)
        chosen = int(np.argmax(value))
        left[chosen] = False
        nearest = np.maximum(nearest, similarity[chosen])
        scores[present[chosen]] = float(len(present) - step)
    return scores


def _check_mmr(arguments: Mapping[str, Any]) -> str | None:
    weight = arguments.get("lambda", 0.5)
    right = is_number(weight) and 0 <= weight <= 1
    return None if right else f"lambda takes a number from 0 (diverse) to 1 (relevant), not {weight!r}"


def _unit(vectors: Any) -> Any:
    import numpy as np

    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(lengths == 0, 1.0, lengths)


def _scaled(scores: Sequence[float | None]) -> Any:
    import numpy as np

    values = np.array([np.nan if score is None else score for score in scores], dtype=np.float64)
    finite = values[np.isfinite(values)]
    if not finite.size or finite.max() == finite.min():
        return np.zeros(len(values))
    scaled = (finite.max() - values) / (finite.max() - finite.min())
    return np.clip(np.nan_to_num(scaled, nan=0.0, posinf=1.0, neginf=0.0), 0.0, 1.0)


_registry: dict[str, Strategy] = {
    "MMR": Strategy("MMR", _mmr, ("embedding",), frozenset({"lambda"}), _check_mmr),
}
