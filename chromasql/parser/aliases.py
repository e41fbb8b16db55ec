"""Aliases without AS: which words cannot be one."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from chromasql.errors import ChromaSQLParseError
from chromasql.grammar import RESERVED
from chromasql.parser.literals import span_of
from chromasql.parser.syntax_state import CLAUSE_PHRASES, NEAR

if TYPE_CHECKING:
    from lark import Token

__all__ = ["NEVER_ALIASES", "refuse_as_alias"]

NEVER_ALIASES = frozenset(
    [
        "CROSS",
        "FOR",
        "FULL",
        "INNER",
        "INTERSECT",
        "JOIN",
        "LATERAL",
        "LEFT",
        "MINUS",
        "NATURAL",
        "ON",
        "OUTER",
        "QUALIFY",
        "RIGHT",
        "SAMPLE",
        "TABLESAMPLE",
        "UNION",
        "WINDOW",
        "END",
        "ELSE",
        "WHEN",
        "THEN",
        "FILTER",
        "OVER",
        "ISNULL",
        "NOTNULL",
        "ESCAPE",
        "FETCH",
        "EXCEPT",
    ]
)
"""Words of other constructs."""


def refuse_as_alias(token: Token) -> None:
    """Refuse a word that is hardly meant as an alias: one that is near the first word of a clause, say."""
    word = token.upper()
    near = difflib.get_close_matches(word, CLAUSE_PHRASES, n=1, cutoff=NEAR)
    if near:
        raise ChromaSQLParseError(
            f"unknown clause {token}; did you mean {CLAUSE_PHRASES[near[0]]}? An alias of that name needs AS",
            code="unknown-clause",
            span=span_of(token),
        )
    if word in NEVER_ALIASES or word in RESERVED:
        raise ChromaSQLParseError(
            f"{token} is unexpected here; an alias of that name needs AS: AS {token}",
            code="syntax-error",
            span=span_of(token),
        )
