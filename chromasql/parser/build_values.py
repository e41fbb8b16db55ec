"""Rules of names and values to nodes: one function for each rule, named after it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from chromasql import ast
from chromasql._source import Span
from chromasql.errors import ChromaSQLParseError
from chromasql.grammar import RESERVED
from chromasql.parser.arguments import nodes_in
from chromasql.parser.literals import read_name, read_number, read_parameter, read_string, span_of
from chromasql.parser.syntax_errors import reserved_word_message

if TYPE_CHECKING:
    from lark import Token

__all__ = [
    "array",
    "false",
    "null",
    "parameter",
    "path",
    "path_step",
    "signed_number",
    "sparse",
    "string_literal",
    "true",
    "value_list",
]


class _PathStep(NamedTuple):
    name: str
    span: Span


def path(span: Span, root: Token, *steps: _PathStep) -> ast.Field:
    if root.type == "NAME" and root.upper() in RESERVED:
        raise ChromaSQLParseError(reserved_word_message(root), code="reserved-word", span=span_of(root))
    parts = (read_name(root), *(step.name for step in steps))
    head = parts[0].lower()
    if head == "metadata":
        return ast.Field("metadata", parts[1:], span=span)
    if head in ast.SYSTEM_COLUMNS and len(parts) == 1:
        return ast.Field(head, span=span)
    return ast.Field("metadata", parts, bare=True, span=span)


def path_step(span: Span, _mark: Token, token: Token, *_close: Token) -> _PathStep:
    name = read_string(token) if token.type == "STRING" else read_name(token)
    if not name:
        raise ChromaSQLParseError("the name of a metadata key is empty", code="invalid-literal", span=span)
    return _PathStep(name, span)


def value_list(span: Span, *parts: Any) -> ast.Array:
    return ast.Array(nodes_in(parts), span=span)


array = value_list


def sparse(span: Span, *parts: Any) -> ast.SparseVector:
    indices_and_weights = [part for part in parts if isinstance(part, ast.Node) or part.type == "NUMBER"]
    items = []
    for token, weight in zip(indices_and_weights[::2], indices_and_weights[1::2], strict=True):
        index = read_number(token)
        if not isinstance(index, int):
            raise ChromaSQLParseError(
                "an index of a sparse vector is a whole number", code="invalid-argument", span=span_of(token)
            )
        items.append((index, weight))
    return ast.SparseVector(tuple(items), span=span)


def string_literal(span: Span, token: Token) -> ast.Literal:
    return ast.Literal(read_string(token), span=span)


def signed_number(span: Span, sign: Token | None, token: Token) -> ast.Literal:
    return ast.Literal(read_number(token, sign), span=span)


def true(span: Span, _token: Token) -> ast.Literal:
    return ast.Literal(value=True, span=span)


def false(span: Span, _token: Token) -> ast.Literal:
    return ast.Literal(value=False, span=span)


def null(span: Span, _token: Token) -> ast.Literal:
    return ast.Literal(None, span=span)


def parameter(span: Span, token: Token) -> ast.Parameter:
    return ast.Parameter(read_parameter(token), span=span)
