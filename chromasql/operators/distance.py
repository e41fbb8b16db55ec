"""Chroma's three distances, for the few records that an approximate index failed to return."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

__all__ = ["distances"]


def distances(space: str, query: Sequence[float], vectors: Sequence[Sequence[float]]) -> list[float]:
    """
    Return the distance of each vector from the query, in single precision as Chroma computes it.

    ``l2`` is the squared Euclidean distance, ``cosine`` is 1 - cos (1 for a zero vector), ``ip`` is 1 - dot.
    """
    import numpy as np

    matrix = np.asarray(vectors, dtype=np.float32)
    point = np.asarray(query, dtype=np.float32)
    found: Any
    if space == "l2":
        found = np.square(matrix - point).sum(axis=1)
    elif space == "cosine":
        lengths = np.linalg.norm(matrix, axis=1) + np.float32(1e-32)
        found = 1 - (matrix / lengths[:, None]) @ (point / (np.linalg.norm(point) + np.float32(1e-32)))
    else:
        found = 1 - matrix @ point
    return [float(item) for item in found]
