"""Rules of expressions and conditions to nodes: one function for each rule, named after it."""

from __future__ import annotations

import builtins
import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from chromasql import ast
from chromasql._source import Span
from chromasql.errors import ChromaSQLParseError
from chromasql.parser.arguments import check_value, nodes_in
from chromasql.parser.build_clauses import Clause
from chromasql.parser.literals import span_of
from chromasql.parser.names import as_column

if TYPE_CHECKING:
    from lark import Token

__all__ = [
    "between",
    "comparison",
    "conjunction",
    "contains_many",
    "contains_one",
    "disjunction",
    "document_negation",
    "document_test",
    "having",
    "is_distinct",
    "is_null",
    "is_null_word",
    "is_truth",
    "like",
    "membership",
    "named_document_test",
    "named_not_document_test",
    "negation",
    "not_null",
    "not_text_test",
    "quantified",
    "regex",
    "text_test",
    "where",
    "where_document",
]

_DOCUMENT = ast.Field("document")


_TEXT_TESTS = (ast.ContainsPredicate, ast.LikePredicate, ast.RegexPredicate)


_COMPARISONS: dict[str, ast.ComparisonOperator] = {
    "!=": "!=",
    "<": "<",
    "<=": "<=",
    "<>": "!=",
    "=": "=",
    "==": "=",
    ">": ">",
    ">=": ">=",
}


# Clauses


def where(span: Span, _where: Token, predicate: ast.Expression) -> Clause:
    return Clause("WHERE", span, {"where": predicate})


def having(span: Span, _having: Token, predicate: ast.Expression) -> Clause:
    return Clause("HAVING", span, {"having": predicate})


def where_document(span: Span, _keyword: Token, predicate: ast.Expression) -> Clause:
    return Clause("WHERE_DOCUMENT", span, {"where_document": predicate})


# Logic


def disjunction(span: Span, *parts: Any) -> ast.Expression:
    return _joined("OR", parts[::2], span)


def conjunction(span: Span, *parts: Any) -> ast.Expression:
    return _joined("AND", parts[::2], span)


def _joined(operator: ast.BooleanOperator, parts: Sequence[ast.Expression], span: Span) -> ast.Expression:
    """Join predicates into one node, flattening those that the same operator joins already."""
    if len(parts) == 1:
        return parts[0]
    flat: list[ast.Expression] = []
    for part in parts:
        same = isinstance(part, ast.BooleanPredicate) and part.operator == operator
        flat.extend(part.predicates if same else (part,))  # type: ignore[union-attr]
    return ast.BooleanPredicate(operator, tuple(flat), span=span)


def negation(span: Span, _not: Token, predicate: ast.Expression) -> ast.NotPredicate:
    return ast.NotPredicate(predicate, span=span)


# Tests. In double quotes, what stands left of a test is a name, and what stands right of it a text.


def comparison(span: Span, operand: ast.Expression, operator: Token, value: Any) -> ast.ComparisonPredicate:
    return ast.ComparisonPredicate(as_column(operand), _COMPARISONS[operator], value, span=span)


def quantified(span: Span, operand: Any, operator: Token, quantifier: Token, *rest: Any) -> ast.ComparisonPredicate:
    (values,) = nodes_in(rest)
    every = quantifier.type == "ALL"
    # 'x' = ANY("tags"): a text on the left is meant.
    return ast.ComparisonPredicate(
        operand, _COMPARISONS[operator], as_column(values), "ALL" if every else "ANY", span=span
    )


def membership(
    span: Span, operand: ast.Expression, negated: Token | None, _in: Token, values: ast.Array | ast.Parameter
) -> ast.InPredicate:
    return ast.InPredicate(as_column(operand), values, negated is not None, span=span)


def between(span: Span, operand: ast.Expression, negated: Token | None, *bounds: Any) -> ast.BetweenPredicate:
    _between, low, _and, high = bounds
    return ast.BetweenPredicate(as_column(operand), low, high, negated is not None, span=span)


def is_null(
    span: Span, operand: ast.Expression, _is: Token, negated: Token | None, _null: Token
) -> ast.IsNullPredicate:
    return ast.IsNullPredicate(as_column(operand), negated is not None, span=span)


