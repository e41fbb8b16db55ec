"""Warnings about a ranking that is legal but hardly meant."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from chromasql.plan import Bm25Leaf, KnnLeaf, PlanWarning, Ranking, TextQuery
from chromasql.plan.expressions import Arithmetic, Constant, Expression, Fusion, LeafValue

__all__ = ["warnings_of_rankings"]


def warnings_of_rankings(rankings: Sequence[Ranking], threshold: float | None) -> Iterator[PlanWarning]:
    """Yield what is to be said of the rankings of a statement and of its threshold."""
    for ranking in rankings:
        for leaf in ranking.leaves:
            text = leaf.query.text if isinstance(leaf, KnnLeaf) and isinstance(leaf.query, TextQuery) else None
            if (text is not None and not text.strip()) or (isinstance(leaf, Bm25Leaf) and not leaf.words):
                yield PlanWarning("empty-query", "the text to search for has no words, so the ranking says nothing")
        if _ranks_farthest_first(ranking):
            yield PlanWarning(
                "inverted-rank",
                "lower is better, so a KNN that is subtracted ranks the farthest records first; add it instead",
            )
        if threshold is not None and threshold > 0 and _is_never_positive(ranking):
            yield PlanWarning(
                "threshold-keeps-all",
                f"scores of RRF and BM25 are negative, so WITH SCORE THRESHOLD {threshold:g} keeps every row; "
                "give a negative one",
            )


def _ranks_farthest_first(ranking: Ranking) -> bool:
    return any(
        sign < 0 and isinstance(ranking.leaves[index], KnnLeaf) and not ranking.leaves[index].return_rank
        for index, sign in _signs(ranking.score, 1)
    )


def _signs(expression: Expression, sign: int) -> Iterator[tuple[int, int]]:
    """Yield the leaves of a sum with the sign with which they count; nothing of what is not a sum."""
    match expression:
        case LeafValue(leaf):
            yield leaf, sign
        case Arithmetic("+", left, right):
            yield from _signs(left, sign)
            yield from _signs(right, sign)
        case Arithmetic("-", left, right):
            yield from _signs(left, sign)
            yield from _signs(right, -sign)
        case Arithmetic("*" | "/", left, right):
            for factor, operand in ((left, right), (right, left)):
                if (number := _constant(factor)) is not None:
                    yield from _signs(operand, -sign if number < 0 else sign)
        case _:
            return


def _constant(expression: Expression) -> float | None:
    """Return the value of a number, or of a product of numbers such as ``-1 * 0.5``; None for anything else."""
    match expression:
        case Constant(number):
            return number
        case Arithmetic("*", left, right):
            first, second = _constant(left), _constant(right)
            return None if first is None or second is None else first * second
        case _:
            return None


def _is_never_positive(ranking: Ranking) -> bool:
    match ranking.score:
        case Fusion():
            return True
        case LeafValue(leaf):
            return isinstance(ranking.leaves[leaf], Bm25Leaf) and not ranking.leaves[leaf].return_rank
        case _:
            return False
