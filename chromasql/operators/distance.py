"""Chroma's three distances, of stored vectors that are measured here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from chromasql.errors import ChromaSQLExecutionError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["distances", "distances_as_array"]


def distances(space: str, query: Sequence[float], vectors: Sequence[Sequence[float]]) -> list[float]:
    """Return what `distances_as_array` does as Python floats."""
    return [float(distance) for distance in distances_as_array(space, query, vectors)]


def distances_as_array(space: str, query: Sequence[float], vectors: Any) -> NDArray[Any]:
    """
    Return the distance of each vector from the query, in single precision as Chroma computes it.

    ``query`` has d components and ``vectors`` is n x d; the n distances come in the order of ``vectors``. ``l2`` is the
    squared Euclidean distance, ``cosine`` is 1 - cos (1 for a zero vector), ``ip`` is 1 - dot. Equal vectors have equal
    distances, wherever in whichever page they stand: each row is summed by itself, which a product of matrices is not.

    Raises `ChromaSQLExecutionError` for any other space.
    """
    import numpy as np

    matrix = np.asarray(vectors, dtype=np.float32)
    point = np.asarray(query, dtype=np.float32)
    found: NDArray[Any]
    # What overflows is infinite, which the caller refuses.
    with np.errstate(over="ignore", invalid="ignore"):
        if space == "l2":
            found = np.square(matrix - point).sum(axis=1)
        elif space == "cosine":
            lengths = np.sqrt(np.square(matrix).sum(axis=1)) + np.float32(1e-32)
            length = np.sqrt(np.square(point).sum()) + np.float32(1e-32)
            found = 1 - (matrix * (point / length)).sum(axis=1) / lengths
        elif space == "ip":
            found = 1 - (matrix * point).sum(axis=1)
        else:
            raise ChromaSQLExecutionError(
                f"distances in the space {space} cannot be measured; the spaces are cosine, ip and l2",
                code="unknown-space",
            )
    return found
