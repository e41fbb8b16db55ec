"""Rules of the clauses after FROM to nodes, but for RANK BY and WHERE: one function for each rule, named after it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from chromasql import ast
from chromasql._source import Span
from chromasql.errors import ChromaSQLParseError
from chromasql.parser.arguments import bare_word_as_string, check_value, named_arguments, nodes_in
from chromasql.parser.literals import read_number, span_of
from chromasql.parser.names import as_column

if TYPE_CHECKING:
    from lark import Token

__all__ = [
    "arg",
    "fetch",
    "group",
    "keep",
    "like_names",
    "limit",
    "offset",
    "options",
    "order",
    "order_item",
    "rerank",
    "similarity",
    "threshold",
    "topk",
]


class Clause(NamedTuple):
    """What one clause sets: fields of the statement's node."""

    keyword: str
    span: Span
    fields: dict[str, Any]


def fields_of(clauses: Iterable[Clause]) -> dict[str, Any]:
    """Return the fields that clauses set, each clause once at most."""
    fields: dict[str, Any] = {}
    seen: set[str] = set()
    for clause in clauses:
        if clause.keyword in seen:
            combine = "; combine with AND" if clause.keyword in ("WHERE", "WHERE_DOCUMENT", "HAVING") else ""
            raise ChromaSQLParseError(
                f"{clause.keyword} is given twice{combine}", code="duplicate-clause", span=clause.span
            )
        seen.add(clause.keyword)
        fields.update(clause.fields)
    return fields


def like_names(span: Span, _like: Token, pattern: ast.Value) -> Clause:
    return Clause("LIKE", span, {"like": pattern})


def similarity(span: Span, _similarity: Token, space: Token) -> Clause:
    return Clause("SIMILARITY", span, {"similarity": space.upper()})


def topk(span: Span, _topk: Token, count: ast.Value) -> Clause:
    return Clause("TOPK", span, {"topk": check_value(count, ast.Query, "topk", "TOPK")})


def limit(span: Span, _limit: Token, count: ast.Expression) -> Clause:
    return Clause("LIMIT", span, {"limit": _page_value(count, "limit")})


def offset(span: Span, _offset: Token, count: ast.Expression) -> Clause:
    return Clause("OFFSET", span, {"offset": _page_value(count, "offset")})


def _page_value(count: ast.Expression, field: str) -> ast.Expression:
    """Check LIMIT and OFFSET where they are a single value; the planner computes arithmetic."""
    return check_value(count, ast.Query, field, field.upper()) if isinstance(count, ast.Literal) else count


def fetch(span: Span, _fetch: Token, *words: Token) -> Clause:
    first, count, rows, only = words
    spelled = first.upper() in ("FIRST", "NEXT") and rows.upper() in ("ROW", "ROWS") and only.upper() == "ONLY"
    if not spelled:
        raise ChromaSQLParseError("write FETCH FIRST n ROWS ONLY, or LIMIT n", code="syntax-error", span=span)
    node = ast.Literal(read_number(count), span=span_of(count))
    return Clause("LIMIT", span, {"limit": _page_value(node, "limit")})


def threshold(span: Span, _with: Token, _score: Token, _threshold: Token, bound: ast.Value) -> Clause:
    name = "WITH SCORE THRESHOLD"
    return Clause(name, span, {"score_threshold": check_value(bound, ast.Query, "score_threshold", name)})


def group(span: Span, _group: Token, _by: Token, *parts: Any) -> Clause:
    keys = tuple(as_column(part) for part in nodes_in(parts) if not isinstance(part, ast.Keep))
    kept = next((part for part in parts if isinstance(part, ast.Keep)), None)
    return Clause("GROUP BY", span, {"group_by": ast.GroupBy(keys, kept, span=span)})


def keep(span: Span, _keep: Token, count: ast.Value, *parts: Any) -> ast.Keep:
    items = tuple(part for part in parts if isinstance(part, ast.OrderItem))
    return ast.Keep(check_value(count, ast.Keep, "count", "KEEP"), items, span=span)


def order(span: Span, _order: Token, _by: Token, *parts: Any) -> Clause:
    return Clause("ORDER BY", span, {"order_by": tuple(parts[::2])})


def order_item(
    span: Span, operand: ast.Expression, direction: Token | None, _nulls: Token | None, position: Token | None
) -> ast.OrderItem:
    descending = direction is not None and direction.type == "DESC"
    nulls = None if position is None else _NULLS[position.type]
    return ast.OrderItem(as_column(operand), "DESC" if descending else "ASC", nulls, span=span)


_NULLS: dict[str, ast.NullsPosition] = {"FIRST": "FIRST", "LAST": "LAST"}


def rerank(span: Span, _rerank: Token, _by: Token, strategy: Token, *parts: Any) -> Clause:
    node = ast.Rerank(strategy.upper(), _free_arguments(parts, "RERANK BY"), span=span)
    return Clause("RERANK BY", span, {"rerank": node})


def options(span: Span, _with: Token, _open: Token, *parts: Any) -> Clause:
    return Clause("WITH", span, {"options": _free_arguments(parts, "WITH")})


def _free_arguments(parts: Iterable[Any], where: str) -> tuple[ast.Argument, ...]:
    """Return arguments whose names the planner checks: which there are depends on the strategy or the options."""
    return tuple(map(bare_word_as_string, named_arguments(parts, where).values()))


def arg(span: Span, name: Token, _equals: Token, value: Any) -> ast.Argument:
    return ast.Argument(name.lower(), value, span=span)
