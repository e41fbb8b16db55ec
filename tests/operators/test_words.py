"""The words of a text."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chromasql.operators.words import split_words
from tests.support.oracle.ranks import words_of

pytestmark = pytest.mark.unit

LETTERS = "aZ9_' \u2019-.éßſİ\u0301\u200bकिन्अ東京ァーｱﾟไท้ขកខ្មစကား가á\u05e9\u05c1"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Lazy, lazy DOG_1!", ["lazy", "lazy", "dog_1"]),
        ("snake_case x1 4.2", ["snake_case", "x1", "4", "2"]),
        ("don't rock'n'roll 'quoted'", ["don't", "rock'n'roll", "quoted"]),
        ("don\u2019t", ["don't"]),
        ("stop-it e.g. www.example.com", ["stop", "it", "e", "g", "www", "example", "com"]),
        ("ÉTÉ cafe\u0301 Ωμέγα ΟΔΟΣ", ["été", "café", "ωμέγα", "οδοσ"]),
        ("straße STRASSE", ["strasse", "strasse"]),
        ("２０２６ ﾊﾟｽ", ["2026", "パス"]),
        ("हिन्दी भाषा", ["हिन्दी", "भाषा"]),
        ("東京都 2026年 iPhone手机", ["東京", "京都", "2026", "年", "iphone", "手机"]),
        ("co\u00adoperate", ["cooperate"]),
        ("...", []),
        ("", []),
    ],
)
def test_words(text: str, words: list[str]) -> None:
    """A word is a run of letters, marks, digits and underscores, folded; scripts without blanks are cut into pairs."""
    assert split_words(text) == words


@given(st.text(LETTERS, max_size=12))
def test_words_of_any_text(text: str) -> None:
    """The words are those that a reader finds who goes from letter to letter."""
    assert split_words(text) == words_of(text)


@given(st.text(max_size=12))
def test_forms_and_cases_meet(text: str) -> None:
    """The words of a text are those of each of its normal forms."""
    assert split_words(unicodedata.normalize("NFD", text)) == split_words(text)
    assert split_words(unicodedata.normalize("NFKC", text)) == split_words(text)


@given(st.text("aZ_'9 .-", max_size=12))
def test_the_short_way_of_ascii(text: str) -> None:
    """A text in ASCII, which is read in a shorter way, has the words that it has beside another letter."""
    assert [*split_words(text), "é"] == split_words(f"{text} é")
