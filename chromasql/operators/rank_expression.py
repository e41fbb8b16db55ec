"""
Rank expressions evaluated over the candidates of a statement: pure arithmetic in single precision.

Chroma's Search API computes every step in IEEE single precision and never raises, so this does the same: x / 0 is
infinite and the logarithm of a negative number is NaN. A value may also be NULL: a metadata key that is missing or
no number, and a leaf that did not return the record. NULL makes what it enters NULL, save that COALESCE passes it
over and a fusion adds nothing for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Any, TypeAlias, assert_never

from chromasql.ast import is_number
from chromasql.operators.row import LeafHit, Row
from chromasql.operators.sort import score_order_key
from chromasql.operators.values import reader
from chromasql.plan import KnnLeaf, Leaf, Ranking
from chromasql.plan.expressions import (
    Arithmetic,
    ComputedValue,
    Constant,
    Expression,
    Fusion,
    LeafValue,
    MetadataValue,
    ScalarFunction,
)

if TYPE_CHECKING:
    from numpy import ndarray

__all__ = ["LeafHits", "candidates_of", "rank_rows"]

Key: TypeAlias = tuple[int, str]


LeafHits: TypeAlias = dict[Key, LeafHit]
"""What one leaf found, by the place of the collection and the id."""


@dataclass(frozen=True, slots=True)
class _Values:
    """A value for each candidate; where ``null`` is true it is NULL and the number means nothing."""

    numbers: ndarray[Any, Any]
    null: ndarray[Any, Any]


def candidates_of(leaves: Sequence[Leaf], lists: Sequence[Sequence[Row]]) -> list[Row]:
    """
    Return the records that are ranked, with what each leaf knows of them in ``hits``.

    ``lists`` holds the rows of each leaf, best first. A record is ranked if one leaf returned it and each leaf that
    is not optional did. Its ``distance`` is that of the only KNN, or None.
    """
    found: list[LeafHits] = [
        {(row.place, row.id): LeafHit(rank, row.distance or 0.0) for rank, row in enumerate(rows)} for rows in lists
    ]
    rows = {(row.place, row.id): row for leaf_rows in reversed(lists) for row in leaf_rows}
    required = [hits for leaf, hits in zip(leaves, found, strict=True) if not leaf.optional]
    knn = [index for index, leaf in enumerate(leaves) if isinstance(leaf, KnnLeaf)]
    ranked = []
    for key in dict.fromkeys(key for hits in found for key in hits):
        if all(key in hits for hits in required):
            row = rows[key]
            row.hits = tuple(hits.get(key) for hits in found)
            hit = row.hits[knn[0]] if len(knn) == 1 else None
            row.distance = None if hit is None else hit.distance
            ranked.append(row)
    return ranked


def rank_rows(ranking: Ranking, rows: Sequence[Row]) -> list[Row]:
    """Set the score of each row to the value of the rank expression and return them best first."""
    import numpy as np

    if rows:
        with np.errstate(all="ignore"):
            values = _Evaluator(ranking.leaves, rows).value(ranking.score)
        for row, number, null in zip(rows, values.numbers, values.null, strict=True):
            row.score = None if null else float(number)
    return sorted(rows, key=score_order_key)


class _Evaluator:
    def __init__(self, leaves: Sequence[Leaf], rows: Sequence[Row]) -> None:
        self._leaves = leaves
        self._rows = rows

    def value(self, expression: Expression) -> _Values:
        match expression:
            case Constant(number):
                return self._of([number] * len(self._rows))
            case LeafValue(leaf):
                return self._leaf(leaf)
            case MetadataValue(key):
                return self._of([_number((row.metadata or {}).get(key)) for row in self._rows])
            case ComputedValue(value):
                read = reader(value)
                return self._of([_number(read(row), boolean=True) for row in self._rows])
            case Arithmetic(operator, left, right):
                return _combined(operator, self.value(left), self.value(right))
            case ScalarFunction("COALESCE", arguments):
                return reduce(_coalesced, map(self.value, arguments))
            case ScalarFunction("MIN" | "MAX" as name, arguments):
                return reduce(lambda left, right: _combined(name, left, right), map(self.value, arguments))
            case ScalarFunction(name, arguments):
                return _mapped(name, self.value(arguments[0]))
            case Fusion():
                return self._fusion(expression)
            case _:
                assert_never(expression)

    def _of(self, numbers: Sequence[float | None]) -> _Values:
        import numpy as np

        null = np.array([number is None for number in numbers], dtype=bool)
        return _Values(np.array([0.0 if number is None else number for number in numbers], dtype=np.float32), null)

    def _leaf(self, index: int) -> _Values:
        leaf = self._leaves[index]
        found = (row.hits[index] for row in self._rows)
        return self._of(
            [leaf.default if hit is None else float(hit.rank) if leaf.return_rank else hit.distance for hit in found]
        )

    def _fusion(self, fusion: Fusion) -> _Values:
        import numpy as np

        total = np.zeros(len(self._rows), dtype=np.float32)
        for rank, weight in zip(fusion.ranks, fusion.weights, strict=True):
            values = self.value(rank)
            term = np.float32(weight) / (np.float32(fusion.k) + values.numbers)
            total = total + np.where(values.null, np.float32(0), term)
        # Not -total: a sum of 0 would be shown as -0.0.
        return _Values(np.float32(0) - total, np.zeros(len(self._rows), dtype=bool))


def _number(value: Any, *, boolean: bool = False) -> float | None:
    return float(value) if is_number(value) or (boolean and isinstance(value, bool)) else None


def _combined(operator: str, left: _Values, right: _Values) -> _Values:
    import numpy as np

    operations = {
        "+": np.add,
        "-": np.subtract,
        "*": np.multiply,
        "/": np.divide,
        # As in Chroma, a NaN gives way to the other side.
        "MIN": np.fmin,
        "MAX": np.fmax,
    }
    return _Values(operations[operator](left.numbers, right.numbers), left.null | right.null)


def _coalesced(left: _Values, right: _Values) -> _Values:
    import numpy as np

    return _Values(np.where(left.null, right.numbers, left.numbers), left.null & right.null)


def _mapped(name: str, values: _Values) -> _Values:
    import numpy as np

    functions = {"ABS": np.abs, "EXP": np.exp, "LOG": np.log}
    return _Values(functions[name](values.numbers), values.null)
