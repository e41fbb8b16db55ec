"""Rules of names and values to nodes: one function for each rule, named after it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from chromasql import ast
from chromasql._source import Span
from chromasql.errors import ChromaSQLParseError
from chromasql.grammar import RESERVED
from chromasql.parser.arguments import nodes_in
from chromasql.parser.dialect_hints import NO_SUBQUERIES
from chromasql.parser.literals import number_of_text, read_name, read_number, read_parameter, read_string, span_of
from chromasql.parser.names import field_of
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
    "plain_list",
    "signed_number",
    "sparse",
    "string_literal",
    "true",
    "value_list",
]


class _PathStep(NamedTuple):
    name: str | ast.Expression
    span: Span


def path(span: Span, root: Token, *steps: _PathStep) -> ast.Field | ast.Element:
    if root.type == "NAME" and root.upper() == "SELECT":
        raise ChromaSQLParseError(NO_SUBQUERIES, code="unsupported-syntax", span=span_of(root))
    if root.type == "NAME" and root.upper() in RESERVED:
        raise ChromaSQLParseError(reserved_word_message(root), code="reserved-word", span=span_of(root))
    names: list[str] = [read_name(root)]
    node: ast.Field | ast.Element | None = None
    for step in steps:
        end = Span(span.start, step.span.end)
        if isinstance(step.name, str):
            if node is not None:
                raise ChromaSQLParseError("an element of a list has no parts", code="not-allowed-here", span=step.span)
            names.append(step.name)
        else:
            inner = node or field_of(tuple(names), Span(span.start, step.span.start))
            node = ast.Element(inner, step.name, span=end)
    return node or field_of(tuple(names), span)


def path_step(span: Span, mark: Token, inner: Any, *_close: Token) -> _PathStep:
    """Read ``.name`` and ``['name']`` as a part of the key, and ``[1]`` as an element of a list."""
    if mark.type == "DOT":
        name = read_name(inner)
    elif isinstance(inner, ast.Literal) and isinstance(inner.value, str):
        name = inner.value
    else:
        return _PathStep(inner, span)
    if not name:
        raise ChromaSQLParseError("the name of a metadata key is empty", code="invalid-literal", span=span)
    return _PathStep(name, span)


def value_list(span: Span, *parts: Any) -> ast.Array:
    return ast.Array(nodes_in(parts), span=span)


array = value_list


_PLAIN_ITEM = re.compile(r"(?P<sign>[+-]?)(?P<number>\d[^\s,)]*|\.\d[^\s,)]*)|'(?P<text>(?:[^']|'')*)'")


def plain_list(span: Span, token: Token) -> ast.Array:
    """Read a list of numbers and simple strings, which is one token."""
    start = token.start_pos or 0
    items: list[ast.Expression] = []
    for item in _PLAIN_ITEM.finditer(token):
        place = Span(start + item.start(), start + item.end())
        text = item["text"]
        if text is not None:
            items.append(ast.Literal(text.replace("''", "'"), span=place))
        else:
            items.append(ast.Literal(number_of_text(item["number"], item["sign"], place), span=place))
    return ast.Array(tuple(items), span=span)


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
    return ast.Literal(read_string(token), double_quoted=token[0] == '"', span=span)


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
