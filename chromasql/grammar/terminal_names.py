"""The names of terminals in the words of a message."""

from __future__ import annotations

from collections.abc import Collection

from chromasql.grammar.words import CLAUSE_KEYWORDS, keywords

__all__ = ["TERMINAL_NAMES", "describe_terminals"]

TERMINAL_NAMES = {
    "$END": "the end of the statement",
    "BACKQUOTED": "a `quoted` name",
    "COMPARISON": "a comparison",
    "DOUBLE_QUOTED": 'a "quoted" name',
    "NAME": "a name",
    "NUMBER": "a number",
    "PARAM": "a parameter",
    "SOURCE": "a collection",
    "STRING": "a string",
}


_PHRASES = (
    (
        {"KNN", "BM25", "RRF", "LPAR", "PLUS", "MINUS", "NUMBER", "PARAM", "NAME", "BACKQUOTED"},
        "a rank expression",
    ),
    ({"STRING", "NUMBER", "PLUS", "MINUS", "TRUE", "FALSE", "NULL", "PARAM"}, "a value"),
    ({phrase.split()[0] for phrase in CLAUSE_KEYWORDS}, "a clause"),
    ({"COMPARISON", "IN", "BETWEEN", "IS", "NOT", "CONTAINS", "LIKE", "ILIKE", "REGEX"}, "a comparison"),
    ({"NOT", "CONTAINS", "LIKE", "ILIKE", "REGEX"}, "a test of the document"),
    ({"CONTAINS", "LIKE", "ILIKE", "REGEX"}, "a test of the document"),
    ({"PLUS", "MINUS", "TIMES", "SLASH"}, "an operator"),
    ({"NUMBER", "PLUS", "MINUS"}, "a number"),
    ({"SOURCE", "BACKQUOTED", "DOUBLE_QUOTED"}, "a collection"),
    ({"NAME", "BACKQUOTED", "DOUBLE_QUOTED"}, "a name"),
    ({"NAME", "BACKQUOTED"}, "a name"),
)
"""Sets of terminals and one phrase for all of them, the largest set first."""


_PATH_STEPS = frozenset({"DOT", "LSQB"})


def describe_terminals(terminals: Collection[str], patterns: dict[str, str]) -> list[str]:
    """
    Return names of terminals for a message: phrases for sets of them, then keywords, then the rest, without repeats.

    ``patterns`` has the literal text of the terminals that are not keywords (``"*"`` for STAR).
    """
    left = set(terminals)
    if left - _PATH_STEPS:
        left -= _PATH_STEPS
    phrases = []
    for together, phrase in _PHRASES:
        if together <= left:
            left -= together
            phrases.append(phrase)
    known = keywords()
    words = sorted(name for name in left if name in known)
    others = sorted(
        TERMINAL_NAMES.get(name, f"'{patterns[name]}'" if name in patterns else name.lower())
        for name in left
        if name not in known
    )
    return list(dict.fromkeys(phrases + words + others))
