"""Rules of statements, of the columns of SELECT and of FROM to nodes: one function for each rule, named after it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from chromasql import ast
from chromasql._source import Span
from chromasql.errors import ChromaSQLParseError
from chromasql.parser.aliases import refuse_as_alias
from chromasql.parser.arguments import nodes_in
from chromasql.parser.build_clauses import Clause, fields_of
from chromasql.parser.literals import read_name, read_parameter
from chromasql.parser.names import as_column

if TYPE_CHECKING:
    from lark import Token

__all__ = [
    "describe",
    "explain",
    "item",
    "projection",
    "replacement",
    "script",
    "select",
    "short_alias",
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
    distinct, columns, _from, collections = [part for part in parts if not isinstance(part, Clause)]
    clauses = [part for part in parts if isinstance(part, Clause)]
    fields = fields_of(clauses)
    if "embedding" in fields and "rank" in fields:
        second = [clause for clause in clauses if clause.keyword in ("USING EMBEDDING", "RANK BY")][1]
        raise ChromaSQLParseError(
            "USING EMBEDDING and RANK BY in one statement; USING EMBEDDING (TEXT 'q') is RANK BY KNN('q')",
            code="conflicting-clauses",
            span=second.span,
        )
    if distinct is not None and distinct.type == "DISTINCT":
        columns = dataclasses.replace(columns, distinct=True)
    _check_stars(columns, collections.included)
    return ast.Query(columns, collections.included, excluded=collections.excluded, span=span, **fields)


def _check_stars(columns: ast.Projection, collections: Sequence[ast.Source]) -> None:
    names = {collection.alias or collection.name for collection in collections}
    for star_ in columns.items:
        if not isinstance(star_, ast.Star) or star_.qualifier is None or star_.qualifier in names:
            continue
        root = star_.qualifier
        whole = "write metadata for all of it" if root.lower() == "metadata" else "write * for all columns"
        raise ChromaSQLParseError(f"there is no {root}.*; {whole}", code="unsupported-syntax", span=star_.span)


# Projection and sources


def projection(span: Span, *parts: Any) -> ast.Projection:
    return ast.Projection(tuple(parts[::2]), span=span)


def star(span: Span, qualifier: Token | None, _dot: Token | None, _star: Token, *rest: Any) -> ast.Star:
    nodes = nodes_in(rest)
    excluded = tuple(node for node in nodes if isinstance(node, ast.Field))
    replaced = tuple(node for node in nodes if isinstance(node, ast.ProjectionItem))
    if len(excluded) + len(replaced) < len(nodes):
        raise ChromaSQLParseError("* EXCEPT takes columns", code="invalid-argument", span=span)
    name = None if qualifier is None else str(qualifier)
    return ast.Star(excluded, replaced, qualifier=name, span=span)


def replacement(span: Span, expression: ast.Expression, _as: Token, name: Token) -> ast.ProjectionItem:
    return ast.ProjectionItem(as_column(expression), read_name(name), span=span)


def item(span: Span, operand: ast.Expression, *alias: Any) -> ast.ProjectionItem:
    return ast.ProjectionItem(as_column(operand), _alias(alias), span=span)


def short_alias(_span: Span, token: Token) -> Token:
    """Check an alias without AS, which may be a clause that is misspelt, or another construct."""
    if token.type == "NAME":
        refuse_as_alias(token)
    return token


def _alias(parts: Sequence[Token | None]) -> str | None:
    """Return the alias among what follows a column or a collection: AS and a name, a name alone, or nothing."""
    last = parts[-1] if parts else None
    return None if last is None else read_name(last)


def sources(span: Span, *parts: Any) -> _Sources:
    types = [getattr(part, "type", None) for part in parts]
    end = types.index("EXCEPT") if "EXCEPT" in types else len(parts)
    return _Sources(nodes_in(parts[:end]), nodes_in(parts[end:]), span)


def source(span: Span, name: ast.Source, *alias: Any) -> ast.Source:
    found = _alias(alias)
    return name if found is None else dataclasses.replace(name, alias=found, span=span)


def source_name(span: Span, token: Token) -> ast.Source:
    if token.type == "PARAM":
        return ast.Source(ast.Parameter(read_parameter(token), span=span), span=span)
    return ast.Source(read_name(token), quoted=token.type != "SOURCE", span=span)
