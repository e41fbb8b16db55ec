"""Constructs of other SQL dialects: what ChromaSQL has in their place."""

from __future__ import annotations

import re

from chromasql import ast
from chromasql._source import Span
from chromasql.parser.literals import span_of
from chromasql.parser.syntax_state import CLAUSE_PHRASES, Explanation, SyntaxState, is_token, unsupported

__all__ = ["NO_SUBQUERIES", "construct_hint", "select_hint", "source_hint", "statement_hint"]

_WRITING = frozenset(
    {"ALTER", "CREATE", "DELETE", "DROP", "INSERT", "MERGE", "REPLACE", "TRUNCATE", "UPDATE", "UPSERT"}
)


_JOINING = frozenset({"CROSS", "FULL", "INNER", "JOIN", "LEFT", "NATURAL", "ON", "OUTER", "RIGHT", "UNION"})


# An alias without AS before a JOIN hides the word that matters.
_JOIN_FOLLOWS = re.compile(r"\s+(?:(?:CROSS|FULL|INNER|LEFT|NATURAL|OUTER|RIGHT)\s+)*JOIN\b", re.IGNORECASE)


_NO_JOIN = "there is no {}; FROM a, b searches both collections and merges their rows"


NO_SUBQUERIES = "there are no subqueries; run the inner statement first and pass its rows as a parameter"


_SUBQUERY = re.compile(r"\(\s*SELECT\b", re.IGNORECASE)


_NO_SETS = "; write both conditions in one WHERE, joined by AND or AND NOT"


# Words that stand where a clause or an alias could.
_CONSTRUCTS = {
    "FILTER": "FILTER stands behind an aggregate: COUNT(*) FILTER (WHERE year > 2020)",
    "INTERSECT": f"there is no INTERSECT{_NO_SETS}",
    "LATERAL": "there is no LATERAL; to test a list write tags CONTAINS 'x'",
    "MINUS": f"there is no MINUS{_NO_SETS}",
    "OVER": (
        "of OVER there is COUNT(*) OVER () alone; for the best n of each group write GROUP BY source KEEP n, and for "
        'other windows run duckdb.sql("SELECT .. FROM result") over the result'
    ),
    "PIVOT": "there is no PIVOT; pivot the rows in Python",
    "QUALIFY": "there is no QUALIFY; for the best n of each group write GROUP BY source KEEP n",
    "TABLESAMPLE": "there is no TABLESAMPLE; write LIMIT n",
    "UNPIVOT": "there is no UNPIVOT; select the fields and turn the rows in Python",
    "WINDOW": "there is no WINDOW; for the best n of each group write GROUP BY source KEEP n",
}


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
        return unsupported(NO_SUBQUERIES, state.span)
    if state.after("LPAR", "NAME") and state.previous_word == "SELECT":
        return unsupported(NO_SUBQUERIES, span_of(state.previous))
    return None


def source_hint(state: SyntaxState) -> Explanation | None:
    """Explain a clause in the place of a collection: ``FROM WHERE a = 1``."""
    name = state.previous
    if not isinstance(name, ast.Source) or name.quoted or str(name.name).upper() not in CLAUSE_PHRASES:
        return None
    after = (
        "FROM names no collection" if is_token(state.stack[-2], "FROM") else "a collection is missing after the comma"
    )
    return Explanation(after, name.span)


def construct_hint(state: SyntaxState) -> Explanation | None:
    """Explain clauses and expressions of other dialects."""
    word = state.word.upper()
    if state.after("OVER", "LPAR"):
        return unsupported(_CONSTRUCTS["OVER"], state.span)
    if word == "SETS" or (
        state.previous_word in ("CUBE", "GROUPING", "ROLLUP") and (state.kind == "LPAR" or word == "SETS")
    ):
        what = "GROUPING SETS" if word == "SETS" else state.previous_word
        return unsupported(
            f"there is no {what}; run a statement with its own GROUP BY for each level with execute_many",
            span_of(state.previous),
        )
    if "AS" in state.expected or "WHERE" in state.expected:
        if word in _CONSTRUCTS:
            return unsupported(_CONSTRUCTS[word], state.span)
        if word == "FOR":
            return unsupported("ChromaSQL is read-only; there is no FOR UPDATE", state.span)
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
    return None


def _order_hint(state: SyntaxState, word: str) -> Explanation | None:
    """Explain directions of RANK BY, and columns by their number."""
    if state.after("ORDER", "BY", "NAME") and state.previous_word == "RANK":
        return unsupported("there is no ORDER BY RANK; write RANK BY and the expression", span_of(state.previous))
    if state.clause == "RANK" and word in ("ASC", "DESC"):
        return unsupported("RANK BY has no direction: the lowest score comes first", state.span)
    return None


def select_hint(state: SyntaxState) -> Explanation | None:
    """Explain what stands between SELECT and FROM."""
    previous = state.previous_word
    if state.after("SELECT", "NAME") and previous == "TOP" and state.word.isdigit():
        return unsupported(f"there is no SELECT TOP; write LIMIT {state.word} at the end", span_of(state.previous))
    if state.clause != "SELECT":
        return None
    if state.kind == "MINUS" and (column := _QUALIFIED.match(state.text, state.span.start)):
        return unsupported(
            f"write {column[1]} alone; a collection whose name has a dash needs an alias to be written before it",
            state.span,
        )
    return None
