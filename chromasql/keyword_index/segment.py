"""
The words of one collection, inverted: for each word the documents that hold it, and how often.

Postings are arrays of numpy, sorted by word and then by document. A segment never changes; one that has other records
is made anew, with the postings of those that stay.
"""

from __future__ import annotations

import hashlib
from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

from chromasql.operators.bm25 import Postings, Statistics
from chromasql.operators.words import split_words

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Segment", "SegmentBuilder", "fingerprint"]

Numbers: TypeAlias = "np.ndarray[Any, Any]"
"""A vector of numbers."""

NO_DOCUMENT = -1
"""The length of a record without a document, which is kept so that its id is known."""


def fingerprint(document: str | None) -> int:
    """Return 64 bits that tell a document from what it is changed to; 0 where there is none."""
    if document is None:
        return 0
    data = document.encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "little") | 1


@dataclass(frozen=True, eq=False)
class Segment:
    """
    What is known of the records of one collection, numbered from 0.

    ``lengths`` (in words) and ``fingerprints`` are by number. The postings of ``terms[i]`` are ``numbers`` and
    ``counts`` from ``starts[i]`` to ``starts[i + 1]``.
    """

    ids: Sequence[str]
    lengths: Numbers
    fingerprints: Numbers
    terms: Sequence[str]
    starts: Numbers
    numbers: Numbers
    counts: Numbers

    @cached_property
    def _place(self) -> Mapping[str, int]:
        return {term: place for place, term in enumerate(self.terms)}

    @cached_property
    def number_of(self) -> Mapping[str, int]:
        """The number of each record by id."""
        return {row_id: number for number, row_id in enumerate(self.ids)}

    @cached_property
    def size(self) -> int:
        """The bytes of the arrays."""
        return sum(part.nbytes for part in (self.lengths, self.fingerprints, self.starts, self.numbers, self.counts))

    @cached_property
    def documents(self) -> int:
        """How many records have a document."""
        return int((self.lengths >= 0).sum())

    @cached_property
    def _length(self) -> int:
        return int(self.lengths[self.lengths >= 0].sum())

    def mask_of(self, ids: Iterable[str]) -> Numbers | None:
        """Return for each record whether it is among some ids; None where the segment does not know one of them."""
        import numpy as np

        numbers = [self.number_of.get(row_id) for row_id in ids]
        if None in numbers:
            return None
        mask = np.zeros(len(self.ids), dtype=bool)
        mask[np.array(numbers, dtype=np.int64)] = True
        return mask

    def postings(self, words: Sequence[str], mask: Numbers | None = None) -> Postings:
        """Return the documents that hold one of some words, of the records that a mask leaves."""
        import numpy as np

        none = np.zeros(0, dtype=np.int32)
        found = {}
        for word in words:
            place = self._place.get(word)
            numbers, counts = none, none
            if place is not None:
                part = slice(int(self.starts[place]), int(self.starts[place + 1]))
                numbers, counts = self.numbers[part], self.counts[part]
                if mask is not None:
                    kept = mask[numbers]
                    numbers, counts = numbers[kept], counts[kept]
            found[word] = numbers, counts
        return Postings(self.ids, self.lengths, found)

    def statistics(self, postings: Postings, mask: Numbers | None = None) -> Statistics:
        """Return what holds of all documents that a mask leaves."""
        frequency = {word: len(numbers) for word, (numbers, _) in postings.words.items()}
        if mask is None:
            return Statistics(self.documents, self._length, frequency)
        lengths = self.lengths[mask]
        lengths = lengths[lengths >= 0]
        return Statistics(len(lengths), int(lengths.sum()), frequency)

    def without(self, gone: Iterable[str]) -> Segment:
        """Return a segment that lacks some records."""
        import numpy as np

        kept = np.ones(len(self.ids), dtype=bool)
        kept[[self.number_of[row_id] for row_id in gone]] = False
        renumbered = np.cumsum(kept, dtype=np.int32) - 1
        stays = kept[self.numbers]
        sizes = np.concatenate(([0], np.cumsum(stays)))[self.starts]
        return Segment(
            [row_id for row_id, stay in zip(self.ids, kept.tolist(), strict=True) if stay],
            self.lengths[kept],
            self.fingerprints[kept],
            self.terms,
            sizes.astype(np.int64),
            renumbered[self.numbers[stays]].astype(np.int32),
            self.counts[stays],
        )

    def joined(self, other: Segment) -> Segment:
        """Return a segment with the records of another after its own."""
        import numpy as np

        places = dict(self._place)
        moved = np.array([places.setdefault(term, len(places)) for term in other.terms], dtype=np.int32)
        of_self = np.repeat(np.arange(len(self.terms), dtype=np.int32), np.diff(self.starts))
        of_other = np.repeat(moved, np.diff(other.starts))
        return _inverted(
            [*self.ids, *other.ids],
            np.concatenate((self.lengths, other.lengths)),
            np.concatenate((self.fingerprints, other.fingerprints)),
            list(places),
            (
                np.concatenate((of_self, of_other)),
                np.concatenate((self.numbers, (other.numbers + len(self.ids)).astype(np.int32))),
                np.concatenate((self.counts, other.counts)),
            ),
        )


class SegmentBuilder:
    """Makes a segment of records, one after the other."""

    def __init__(self) -> None:
        self._ids: list[str] = []
        self._lengths = array("i")
        self._fingerprints = array("Q")
        self._places: dict[str, int] = {}
        self._of_word, self._numbers, self._counts = array("i"), array("i"), array("i")

    def __len__(self) -> int:
        return len(self._ids)

    def add(self, row_id: str, document: str | None) -> None:
        """Add a record, with or without a document."""
        number = len(self._ids)
        self._ids.append(row_id)
        self._fingerprints.append(fingerprint(document))
        if document is None:
            self._lengths.append(NO_DOCUMENT)
            return
        words = split_words(document)
        self._lengths.append(len(words))
        counted = Counter(words)
        places = self._places
        self._of_word.extend([places.setdefault(word, len(places)) for word in counted])
        self._numbers.extend([number] * len(counted))
        self._counts.extend(counted.values())

    def build(self) -> Segment:
        """Return the segment."""
        import numpy as np

        return _inverted(
            self._ids,
            np.array(self._lengths, dtype=np.int32),
            np.array(self._fingerprints, dtype=np.uint64),
            list(self._places),
            (
                np.array(self._of_word, dtype=np.int32),
                np.array(self._numbers, dtype=np.int32),
                np.array(self._counts, dtype=np.int32),
            ),
        )


def _inverted(
    ids: Sequence[str],
    lengths: Numbers,
    fingerprints: Numbers,
    terms: Sequence[str],
    entries: tuple[Numbers, Numbers, Numbers],
) -> Segment:
    """Sort entries (the place of a word, the number of a document, how often) by word, then in their order."""
    import numpy as np

    of_word, numbers, counts = entries
    order = np.argsort(of_word, kind="stable")
    starts = np.concatenate(([0], np.cumsum(np.bincount(of_word, minlength=len(terms))))).astype(np.int64)
    counts = counts[order]
    smallest = np.min_scalar_type(int(counts.max())) if len(counts) else np.dtype(np.uint8)
    return Segment(ids, lengths, fingerprints, terms, starts, numbers[order], counts.astype(smallest))
