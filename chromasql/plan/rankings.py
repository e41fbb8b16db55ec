"""Rankings: leaves, and the expression over them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from chromasql.plan.expressions import Expression, LeafValue

__all__ = [
    "EMBEDDING_KEY",
    "Bm25Leaf",
    "Bm25Weights",
    "KnnLeaf",
    "Leaf",
    "Ranking",
    "SparseQuery",
    "TextQuery",
    "VectorQuery",
]

EMBEDDING_KEY = "#embedding"
"""Chroma's name for the dense embedding of a record."""


@dataclass(frozen=True, slots=True)
class TextQuery:
    """A text to embed, by the named model where one is given."""

    text: str
    model: str | None = None


@dataclass(frozen=True, slots=True)
class VectorQuery:
    """A dense vector."""

    values: tuple[float, ...]

    def __hash__(self) -> int:
        # Leaves are keys of what each collection found, and hashing a long vector that often is most of the merge.
        return hash(self.values[:8])


@dataclass(frozen=True, slots=True)
class SparseQuery:
    """A sparse vector: indices, ascending, and as many weights."""

    indices: tuple[int, ...]
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class KnnLeaf:
    """
    The records nearest to one query: ``limit`` of them over all collections.

    ``default`` stands in for a record that is not among them; with ``optional`` such a record stays in the ranking,
    and with ``return_rank`` the leaf gives positions from 0 rather than distances. ``key`` is ``#embedding`` or the
    metadata key of a sparse index.
    """

    query: TextQuery | VectorQuery | SparseQuery
    limit: int
    key: str = EMBEDDING_KEY
    default: float | None = None
    return_rank: bool = False
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Bm25Weights:
    """``k1``: how soon more of a word stops counting, at least 0; ``b``: what a long document loses, 0 to 1."""

    k1: float = 1.2
    b: float = 0.75


@dataclass(frozen=True, slots=True)
class Bm25Leaf:
    """
    The documents that hold one of the words of a text, best first by BM25, which is negated so that lower is better.

    ``statistics`` says over which documents is counted: ``filtered``, those that satisfy the statement's filter, or
    ``all``, every one that the statement could see without it. The rest is as for `KnnLeaf`.
    """

    text: str
    words: tuple[str, ...]
    limit: int
    weights: Bm25Weights = Bm25Weights()
    statistics: Literal["filtered", "all"] = "filtered"
    default: float | None = None
    return_rank: bool = False
    optional: bool = False


Leaf: TypeAlias = KnnLeaf | Bm25Leaf


_FIRST_LEAF = LeafValue(0)


@dataclass(frozen=True, slots=True)
class Ranking:
    """Some leaves, and the expression over them whose value is the score; lower is better."""

    leaves: tuple[Leaf, ...]
    score: Expression = _FIRST_LEAF

    @property
    def is_plain(self) -> bool:
        """Whether the score is the distance of one KNN."""
        return self.score == _FIRST_LEAF and isinstance(self.leaves[0], KnnLeaf) and not self.leaves[0].return_rank
