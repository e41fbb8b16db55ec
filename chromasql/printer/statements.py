"""Statements to canonical text: what `chromasql.parser.parse` reads back as the same tree."""

from __future__ import annotations

from collections.abc import Iterator
from typing import assert_never

from chromasql import ast
from chromasql.grammar import terminal_pattern
from chromasql.printer.expressions import (
    JOIN,
    listed,
    print_any_value,
    print_embedding,
    print_expression,
    print_field,
    print_name,
    print_value,
    quoted,
)

__all__ = ["print_script", "print_statement"]


def print_script(script: ast.Script) -> str:
    """Print statements, one on each line, each with a semicolon at the end; raise what `print_statement` raises."""
    return "\n".join(f"{print_statement(statement)};" for statement in script)


def print_statement(statement: ast.Statement) -> str:
    """
    Print a statement in its canonical form.

    Keywords are in capitals, clauses in a fixed order, brackets and quotes only where they are needed, and all of it
    is on one line (unless a name holds a line break). `chromasql.parse` reads the text back as the same tree. Raises
    `ChromaSQLError` for what the language cannot express, such as an infinite number.
    """
    match statement:
        case ast.Query():
            return " ".join(_query(statement))
        case ast.ShowCollections(like=like, limit=limit, offset=offset):
            clauses = (("LIKE", like), ("LIMIT", limit), ("OFFSET", offset))
            shown = [f"{keyword} {print_value(value)}" for keyword, value in clauses if value is not None]
            return " ".join(["SHOW COLLECTIONS", *shown])
        case ast.Describe(collection=source):
            return f"DESCRIBE {_source(source)}"
        case _:
            assert_never(statement)


def _query(query: ast.Query) -> Iterator[str]:
    if query.explain is not None:
        yield "EXPLAIN ANALYZE" if query.explain == "ANALYZE" else "EXPLAIN"
    yield "SELECT DISTINCT" if query.projection.distinct else "SELECT"
    yield listed(map(_projected, query.projection.items))
    yield f"FROM {listed(map(_source, query.sources))}"
    if query.excluded:
        yield f"EXCEPT ({listed(map(_source, query.excluded))})"
    if query.embedding is not None:
        yield f"USING EMBEDDING {_embeddings(query.embedding)}"
    if query.rank is not None:
        yield f"RANK BY {print_expression(query.rank, JOIN)}"
    if query.where is not None:
        yield f"WHERE {print_expression(query.where)}"
    if query.where_document is not None:
        yield f"WHERE_DOCUMENT {print_expression(query.where_document, of_document=True)}"
    if query.similarity is not None:
        yield f"SIMILARITY {query.similarity}"
    if query.topk is not None:
        yield f"TOPK {print_value(query.topk)}"
    if query.group_by is not None:
        yield _group(query.group_by)
    if query.having is not None:
        yield f"HAVING {print_expression(query.having)}"
    if query.order_by:
        yield f"ORDER BY {listed(map(_ordered, query.order_by))}"
    if query.rerank is not None:
        arguments = f"({listed(map(_argument, query.rerank.arguments))})" if query.rerank.arguments else ""
        yield f"RERANK BY {query.rerank.strategy}{arguments}"
    if query.limit is not None:
        yield f"LIMIT {print_expression(query.limit, JOIN)}"
    if query.offset is not None:
        yield f"OFFSET {print_expression(query.offset, JOIN)}"
    if query.score_threshold is not None:
        yield f"WITH SCORE THRESHOLD {print_value(query.score_threshold)}"
    if query.options:
        yield f"WITH ({listed(map(_argument, query.options))})"


def _projected(item: ast.Star | ast.ProjectionItem) -> str:
    match item:
        case ast.Star(excluded=excluded, replaced=replaced):
            without = f" EXCEPT ({listed(map(print_field, excluded))})" if excluded else ""
            other = f" REPLACE ({listed(map(_projected, replaced))})" if replaced else ""
            return f"*{without}{other}"
        case ast.ProjectionItem(operand=operand, alias=alias):
            return print_expression(operand) + _aliased(alias)
        case _:
            assert_never(item)


def _aliased(alias: str | None) -> str:
    return "" if alias is None else f" AS {print_name(alias)}"


def _source(source: ast.Source) -> str:
    if isinstance(source.name, ast.Parameter):
        name = str(source.name)
    else:
        plain = not source.quoted and terminal_pattern("SOURCE").fullmatch(source.name)
        name = source.name if plain else quoted(source.name)
    return name + _aliased(source.alias)


def _argument(argument: ast.Argument) -> str:
    return f"{argument.name} = {print_any_value(argument.value)}"


def _embeddings(embedding: ast.Embedding | ast.EmbeddingBatch) -> str:
    if isinstance(embedding, ast.EmbeddingBatch):
        return f"BATCH ({listed(map(print_embedding, embedding.items))})"
    return f"({print_embedding(embedding)})"


# Other clauses


def _group(group: ast.GroupBy) -> str:
    text = f"GROUP BY {listed(map(print_expression, group.keys))}"
    if group.keep is None:
        return text
    by = f" BY {listed(map(_ordered, group.keep.order_by))}" if group.keep.order_by else ""
    return f"{text} KEEP {print_value(group.keep.count)}{by}"


def _ordered(item: ast.OrderItem) -> str:
    direction = " DESC" if item.direction == "DESC" else ""
    nulls = "" if item.nulls is None else f" NULLS {item.nulls}"
    return f"{print_expression(item.operand)}{direction}{nulls}"
