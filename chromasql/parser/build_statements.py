"""Rules of statements, of the columns of SELECT and of FROM to nodes: one function for each rule, named after it."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, NamedTuple

from chromasql import ast
from chromasql._source import Span
from chromasql.errors import ChromaSQLParseError
from chromasql.parser.arguments import nodes_in
from chromasql.parser.build_clauses import Clause, fields_of
from chromasql.parser.function_hints import unknown_function_message
from chromasql.parser.literals import read_name, read_parameter, span_of

if TYPE_CHECKING:
    from lark import Token

__all__ = [
    "aggregate",
    "describe",
    "explain",
    "item",
    "projection",
    "script",
    "select",
    "show_collections",
    "source",
    "source_name",
    "sources",
    "star",
]


class _Sources(NamedTuple):
    included: tuple[ast.Source, ...]
    excluded: tuple[ast.Source, ...]
    span: Span


# Statements


def script(_span: Span, *parts: Any) -> tuple[ast.Statement, ...]:
    return nodes_in(parts)


def explain(span: Span, _explain: Token, *rest: Any) -> ast.Query:
    query: ast.Query = rest[-1]
    return dataclasses.replace(query, explain="ANALYZE" if len(rest) > 1 else "PLAN", span=span)


def show_collections(span: Span, _show: Token, _collections: Token, *clauses: Clause) -> ast.ShowCollections:
    return ast.ShowCollections(span=span, **fields_of(clauses))


def describe(span: Span, _describe: Token, collection: ast.Source) -> ast.Describe:
    if collection.is_pattern:
        raise ChromaSQLParseError(
            "DESCRIBE takes one collection, not a pattern", code="invalid-argument", span=collection.span
        )
    return ast.Describe(collection, span=span)


def select(span: Span, _select: Token, *parts: Any) -> ast.Query:
    *distinct, columns, _from, collections = [part for part in parts if not isinstance(part, Clause)]
    clauses = [part for part in parts if isinstance(part, Clause)]
    fields = fields_of(clauses)
    if "embedding" in fields and "rank" in fields:
        second = [clause for clause in clauses if clause.keyword in ("USING EMBEDDING", "RANK BY")][1]
        raise ChromaSQLParseError(
            "USING EMBEDDING and RANK BY in one statement; USING EMBEDDING (TEXT 'q') is RANK BY KNN('q')",
            code="conflicting-clauses",
            span=second.span,
        )
    if distinct:
        columns = dataclasses.replace(columns, distinct=True)
    return ast.Query(columns, collections.included, excluded=collections.excluded, span=span, **fields)


# Projection and sources


def projection(span: Span, *parts: Any) -> ast.Projection:
    return ast.Projection(tuple(parts[::2]), span=span)


def star(span: Span, _star: Token, *excluded: Any) -> ast.Star:
    return ast.Star(nodes_in(excluded), span=span)


def item(span: Span, operand: ast.Operand, _as: Token | None, alias: Token | None) -> ast.ProjectionItem:
    return ast.ProjectionItem(operand, None if alias is None else read_name(alias), span=span)


def aggregate(span: Span, function: Token, *inside: Any) -> ast.Aggregate:
    name = next((known for known in ast.AGGREGATES if known == function.upper()), None)
    if name is None:
        raise ChromaSQLParseError(unknown_function_message(function), code="unknown-function", span=span_of(function))
    tokens = {getattr(part, "type", None) for part in inside}
    fields = nodes_in(inside)
    if not fields and "STAR_ARGUMENT" not in tokens:
        choice = "COUNT(*) or COUNT(field)" if name == "COUNT" else f"{name}(field)"
        raise ChromaSQLParseError(f"{name} needs an argument: {choice}", code="missing-argument", span=span)
    if not fields and name != "COUNT":
        raise ChromaSQLParseError(f"{name}(*) has no meaning; write {name}(field)", code="invalid-argument", span=span)
    return ast.Aggregate(name, fields[0] if fields else None, "DISTINCT" in tokens, span=span)


def sources(span: Span, *parts: Any) -> _Sources:
    types = [getattr(part, "type", None) for part in parts]
    end = types.index("EXCEPT") if "EXCEPT" in types else len(parts)
    return _Sources(nodes_in(parts[:end]), nodes_in(parts[end:]), span)


def source(span: Span, name: ast.Source, _as: Token | None, alias: Token | None) -> ast.Source:
    return name if alias is None else dataclasses.replace(name, alias=read_name(alias), span=span)


def source_name(span: Span, token: Token) -> ast.Source:
    if token.type == "PARAM":
        return ast.Source(ast.Parameter(read_parameter(token), span=span), span=span)
    return ast.Source(read_name(token), quoted=token.type != "SOURCE", span=span)
