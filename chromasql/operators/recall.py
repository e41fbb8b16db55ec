"""
True neighbours by brute force, and how many of them an index found.

Everything is computed in double precision: the index is measured, so the measure must be finer than what it measures.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["SPACES", "NearestKeeper", "recall_at", "spaces_that_fit"]

_RELATIVE = 1e-5
"""How far, relatively, a distance in single precision may be from the exact one."""


_ABSOLUTE = {"cosine": 2e-6, "ip": 2e-6, "l2": 0.0}
"""How far it may be besides, as cosine and ip subtract from 1."""


def _l2(queries: NDArray[Any], vectors: NDArray[Any]) -> NDArray[Any]:
    import numpy as np

    squares = np.square(queries).sum(axis=1)[:, None] + np.square(vectors).sum(axis=1)[None, :]
    distances: NDArray[Any] = np.maximum(squares - 2 * (queries @ vectors.T), 0.0)
    return distances


def _ip(queries: NDArray[Any], vectors: NDArray[Any]) -> NDArray[Any]:
    distances: NDArray[Any] = 1 - queries @ vectors.T
    return distances


def _cosine(queries: NDArray[Any], vectors: NDArray[Any]) -> NDArray[Any]:
    return _ip(_of_length_1(queries), _of_length_1(vectors))


def _of_length_1(vectors: NDArray[Any]) -> NDArray[Any]:
    import numpy as np

    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    scaled: NDArray[Any] = vectors / np.where(lengths == 0, 1.0, lengths)
    return scaled


SPACES: Mapping[str, Callable[[Any, Any], Any]] = {"cosine": _cosine, "ip": _ip, "l2": _l2}
"""The distances of Chroma's spaces, from m queries to n vectors as an m x n matrix."""


class NearestKeeper:
    """
    The nearest records of each of m queries, among vectors that come page by page.

    ``own`` is for each query the id of the record that it is the vector of, which is not its own neighbour. Memory
    holds one page and ``count`` neighbours of each query.
    """

    def __init__(self, space: str, queries: Any, own: Sequence[str], count: int) -> None:
        import numpy as np

        self._measure = SPACES[space]
        self._queries = np.asarray(queries, np.float64)
        self._own = {row_id: index for index, row_id in enumerate(own)}
        self._count = count
        self._distances = np.empty((len(self._queries), 0))
        self._ids = np.empty((len(self._queries), 0), object)

    def add(self, ids: Sequence[str], vectors: Any) -> None:
        """Measure a page of n records: their ids, and their vectors as an n x d matrix."""
        import numpy as np

        measured = self._measure(self._queries, np.asarray(vectors, np.float64))
        for column, row_id in enumerate(ids):
            if row_id in self._own:
                measured[self._own[row_id], column] = np.inf
        names = np.broadcast_to(np.asarray(ids, object), measured.shape)
        distances = np.concatenate((self._distances, measured), axis=1)
        known = np.concatenate((self._ids, names), axis=1)
        if distances.shape[1] > self._count:
            kept = np.argpartition(distances, self._count - 1, axis=1)[:, : self._count]
            distances = np.take_along_axis(distances, kept, axis=1)
            known = np.take_along_axis(known, kept, axis=1)
        self._distances, self._ids = distances, known

    def nearest(self, index: int) -> dict[str, float]:
        """Return the neighbours of a query with their distances, the nearest first."""
        pairs = sorted(zip(self._distances[index].tolist(), self._ids[index].tolist(), strict=True))
        return {row_id: distance for distance, row_id in pairs if distance != float("inf")}


def recall_at(space: str, nearest: Mapping[str, float], found: Mapping[str, float]) -> float:
    """
    Return which share of the true neighbours of a query an index found, from 0 to 1.

    ``nearest`` are the true neighbours and ``found`` what the index returned, as many at most, both with distances. Of
    records that tie with the farthest neighbour, within the rounding of single precision, one is as good as another.
    1 where there are no neighbours.
    """
    if not nearest:
        return 1.0
    farthest = max(nearest.values())
    cut = farthest + _RELATIVE * abs(farthest) + _ABSOLUTE[space]
    right = sum(row_id in nearest or distance <= cut for row_id, distance in found.items())
    return min(right, len(nearest)) / len(nearest)


def spaces_that_fit(query: Any, vectors: Any, distances: Sequence[float]) -> list[str]:
    """Return the spaces, sorted, in which n vectors are as far from a query as an index says."""
    import numpy as np

    said = np.asarray(distances, np.float64)
    points, rows = np.asarray([query], np.float64), np.asarray(vectors, np.float64)
    return [name for name, measure in SPACES.items() if np.allclose(measure(points, rows)[0], said, 1e-3, 1e-4)]
