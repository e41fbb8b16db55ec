"""Expressions, names and values to canonical text."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias, assert_never

from chromasql import ast
from chromasql.ast.traversal import content_names
from chromasql.errors import ChromaSQLError
from chromasql.grammar import RESERVED, terminal_pattern

__all__ = [
    "JOIN",
    "column_name",
    "listed",
    "print_any_value",
    "print_embedding",
    "print_expression",
    "print_field",
    "print_name",
    "print_value",
    "quoted",
]

_AMBIGUOUS = RESERVED | frozenset(
    [
        "ALL",
        "ANY",
        "AS",
        "ASC",
        "BM25",
        "CASE",
        "DESC",
        "DISTINCT",
        "ELSE",
        "END",
        "KNN",
        "NULLS",
        "RRF",
        "THEN",
        "WHEN",
    ]
)
"""Words that are not read as a field in some of the places where a field may stand."""


_ESCAPES = {"\\": "\\\\", "'": "''", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


_OR, _AND, _NOT, _TEST, JOIN, _SUM, _PRODUCT, _SIGNED, _CAST = range(9)
"""How strongly operators bind, the weakest first."""


_Test: TypeAlias = (
    ast.ComparisonPredicate
    | ast.InPredicate
    | ast.BetweenPredicate
    | ast.IsNullPredicate
    | ast.IsTruthPredicate
    | ast.IsDistinctPredicate
    | ast.LikePredicate
    | ast.RegexPredicate
    | ast.ContainsPredicate
)


_BINDING = {"||": JOIN, "+": _SUM, "-": _SUM, "*": _PRODUCT, "/": _PRODUCT, "%": _PRODUCT}


def listed(items: Iterable[str]) -> str:
    """Join items by commas."""
    return ", ".join(items)


# Names


def quoted(name: str) -> str:
    """Print a name in backticks."""
    doubled = name.replace("`", "``")
    return f"`{doubled}`"


def print_name(name: str) -> str:
    """Print a name after AS or a dot, where any word will do."""
    return name if terminal_pattern("NAME").fullmatch(name) else quoted(name)


def print_field(field: ast.Field) -> str:
    """Print a column as it was written."""
    parts = field.path if field.bare and field.path else (field.root, *field.path)
    head, *rest = parts if field.qualifier is None else (field.qualifier, *parts)
    first = quoted(head) if head.upper() in _AMBIGUOUS else print_name(head)
    return ".".join([first, *map(print_name, rest)])


# Values


def print_value(value: ast.Value) -> str:
    """Print a literal or a parameter."""
    match value:
        case ast.Parameter():
            return str(value)
        case ast.Literal(value=scalar):
            return _scalar(scalar)
        case _:
            assert_never(value)


def _scalar(scalar: ast.Scalar) -> str:
    if scalar is None:
        return "NULL"
    if isinstance(scalar, bool):
        return "TRUE" if scalar else "FALSE"
    if isinstance(scalar, str):
        return f"'{''.join(map(_character, scalar))}'"
    if not abs(scalar) <= ast.MAX_NUMBER:  # NaN neither
        shown = scalar if isinstance(scalar, float) else "a number above 1.8e308"
        raise ChromaSQLError(f"{shown} cannot be written in a statement", code="not-printable")
    return repr(scalar)


def _character(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if character.isprintable():
        return character
    code = ord(character)
    return f"\\x{code:02x}" if code <= 0xFF else f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def _array(array: ast.Array) -> str:
    return f"[{listed(map(print_expression, array.items))}]"


def print_any_value(value: ast.Value | ast.Array | ast.SparseVector | ast.DenseVector | ast.Field) -> str:
    """Print a value, a list or a vector."""
    match value:
        case ast.Literal() | ast.Parameter():
            return print_value(value)
        case ast.Array():
            return _array(value)
        case ast.SparseVector(items=items):
            return f"{{{listed(f'{index}: {print_value(weight)}' for index, weight in items)}}}"
        case ast.DenseVector(values=values):
            return f"[{listed(map(_scalar, values))}]"
        case ast.Field():
            return print_field(value)
        case _:
            assert_never(value)


def print_embedding(embedding: ast.Embedding) -> str:
    """Print what USING EMBEDDING and KNN search for."""
    match embedding:
        case ast.EmbeddingText(text=text, model=model):
            return f"TEXT {print_value(text)}" + ("" if model is None else f" MODEL {print_value(model)}")
        case ast.EmbeddingVector(values=values):
            return f"VECTOR {print_any_value(values)}"
        case _:
            assert_never(embedding)


# Expressions


def column_name(item: ast.ProjectionItem) -> str:
    """Return the name of a column of the result: its alias, or how it is written."""
    if item.alias is not None:
        return item.alias
    return item.operand.name if isinstance(item.operand, ast.Field) else print_expression(item.operand)


def print_expression(expression: ast.Expression, least: int = _OR, *, of_document: bool = False) -> str:
    """
    Print an expression, in brackets where its operator binds less than ``least``.

    ``of_document`` is for WHERE_DOCUMENT, which leaves the operand of a test out.
    """
    match expression:
        case ast.Literal(value=scalar):
            negative = ast.is_number(scalar) and scalar < 0
            return _bracketed(_scalar(scalar), _SIGNED if negative else _CAST, least)
        case ast.Parameter():
            return str(expression)
        case ast.Field():
            return print_field(expression)
        case ast.Unary(operator=operator, operand=operand):
            inner = print_expression(operand, _SIGNED)
            # Two minus signs together would begin a comment.
            return _bracketed(f"{operator}{' ' if inner[0] in '+-' else ''}{inner}", _SIGNED, least)
        case ast.Binary(operator=operator, left=left, right=right):
            binding = _BINDING[operator]
            return _bracketed(
                f"{print_expression(left, binding)} {operator} {print_expression(right, binding + 1)}", binding, least
            )
        case ast.Cast(operand=operand, type=to, safe=safe):
            return f"{'TRY_CAST' if safe else 'CAST'}({print_expression(operand)} AS {to})"
        case ast.Element(operand=operand, index=index):
            return f"{print_expression(operand, _CAST)}[{print_expression(index)}]"
        case ast.BooleanPredicate(operator=operator, predicates=predicates):
            binding = _AND if operator == "AND" else _OR
            parts = (print_expression(part, binding + 1, of_document=of_document) for part in predicates)
            return _bracketed(f" {operator} ".join(parts), binding, least)
        case ast.NotPredicate(predicate=inner):
            return _bracketed(f"NOT {print_expression(inner, _NOT, of_document=of_document)}", _NOT, least)
        case (
            ast.Aggregate()
            | ast.Total()
            | ast.Call()
            | ast.Case()
            | ast.TypedLiteral()
            | ast.Knn()
            | ast.Bm25()
            | ast.Rrf()
        ):
            return _closed(expression)
        case _:
            subject = "" if of_document else f"{print_expression(expression.operand, JOIN)} "
            return _bracketed(subject + _test(expression), _TEST, least)


_Closed: TypeAlias = ast.Aggregate | ast.Total | ast.Call | ast.Case | ast.TypedLiteral | ast.Knn | ast.Bm25 | ast.Rrf


def _closed(expression: _Closed) -> str:
    """Print an expression that needs no brackets anywhere."""
    match expression:
        case ast.Aggregate():
            return _aggregate(expression)
        case ast.Total():
            return "COUNT(*) OVER ()"
        case ast.Call(function=function, arguments=arguments):
            return f"{function}({listed(map(print_expression, arguments))})"
        case ast.Case(branches=branches, operand=operand, otherwise=otherwise):
            # In brackets where it starts with NOT, which would make CASE a name.
            subject = "" if operand is None else f" {print_expression(operand, _TEST)}"
            whens = "".join(
                f" WHEN {print_expression(one.condition)} THEN {print_expression(one.result)}" for one in branches
            )
            rest = "" if otherwise is None else f" ELSE {print_expression(otherwise)}"
            return f"CASE{subject}{whens}{rest} END"
        case ast.TypedLiteral(type=kind, text=text):
            return f"{kind} {_scalar(text)}"
        case ast.Knn():
            return _call("KNN", [_knn_query(expression.query)], expression)
        case ast.Bm25():
            return _call("BM25", [print_value(expression.query)], expression)
        case ast.Rrf():
            ranks = [print_expression(rank, JOIN) for rank in expression.ranks]
            return _call("RRF", ranks, expression)
        case _:
            assert_never(expression)


def _aggregate(call: ast.Aggregate) -> str:
    inner = "*" if call.argument is None else listed(map(print_expression, (call.argument, *call.others)))
    condition = "" if call.where is None else f" FILTER (WHERE {print_expression(call.where)})"
    return f"{call.function}({'DISTINCT ' if call.distinct else ''}{inner}){condition}"


def _bracketed(text: str, binding: int, least: int) -> str:
    return f"({text})" if binding < least else text


def _knn_query(query: ast.Embedding | ast.Parameter) -> str:
    match query:
        case ast.Parameter():
            return str(query)
        case ast.EmbeddingText(text=ast.Literal() as text, model=None):
            return print_value(text)
        case ast.EmbeddingVector(values=ast.Array() | ast.SparseVector() | ast.DenseVector() as values):
            return print_any_value(values)
        case ast.EmbeddingText() | ast.EmbeddingVector():
            return print_embedding(query)
        case _:
            assert_never(query)


def _call(function: str, positional: list[str], node: ast.Knn | ast.Bm25 | ast.Rrf) -> str:
    """Print a call; the first field of the node is positional, the others are the named arguments."""
    named = ((name, getattr(node, name)) for name in content_names(type(node))[1:])
    shown = [f"{name} = {print_any_value(value)}" for name, value in named if value is not None]
    return f"{function}({listed([*positional, *shown])})"


# Predicates


def _test(predicate: _Test) -> str:
    """Print a predicate without its operand."""
    match predicate:
        case ast.ComparisonPredicate(operator=operator, value=value, quantifier=None):
            return f"{operator} {print_expression(value, JOIN)}"
        case ast.ComparisonPredicate(operator=operator, value=value, quantifier=quantifier):
            return f"{operator} {quantifier} ({print_expression(value, JOIN)})"
        case ast.InPredicate(values=values, negated=negated):
            return f"{_not(negated)}IN {_in_list(values)}"
        case ast.BetweenPredicate(low=low, high=high, negated=negated):
            return f"{_not(negated)}BETWEEN {print_expression(low, JOIN)} AND {print_expression(high, JOIN)}"
        case ast.IsNullPredicate(negated=negated):
            return f"IS {_not(negated)}NULL"
        case ast.IsTruthPredicate(value=value, negated=negated):
            return f"IS {_not(negated)}{'TRUE' if value else 'FALSE'}"
        case ast.IsDistinctPredicate(value=value, negated=negated):
            return f"IS {_not(negated)}DISTINCT FROM {print_expression(value, JOIN)}"
        case ast.LikePredicate(pattern=pattern, negated=negated, ignore_case=ignore_case, escape=escape):
            ending = "" if escape is None else f" ESCAPE {print_value(escape)}"
            return f"{_not(negated)}{'ILIKE' if ignore_case else 'LIKE'} {print_expression(pattern, JOIN)}{ending}"
        case ast.RegexPredicate(pattern=pattern, negated=negated):
            return f"{_not(negated)}REGEX {print_expression(pattern, JOIN)}"
        case ast.ContainsPredicate(value=value, negated=negated, quantifier=None):
            shown = _array(value) if isinstance(value, ast.Array) else print_expression(value, JOIN)
            return f"{_not(negated)}CONTAINS {shown}"
        case ast.ContainsPredicate(value=value, negated=negated, quantifier=quantifier):
            return f"{_not(negated)}CONTAINS {quantifier} {_in_list(value)}"
        case _:
            assert_never(predicate)


def _not(negated: bool) -> str:
    return "NOT " if negated else ""


def _in_list(values: ast.Expression | ast.Array) -> str:
    if isinstance(values, ast.Array):
        return f"({listed(map(print_expression, values.items))})"
    return print_expression(values)
