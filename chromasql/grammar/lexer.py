"""Text to tokens: Lark's contextual lexer with a faster inner loop, since lexing is much of the cost of a parse."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Collection, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from lark.lexer import BasicLexer, ContextualLexer, Token

from chromasql.grammar.words import terminal_pattern

if TYPE_CHECKING:
    from lark.common import LexerConf
    from lark.lexer import LexerState

__all__ = ["FastLexer"]


class FastLexer(ContextualLexer):
    """
    Lark's plug-in for its contextual lexer, which makes the lexer of a parser state when it is first needed.

    It relies on the grammar: NAME is accepted in every state; keywords are written in capitals and ignore case, as NAME
    does. It skips Lark's checks for collisions, so use it only with tables generated from a grammar that compiles
    with ``strict=True``.
    """

    def __init__(
        self, conf: LexerConf, states: Mapping[int, Collection[str]], always_accept: Collection[str] = ()
    ) -> None:
        self._conf = copy.copy(conf)
        self._conf.skip_validation = True
        self.lexers = _StateLexers(self._conf, states, {*conf.ignore, *always_accept})

    @cached_property
    def root_lexer(self) -> BasicLexer:  # type: ignore[override]
        """The lexer of all terminals, which distinguishes a token in the wrong place from text that is not a token."""
        return BasicLexer(self._conf)


class _StateLexers(dict[int, Any]):
    """The lexers of the parser's states, made on first use."""

    def __init__(self, conf: LexerConf, states: Mapping[int, Collection[str]], always: Collection[str]) -> None:
        super().__init__()
        self._conf = conf
        self._states = states
        self._always = always

    def __missing__(self, state: int) -> _StateLexer:
        conf = copy.copy(self._conf)
        accepted = {*self._states[state], *self._always}
        conf.terminals = [terminal for terminal in self._conf.terminals if terminal.name in accepted]
        lexer = self[state] = _StateLexer(conf)
        return lexer


class _StateLexer(BasicLexer):
    """
    The lexer of one state.

    Spaces and comments are skipped together with the next match, a keyword is looked up rather than matched, and lines
    are not counted: tokens have ``start_pos`` and ``end_pos``. Text that is not a token is left to Lark.
    """

    @cached_property
    def _keywords(self) -> dict[str, str]:
        return {terminal.pattern.value: terminal.name for terminal in self.terminals if _is_keyword(terminal)}

    @cached_property
    def _match(self) -> Callable[[str, int], re.Match[str] | None]:
        plain = (terminal for terminal in self.terminals if not _is_keyword(terminal))
        patterns = {terminal.name: terminal.pattern.to_regexp() for terminal in plain}
        ignored = "|".join(patterns.pop(name) for name in sorted(self.ignore_types))
        wanted = "|".join(f"(?P<{name}>{pattern})" for name, pattern in patterns.items())
        # Atomic group: otherwise the regex could backtrack into a comment and read its first dash as a minus.
        return re.compile(f"(?>(?:{ignored})*)(?:{wanted})", self.g_regex_flags).match

    def next_token(self, lex_state: LexerState, parser_state: Any = None) -> Token:
        """Return the next token; raise EOFError at the end of the text, and Lark's error if there is no token."""
        counter = lex_state.line_ctr
        match = self._match(lex_state.text.text, counter.char_pos)
        if match is None:
            return super().next_token(lex_state, parser_state)
        kind = match.lastgroup
        assert kind is not None
        value, start, end = match[kind], match.start(kind), match.end()
        if kind == "NAME":
            kind = self._keywords.get(value.upper(), kind)
        counter.char_pos = end
        lex_state.last_token = token = Token(kind, value, start, end_pos=end)
        return token


def _is_keyword(terminal: Any) -> bool:
    return terminal.pattern.type == "str" and terminal_pattern("NAME").fullmatch(terminal.pattern.value) is not None
