"""Constructs of other SQL dialects: what ChromaSQL has in their place."""

from __future__ import annotations

import re

from chromasql import ast
from chromasql._source import Span
from chromasql.parser.function_hints import unknown_function_message
from chromasql.parser.literals import span_of
from chromasql.parser.syntax_state import Explanation, SyntaxState, is_token, unsupported

__all__ = ["construct_hint", "function_hint", "select_hint", "statement_hint"]

_WRITING = frozenset(
    {"ALTER", "CREATE", "DELETE", "DROP", "INSERT", "MERGE", "REPLACE", "TRUNCATE", "UPDATE", "UPSERT"}
)


_JOINING = frozenset({"CROSS", "FULL", "INNER", "JOIN", "LEFT", "NATURAL", "ON", "OUTER", "RIGHT", "UNION"})


# An alias without AS before a JOIN hides the word that matters.
_JOIN_FOLLOWS = re.compile(r"\s+(?:(?:CROSS|FULL|INNER|LEFT|NATURAL|OUTER|RIGHT)\s+)*JOIN\b", re.IGNORECASE)


_NO_JOIN = "there is no {}; FROM a, b searches both collections and merges their rows"


_NO_SUBQUERIES = "there are no subqueries; run the inner statement first and pass its rows as a parameter"


_SUBQUERY = re.compile(r"\(\s*SELECT\b", re.IGNORECASE)


_NO_SETS = "; write both conditions in one WHERE, joined by AND or AND NOT"


# Words that stand where a clause or an alias could.
_CONSTRUCTS = {
    "FILTER": "there is no FILTER; give each condition a statement with its own WHERE, and run them with execute_many",
    "INTERSECT": f"there is no INTERSECT{_NO_SETS}",
    "LATERAL": "there is no LATERAL; to test a list write tags CONTAINS 'x'",
    "MINUS": f"there is no MINUS{_NO_SETS}",
    "OVER": (
        "there is no OVER; for a total beside the rows run SELECT COUNT(*) with execute_many, and for the best n of "
        "each group write GROUP BY source KEEP n"
    ),
    "PIVOT": "there is no PIVOT; pivot the rows in Python",
    "QUALIFY": "there is no QUALIFY; for the best n of each group write GROUP BY source KEEP n",
    "TABLESAMPLE": "there is no TABLESAMPLE; write LIMIT n",
    "UNPIVOT": "there is no UNPIVOT; select the fields and turn the rows in Python",
    "WINDOW": "there is no WINDOW; for the best n of each group write GROUP BY source KEEP n",
}


_JOINED = re.compile(r"\s*\|\|")


_FETCHED = re.compile(r"\s+(?:FIRST|NEXT)\s+(\d+)", re.IGNORECASE)


_NAME_FOLLOWS = re.compile(r"\s+([A-Za-z_]\w*)", re.ASCII)


_QUALIFIED = re.compile(r"-[\w-]*\w\.([A-Za-z_]\w*)", re.ASCII)


def statement_hint(state: SyntaxState) -> Explanation | None:
    """Explain statements, joins and subqueries."""
    word = state.word.upper()
    if "SELECT" in state.expected and word in _WRITING:
        return unsupported(f"ChromaSQL is read-only; there is no {word}", state.span)
    if "SELECT" in state.expected and word == "WITH":
        return unsupported(
            "there is no WITH before SELECT; run the inner statement first and pass its rows as a parameter", state.span
        )
    if "SELECT" in state.expected and word == "DESC":
        return unsupported("there is no DESC; write DESCRIBE docs", state.span)
    if state.after("SHOW") and word == "TABLES":
        return unsupported("there are no tables; write SHOW COLLECTIONS", state.span)
    if "WHERE" in state.expected and word in _JOINING:
        return unsupported(_NO_JOIN.format("UNION" if word == "UNION" else "JOIN"), state.span)
    if state.clause == "FROM" and state.kind == "NAME" and (join := state.follows(_JOIN_FOLLOWS)):
        return unsupported(_NO_JOIN.format("JOIN"), Span(join.end() - len("JOIN"), join.end()))
    if state.after("EXCEPT") and word == "SELECT":
        return unsupported(f"there is no EXCEPT SELECT{_NO_SETS}", state.span)
    if _SUBQUERY.match(state.text, state.span.start) or (word == "SELECT" and state.after("LPAR")):
        return unsupported(_NO_SUBQUERIES, state.span)
    if state.after("LPAR", "NAME") and state.previous_word == "SELECT":
        return unsupported(_NO_SUBQUERIES, span_of(state.previous))
    return None


def construct_hint(state: SyntaxState) -> Explanation | None:
    """Explain clauses and expressions of other dialects."""
    word = state.word.upper()
    if state.previous_word == "CASE" or word == "WHEN":
        span = span_of(state.previous) if state.previous_word == "CASE" else state.span
        return unsupported(
            "there is no CASE; run a statement for each case with execute_many, or compute it in Python", span
        )
    if state.previous_word in ("CUBE", "GROUPING", "ROLLUP") and (state.kind == "LPAR" or word == "SETS"):
        what = "GROUPING SETS" if word == "SETS" else state.previous_word
        return unsupported(
            f"there is no {what}; run a statement with its own GROUP BY for each level with execute_many",
            span_of(state.previous),
        )
    if word == "EXCLUDE" and "EXCEPT" in state.expected:
        return unsupported("there is no EXCLUDE; write * EXCEPT (field)", state.span)
    if "AS" in state.expected or "WHERE" in state.expected:
        if word in _CONSTRUCTS:
            return unsupported(_CONSTRUCTS[word], state.span)
        if word == "FETCH":
            fetched = state.follows(_FETCHED)
            return unsupported(f"there is no FETCH FIRST; write LIMIT {fetched[1] if fetched else 'n'}", state.span)
        if word == "FOR":
            return unsupported("ChromaSQL is read-only; there is no FOR UPDATE", state.span)
    if state.text.startswith("::", state.span.start):
        return unsupported("there is no cast; values keep the type that they are stored with", state.span)
    if state.text.startswith("||", state.span.start) or (state.kind == "STRING" and state.follows(_JOINED)):
        return unsupported("there is no ||; join the texts in Python and pass the result as a parameter", state.span)
    return _page_hint(state, word) or _order_hint(state, word)


