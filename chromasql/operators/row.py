"""One record on its way through a statement, and how a column is read from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, overload

from chromasql.plan import Column

__all__ = ["HitColumns", "LeafHit", "Row", "column_reader"]


class LeafHit(NamedTuple):
    """Where a leaf of a ranking found a record: its position over all collections, from 0, and its raw distance."""

    rank: int
    distance: float


@dataclass(slots=True)
class Row:
    """
    A record: where it is from, how near it is, and the parts that have been fetched so far.

    ``collection`` is the name and ``place`` its position in the statement, on which ties break last. ``hits`` says
    what each leaf of the ranking knows of it. ``total`` is the number of rows before the page was cut, where asked for.
    """

    collection: str
    place: int
    id: str
    distance: float | None = None
    score: float | None = None
    document: str | None = None
    metadata: dict[str, Any] | None = None
    embedding: list[float] | None = None
    uri: str | None = None
    hits: tuple[LeafHit | None, ...] = ()
    total: int | None = None


@dataclass(frozen=True, slots=True)
class HitColumns(Sequence[Row]):
    """
    The nearest records of one collection, best first, as columns.

    A `Row` is built on access, because most hits are dropped by the merge.
    """

    new_row: Callable[[str], Row]
    place: int
    ids: Sequence[str]
    distances: Sequence[float]
    parts: Mapping[str, Sequence[Any]]

    def __len__(self) -> int:
        return len(self.ids)

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> list[Row]: ...
    def __getitem__(self, index: int | slice) -> Row | list[Row]:
        if isinstance(index, slice):
            return [self[position] for position in range(*index.indices(len(self)))]
        row = self.new_row(self.ids[index])
        row.distance = row.score = self.distances[index]
        for part, values in self.parts.items():
            setattr(row, part, values[index])
        return row


def column_reader(column: Column) -> Callable[[Row], Any]:
    """Return a function that reads the column from a row; what is missing is None."""
    key = column.key
    if key is not None:
        return lambda row: None if row.metadata is None else row.metadata.get(key)
    match column.part:
        case "id":
            return lambda row: row.id
        case "document":
            return lambda row: row.document
        case "metadata":
            return lambda row: {} if row.metadata is None else row.metadata
        case "embedding":
            return lambda row: row.embedding
        case "uri":
            return lambda row: row.uri
        case "distance":
            return lambda row: row.distance
        case "score":
            return lambda row: row.score
        case "_collection":
            return lambda row: row.collection
        case "total":
            return lambda row: row.total
        case part:
            raise AssertionError(part)
