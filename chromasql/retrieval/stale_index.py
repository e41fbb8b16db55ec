"""
Records that an index still has although another process has deleted them.

Chroma's metadata side reads the file, where the deletion is; the graph in the memory of this process does not have it.
The index then returns the record, with None for its document and its metadata.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from chromasql.dispatch.call import CallFailed
from chromasql.operators.row import HitColumns, Row
from chromasql.plan import PlanWarning
from chromasql.retrieval.collection_reader import CollectionReader

__all__ = ["deleted_hits", "is_still_indexed", "report_stale_index", "telling_parts"]

_TELLING = ("document", "metadata")


def telling_parts(parts: Sequence[str]) -> list[str]:
    """Return those of the fetched parts whose absence is a sign: a record that was deleted has neither."""
    return [part for part in _TELLING if part in parts]


async def deleted_hits(
    reader: CollectionReader, found: Sequence[Sequence[Row]], parts: Sequence[str], page: int
) -> set[str]:
    """Return the ids among hits that the collection does not have; those with one of ``parts`` are not looked up."""
    suspects = list(dict.fromkeys(row_id for rows in found for row_id in _without(rows, parts)))
    deleted = set(suspects)
    for start in range(0, len(suspects), page):
        answer = await reader.get(ids=suspects[start : start + page], include=[])
        deleted.difference_update(answer["ids"])
    return deleted


def _without(rows: Sequence[Row], parts: Sequence[str]) -> list[str]:
    if isinstance(rows, HitColumns):
        return _ids_without(rows.ids, rows.parts, parts)
    return [row.id for row in rows if all(getattr(row, part) is None for part in parts)]


def _ids_without(ids: Sequence[str], columns: Mapping[str, Sequence[Any]], parts: Sequence[str]) -> list[str]:
    first, *others = (columns[part] for part in parts)
    if None not in first:
        return []
    missing = [index for index, value in enumerate(first) if value is None]
    return [ids[index] for index in missing if all(values[index] is None for values in others)]


async def is_still_indexed(reader: CollectionReader, row_id: str) -> bool:
    """Tell whether the index returns a record that ``get`` does not have; False where that cannot be known."""
    dimension = reader.handle.dimension
    if dimension is None:
        return False
    try:
        if len((await reader.get(ids=[row_id], include=[]))["ids"]):
            return False
        answer = await reader.query(
            query_embeddings=[[0.0] * dimension], n_results=1, ids=[row_id], include=["distances"]
        )
    except CallFailed:
        return False
    return row_id in answer["ids"][0]


def report_stale_index(reader: CollectionReader, deleted: int) -> None:
    """Write into the outcome of the collection, and into a warning, that its index is behind."""
    what = "a record was" if deleted == 1 else f"{deleted} records were"
    name = reader.handle.name
    reason = f"{what} left out that another process has deleted from {name}: the index in use lacks its writes"
    advice = f"{reason}; open the folder again, or let one process write"
    reader.report_stale(PlanWarning("stale-index", advice), reason)
