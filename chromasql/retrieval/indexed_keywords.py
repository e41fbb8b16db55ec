"""
The words of one collection from the keyword index, which is compared with the collection first.

A collection with another number of records than its segment has is compared by ids, and what is new is read. A document
that was changed in place, or an addition beside a deletion, leaves the number as it was: `are_current` compares the
documents of the winners.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from chromasql.keyword_index import KeywordIndex, Segment, SegmentBuilder
from chromasql.keyword_index.segment import fingerprint
from chromasql.operators.row import Row
from chromasql.plan import Bm25Leaf, Filter, QueryPlan, visible_records_of
from chromasql.plan.conditions import NO_FILTER
from chromasql.retrieval.collection_reader import CollectionReader
from chromasql.retrieval.keyword_matches import KeywordMatches
from chromasql.retrieval.scan import fetch_by_ids, scan

__all__ = ["are_current", "build_segment", "collection_id", "refresh_segment", "search_index"]


def collection_id(reader: CollectionReader) -> str:
    """Return the id by which Chroma knows the collection, or nothing where its provider has none."""
    return str(getattr(reader.handle.collection, "id", ""))


async def search_index(
    reader: CollectionReader, plan: QueryPlan, leaves: Sequence[Bm25Leaf], index: KeywordIndex
) -> dict[Bm25Leaf, KeywordMatches] | None:
    """
    Count the words of BM25 leaves by the index, and bring that up to date where the collection has other records.

    None where a scope hides records and the index is not up to date: a statement there reads nothing that it may not
    see, and its time tells nothing of that.
    """
    may_read_all = visible_records_of(plan).filter == NO_FILTER
    count = await reader.count()
    segment = index.find(reader.handle.name, collection_id(reader), count)
    if segment is not None and len(segment.ids) == count:
        found = await _count(reader, plan, leaves, segment)
        if found is not None:
            return found
    # There are other records than before, or the filter found one that the segment lacks, though the numbers agree.
    if not may_read_all:
        return None
    return await _count(reader, plan, leaves, await refresh_segment(reader, index, plan.page))


async def _count(
    reader: CollectionReader, plan: QueryPlan, leaves: Sequence[Bm25Leaf], segment: Segment
) -> dict[Bm25Leaf, KeywordMatches] | None:
    """Count in the records of a segment; None where it lacks one that the filter finds."""

    async def masked(filter_: Filter) -> tuple[bool, Any]:
        if filter_ == NO_FILTER:
            return True, None
        ids = [row.id async for rows in scan(reader, filter_, (), page=plan.page) for row in rows]
        mask = segment.mask_of(ids)
        return mask is not None, mask

    known, mask = await masked(plan.filter)
    visible = visible_records_of(plan).filter
    if known and visible != plan.filter and any(leaf.statistics == "all" for leaf in leaves):
        known, whole = await masked(visible)
    else:
        whole = mask
    if not known:
        return None
    found = {}
    for leaf in leaves:
        postings = segment.postings(leaf.words, mask)
        counted = whole if leaf.statistics == "all" else mask
        statistics = segment.statistics(segment.postings(leaf.words, counted), counted)
        found[leaf] = KeywordMatches(reader, postings, statistics, segment)
    return found


async def build_segment(
    reader: CollectionReader, index: KeywordIndex, page: int, on_progress: Callable[[int], None] | None = None
) -> Segment:
    """Read every document of a collection, and keep its segment; ``on_progress`` is told how many records are done."""
    builder = SegmentBuilder()
    async for rows in scan(reader, NO_FILTER, ("document",), page=page):
        for row in rows:
            builder.add(row.id, row.document)
        if on_progress is not None:
            on_progress(len(builder))
    segment = builder.build()
    index.keep(reader.handle.name, collection_id(reader), segment)
    return segment


async def refresh_segment(
    reader: CollectionReader, index: KeywordIndex, page: int, on_progress: Callable[[int], None] | None = None
) -> Segment:
    """Compare the ids of a segment with those of its collection, and read the documents of new records alone."""
    old = index.find(reader.handle.name, collection_id(reader))
    if old is None:
        return await build_segment(reader, index, page, on_progress)
    now = {row.id: None async for rows in scan(reader, NO_FILTER, (), page=page) for row in rows}
    gone = [row_id for row_id in old.ids if row_id not in now]
    new = [row_id for row_id in now if row_id not in old.number_of]
    if len(new) + len(gone) > len(old.ids):
        return await build_segment(reader, index, page, on_progress)
    segment = old.without(gone) if gone else old
    builder = SegmentBuilder()
    for start in range(0, len(new), page):
        found = await fetch_by_ids(reader, new[start : start + page], ("document",), page=page)
        for row_id, parts in found.items():
            builder.add(row_id, parts["document"])
        if on_progress is not None:
            on_progress(len(builder))
    if len(builder):
        segment = segment.joined(builder.build())
    index.keep(reader.handle.name, collection_id(reader), segment)
    return segment


async def are_current(reader: CollectionReader, segment: Segment, rows: Sequence[Row], page: int) -> bool:
    """Tell whether rows have the documents that the index has counted."""
    found = await fetch_by_ids(reader, [row.id for row in rows], ("document",), page=page)
    return all(
        row.id in found
        and fingerprint(found[row.id]["document"]) == int(segment.fingerprints[segment.number_of[row.id]])
        for row in rows
    )
