"""Chroma's three distances, for the few records that an approximate index failed to return."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chromasql.errors import ChromaSQLExecutionError

__all__ = ["distances"]


def distances(space: str, query: Sequence[float], vectors: Sequence[Sequence[float]]) -> list[float]:
    """
    Return the distance of each vector from the query, in single precision as Chroma computes it.

    ``query`` has d components and ``vectors`` is n x d; the n distances come in the order of ``vectors``. ``l2`` is the
    squared Euclidean distance, ``cosine`` is 1 - cos (1 for a zero vector), ``ip`` is 1 - dot.

    Raises `ChromaSQLExecutionError` for any other space.
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
    elif space == "ip":
        found = 1 - matrix @ point
    else:
        raise ChromaSQLExecutionError(
            f"distances in the space {space} cannot be measured; the spaces are cosine, ip and l2", code="unknown-space"
        )
    return [float(item) for item in found]
