"""
RERANK BY: strategies that re-order the best candidates of a ranking.

A strategy is looked up by name in a registry; MMR is built in, and `register_reranker` adds an application's own.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, TypeAlias

from chromasql.ast import is_number
from chromasql.errors import ChromaSQLPlanningError
from chromasql.plan.parts import PARTS

__all__ = [
    "REQUIRED",
    "RerankRequest",
    "Reranker",
    "Strategy",
    "known_strategies",
    "register_reranker",
    "strategy_named",
    "with_defaults",
]


class _Default(Enum):
    """What stands in for the default of an argument that has none."""

    REQUIRED = "required"
    OPTIONAL = "optional"


REQUIRED = _Default.REQUIRED
"""The default of an argument of `register_reranker` that every statement has to give."""


@dataclass(frozen=True, slots=True)
class RerankRequest:
    """
    What a strategy is given.

    Attributes
    ----------
    rows : Sequence of Mapping
        The candidates, best first, each with ``id``, ``_collection``, ``score``, ``distance`` and the parts that the
        strategy registered for.
    text : str, optional
        The text of the statement's first text query.
    vector : Sequence of float, optional
        The vector of the KNN that is the whole rank, where the collections share it.
    arguments : Mapping
        The arguments of ``RERANK BY NAME(..)`` by lower-case name, defaults included.
    space : str
        The space of the collections: cosine, l2 or ip; cosine where they differ.
    wanted : int, optional
        How many rows the page reaches down to: the order beyond them is not shown. None means all.
    """

    rows: Sequence[Mapping[str, Any]]
    text: str | None = None
    vector: Sequence[float] | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    space: str = "cosine"
    wanted: int | None = None


Reranker: TypeAlias = Callable[[RerankRequest], Sequence[float] | Awaitable[Sequence[float]]]
"""
Scores the candidates: a number for each row, higher is better; the rows are re-ordered by it, ties keep their order.

It may be a coroutine function; a blocking one runs off the event loop. A wrong count of numbers, or a NaN, is an error.
"""


@dataclass(frozen=True, slots=True)
class Strategy:
    """
    A registered strategy: the parts of a record that it reads, and its arguments with their defaults (None: any).

    ``check`` says what is wrong with the arguments of a statement, or returns None.
    """

    name: str
    rerank: Reranker
    parts: tuple[str, ...] = ("document",)
    arguments: Mapping[str, Any] | None = None
    check: Callable[[Mapping[str, Any]], str | None] = lambda _: None


def register_reranker(
    name: str,
    rerank: Reranker,
    *,
    parts: Sequence[str] = ("document",),
    arguments: Sequence[str] | Mapping[str, Any] | None = None,
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
        The arguments that it takes besides ``candidates``: names, or names with their defaults, which is `REQUIRED` for
        those that a statement has to give. Default: any.

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
    given = arguments if isinstance(arguments, Mapping) else dict.fromkeys(arguments or (), _Default.OPTIONAL)
    taken = None if arguments is None else {name.lower(): default for name, default in given.items()}
    _registry[name.upper()] = Strategy(name.upper(), rerank, tuple(sorted(set(parts))), taken)


def with_defaults(strategy: Strategy, given: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return the arguments of a statement with the defaults of those that it does not give.

    Raises `ValueError` with a sentence for a required argument that is missing.
    """
    arguments = dict(given)
    for name, default in (strategy.arguments or {}).items():
        if name in arguments or default is _Default.OPTIONAL:
            continue
        if default is REQUIRED:
            raise ValueError(f"{strategy.name} needs {name} = ..")
        arguments[name] = default
    return arguments


def known_strategies() -> tuple[str, ...]:
    """Return the names of all strategies."""
    return tuple(sorted(_registry))


def strategy_named(name: str) -> Strategy | None:
    """Return a strategy by its name in capitals."""
    return _registry.get(name)


def _mmr(request: RerankRequest) -> Sequence[float]:
    """
    Maximal marginal relevance (Carbonell and Goldstein, SIGIR 1998), greedily from the best row on.

    Each step takes the row with the highest lambda * relevance - (1 - lambda) * similarity to the rows taken, until
    there are as many as the page shows; the others follow by relevance. Similarity is measured in the space of the
    collections: the cosine, the dot product for ip, and 1 / (1 + distance) for l2. Relevance is the similarity to the
    query vector where the rank is one KNN, and otherwise the score, scaled so that the best candidate has 1 and the
    worst 0. It holds one row of similarities at a time, so memory grows with candidates x dimensions.
    """
    import numpy as np

    weight = float(request.arguments.get("lambda", 0.5))
    present = [index for index, row in enumerate(request.rows) if row["embedding"] is not None]
    if not present:
        return [0.0] * len(request.rows)
    vectors = np.array([request.rows[index]["embedding"] for index in present], dtype=np.float64)
    if request.space == "cosine":
        vectors = _unit(vectors)
    if request.vector is not None:
        query = np.array([request.vector], dtype=np.float64)
        relevance = _similarity(request.space, vectors, (_unit(query) if request.space == "cosine" else query)[0])
    else:
        relevance = _scaled([request.rows[index]["score"] for index in present])
    count = len(present) if request.wanted is None else min(len(present), request.wanted)
    most_similar = np.full(len(present), -np.inf)
    left = np.ones(len(present), dtype=bool)
    scores = [-float("inf")] * len(request.rows)
    for step in range(count):
        penalty = 0.0 if step == 0 else most_similar
        value = np.where(left, weight * relevance - (1 - weight) * penalty, -np.inf)
        chosen = int(np.argmax(value))
        left[chosen] = False
        scores[present[chosen]] = float(len(present) - step)
        if step + 1 < count:
            most_similar = np.maximum(most_similar, _similarity(request.space, vectors, vectors[chosen]))
    others = np.flatnonzero(left)
    for position, index in enumerate(others[np.argsort(-relevance[others], kind="stable")], start=count):
        scores[present[index]] = float(len(present) - position)
    return scores


def _similarity(space: str, vectors: Any, vector: Any) -> Any:
    """Return the similarity of each vector (n x d, of length 1 for cosine) to one of d components: n numbers."""
    import numpy as np

    if space == "l2":
        return 1 / (1 + np.square(vectors - vector).sum(axis=1))
    return vectors @ vector


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
    "MMR": Strategy("MMR", _mmr, ("embedding",), {"lambda": 0.5}, _check_mmr),
}