def _page_hint(state: SyntaxState, word: str) -> Explanation | None:
    """Explain what stands around LIMIT and OFFSET."""
    clause = next((kind for kind in ("LIMIT", "OFFSET") if is_token(state.stack[-2], kind)), "")
    if state.after("LIMIT") and word == "ALL":
        return unsupported("there is no LIMIT ALL; leave LIMIT out for all rows", state.span)
    if not clause:
        return None
    value = state.text_of(state.previous)
    if state.kind == "COMMA" and clause == "LIMIT":
        return unsupported(f"there is no LIMIT {value}, n; write LIMIT n OFFSET {value}", state.span)
    if word == "BY" and clause == "LIMIT":
        by = state.follows(_NAME_FOLLOWS)
        return unsupported(
            f"there is no LIMIT {value} BY; write GROUP BY {by[1] if by else 'source'} KEEP {value}", state.span
        )
    if word in ("ROW", "ROWS"):
        return unsupported(f"{word} is not written; {clause} {value} is enough", state.span)
    if word[:1] in ("+", "-", "*", "/"):
        return unsupported(
            f"{clause} takes a number or a parameter, not arithmetic; compute it in Python and pass it", state.span
        )
    return None


def _order_hint(state: SyntaxState, word: str) -> Explanation | None:
    """Explain directions of RANK BY, and columns by their number."""
    if state.after("ORDER", "BY", "NAME") and state.previous_word == "RANK":
        return unsupported("there is no ORDER BY RANK; write RANK BY and the expression", span_of(state.previous))
    if state.clause == "RANK" and word in ("ASC", "DESC"):
        return unsupported("RANK BY has no direction: the lowest score comes first", state.span)
    if state.clause in ("GROUP", "ORDER") and state.numeric and is_token(state.previous, "BY", "COMMA"):
        return unsupported(f"there are no column numbers; write the name of the column in place of {word}", state.span)
    return None


def select_hint(state: SyntaxState) -> Explanation | None:
    """Explain what stands between SELECT and FROM."""
    previous = state.previous_word
    if state.after("SELECT", "NAME") and previous == "TOP" and state.word.isdigit():
        return unsupported(f"there is no SELECT TOP; write LIMIT {state.word} at the end", span_of(state.previous))
    if previous == "ALL" and state.after("NAME") and state.kind == "NAME":
        return unsupported("ALL is not written; only DISTINCT leaves rows out", span_of(state.previous))
    if state.after("DOT") and state.word.startswith("*"):
        root = str(state.stack[-2]) if is_token(state.stack[-2], "NAME") else "metadata"
        whole = "write metadata for all of it" if root.lower() == "metadata" else "write * for all columns"
        return unsupported(f"there is no {root}.*; {whole}", Span(state.span.start, state.span.start + 1))
    if state.clause != "SELECT":
        return None
    if state.kind == "MINUS" and (column := _QUALIFIED.match(state.text, state.span.start)):
        return unsupported(
            f"write {column[1]} alone; a collection whose name has a dash needs an alias to be written before it",
            state.span,
        )
    if is_token(state.open_call(), "NAME"):
        return None
    if state.kind == "LPAR" and not is_token(state.previous, "NAME"):
        return unsupported("SELECT takes columns without brackets, not expressions", state.span)
    constant = state.numeric or (state.kind == "STRING" and state.word[0] == "'")
    if constant and is_token(state.previous, "SELECT", "COMMA", "DISTINCT"):
        written = f"; for the column write {state.word[1:-1]}" if state.word[1:-1].isidentifier() else ""
        return unsupported(f"SELECT takes columns, not constants{written}", state.span)
    return None


def function_hint(state: SyntaxState) -> Explanation | None:
    """Explain functions and arithmetic outside RANK BY."""
    if state.clause == "GROUP" and state.kind == "LPAR" and is_token(state.previous, "NAME"):
        return Explanation(unknown_function_message(state.previous), span_of(state.previous), "unknown-function")
    if state.clause not in ("SELECT", "WHERE", "HAVING", "ORDER", "KEEP") or state.kind == "$END":
        return None
    call = state.open_call()
    if is_token(call, "NAME"):
        name = call.upper()
        if name == "TOP":
            return unsupported("there is no SELECT TOP; write LIMIT at the end", span_of(call))
        if name == "ON" and state.clause == "SELECT":
            return unsupported("there is no DISTINCT ON; write GROUP BY source KEEP 1", span_of(call))
        if name not in ast.AGGREGATES:
            return Explanation(unknown_function_message(call), span_of(call), "unknown-function")
        if is_token(state.previous, "LPAR"):
            rows = "; COUNT(*) counts the rows" if name == "COUNT" else ""
            return Explanation(f"{name} takes a field, found {state.found}{rows}", state.span, "invalid-argument")
    if "DOT" in state.expected and state.word[0] in "+-*/":
        return unsupported("arithmetic is allowed only in RANK BY", state.span)
    return None
