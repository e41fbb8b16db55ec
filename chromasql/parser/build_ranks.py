"""Rules of USING EMBEDDING and RANK BY to nodes: one function for each rule, named after it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chromasql import ast
from chromasql._source import Span
from chromasql.errors import ChromaSQLParseError, near_names
from chromasql.parser.arguments import argument_values, bare_word_as_string, check_value, named_arguments, nodes_in
from chromasql.parser.build_clauses import Clause
from chromasql.parser.literals import read_number, span_of
from chromasql.parser.syntax_errors import NAMED_ARGUMENTS, NO_QUERY, query_first_message

if TYPE_CHECKING:
    from lark import Token

__all__ = [
    "binary",
    "bm25",
    "call",
    "embedding_text",
    "embedding_vector",
    "grouped",
    "knn_named",
    "knn_positional",
    "number",
    "number_parameter",
    "rank",
    "rrf",
    "unary",
    "using_batch",
    "using_one",
]

_FUNCTIONS: dict[str, ast.RankFunction] = {
    "ABS": "ABS",
    "COALESCE": "COALESCE",
    "EXP": "EXP",
    "GREATEST": "MAX",
    "LEAST": "MIN",
    "LN": "LOG",
    "LOG": "LOG",
    "MAX": "MAX",
    "MIN": "MIN",
}


_UNARY_FUNCTIONS = frozenset({"ABS", "EXP", "LOG"})


_OPERATORS: dict[str, ast.ArithmeticOperator] = {"*": "*", "+": "+", "-": "-", "/": "/"}


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


def rank(span: Span, _rank: Token, _by: Token, expression: ast.RankExpr) -> Clause:
    return Clause("RANK BY", span, {"rank": expression})


def binary(span: Span, left: ast.RankExpr, operator: Token, right: ast.RankExpr) -> ast.Binary:
    return ast.Binary(_OPERATORS[operator], left, right, span=span)


def unary(span: Span, operator: Token, operand: ast.RankExpr) -> ast.Unary:
    return ast.Unary("-" if operator == "-" else "+", operand, span=span)


def number(span: Span, token: Token) -> ast.Number:
    return ast.Number(ast.Literal(read_number(token), span=span), span=span)


def number_parameter(span: Span, parameter: ast.Parameter) -> ast.Number:
    return ast.Number(parameter, span=span)


def grouped(_span: Span, _open: Token, inner: Any, _close: Token) -> Any:
    return inner


def call(span: Span, function: Token, _open: Token, *parts: Any) -> ast.Call:
    name = _FUNCTIONS.get(function.upper())
    if name is None:
        known = (*_FUNCTIONS, *NAMED_ARGUMENTS)
        hint = near_names(function, known) or f"; it has {', '.join(sorted(known))}"
        raise ChromaSQLParseError(
            f"RANK BY has no function {function}{hint}", code="unknown-function", span=span_of(function)
        )
    arguments = nodes_in(parts)
    if name in _UNARY_FUNCTIONS and len(arguments) > 1:
        raise ChromaSQLParseError(
            f"{function.upper()} takes one argument", code="invalid-argument", span=arguments[1].span
        )
    return ast.Call(name, arguments, span=span)


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
