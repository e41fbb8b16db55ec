"""LIKE, REGEX and wildcards."""

from __future__ import annotations

import fnmatch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chromasql.operators.patterns import (
    check_regex,
    compile_like,
    compile_regex,
    compile_wildcard,
    equal_to_regex,
    escape_regex,
    like_to_regex,
)

pytestmark = pytest.mark.unit

TEXTS = st.text("aAb.%*\n", max_size=6)


@given(TEXTS, TEXTS)
def test_an_escaped_text_matches_itself_alone(text: str, other: str) -> None:
    """Escaping finds a text as a substring, and the whole-text pattern matches that text alone."""
    assert compile_regex(escape_regex(text))(other) is (text in other)
    assert compile_regex(equal_to_regex(text))(other) is (text == other)


@given(TEXTS, TEXTS, st.booleans())
def test_like_is_the_same_here_and_in_chroma(pattern: str, text: str, ignore_case: bool) -> None:
    """The test that is run here agrees with the regular expression that Chroma is sent."""
    here = compile_like(pattern, ignore_case=ignore_case)
    there = compile_regex(like_to_regex(pattern, ignore_case=ignore_case))

    assert here(text) is there(text)


@given(st.text("ab*", max_size=6), st.text("ab", max_size=6))
def test_a_wildcard_stands_for_any_text(pattern: str, text: str) -> None:
    """Patterns with * fit as the standard library's fnmatch does."""
    assert compile_wildcard(pattern, "*")(text) is fnmatch.fnmatchcase(text, pattern)


@pytest.mark.parametrize("pattern", ["", "(?=a)", "(?!a)", "(?<=a)", r"(a)\1", "(", r"\Qa\E"])
def test_a_pattern_outside_the_dialect_is_explained(pattern: str) -> None:
    """A pattern that Chroma's engine refuses or reads otherwise has a reason, and one inside has none."""
    assert check_regex(pattern)
    assert check_regex(r"a\.b") is None


def test_classes_are_those_of_unicode() -> None:
    """The classes d, w and s match digits, letters and spaces of every script, as they do in Chroma."""
    assert compile_regex(r"^\w\d\s$")("é٣\u00a0")
    assert not compile_regex(r"^\W$")("é")
