"""The names of terminals in the words of a message."""

from __future__ import annotations

from collections.abc import Collection

from chromasql.grammar.words import CLAUSE_KEYWORDS, keywords

__all__ = ["TERMINAL_NAMES", "describe_terminals"]

TERMINAL_NAMES = {
    "ALL_ROWS": "'ALL'",
    "ALL_VALUES": "'ALL'",
    "CASE": "'CASE'",
    "DOUBLE_PRECISION": "'DOUBLE PRECISION'",
    "$END": "the end of the statement",
    "BACKQUOTED": "a `quoted` name",
    "COMPARISON": "a comparison",
    "DOUBLE_QUOTED": 'a "quoted" name',
    "NAME": "a name",
    "NUMBER": "a number",
    "PARAM": "a parameter",
    "PLAIN_LIST": "a list",
    "SOURCE": "a collection",
    "SINGLE_QUOTED": "a string",
    "STRING": "a string",
}


_VALUES = {"STRING", "NUMBER", "PLUS", "MINUS", "TRUE", "FALSE", "NULL", "PARAM"}


_STARTS = _VALUES | {"BACKQUOTED", "BM25", "CASE", "KNN", "LPAR", "NAME", "RRF"}
"""What an expression starts with."""


_ARITHMETIC = {"JOIN_TEXTS", "MINUS", "PERCENT", "PLUS", "SLASH", "TIMES", "TYPE_MARK"}


_TESTS = {
    "BETWEEN",
    "COMPARISON",
    "CONTAINS",
    "ILIKE",
    "IN",
    "IS",
    "ISNULL",
    "LIKE",
    "NOT",
    "NOTNULL",
    "REGEX",
}


_PHRASES = (
    (_STARTS | {"NOT"}, "an expression"),
    (_STARTS | {"ALL", "ANY"}, "an expression"),
    (_STARTS, "an expression"),
    (_VALUES, "a value"),
    (_TESTS | _ARITHMETIC, "an operator"),
    (_TESTS | _ARITHMETIC - {"TYPE_MARK"}, "an operator"),
    (_TESTS, "a comparison"),
    (_ARITHMETIC, "an operator"),
    (_ARITHMETIC - {"TYPE_MARK"}, "an operator"),
    ({phrase.split()[0] for phrase in CLAUSE_KEYWORDS} | {"FETCH"}, "a clause"),
    ({"NOT", "CONTAINS", "LIKE", "ILIKE", "REGEX"}, "a test of the document"),
    ({"CONTAINS", "LIKE", "ILIKE", "REGEX"}, "a test of the document"),
    ({"NUMBER", "PLUS", "MINUS"}, "a number"),
    ({"SOURCE", "BACKQUOTED", "DOUBLE_QUOTED"}, "a collection"),
    ({"NAME", "BACKQUOTED", "DOUBLE_QUOTED"}, "a name"),
    ({"NAME", "BACKQUOTED"}, "a name"),
)
"""Sets of terminals and one phrase for all of them, the largest set first."""


_PATH_STEPS = frozenset({"DOT", "LPAR", "LSQB", "SINGLE_QUOTED"})


def describe_terminals(terminals: Collection[str], patterns: dict[str, str]) -> list[str]:
    """
    Return names of terminals for a message: phrases for sets of them, then keywords, then the rest, without repeats.

    ``patterns`` has the literal text of the terminals that are not keywords (``"*"`` for STAR).
    """
    left = set(terminals)
    if "DOT" in left and left - _PATH_STEPS:
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
