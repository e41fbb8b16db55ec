"""Texts nobody would write: they parse or are refused with an error of ours, and nothing else happens."""

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from chromasql.errors import ChromaSQLParseError
from chromasql.grammar import keywords
from chromasql.parser import parse_script
from chromasql.printer import print_script

from .examples import ACCEPTED, REFUSED
from .strategies import exact

TOKENS = [
    *sorted(keywords()),
    *"()[]{},.;:?*+-/=<>!'\"`$#\\",
    *(
        "<=",
        ">=",
        "!=",
        "<>",
        "=>",
        "--",
        "/*",
        "*/",
        "''",
        '"x"',
        "'x'",
        "`x`",
        ":p",
        "$1",
        "r'",
        "1",
        "2.5",
        "1e3",
        "x",
        "metadata",
        "id",
    ),
    *("COUNT", "MMR", "ABS", "COALESCE", "TOP", "JOIN", "DELETE", "é", "\u2019", "\0", "\n"),
]
thorough = settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))


def check(text):
    """Read a text; what is refused has its caret inside the text, what is read prints to the same tree."""
    read = outcome(text)
    if isinstance(read, ChromaSQLParseError):
        assert read.source == text
        assert 0 <= read.span.start <= read.span.end <= len(text)
        assert read.message
        assert str(read).startswith(read.message)
    else:
        assert exact(parse_script(print_script(read))) == exact(read)


def outcome(text):
    try:
        return parse_script(text)
    except ChromaSQLParseError as error:
        return error


@thorough
@given(st.text())
@example("SELECT '\ud800'")
def test_any_text(text):
    """Any text at all is read or refused."""
    check(text)


@thorough
@given(st.lists(st.sampled_from(TOKENS), max_size=15).map(" ".join))
def test_any_tokens(text):
    """Any sequence of the language's own words and signs is read or refused."""
    check(text)


@st.composite
def edited(draw):
    """An example in which a few words have been dropped, doubled, swapped or replaced."""
    text = draw(st.sampled_from(ACCEPTED + REFUSED))
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(text)))
        end = draw(st.integers(start, min(len(text), start + 12)))
        middle = draw(st.sampled_from(["", " ", *TOKENS]) | st.just(text[start:end] * 2) | st.text(max_size=3))
        text = text[:start] + middle + text[end:]
    return text


@thorough
@given(edited())
def test_any_edit_of_the_examples(text):
    """What is nearly a statement is read or refused."""
    check(text)


@thorough
@given(st.sampled_from(ACCEPTED), st.integers(0, 300))
def test_any_beginning_of_the_examples(text, length):
    """A statement that stops short is read or refused at its end or before."""
    check(text[:length])
