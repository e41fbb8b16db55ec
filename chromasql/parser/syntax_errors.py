"""Syntax errors in words: what Lark could not read, a hint, and where the caret belongs."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Callable
from typing import TYPE_CHECKING

from chromasql import ast
from chromasql.ast.traversal import content_names
from chromasql.errors import ChromaSQLParseError
from chromasql.grammar import CLAUSE_KEYWORDS, RESERVED, describe_terminals, keywords, terminal_pattern
from chromasql.parser.dialect_hints import construct_hint, select_hint, source_hint, statement_hint
from chromasql.parser.literals import span_of
from chromasql.parser.predicate_hints import predicate_hint
from chromasql.parser.syntax_state import CLAUSE_PHRASES, NEAR, Explanation, SyntaxState, is_token

if TYPE_CHECKING:
    from lark import Lark
    from lark.exceptions import UnexpectedCharacters, UnexpectedToken

__all__ = [
    "NAMED_ARGUMENTS",
    "NO_QUERY",
    "explain_syntax_error",
    "query_first_message",
    "reserved_word_message",
]

NAMED_ARGUMENTS = {
    function: content_names(node)[1:] for function, node in (("BM25", ast.Bm25), ("KNN", ast.Knn), ("RRF", ast.Rrf))
}
"""The named arguments of each function that has a keyword of its own; the first field of its node is positional."""


NO_QUERY = "KNN needs a query: KNN('words'), KNN([0.1, 0.2]) or KNN(:q)"


def reserved_word_message(word: str) -> str:
    """Return the message for a keyword in the place of a field."""
    if word.upper() in ("FROM", "KEEP"):
        return f"a column is missing before {word.upper()}"
    if word.upper() == "RANK":
        return (
            "RANK is a keyword: a ranking is written RANK BY KNN(..); "
            f"for a metadata key of that name write metadata.{word} or `{word}`"
        )
    if word.upper() in ("AND", "OR"):
        return f"a test is missing before {word.upper()}"
    if word.upper() in ("FALSE", "NULL", "TRUE"):
        return (
            f"{word.upper()} is a value, where a field belongs; "
            f"for a metadata key of that name write metadata.{word} or `{word}`"
        )
    return (
        f"{word.upper()} is a keyword, not a field; for a metadata key of that name write metadata.{word} or `{word}`"
    )


def query_first_message(field: str) -> str:
    """Return the message for a field in the place of the query of KNN."""
    return f"KNN takes the query first: KNN('words', key = {field})"


def explain_syntax_error(text: str, error: UnexpectedCharacters | UnexpectedToken, lark: Lark) -> ChromaSQLParseError:
    """Return an error of ours for one of Lark's: it says what was expected, or what to write instead."""
    state = SyntaxState(text, error)
    earlier = state.before_alias()
    found = None
    if earlier is not None:
        found = next(filter(None, (hint(earlier) for hint in _ALIAS_HINTS)), None)
    found = found or next(filter(None, (hint(state) for hint in _HINTS)), None)
    if found is None:
        found = Explanation(f"expected {_expectation(state, lark)}, found {state.found}", state.span)
    return ChromaSQLParseError(found.message, code=found.code, source=text, span=found.span)


def _character_hint(state: SyntaxState) -> Explanation | None:
    if state.text.startswith("/*", state.span.start):
        return Explanation("the comment that opens here has no closing */", state.span)
    if state.kind != "CHARACTER":
        return None
    if state.word in "'\"`":
        what = "name" if state.word == "`" else "string"
        return Explanation(f"the {what} that opens here has no closing quote", state.span)
    if state.word in "\u2018\u2019\u201c\u201d":
        return Explanation(f"{state.word} is not a quotation mark of SQL; write ' or \"", state.span)
    if state.word.isalnum():
        return Explanation(f"a name that holds {state.word} needs backticks", state.span)
    if not state.word.isprintable() or not state.word.isascii():
        name = unicodedata.name(state.word, "a control character")
        return Explanation(f"unexpected character U+{ord(state.word):04X}, {name}", state.span)
    return None


def _string_hint(state: SyntaxState) -> Explanation | None:
    """Explain a string where only a name is allowed."""
    if state.after("DOT") or state.kind != "STRING" or "BACKQUOTED" not in state.expected:
        return None
    if "KNN" in state.expected:
        return Explanation("a string is not a rank expression; write KNN('words') or BM25('words')", state.span)
    name = state.word[1:-1]
    written = name if terminal_pattern("SOURCE").fullmatch(name) else f"`{name}`"
    place, clause = ("a collection", "FROM ") if state.after("FROM") else ("a name", "")
    return Explanation(f"expected {place}, found a string; write {clause}{written}", state.span)


