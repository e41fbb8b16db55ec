"""Names in double quotes: a name in some places, as in SQL, and a text in others, as in version 1.8.0."""

from __future__ import annotations

from chromasql import ast
from chromasql._source import Span
from chromasql.errors import ChromaSQLParseError

__all__ = ["as_column", "field_of", "refuse_double_quotes"]


def field_of(parts: tuple[str, ...], span: Span) -> ast.Field:
    """Return the field that a name and its parts stand for."""
    head = parts[0].lower()
    if head == "metadata":
        return ast.Field("metadata", parts[1:], span=span)
    if head in ast.SYSTEM_COLUMNS and len(parts) == 1:
        return ast.Field(head, span=span)
    return ast.Field("metadata", parts, bare=True, span=span)


def as_column(node: ast.Expression) -> ast.Expression:
    """Read a string in double quotes as a name, where it stands for a column."""
    if isinstance(node, ast.Literal) and node.double_quoted:
        name = str(node.value)
        if not name:
            raise ChromaSQLParseError("a quoted name is empty", code="invalid-literal", span=node.span)
        return field_of((name,), node.span)
    return node


def refuse_double_quotes(node: ast.Expression) -> ast.Expression:
    """Refuse a string in double quotes inside an expression, where it could be a name or a text."""
    if isinstance(node, ast.Literal) and node.double_quoted:
        raise ChromaSQLParseError(
            f"in an expression double quotes may mean a name or a text; write `{node.value}` for the name "
            f"or '{node.value}' for the text",
            code="ambiguous-quotes",
            span=node.span,
        )
    return node
