r"""
BM25 over the documents of any Chroma: pure arithmetic on what words they hold.

The form is Lucene's (BM25Similarity, whose idf is never negative) of the formula by Robertson and Zaragoza, "The
Probabilistic Relevance Framework: BM25 and Beyond" (2009), negated so that lower is better::

    score = - sum over words of ln(1 + (N - df + 0.5) / (df + 0.5)) * tf / (tf + k1 * (1 - b + b * len / mean))

N is the number of documents, df the number that hold the word and mean their mean length, all over one set of
documents; tf is how often a document holds the word, and len how many words it has. Each collection returns its
`Statistics` and `Postings`; the sums of the first score the second, so a score does not depend on the split.
"""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from chromasql.plan import Bm25Weights

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Postings", "Statistics", "Tally", "best_matches"]

Numbers: TypeAlias = "np.ndarray[Any, Any]"
"""A vector of numbers."""


@dataclass(frozen=True, slots=True)
class Statistics:
    """Of a set of documents: how many they are, their words in all, and how many of them hold each word."""

    documents: int = 0
    length: int = 0
    frequency: Mapping[str, int] = field(default_factory=dict)

    def __add__(self, other: Statistics) -> Statistics:
        frequency = Counter(self.frequency)
        frequency.update(other.frequency)
        return Statistics(self.documents + other.documents, self.length + other.length, frequency)

    def rarity(self, word: str) -> float:
        """Return the weight of a word: its idf, which is above 0 even where every document holds it."""
        df = self.frequency.get(word, 0)
        return math.log(1 + (self.documents - df + 0.5) / (df + 0.5))


@dataclass(frozen=True, slots=True, eq=False)
class Postings:
    """
    Which documents of one collection hold words of a query; they are numbered from 0, and others may be among them.

    ``ids`` and ``lengths`` are by number; ``words`` has for each word the numbers of the documents that hold it,
    ascending, and how often each does.
    """

    ids: Sequence[str]
    lengths: Numbers
    words: Mapping[str, tuple[Numbers, Numbers]]

    @property
    def matches(self) -> int:
        """How many documents hold one of the words."""
        import numpy as np

        is_match = np.zeros(len(self.ids), dtype=bool)
        for numbers, _ in self.words.values():
            is_match[numbers] = True
        return int(is_match.sum())


class Tally:
    """Counts the words of a query in documents, one after the other."""

    def __init__(self, words: Sequence[str]) -> None:
        self._words = frozenset(words)
        self._documents = 0
        self._length = 0
        self._ids: list[str] = []
        self._lengths = array("l")
        self._found: dict[str, tuple[array[int], array[int]]] = {word: (array("l"), array("l")) for word in words}

    def add(self, document_id: str, words: Sequence[str]) -> None:
        """Count a document by its words, whether it holds one of the query or not."""
        self._documents += 1
        self._length += len(words)
        # Most documents hold none, and this says so sooner than counting does.
        if self._words.isdisjoint(words):
            return
        for word, count in Counter(filter(self._words.__contains__, words)).items():
            numbers, counts = self._found[word]
            numbers.append(len(self._ids))
            counts.append(count)
        self._ids.append(document_id)
        self._lengths.append(len(words))

    @property
    def statistics(self) -> Statistics:
        """What holds of all documents that were counted."""
        frequency = {word: len(numbers) for word, (numbers, _) in self._found.items()}
        return Statistics(self._documents, self._length, frequency)

    @property
    def postings(self) -> Postings:
        """The documents that hold a word of the query."""
        import numpy as np

        words = {word: (np.array(numbers), np.array(counts)) for word, (numbers, counts) in self._found.items()}
        return Postings(self._ids, np.array(self._lengths), words)


def best_matches(
    postings: Postings, words: Sequence[str], statistics: Statistics, weights: Bm25Weights, count: int
) -> list[tuple[str, float]]:
    """
    Score the documents of one collection that hold one of the words, and return the best.

    Parameters
    ----------
    postings : Postings
        What the collection holds of the words.
    words : Sequence of str
        The words of the query, each once.
    statistics : Statistics
        The sums over all collections of the statement.
    weights : Bm25Weights
        k1 and b.
    count : int
        The most documents to return.

    Returns
    -------
    list of (str, float)
        The id and the score, at most 0, of the best documents; ties by id.
    """
    import numpy as np

    if not statistics.length:
        return []
    scores = np.zeros(len(postings.ids))
    is_match = np.zeros(len(postings.ids), dtype=bool)
    # k1 may be so large that a product is infinite; the document then scores 0, as in the limit.
    with np.errstate(over="ignore", under="ignore"):
        mean = statistics.length / statistics.documents
        scale = weights.k1 * (1 - weights.b + weights.b * postings.lengths / mean)
        for word in words:
            numbers, counts = postings.words[word]
            scores[numbers] -= statistics.rarity(word) * (counts / (counts + scale[numbers]))
            is_match[numbers] = True
    matches = np.flatnonzero(is_match)
    if len(matches) > count:
        found = scores[matches]
        matches = matches[found <= np.partition(found, count - 1)[count - 1]]
    best = sorted((float(scores[number]), postings.ids[number]) for number in matches.tolist())
    return [(document_id, score) for score, document_id in best[:count]]
