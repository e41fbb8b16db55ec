"""Rules of USING EMBEDDING, RANK BY and its searches to nodes: one function for each rule, named after it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chromasql import ast
from chromasql._source import Span
from chromasql.errors import ChromaSQLParseError
from chromasql.parser.arguments import argument_values, bare_word_as_string, check_value, named_arguments, nodes_in
from chromasql.parser.build_clauses import Clause
from chromasql.parser.syntax_errors import NAMED_ARGUMENTS, NO_QUERY, query_first_message

if TYPE_CHECKING:
    from lark import Token

__all__ = [
    "bm25",
    "embedding_text",
    "embedding_vector",
    "knn_named",
    "knn_positional",
    "rank",
    "rrf",
    "using_batch",
    "using_one",
]

# Embeddings


def using_batch(span: Span, _using: Token, _embedding: Token, _batch: Token, *items: Any) -> Clause:
    return Clause("USING EMBEDDING", span, {"embedding": ast.EmbeddingBatch(nodes_in(items), span=span)})


def using_one(span: Span, _using: Token, _embedding: Token, *inside: Any) -> Clause:
    (embedding,) = nodes_in(inside)
    return Clause("USING EMBEDDING", span, {"embedding": embedding})


def embedding_text(
    span: Span, _text: Token, text: ast.Value, _model: Token | None, model: ast.Value | None
) -> ast.EmbeddingText:
    return ast.EmbeddingText(text, model, span=span)


def embedding_vector(
    span: Span, _vector: Token, values: ast.Array | ast.SparseVector | ast.Parameter
) -> ast.EmbeddingVector:
    return ast.EmbeddingVector(check_value(values, ast.EmbeddingVector, "values", "VECTOR"), span=span)


# Rank expressions


def rank(span: Span, _rank: Token, _by: Token, expression: ast.Expression) -> Clause:
    return Clause("RANK BY", span, {"rank": expression})


def knn_positional(span: Span, _knn: Token, _open: Token, query: Any, *rest: Any) -> ast.Knn:
    found = named_arguments(rest, "KNN", ("query", *NAMED_ARGUMENTS["KNN"]))
    if "query" in found:
        raise ChromaSQLParseError("KNN has its query twice", code="duplicate-argument", span=found["query"].span)
    return _make_knn(span, query, found)


def knn_named(span: Span, _knn: Token, _open: Token, *rest: Any) -> ast.Knn:
    found = named_arguments(rest, "KNN", ("query", *NAMED_ARGUMENTS["KNN"]))
    if "query" not in found:
        raise ChromaSQLParseError(NO_QUERY, code="missing-argument", span=span)
    return _make_knn(span, found.pop("query").value, found)


def _make_knn(span: Span, query: Any, found: dict[str, ast.Argument]) -> ast.Knn:
    match query:
        case ast.Literal():
            text = check_value(query, ast.Knn, "query", "KNN")
            query = ast.EmbeddingText(text, span=query.span)
        case ast.Array() | ast.SparseVector():
            values = check_value(query, ast.Knn, "query", "KNN")
            query = ast.EmbeddingVector(values, span=query.span)
        case ast.Field():
            raise ChromaSQLParseError(query_first_message(query.name), code="missing-argument", span=query.span)
    key = found.pop("key").value if "key" in found and isinstance(found["key"].value, ast.Field) else None
    arguments = {"key": key} | argument_values(ast.Knn, found)
    return ast.Knn(query, span=span, **arguments)


def bm25(span: Span, _bm25: Token, _open: Token, query: ast.Value, *rest: Any) -> ast.Bm25:
    found = named_arguments(rest, "BM25", NAMED_ARGUMENTS["BM25"])
    if "statistics" in found:
        found["statistics"] = bare_word_as_string(found["statistics"])
    return ast.Bm25(query, span=span, **argument_values(ast.Bm25, found))


def rrf(span: Span, _rrf: Token, *parts: Any) -> ast.Rrf:
    found = named_arguments(parts, "RRF", NAMED_ARGUMENTS["RRF"])
    ranks = tuple(part for part in nodes_in(parts) if not isinstance(part, ast.Argument))
    values = argument_values(ast.Rrf, found)
    weights = values.get("weights")
    if isinstance(weights, ast.Array) and len(weights.items) != len(ranks):
        raise ChromaSQLParseError(
            f"weights takes one number for each rank: {len(ranks)}, not {len(weights.items)}",
            code="invalid-argument",
            span=weights.span,
        )
    return ast.Rrf(ranks, span=span, **values)
