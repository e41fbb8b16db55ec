"""Between lexer and parser: limits on brackets and parameters."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from chromasql._source import Span
from chromasql.errors import ChromaSQLParseError

if TYPE_CHECKING:
    from lark import Token

__all__ = ["MAX_BRACKETS", "MAX_PARAMETERS", "PostLexer"]

MAX_BRACKETS = 200
"""How many brackets may be open at once, of any kind."""


MAX_PARAMETERS = 10_000
"""How many places for parameters a statement may have; a parameter may be a whole list."""


_OPENING = frozenset({"LPAR", "LSQB", "LBRACE"})


_CLOSING = frozenset({"RPAR", "RSQB", "RBRACE"})


class PostLexer:
    """
    Lark's hook after the lexer: makes NAME known in every state, and bounds the open brackets and the parameters.

    Without the first bound, ``((a AND b) AND c)`` over and over would cost the square of its length. The second one
    refuses a list that was spelled out value by value before it is read to its end.
    """

    always_accept = ("NAME",)

    def process(self, stream: Iterator[Token]) -> Iterator[Token]:
        """Pass the tokens on, and refuse a text with too many."""
        depth = parameters = 0
        for token in stream:
            if token.type in _OPENING:
                depth += 1
                if depth > MAX_BRACKETS:
                    at = token.start_pos or 0
                    raise ChromaSQLParseError(f"more than {MAX_BRACKETS} brackets are open here", span=Span(at, at + 1))
            elif token.type in _CLOSING:
                depth -= 1
            elif token.type == "PARAM":
                parameters += 1
                if parameters > MAX_PARAMETERS:
                    raise ChromaSQLParseError(
                        f"more than {MAX_PARAMETERS} parameters; give a list as one, as in IN :ids",
                        span=Span(token.start_pos or 0, token.end_pos or 0),
                    )
            elif token.type == "SEMICOLON":
                parameters = 0
            yield token