def is_null_word(span: Span, operand: ast.Expression, word: Token) -> ast.IsNullPredicate:
    return ast.IsNullPredicate(as_column(operand), word.type == "NOTNULL", span=span)


def not_null(span: Span, operand: ast.Expression, _not: Token, _null: Token) -> ast.IsNullPredicate:
    return ast.IsNullPredicate(as_column(operand), negated=True, span=span)


def is_truth(
    span: Span, operand: ast.Expression, _is: Token, negated: Token | None, value: Token
) -> ast.IsTruthPredicate:
    return ast.IsTruthPredicate(as_column(operand), value.type == "TRUE", negated is not None, span=span)


def is_distinct(
    span: Span, operand: ast.Expression, _is: Token, negated: Token | None, *rest: Any
) -> ast.IsDistinctPredicate:
    _distinct, _from, value = rest
    return ast.IsDistinctPredicate(as_column(operand), value, negated is not None, span=span)


# Tests of a text are built without their operand, which WHERE_DOCUMENT leaves out.


def text_test(span: Span, operand: ast.Expression, test: Any) -> ast.Predicate:
    predicate: ast.Predicate = dataclasses.replace(test, operand=as_column(operand), span=span)
    return predicate


def not_text_test(span: Span, operand: ast.Expression, _not: Token, test: Any) -> ast.Predicate:
    predicate: ast.Predicate = dataclasses.replace(test, operand=as_column(operand), negated=True, span=span)
    return predicate


def contains_one(span: Span, _contains: Token, value: ast.Expression) -> ast.ContainsPredicate:
    return ast.ContainsPredicate(_DOCUMENT, value, span=span)


def contains_many(
    span: Span, _contains: Token, quantifier: Token, values: ast.Array | ast.Parameter
) -> ast.ContainsPredicate:
    every = quantifier.type == "ALL"
    return ast.ContainsPredicate(_DOCUMENT, values, quantifier="ALL" if every else "ANY", span=span)


def like(
    span: Span, operator: Token, pattern: ast.Expression, _escape: Token | None, escape: ast.Value | None
) -> ast.LikePredicate:
    _check_text(pattern, ast.LikePredicate, operator.type)
    return ast.LikePredicate(_DOCUMENT, pattern, ignore_case=operator.type == "ILIKE", escape=escape, span=span)


def regex(span: Span, _regex: Token, pattern: ast.Expression) -> ast.RegexPredicate:
    _check_text(pattern, ast.RegexPredicate, "REGEX")
    return ast.RegexPredicate(_DOCUMENT, pattern, span=span)


def _check_text(pattern: ast.Expression, kind: builtins.type[ast.Node], operator: str) -> None:
    """Refuse a pattern that is written out and is not a text."""
    if isinstance(pattern, ast.Literal):
        check_value(pattern, kind, "pattern", operator)


def document_negation(span: Span, _not: Token, predicate: ast.Expression) -> ast.Expression:
    """Read ``NOT CONTAINS 'x'``, without a field, as ``document NOT CONTAINS 'x'``."""
    if isinstance(predicate, _TEXT_TESTS) and not predicate.negated:
        return dataclasses.replace(predicate, negated=True, span=span)
    return ast.NotPredicate(predicate, span=span)


def document_test(_span: Span, test: ast.Predicate) -> ast.Predicate:
    return test


def named_document_test(span: Span, name: Token, test: ast.Predicate) -> ast.Predicate:
    return text_test(span, _document(name), test)


def named_not_document_test(span: Span, name: Token, _not: Token, test: ast.Predicate) -> ast.Predicate:
    return not_text_test(span, _document(name), _not, test)


def _document(name: Token) -> ast.Field:
    if name.upper() == "WHERE_DOCUMENT":
        raise ChromaSQLParseError(
            "WHERE_DOCUMENT is written once: WHERE_DOCUMENT CONTAINS 'a' OR CONTAINS 'b'",
            code="syntax-error",
            span=span_of(name),
        )
    if name.lower() != "document":
        raise ChromaSQLParseError(
            f"WHERE_DOCUMENT tests only the document; test {name} in WHERE", code="syntax-error", span=span_of(name)
        )
    return ast.Field("document", span=span_of(name))
