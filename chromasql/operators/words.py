"""
The words of a text, in every script: what BM25 counts.

The model is UAX #29 as Lucene's standard tokenizer follows it, on text in the form NFKC with full case folding, so that
composed and decomposed letters, full width and half width, ``straße`` and ``STRASSE`` meet. A word is a run of letters,
marks, digits and underscores; an apostrophe inside stays. Scripts that are written without blanks (Han, Hiragana,
Katakana, Thai, Lao, Khmer, Myanmar) are cut into overlapping pairs of characters, as Lucene's CJK bigram filter does;
a character has its marks with it, and one that stands alone is a word. Unlike UAX #29, a full stop, a comma or a colon
always ends a word, so ``4.2`` is two.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

__all__ = ["split_words"]

_ASCII = re.compile(r"[0-9a-z_]+(?:'[0-9a-z_]+)*")

# Scripts without blanks between their words: letters and marks, without their digits and signs.
_UNSPACED = (
    "\u0e01-\u0e3a\u0e40-\u0e4e\u0e81-\u0ece\u0edc-\u0edf"  # Thai, Lao
    "\u1000-\u103f\u1050-\u108f\u109a-\u109d\ua9e0-\ua9ef\ua9fa-\ua9fe\uaa60-\uaa7f"  # Myanmar
    "\u1780-\u17d3\u17d7\u17dc\u17dd"  # Khmer
    "\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3038-\u303b\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"  # Han
    "\u3041-\u3096\u3099\u309a\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff"  # Hiragana, Katakana
    "\U0001aff0-\U0001b16f\U00020000-\U000323af"  # their supplements
)

# They join or direct characters and are not seen: soft hyphen, joiners, marks of direction, variation selectors.
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u180b-\u180f\u200c-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufe00-\ufe0f\ufeff"
    "\U000e0100-\U000e01ef]"
)

# The blocks that hold marks end here, save for variation selectors, which are removed.
_LAST_MARK = 0x1F000


class _Patterns(NamedTuple):
    word: re.Pattern[str]
    character: re.Pattern[str]


@lru_cache(maxsize=1)
def _patterns() -> _Patterns:
    r"""Make the patterns; Python's ``\w`` leaves marks out, so they are listed, in some milliseconds."""
    marks = "".join(_ranges())
    start = rf"(?:(?![{_UNSPACED}])\w)"
    inside = rf"(?:{start}|[{marks}])"
    run = rf"(?![{marks}])[{_UNSPACED}][{_UNSPACED}{marks}]*"
    return _Patterns(
        re.compile(rf"({run})|{start}{inside}*(?:'{start}{inside}*)*"), re.compile(rf".[{marks}]*", re.DOTALL)
    )


def _ranges() -> Iterator[str]:
    first = None
    for code in range(0x300, _LAST_MARK):
        is_mark = unicodedata.category(chr(code))[0] == "M"
        if is_mark and first is None:
            first = code
        elif not is_mark and first is not None:
            yield f"{chr(first)}-{chr(code - 1)}"
            first = None


def split_words(text: str) -> list[str]:
    """Return the words of a text, folded, in the order in which they stand, as often as they stand there."""
    if text.isascii():
        return _ASCII.findall(text.lower())
    patterns = _patterns()
    words: list[str] = []
    for match in patterns.word.finditer(_fold(text)):
        run = match[1]
        if run is None:
            words.append(match[0])
            continue
        characters = patterns.character.findall(run)
        if len(characters) == 1:
            words.append(run)
        else:
            words.extend(map("".join, pairwise(characters)))
    return words


def _fold(text: str) -> str:
    """Return a text so that two spellings of one word are equal; folding can undo the form, so it is made twice."""
    visible = _INVISIBLE.sub("", text).replace("\u2019", "'")
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", visible).casefold())
