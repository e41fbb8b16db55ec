"""Rankings: leaves, and the expression over them."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TypeAlias

from chromasql.plan.conditions import Filter
from chromasql.plan.expressions import Expression, LeafValue

__all__ = ["EMBEDDING_KEY", "Bm25Leaf", "KnnLeaf", "Leaf", "Ranking", "SparseQuery", "TextQuery", "VectorQuery"]

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
class Bm25Leaf:
    """
    The documents that hold one of the words, best first by BM25, which is negated so that lower is better.

    ``matching`` finds them under the statement's filter; ``counted`` selects the documents that count
    towards N, the number of documents; if ``subtracted``, it selects the records without a document, and N is the
    number of records less those. The rest is as for `KnnLeaf`.
    """

    words: tuple[str, ...]
    limit: int
    matching: Filter = dataclasses.field(hash=False)
    counted: Filter = dataclasses.field(hash=False)
    subtracted: bool = False
    k1: float = 1.2
    b: float = 0.75
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
