"""Segments: the words of one collection, inverted."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chromasql.keyword_index import Segment, SegmentBuilder
from chromasql.keyword_index.segment import fingerprint

pytestmark = pytest.mark.unit

WORDS = ("red", "fox", "blue", "東京")
records = st.dictionaries(
    st.text("abc", min_size=1, max_size=3),
    st.one_of(st.none(), st.lists(st.sampled_from(WORDS), max_size=6).map(" ".join)),
    max_size=12,
)


def segment_of(held: dict[str, str | None]) -> Segment:
    builder = SegmentBuilder()
    for row_id, document in held.items():
        builder.add(row_id, document)
    return builder.build()


def counts(segment: Segment, kept: set[str] | None = None) -> dict[str, dict[str, int]]:
    mask = None if kept is None else segment.mask_of(kept)
    postings = segment.postings(WORDS, mask)
    return {
        word: {segment.ids[number]: int(count) for number, count in zip(*postings.words[word], strict=True)}
        for word in WORDS
    }


def expected(held: dict[str, str | None]) -> dict[str, dict[str, int]]:
    of_each = {row_id: Counter((document or "").split()) for row_id, document in held.items()}
    return {word: {row: found[word] for row, found in of_each.items() if found[word]} for word in WORDS}


def summary(segment: Segment) -> dict[str, tuple[int, int]]:
    return dict(
        zip(segment.ids, zip(segment.lengths.tolist(), segment.fingerprints.tolist(), strict=True), strict=True)
    )


@given(records, st.data())
def test_postings_and_statistics_under_a_mask(held: dict[str, str | None], data: st.DataObject) -> None:
    """The postings of a word are the documents that hold it, of those that a mask leaves, and so are the statistics."""
    kept = {row for row in held if data.draw(st.booleans())}
    segment = segment_of(held)
    left = {row: document for row, document in held.items() if row in kept}
    documents = [document for document in left.values() if document is not None]
    mask = segment.mask_of(kept)

    assert counts(segment) == expected(held)
    assert counts(segment, kept) == expected(left)
    found = segment.statistics(segment.postings(WORDS, mask), mask)
    assert (found.documents, found.length) == (len(documents), sum(len(text.split()) for text in documents))
    assert found.frequency == {word: len(rows) for word, rows in expected(left).items()}


@given(records, records, st.data())
def test_a_segment_without_some_records_and_with_others(
    held: dict[str, str | None], added: dict[str, str | None], data: st.DataObject
) -> None:
    """Leaving out records and joining others gives what a segment of the records that result has."""
    gone = [row for row in held if data.draw(st.booleans())]
    left = {row: document for row, document in held.items() if row not in gone}
    new = {row: document for row, document in added.items() if row not in left}

    segment = segment_of(held).without(gone).joined(segment_of(new))

    assert counts(segment) == expected({**left, **new})
    assert summary(segment) == summary(segment_of({**left, **new}))


def test_an_id_that_is_not_there_has_no_mask() -> None:
    """A record that the segment does not know is not left out in silence."""
    assert segment_of({"a": "red"}).mask_of(["a", "b"]) is None


def test_counts_are_as_large_as_needed() -> None:
    """A word that a document holds 300 times is counted, and small counts take a byte."""
    many = segment_of({"a": "red " * 300, "b": "red"})

    assert counts(many)["red"] == {"a": 300, "b": 1}
    assert segment_of({"a": "red"}).counts.dtype == np.uint8


def test_fingerprints() -> None:
    """A changed document has another fingerprint, and none at all has 0, unlike an empty one."""
    assert fingerprint(None) == 0
    assert len({fingerprint(text) for text in (None, "", "a", "b", "\ud800")}) == 5
