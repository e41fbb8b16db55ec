"""What pushing one test down gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from chromasql.plan import ChromaRequest, Comparison

__all__ = ["ANY_TEXT", "EVERYTHING", "NOT_PUSHED", "PushTest", "Pushed"]

ANY_TEXT = "^"
"""The pattern of a document that is there, whatever it says."""


class Pushed(NamedTuple):
    """The requests for a condition, and whether their union is exactly its true records."""

    requests: tuple[ChromaRequest, ...]
    exact: bool


PushTest: TypeAlias = Callable[[Comparison, bool], Pushed]
"""Lowers one test; the flag says that the record is known to have the column."""


EVERYTHING: tuple[ChromaRequest, ...] = (ChromaRequest(),)


NOT_PUSHED = Pushed(EVERYTHING, exact=False)
