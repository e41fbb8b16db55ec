"""RERANK BY: call a strategy on the best candidates of a ranking, and check its scores."""

from __future__ import annotations

import math
from collections.abc import Sequence

from chromasql.concurrency.threads import call_user_code
from chromasql.errors import ChromaSQLError, ChromaSQLExecutionError, Failure
from chromasql.operators.rerank import RerankRequest, Strategy, strategy_named
from chromasql.operators.row import Row
from chromasql.plan import Bm25Leaf, Ranking, RerankPlan, TextQuery

__all__ = ["rerank_rows"]


async def rerank_rows(
    rerank: RerankPlan,
    ranking: Ranking,
    rows: Sequence[Row],
    vector: list[float] | None,
    *,
    space: str,
    wanted: int | None,
) -> list[Row]:
    """
    Re-order rows by the strategy of RERANK BY.

    Parameters
    ----------
    rerank : RerankPlan
        The strategy and its arguments.
    ranking : Ranking
        The ranking that found the rows; the strategy gets its first text.
    rows : Sequence of Row
        The rows, with the parts that the strategy reads.
    vector : list of float, optional
        The vector of the query, as in `RerankRequest`.
    space : str
        The space of the collections: cosine, l2 or ip.
    wanted : int, optional
        How many rows are shown at most, those that OFFSET skips included.

    Returns
    -------
    list of Row
        The rows by descending score of the strategy; those with equal scores stay in their order.

    Raises
    ------
    ChromaSQLExecutionError
        Where the strategy fails, or returns something other than a number for each row.
    """
    strategy = strategy_named(rerank.strategy)
    if strategy is None:
        raise ChromaSQLExecutionError(
            f"rerank strategy {rerank.strategy} is no longer registered", code="rerank-failed"
        )
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
        # The strategy may change its copy.
        vector=None if vector is None else list(vector),
        arguments=rerank.arguments,
        space=space,
        wanted=wanted,
    )
    scores = await _rerank_scores(strategy, request)
    return [rows[index] for index in sorted(range(len(rows)), key=lambda index: -scores[index])]


def _first_text(ranking: Ranking) -> str | None:
    texts = (
        leaf.text if isinstance(leaf, Bm25Leaf) else leaf.query.text if isinstance(leaf.query, TextQuery) else None
        for leaf in ranking.leaves
    )
    return next((text for text in texts if text is not None), None)


async def _rerank_scores(strategy: Strategy, request: RerankRequest) -> list[float]:
    """Call a strategy; a coroutine function on the loop, any other on a thread."""
    try:
        returned = await call_user_code(strategy.rerank, request)
        scores = [float(score) for score in returned]
    except ChromaSQLError:
        raise
    except Exception as error:
        raise ChromaSQLExecutionError(
            f"rerank strategy {strategy.name} failed", code="rerank-failed", failures=[Failure.of(error)]
        ) from error
    if len(scores) != len(request.rows) or any(map(math.isnan, scores)):
        raise ChromaSQLExecutionError(
            f"rerank strategy {strategy.name} was given {len(request.rows)} rows and must return as many numbers",
            code="rerank-failed",
        )
    return scores
