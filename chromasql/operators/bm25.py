r"""
BM25 over the documents of any Chroma: pure arithmetic on the documents that hold one of the words.

The form is Lucene's (BM25Similarity, whose idf is never negative) of the formula by Robertson and Zaragoza, "The
Probabilistic Relevance Framework: BM25 and Beyond" (2009), negated so that lower is better::

    score = - sum over words of ln(1 + (N - df + 0.5) / (df + 0.5)) * tf / (tf + k1 * (1 - b + b * len / mean))

N is the number of documents, df the number that hold the word, over all collections of the statement and under its
filter; tf is how often the document holds it, len how many words it has, and mean the mean length of the documents
that hold at least one of the words. Words are ``\w+``, compared without regard to case.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from chromasql.operators.patterns import escape_regex
from chromasql.operators.row import Row

__all__ = ["score_documents", "split_words", "words_pattern"]

_WORD = re.compile(r"\w+")


# What Python's \w leaves out, in the dialect of Chroma's engine.
_BETWEEN = r"[^\p{L}\p{N}_]"


def split_words(text: str) -> list[str]:
    """Return the words of a text in lower case; a dotted capital I stays, as it has no lower case of one letter."""
    return [word.lower().replace("i\u0307", "\u0130") for word in _WORD.findall(text)]


def words_pattern(words: Sequence[str]) -> str:
    """Return the pattern, for Chroma's engine, of a document that holds at least one of the words."""
    any_word = "|".join(map(escape_regex, words))
    return rf"(?i)(?:\A|{_BETWEEN})(?:{any_word})(?:{_BETWEEN}|\z)"


def score_documents(
    words: Sequence[str], documents: Iterable[tuple[Row, str]], total: int, k1: float, b: float
) -> list[Row]:
    """
    Score the documents that hold one of the words and return their rows, unsorted.

    Parameters
    ----------
    words
        The words of the query, as `split_words` returns them.
    documents
        Every document that holds one of them, of all collections, with its row. Others may be among them.
    total
        The number of documents, N.
    k1, b
        How soon more of a word stops counting (at least 0), and how much long documents are penalized (0 to 1).

    Returns
    -------
    The rows of the documents that hold a word; ``score`` and ``distance`` are set, below 0 and lower is better.
    """
    wanted = frozenset(words)
    counted: list[tuple[Row, Mapping[str, int], int]] = []
    frequency: Counter[str] = Counter()
    for row, document in documents:
        found = split_words(document)
        held = Counter(word for word in found if word in wanted)
        if held:
            counted.append((row, held, len(found)))
            frequency.update(held.keys())
    if not counted:
        return []
    mean = sum(length for *_, length in counted) / len(counted)
    weights = {word: math.log(1 + (total - df + 0.5) / (df + 0.5)) for word, df in frequency.items()}
    for row, counts, length in counted:
        scale = k1 * (1 - b + b * length / mean)
        row.distance = row.score = -math.fsum(weights[word] * tf / (tf + scale) for word, tf in counts.items())
    return [row for row, *_ in counted]
