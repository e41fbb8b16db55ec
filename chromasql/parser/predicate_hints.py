"""Tests in WHERE and HAVING that ChromaSQL writes in another way."""

from __future__ import annotations

import re

from chromasql import ast
from chromasql.parser.function_hints import unknown_function_message
from chromasql.parser.literals import span_of
from chromasql.parser.syntax_state import CLAUSE_PHRASES, Explanation, SyntaxState, is_token, unsupported

__all__ = ["predicate_hint"]

_NAME = r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*"


_VALUE_FIRST = re.compile(
    rf"(?P<number>\s*[\d.]+)?\s*(?P<operator>==|!=|<>|<=|>=|=|<|>)\s*(?P<field>{_NAME})", re.ASCII
)


_IN_FIELD = re.compile(
    rf"\s*(?:=\s*(?:ANY|SOME)\s*\(\s*(?P<any>{_NAME})\s*\)|IN\s*\(?\s*(?P<in>{_NAME})\s*\)?)", re.ASCII | re.IGNORECASE
)


# The operator with its sides exchanged.
_EXCHANGED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}


_TESTED = re.compile(r"\s*(?:[=!<>]|(?:BETWEEN|CONTAINS|I?LIKE|IN|IS|NOT|REGEX)\b)", re.IGNORECASE)


_CALLED = re.compile(r"\s*\(")


_CONJUNCTIONS = frozenset({"AND", "OR"})


_MOMENTS = frozenset({"CURRENT_DATE", "CURRENT_TIME", "CURRENT_TIMESTAMP", "GETDATE", "NOW", "TODAY"})


_DATE_WORDS = frozenset({"DATE", "DATETIME", "INTERVAL", "TIME", "TIMESTAMP"})


def predicate_hint(state: SyntaxState) -> Explanation | None:
    """Explain a test that does not start with a field, has no comparison, or compares with something else."""
    return (
        _placeholder_hint(state)
        or _quote_hint(state)
        or _missing_test_hint(state)
        or _value_first_hint(state)
        or _null_hint(state)
        or _bare_hint(state)
        or _value_hint(state)
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


def _value_first_hint(state: SyntaxState) -> Explanation | None:
    """Explain a test whose value is on the left."""
    at_test = "NOT" in state.expected and "LPAR" in state.expected and state.clause in ("WHERE", "HAVING")
    if not at_test or (state.kind not in ("MINUS", "PARAM", "PLUS", "STRING") and not state.numeric):
        return None
    if inside := state.follows(_IN_FIELD):
        return unsupported(
            f"a test starts with a field; write {inside['any'] or inside['in']} CONTAINS {state.word}", state.span
        )
    exchanged = state.follows(_VALUE_FIRST)
    if exchanged and exchanged["field"].upper() not in ("FALSE", "NULL", "TRUE"):
        operator = _EXCHANGED.get(exchanged["operator"], exchanged["operator"])
        value = state.word + (exchanged["number"] or "").strip()
        return unsupported(f"a test starts with a field; write {exchanged['field']} {operator} {value}", state.span)
    if state.kind == "STRING" and not exchanged:
        return None  # a name in quotes
    return unsupported(f"a test starts with a field, found {state.found}", state.span)


def _null_hint(state: SyntaxState) -> Explanation | None:
    """Explain tests for NULL, TRUE and FALSE in the words of other dialects."""
    word = state.word.upper()
    if state.after("IS") or state.after("IS", "NOT"):
        negated = state.after("IS", "NOT")
        if word in ("FALSE", "TRUE") or state.kind in ("PARAM", "STRING") or state.numeric:
            operand = state.text_of(state.stack[-3 if negated else -2])
            operator = "IS DISTINCT FROM" if negated else "="
            return unsupported(f"IS tests for NULL; write {operand} {operator} {state.word}", state.span)
        return None
    if state.after("NOT") and word == "NULL" and "BETWEEN" in state.expected:
        return unsupported(f"write {state.text_of(state.stack[-2])} IS NOT NULL", state.span)
    if "COMPARISON" in state.expected and word in ("ISNULL", "NOTNULL"):
        negation = "NOT " if word == "NOTNULL" else ""
        return unsupported(f"there is no {word}; write {state.operand()} IS {negation}NULL", state.span)
    return None


def _bare_hint(state: SyntaxState) -> Explanation | None:
    """Explain a field that stands for a test."""
    if "COMPARISON" not in state.expected or state.clause not in ("WHERE", "HAVING"):
        return None
    word = state.word.upper()
    ended = state.kind in ("$END", "RPAR", "SEMICOLON") or word in _CONJUNCTIONS or word in CLAUSE_PHRASES
    if not ended:
        return None
    operand = state.operand()
    if state.kind == "RPAR" and state.follows(_TESTED):
        return unsupported(f"brackets go around whole tests; write {operand} without them", state.span)
    value = "TRUE" if not isinstance(state.previous, ast.Aggregate) else "1"
    return unsupported(f"{operand} alone is not a test; write {operand} = {value}", state.span)


def _value_hint(state: SyntaxState) -> Explanation | None:
    """Explain a word in the place of a value."""
    if state.kind not in ("NAME", "BACKQUOTED") or "STRING" not in state.expected or "PARAM" not in state.expected:
        return None
    if state.clause not in ("WHERE", "HAVING"):
        return None
    word = state.word.upper()
    called = state.follows(_CALLED)
    if word in ("ALL", "ANY", "SOME") and called:
        if "TRUE" not in state.expected:
            return unsupported(f"there is no LIKE {word}; join tests with OR or AND", state.span)
        written = "NOT IN (..)" if word == "ALL" else "IN (..)"
        return unsupported(f"there is no {word}; write the field and {written}", state.span)
    if word in _MOMENTS or (word in _DATE_WORDS and not called):
        return unsupported(
            f"there is no {word}; pass the date as text: '2024-01-01', or a parameter such as :since", state.span
        )
    if called:
        return Explanation(unknown_function_message(state.word), state.span, "unknown-function")
    if "TRUE" in state.expected and word != "SELECT":
        quoted = "" if state.kind == "BACKQUOTED" else f"; a string needs quotes: '{state.found}'"
        return unsupported(f"a field is compared with a value, not with the field {state.found}{quoted}", state.span)
    return None