def _argument_hint(state: SyntaxState) -> Explanation | None:
    """Explain the brackets of USING EMBEDDING, KNN, BM25, RRF and WITH."""
    if state.after("USING", "EMBEDDING") and state.kind != "$END":
        query = "VECTOR [..]" if state.word.upper() == "VECTOR" else "TEXT :q"
        return Explanation(f"a query stands in brackets: USING EMBEDDING ({query})", state.span)
    if state.after("KNN", "LPAR") and state.kind == "RPAR":
        return Explanation(NO_QUERY, state.span, code="missing-argument")
    if state.after("KNN", "LPAR", "NAME"):
        return Explanation(query_first_message(state.previous), span_of(state.previous), code="missing-argument")
    if state.after("RRF", "LPAR") and state.kind == "RPAR":
        return Explanation("RRF needs ranks: RRF(KNN('words'), BM25('words'))", state.span, code="missing-argument")
    if is_token(state.stack[-3], "RRF") and isinstance(state.previous, ast.Field) and state.word == "=":
        return Explanation(
            f"RRF takes its ranks first: RRF(KNN('words'), {state.previous.name} = ..)",
            span_of(state.previous),
            code="missing-argument",
        )
    call = state.open_call()
    if "EQUAL" in state.expected:
        if is_token(call, "RRF"):
            return Explanation("RRF takes its ranks first, then its named arguments", span_of(state.previous))
        return Explanation(f"{state.previous} needs a value: {state.previous} = ..", state.span, "missing-argument")
    if state.after("COMMA") and is_token(call, "KNN", "BM25"):
        known = ", ".join(f"{name} =" for name in NAMED_ARGUMENTS[call.type])
        return Explanation(f"{call.type} takes one query; its other arguments are named: {known}", state.span)
    return None


def _reserved_hint(state: SyntaxState) -> Explanation | None:
    if is_token(state.previous, "NAME") and state.previous_word in RESERVED:
        return Explanation(reserved_word_message(state.previous), span_of(state.previous), code="reserved-word")
    return None


def _word_hint(state: SyntaxState) -> Explanation | None:
    """Explain a word in the place of a keyword."""
    if state.kind not in ("NAME", "SOURCE") or state.word[0].isdigit():
        return None
    near = _near_word_hint(state)
    if near is not None:
        return near
    if state.clause in ("HAVING", "WHERE") and isinstance(state.previous, ast.Node):
        return Explanation(f"expected AND, OR or a clause, found {state.found}", state.span)
    if "AND" in state.expected:
        return None
    if "WHERE" in state.expected:
        return Explanation(
            f"unknown clause {state.word}; a clause is one of {', '.join(CLAUSE_KEYWORDS)}",
            state.span,
            code="unknown-clause",
        )
    return None


def _near_word_hint(state: SyntaxState) -> Explanation | None:
    """Explain a word that is like a keyword."""
    known = sorted(state.expected & keywords())
    near = difflib.get_close_matches(state.word.upper(), known, n=1, cutoff=NEAR)
    if near and near[0] in CLAUSE_PHRASES:
        return Explanation(
            f"unknown clause {state.word}; did you mean {CLAUSE_PHRASES[near[0]]}?", state.span, "unknown-clause"
        )
    if near:
        return Explanation(f"unknown word {state.word}; did you mean {near[0]}?", state.span)
    return None


_HINTS: tuple[Callable[[SyntaxState], Explanation | None], ...] = (
    statement_hint,
    construct_hint,
    select_hint,
    _character_hint,
    predicate_hint,
    _string_hint,
    _argument_hint,
    _reserved_hint,
    _word_hint,
)
"""The hints in the order in which they are tried: the more special first."""


_ALIAS_HINTS = (source_hint, statement_hint, construct_hint, select_hint, _near_word_hint)
"""The hints for a word that was read as an alias."""


def _expectation(state: SyntaxState, lark: Lark) -> str:
    patterns = {terminal.name: terminal.pattern.value for terminal in lark.terminals if terminal.pattern.type == "str"}
    names = describe_terminals(state.expected, patterns)
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"
