"""Text to tokens: Lark's contextual lexer with a shorter way through the text, which is much of the cost of a parse."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Collection, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from lark.lexer import BasicLexer, ContextualLexer, Token

if TYPE_CHECKING:
    from lark.common import LexerConf
    from lark.lexer import LexerState

__all__ = ["FastLexer"]

_WORD = re.compile(r"[a-z_][a-z0-9_]*", re.ASCII | re.IGNORECASE)


class FastLexer(ContextualLexer):
    """
    Lark's plug-in for its contextual lexer, which makes the lexer of a state when it is first needed.

    It relies on the grammar: NAME is known in every state; keywords are written in capitals and ignore case, as NAME
    does. It proves nothing of the grammar either, so it is for tables that were made of one that was proved.
    """

    def __init__(
        self, conf: LexerConf, states: Mapping[int, Collection[str]], always_accept: Collection[str] = ()
    ) -> None:
        self._conf = copy.copy(conf)
        self._conf.skip_validation = True
        self.lexers = _StateLexers(self._conf, states, {*conf.ignore, *always_accept})

    @cached_property
    def root_lexer(self) -> BasicLexer:  # type: ignore[override]
        """The lexer of all terminals, which tells a token that stands in the wrong place from what is none."""
        return BasicLexer(self._conf)


class _StateLexers(dict[int, Any]):
    """The lexers of the states of the parser, made as they are asked for."""

    def __init__(self, conf: LexerConf, states: Mapping[int, Collection[str]], always: Collection[str]) -> None:
        super().__init__()
        self._conf = conf
        self._states = states
        self._always = always

    def __missing__(self, state: int) -> _StateLexer:
        conf = copy.copy(self._conf)
        accepted = {*self._states[state], *self._always}
        conf.terminals = [each for each in self._conf.terminals if each.name in accepted]
        lexer = self[state] = _StateLexer(conf)
        return lexer


class _StateLexer(BasicLexer):
    """
    The lexer of one state.

    Spaces and comments are skipped at once, a keyword is looked up rather than matched, and nobody counts lines: tokens
    have ``start_pos`` and ``end_pos``. What is no token is left to Lark, which says what is wrong.
    """

    @cached_property
    def _keywords(self) -> dict[str, str]:
        return {each.pattern.value: each.name for each in self.terminals if _is_keyword(each)}

    @cached_property
    def _match(self) -> Callable[[str, int], re.Match[str] | None]:
        patterns = {each.name: each.pattern.to_regexp() for each in self.terminals if not _is_keyword(each)}
        ignored = "|".join(patterns.pop(name) for name in sorted(self.ignore_types))
        wanted = "|".join(f"(?P<{name}>{pattern})" for name, pattern in patterns.items())
        # What is skipped is not given back: else the first dash of a comment would be a minus.
        return re.compile(f"(?>(?:{ignored})*)(?:{wanted})", self.g_regex_flags).match

    def next_token(self, lex_state: LexerState, parser_state: Any = None) -> Token:
        """Return the next token; raise what Lark raises where there is none, EOFError at the end."""
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
    return terminal.pattern.type == "str" and _WORD.fullmatch(terminal.pattern.value) is not None
