"""Rules of arithmetic, calls, CASE and casts to nodes: one function for each rule, named after it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from chromasql import ast
from chromasql._source import Span
from chromasql.errors import ChromaSQLParseError, near_names
from chromasql.parser.arguments import nodes_in
from chromasql.parser.literals import read_number, read_string, span_of
from chromasql.parser.names import as_column, refuse_double_quotes

if TYPE_CHECKING:
    from lark import Token

__all__ = [
    "binary",
    "call",
    "call_star",
    "case",
    "cast_as",
    "cast_to",
    "concatenation",
    "extract",
    "filter",
    "grouped",
    "number",
    "over",
    "type",
    "typed_literal",
    "unary",
    "when",
]

_ARITHMETIC: dict[str, ast.ArithmeticOperator] = {"%": "%", "*": "*", "+": "+", "-": "-", "/": "/"}


_TYPES = {
    "BIGINT": "INTEGER",
    "BOOL": "BOOLEAN",
    "BOOLEAN": "BOOLEAN",
    "CHAR": "TEXT",
    "DATE": "DATE",
    "DATETIME": "TIMESTAMP",
    "DOUBLE": "DOUBLE",
    "DOUBLE PRECISION": "DOUBLE",
    "FLOAT": "DOUBLE",
    "INT": "INTEGER",
    "INTEGER": "INTEGER",
    "REAL": "DOUBLE",
    "STRING": "TEXT",
    "TEXT": "TEXT",
    "TIMESTAMP": "TIMESTAMP",
    "TIMESTAMPTZ": "TIMESTAMP",
    "VARCHAR": "TEXT",
}
"""The names of types in other databases, and the type of ours that each is."""


_TYPED_LITERALS = frozenset({"DATE", "INTERVAL", "TIMESTAMP"})


# Arithmetic


def concatenation(span: Span, *parts: Any) -> ast.Expression:
    left: ast.Expression = parts[0]
    rest: Sequence[ast.Expression] = parts[2::2]
    for right in rest:
        left = ast.Binary(
            "||", refuse_double_quotes(left), refuse_double_quotes(right), span=Span(span[0], right.span[1])
        )
    return left


def binary(span: Span, left: ast.Expression, operator: Token, right: ast.Expression) -> ast.Binary:
    return ast.Binary(_ARITHMETIC[operator], refuse_double_quotes(left), refuse_double_quotes(right), span=span)


def unary(span: Span, operator: Token, operand: ast.Expression) -> ast.Expression:
    negative = operator == "-"
    if isinstance(operand, ast.Literal) and ast.is_number(operand.value):
        return ast.Literal(-operand.value if negative else operand.value, span=span)
    return ast.Unary("-" if negative else "+", refuse_double_quotes(operand), span=span)


def number(span: Span, token: Token) -> ast.Literal:
    return ast.Literal(read_number(token), span=span)


def grouped(_span: Span, _open: Token, inner: Any, _close: Token) -> Any:
    return inner


# Calls, CASE and casts


class _Type(NamedTuple):
    name: str
    span: Span


def type(span: Span, name: Token, *_size: Any) -> _Type:  # noqa: A001 - the name of the rule
    words = " ".join(name.upper().split())
    known = _TYPES.get(words)
    if known is None:
        kinds = ", ".join(sorted(set(_TYPES.values())))
        raise ChromaSQLParseError(
            f"there is no type {name}{near_names(words, _TYPES)}; the types are {kinds}",
            code="unknown-type",
            span=span_of(name),
        )
    return _Type(known, span)


def cast_to(span: Span, operand: ast.Expression, _colons: Token, to: _Type) -> ast.Cast:
    return ast.Cast(refuse_double_quotes(operand), to.name, span=span)


def cast_as(span: Span, function: Token, *inside: Any) -> ast.Cast:
    name = function.upper()
    if name not in ("CAST", "TRY_CAST"):
        raise ChromaSQLParseError(
            f"AS is not allowed in {function}(..); only CAST(x AS type) has it", code="syntax-error", span=span
        )
    _open, operand, _as, to, _close = inside
    return ast.Cast(refuse_double_quotes(operand), to.name, safe=name == "TRY_CAST", span=span)


def extract(span: Span, function: Token, *inside: Any) -> ast.Call:
    if function.upper() != "EXTRACT":
        raise ChromaSQLParseError(
            f"FROM is not allowed in {function}(..); only EXTRACT(unit FROM x) has it", code="syntax-error", span=span
        )
    _open, unit, _from, operand, _close = inside
    arguments = (ast.Literal(unit.lower(), span=span_of(unit)), refuse_double_quotes(operand))
    return ast.Call("DATE_PART", arguments, span=span)


def typed_literal(span: Span, name: Token, text: Token) -> ast.TypedLiteral:
    if name.upper() not in _TYPED_LITERALS:
        raise ChromaSQLParseError(
            f"a text cannot follow {name}; only DATE, TIMESTAMP and INTERVAL are written before one",
            code="syntax-error",
            span=span_of(text),
        )
    return ast.TypedLiteral(name.upper(), read_string(text), span=span)


def case(span: Span, *parts: Any) -> ast.Case:
    end = next((index for index, part in enumerate(parts) if getattr(part, "type", "") == "ELSE"), len(parts))
    branches = tuple(part for part in parts[:end] if isinstance(part, ast.When))
    others = [part for part in nodes_in(parts[:end]) if not isinstance(part, ast.When)]
    otherwise = nodes_in(parts[end:])
    return ast.Case(branches, others[0] if others else None, otherwise[0] if otherwise else None, span=span)


def when(span: Span, _when: Token, condition: ast.Expression, _then: Token, result: ast.Expression) -> ast.When:
    return ast.When(condition, result, span=span)


class _Filter(NamedTuple):
    where: ast.Expression
    span: Span


class _Over(NamedTuple):
    span: Span


def filter(span: Span, *inside: Any) -> _Filter:  # noqa: A001 - the name of the rule
    (where_,) = nodes_in(inside)
    return _Filter(where_, span)


def over(span: Span, *_inside: Any) -> _Over:
    return _Over(span)


def call_star(span: Span, function: Token, *inside: Any) -> ast.Aggregate | ast.Total:
    name = function.upper()
    if name != "COUNT":
        advice = f"write {name}(field)" if name in ast.AGGREGATES else "only COUNT(*) has it"
        raise ChromaSQLParseError(f"{name}(*) has no meaning; {advice}", code="invalid-argument", span=span)
    condition = next((part.where for part in inside if isinstance(part, _Filter)), None)
    if any(isinstance(part, _Over) for part in inside):
        if condition is not None:
            raise ChromaSQLParseError("COUNT(*) OVER () has no FILTER", code="not-allowed-here", span=condition.span)
        return ast.Total(span=span)
    return ast.Aggregate("COUNT", None, where=condition, span=span)


def call(span: Span, function: Token, *inside: Any) -> ast.Aggregate | ast.Call:
    arguments = nodes_in(inside)
    condition = next((part.where for part in inside if isinstance(part, _Filter)), None)
    name = function.upper()
    words = {getattr(part, "type", None) for part in inside}
    aggregate = next((known for known in ast.AGGREGATES if known == name), None)
    if aggregate is not None and not (name in ("MIN", "MAX") and len(arguments) > 1):
        return _aggregate(span, aggregate, arguments, "DISTINCT" in words, condition)
    for word in ("DISTINCT", "ALL_VALUES"):
        if word in words:
            raise ChromaSQLParseError(
                f"{word.removesuffix('_VALUES')} belongs in an aggregate; {name} has none",
                code="not-allowed-here",
                span=span,
            )
    if condition is not None:
        raise ChromaSQLParseError(
            f"FILTER belongs to an aggregate, and {name} is not one", code="not-allowed-here", span=condition.span
        )
    return ast.Call(name, tuple(map(refuse_double_quotes, arguments)), span=span)


def _aggregate(
    span: Span,
    name: ast.AggregateFunction,
    arguments: Sequence[ast.Expression],
    distinct: bool,
    condition: ast.Expression | None,
) -> ast.Aggregate:
    if not arguments:
        choice = "COUNT(*) or COUNT(field)" if name == "COUNT" else f"{name}(field)"
        raise ChromaSQLParseError(f"{name} needs an argument: {choice}", code="missing-argument", span=span)
    first, *others = arguments
    if name == "COUNT" and not distinct and not others and _is_constant(first):
        return ast.Aggregate("COUNT", None, where=condition, span=span)
    return ast.Aggregate(
        name,
        as_column(first),
        distinct,
        tuple(map(as_column, others)) if name == "COUNT" else tuple(others),
        condition,
        span=span,
    )


def _is_constant(node: ast.Expression) -> bool:
    return isinstance(node, ast.Literal) and node.value is not None and not node.double_quoted
