"""What a step reads from a record."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Column"]


@dataclass(frozen=True, slots=True)
class Column:
    """
    A part of a record: id, document, metadata, embedding, uri, distance, score, _collection or the total of all rows.

    With a key it is one metadata value; ``group`` with a number is a value of an aggregated row.
    """

    part: str
    key: str | None = None

    def __str__(self) -> str:
        return self.part if self.key is None else f"{self.part}.{self.key}"
