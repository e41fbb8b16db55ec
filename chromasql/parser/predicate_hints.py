"""Tests in WHERE and HAVING that ChromaSQL writes in another way."""

from __future__ import annotations

from chromasql.parser.literals import span_of
from chromasql.parser.syntax_state import CLAUSE_PHRASES, Explanation, SyntaxState, is_token, unsupported

__all__ = ["predicate_hint"]

_CONJUNCTIONS = frozenset({"AND", "OR"})


_LIKES = ("ILIKE", "LIKE", "REGEX")


def predicate_hint(state: SyntaxState) -> Explanation | None:
    """Explain a condition that is not complete."""
    return (
        _placeholder_hint(state)
        or _quote_hint(state)
        or _missing_test_hint(state)
        or _list_hint(state)
        or _is_hint(state)
    )


def _placeholder_hint(state: SyntaxState) -> Explanation | None:
    if "PARAM" in state.expected and state.word[:1] in ("%", "{", "@", "#"):
        return Explanation("parameters are written :name or ?", state.span)
    return None


def _quote_hint(state: SyntaxState) -> Explanation | None:
    """Explain a string that ended at an apostrophe inside it."""
    start = state.span.start
    quote = state.text[start - 1 : start]
    before = state.text_of(state.previous) if state.previous is not None else ""
    if quote and quote in "'\"" and before.endswith(quote) and state.kind == "NAME":
        return Explanation(
            f"the string before {state.found} ends at a quote; a quote in a string is doubled: 'it''s', "
            "or passed in a parameter",
            state.span,
        )
    return None


def _missing_test_hint(state: SyntaxState) -> Explanation | None:
    """Explain a keyword, or the end, in the place of a test or a column."""
    before = state.stack[-2]
    word = state.previous_word
    if word in CLAUSE_PHRASES or word in _CONJUNCTIONS or word in ("FROM", "KEEP"):
        if is_token(before, "AND", "OR", "NOT", "WHERE", "HAVING"):
            return Explanation(f"a test is missing after {before.upper()}", span_of(state.previous))
        if is_token(before, "FROM") or (state.clause == "FROM" and is_token(before, "COMMA")):
            after = (
                "FROM names no collection" if is_token(before, "FROM") else "a collection is missing after the comma"
            )
            return Explanation(after, span_of(state.previous))
        if is_token(before, "COMMA"):
            what = "column" if state.clause == "SELECT" else "field"
            return Explanation(f"a {what} is missing after the comma", span_of(state.previous))
    if state.kind == "$END" and is_token(state.previous, "AND", "OR", "NOT", "WHERE", "HAVING"):
        return Explanation(f"a test is missing after {state.previous.upper()}", state.span)
    return None


def _list_hint(state: SyntaxState) -> Explanation | None:
    """Explain IN before the name of a list."""
    if not state.after("IN") or state.kind not in ("BACKQUOTED", "NAME"):
        return None
    value = state.text_of(state.stack[-2])
    return unsupported(
        f"IN takes a list in brackets; for a list of the record write {state.word} CONTAINS {value}", state.span
    )


def _is_hint(state: SyntaxState) -> Explanation | None:
    """Explain IS beside a value, and LIKE ANY."""
    word = state.word.upper()
    if (state.after("IS") or state.after("IS", "NOT")) and (state.kind in ("PARAM", "STRING") or state.numeric):
        negated = state.after("IS", "NOT")
        operand = state.text_of(state.stack[-3 if negated else -2])
        operator = "IS DISTINCT FROM" if negated else "="
        return unsupported(f"IS tests for NULL, TRUE and FALSE; write {operand} {operator} {state.word}", state.span)
    if state.previous_word in ("ALL", "ANY", "SOME") and state.kind == "LPAR" and is_token(state.stack[-2], *_LIKES):
        return unsupported(f"there is no LIKE {word}; join tests with OR or AND", span_of(state.previous))
    return None
