"""One call of a collection."""

from __future__ import annotations

__all__ = ["CallFailed", "HandleChanged"]


class CallFailed(Exception):  # noqa: N818 - it never leaves the engine
    """A call on one collection failed; the cause says why."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause


class HandleChanged(Exception):  # noqa: N818 - it never leaves the engine
    """A collection was deleted and made again, unlike it was, so what the statement has done so far does not hold."""

    def __init__(self, name: str) -> None:
        super().__init__(f"collection {name} was made again, with another space, dimension or embedding function")
