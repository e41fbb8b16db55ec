"""Where Lark stopped reading: what it had read, what it met, and what could have followed."""

from __future__ import annotations

import copy
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from chromasql._source import Span
from chromasql.grammar import CLAUSE_KEYWORDS
from chromasql.parser.literals import span_of

if TYPE_CHECKING:
    from lark.exceptions import UnexpectedCharacters, UnexpectedToken

__all__ = ["CLAUSE_PHRASES", "Explanation", "SyntaxState", "is_token", "unsupported"]

CLAUSE_PHRASES = {phrase.split()[0]: phrase for phrase in CLAUSE_KEYWORDS}
"""The clauses by their first word: ``GROUP`` stands for ``GROUP BY``."""


_OPENERS = {"SELECT", "FROM", "WHERE", "HAVING", "ORDER", "KEEP"} | CLAUSE_PHRASES.keys()


_MAX_SHOWN = 40


class Explanation(NamedTuple):
    """What is wrong, as a sentence and a code, and the span that the caret belongs under."""

    message: str
    span: Span
    code: str = "syntax-error"


NEAR = 0.75
"""
The least likeness of a word to the keyword that it may be misspelt for.

``LIMTI`` is LIMIT (0.8) and ``FORM`` is FROM (0.75), but ``WHEN`` is not WHERE (0.67).
"""


def unsupported(message: str, span: Span) -> Explanation:
    """Explain a construct of other SQL dialects that ChromaSQL does not have."""
    return Explanation(message, span, code="unsupported-syntax")


class SyntaxState:
    """
    The place at which Lark gave up.

    ``stack`` holds the tokens and nodes that the parser had read but not yet reduced, the latest last, and
    ``expected`` the terminals that could have followed. ``kind`` is the terminal that was met instead, or
    ``CHARACTER`` or ``$END``, and ``word`` its text.
    """

    def __init__(self, text: str, error: UnexpectedCharacters | UnexpectedToken) -> None:
        from lark.exceptions import UnexpectedToken

        self._parser: Any = error.interactive_parser
        self.text = text
        self.stack: list[Any]
        self.expected: set[str]
        self.previous: Any
        self._read()
        if not isinstance(error, UnexpectedToken):
            start = error.pos_in_stream or 0
            self.kind, self.word, self.span = "CHARACTER", text[start], Span(start, start + 1)
        elif error.token.type == "$END":
            end = error.token.end_pos or len(text.rstrip())
            self.kind, self.word, self.span = "$END", "", Span(end, end)
        else:
            self.kind, self.word, self.span = error.token.type, str(error.token), span_of(error.token)

    def before_alias(self) -> SyntaxState | None:
        """
        Return the state before the latest word, where that was read as an alias without AS; otherwise None.

        A clause that is misspelt reads as an alias at first: ``FROM docs ORDR`` is followed by a surprise.
        """
        if not is_token(self.previous, "NAME"):
            return None
        parser = self._parser.copy()
        parser.parser_state.state_stack.pop()
        parser.parser_state.value_stack.pop()
        if "AS" not in parser.accepts():
            return None
        earlier = copy.copy(self)
        earlier._parser = parser  # noqa: SLF001 - a copy of this object
        earlier.kind, earlier.word, earlier.span = "NAME", str(self.previous), span_of(self.previous)
        earlier._read()  # noqa: SLF001
        return earlier

    def _read(self) -> None:
        # Padded, so that there always is a third last.
        self.stack = [None, None, None, *self._parser.parser_state.value_stack]
        self.expected = self._parser.accepts()
        self.previous = self.stack[-1]

    @property
    def clause(self) -> str:
        """The first word of the clause that the parser was in, or an empty string before any."""
        return next((part.type for part in reversed(self.stack) if getattr(part, "type", "") in _OPENERS), "")

    @property
    def previous_word(self) -> str:
        """The latest token in capitals if it is a bare word, else an empty string."""
        return str(self.previous).upper() if is_token(self.previous, "NAME", "SOURCE") else ""

    @property
    def numeric(self) -> bool:
        """Whether a number was met; where none is expected, the lexer may take it for the name of a collection."""
        return self.kind in ("NUMBER", "SOURCE") and self.word[0].isdigit()

    @property
    def found(self) -> str:
        """What was met, as a message shows it."""
        if self.kind == "$END":
            return "the end of the statement"
        word = self.word if len(self.word) <= _MAX_SHOWN else f"{self.word[: _MAX_SHOWN - 3]}..."
        return word if any(map(str.isalnum, word)) else f"'{word}'"

    def after(self, *types: str) -> bool:
        """Whether the latest tokens are of these types."""
        latest = self.stack[-len(types) :]
        return len(latest) == len(types) and all(map(is_token, latest, types))

    def open_call(self) -> Any:
        """Return what is before the innermost open bracket, or None if no bracket is open."""
        for index in range(len(self.stack) - 1, 0, -1):
            if is_token(self.stack[index], "LPAR"):
                return self.stack[index - 1]
        return None

    def follows(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """Match a pattern directly after what was met."""
        return pattern.match(self.text, self.span.end)

    def text_of(self, part: Any) -> str:
        """Return the text of a token or node on the stack."""
        return self.text[slice(*span_of(part))]

    def operand(self) -> str:
        """Return the text of the field or aggregate that was read last, with all steps of its path."""
        index = len(self.stack) - 1
        # The steps of a path lie on the stack behind its first name.
        while index > 1 and not isinstance(self.stack[index], str) and not hasattr(self.stack[index], "root"):
            if not hasattr(self.stack[index], "name"):
                break
            index -= 1
        start, end = span_of(self.stack[index])[0], span_of(self.previous)[1]
        return self.text[start:end]


def is_token(part: Any, *kinds: str) -> bool:
    """Whether a part of the stack is a token of one of these terminals."""
    return getattr(part, "type", None) in kinds
