"""RERANK BY at work: a strategy called on the best candidates of a ranking, and its scores checked."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Sequence
from typing import Any

from chromasql.concurrency.threads import run_blocking
from chromasql.errors import ChromaSQLError, ChromaSQLExecutionError, Failure, describe_exception
from chromasql.operators.rerank import RerankRequest, strategy_named
from chromasql.operators.row import Row
from chromasql.plan import Bm25Leaf, Ranking, RerankPlan, TextQuery

__all__ = ["rerank_rows"]


async def rerank_rows(
    rerank: RerankPlan, ranking: Ranking, rows: Sequence[Row], vector: list[float] | None
) -> list[Row]:
    """
    Re-order rows, best first, by the strategy of RERANK BY; ``vector`` as in `RerankRequest`.

    Raises `ChromaSQLExecutionError` where the strategy fails.
    """
    strategy = strategy_named(rerank.strategy)
    if strategy is None:
        raise ChromaSQLExecutionError(f"the rerank strategy {rerank.strategy} is no longer registered")
    request = RerankRequest(
        rows=[
            {
                "id": row.id,
                "_collection": row.collection,
                "score": row.score,
                "distance": row.distance,
                **{part: getattr(row, part) for part in rerank.parts},
            }
            for row in rows
        ],
        text=_first_text(ranking),
        vector=vector,
        arguments=rerank.arguments,
    )
    scores = await _rerank_scores(strategy.rerank, request)
    return [rows[at] for at in sorted(range(len(rows)), key=lambda at: -scores[at])]


def _first_text(ranking: Ranking) -> str | None:
    texts = (
        " ".join(leaf.words)
        if isinstance(leaf, Bm25Leaf)
        else leaf.query.text
        if isinstance(leaf.query, TextQuery)
        else None
        for leaf in ranking.leaves
    )
    return next((text for text in texts if text is not None), None)


async def _rerank_scores(rerank: Callable[[RerankRequest], Any], request: RerankRequest) -> list[float]:
    """Call a strategy; a coroutine function on the loop, any other on a thread."""
    try:
        if inspect.iscoroutinefunction(rerank):
            given = await rerank(request)
        else:
            given = await run_blocking(rerank, request)
        scores = [float(score) for score in given]
    except ChromaSQLError:
        raise
    except Exception as error:
        failure = Failure(None, type(error).__name__, describe_exception(error))
        raise ChromaSQLExecutionError("the rerank strategy failed", failures=[failure]) from error
    if len(scores) != len(request.rows) or any(map(math.isnan, scores)):
        raise ChromaSQLExecutionError(
            f"the rerank strategy was given {len(request.rows)} rows and must return as many numbers"
        )
    return scores
