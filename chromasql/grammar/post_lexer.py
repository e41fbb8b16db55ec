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
"""The maximal number of brackets that are open at once, of any kind."""


MAX_PARAMETERS = 10_000
"""The maximal number of parameters in the text of a statement; one parameter may be a whole list."""


_OPENING = frozenset({"LPAR", "LSQB", "LBRACE"})


_CLOSING = frozenset({"RPAR", "RSQB", "RBRACE"})


class PostLexer:
    """
    Lark's hook after the lexer: accepts NAME in every state, and limits open brackets and parameters.

    Without the first limit, a deep nest of ``((a AND b) AND c)`` would cost the square of its length. The second one
    rejects a list that is spelled out parameter by parameter before it is read to its end.
    """

    always_accept = ("NAME",)

    def process(self, stream: Iterator[Token]) -> Iterator[Token]:
        """Yield the tokens; raise `ChromaSQLParseError` at the first one that is over a limit."""
        depth = parameters = 0
        for token in stream:
            if token.type in _OPENING:
                depth += 1
                if depth > MAX_BRACKETS:
                    raise ChromaSQLParseError(
                        f"more than {MAX_BRACKETS} brackets are open here", code="too-deep", span=_span_of(token)
                    )
            elif token.type in _CLOSING:
                depth -= 1
            elif token.type == "PARAM":
                parameters += 1
                if parameters > MAX_PARAMETERS:
                    raise ChromaSQLParseError(
                        f"more than {MAX_PARAMETERS} parameters; pass a list as one, as in IN :ids",
                        code="too-long",
                        span=_span_of(token),
                    )
            elif token.type == "SEMICOLON":
                parameters = 0
            yield token


def _span_of(token: Token) -> Span:
    return Span(token.start_pos or 0, token.end_pos or 0)
