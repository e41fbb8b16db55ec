"""Conditions in two-valued logic, and the requests that they become."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

from chromasql.ast import Scalar
from chromasql.plan.columns import Column
from chromasql.plan.values import ValueExpression, columns_in

__all__ = [
    "ALWAYS",
    "CHROMA_OPERATORS",
    "NEVER",
    "NO_FILTER",
    "And",
    "ChromaRequest",
    "Column",
    "Comparison",
    "Condition",
    "Filter",
    "Holds",
    "Operator",
    "Or",
    "all_of",
    "any_of",
    "columns_of",
]

Operator: TypeAlias = Literal[
    "=",
    "!=",
    "<",
    "<=",
    ">",
    ">=",
    "in",
    "not in",
    "is null",
    "is not null",
    "is distinct",
    "contains",
    "not contains",
    "like",
    "not like",
    "ilike",
    "not ilike",
    "regex",
    "not regex",
]
"""What a comparison may test."""


CHROMA_OPERATORS: Mapping[str, str] = MappingProxyType(
    {
        "=": "$eq",
        "!=": "$ne",
        "<": "$lt",
        "<=": "$lte",
        ">": "$gt",
        ">=": "$gte",
        "in": "$in",
        "not in": "$nin",
        "contains": "$contains",
        "not contains": "$not_contains",
        "regex": "$regex",
        "not regex": "$not_regex",
    }
)
"""Chroma's own operators; the others have to be expressed by these or are tested here."""


# Conditions: negation is already pushed down to the tests, so a test that is unknown may count as not true.


@dataclass(frozen=True, slots=True)
class Comparison:
    """
    One test of one column.

    The operand of ``in`` and ``not in`` is a tuple, that of the NULL tests is None.
    """

    column: Column
    operator: Operator
    operand: Scalar | tuple[Scalar, ...] = None


@dataclass(frozen=True, slots=True)
class Holds:
    """True where an expression is TRUE; ``text`` is how it is written."""

    expression: ValueExpression
    text: str


@dataclass(frozen=True, slots=True)
class And:
    """True where each part is true; with no parts, always."""

    parts: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True)
class Or:
    """True where one part is true; with no parts, never."""

    parts: tuple[Condition, ...] = ()


Condition: TypeAlias = Comparison | Holds | And | Or


ALWAYS = And()


NEVER = Or()


@dataclass(frozen=True, slots=True)
class ChromaRequest:
    """
    One request's worth of a filter: records that have one of the ids and satisfy both filters.

    ``ids`` is None where any id will do; ``where`` and ``where_document`` are Chroma's own form.
    """

    ids: tuple[str, ...] | None = None
    where: dict[str, Any] | None = None
    where_document: dict[str, Any] | None = None

    @property
    def restricts(self) -> bool:
        """Whether Chroma is sent any restriction."""
        return not (self.ids is None and self.where is None and self.where_document is None)


@dataclass(frozen=True, slots=True)
class Filter:
    """
    WHERE in two halves: what Chroma is sent, and what is re-checked here.

    Every record that satisfies the statement is in the union of the ``requests``; with no requests there is none, and
    nothing is asked. ``residual`` removes what they let through besides; it is None where they are exact.
    """

    requests: tuple[ChromaRequest, ...] = (ChromaRequest(),)
    residual: Condition | None = None

    @property
    def restricts(self) -> bool:
        """Whether the statement restricts its records at all."""
        return self.residual is not None or not self.requests or any(request.restricts for request in self.requests)

    @property
    def selective(self) -> bool:
        """Whether each request sends Chroma a restriction."""
        return all(request.restricts for request in self.requests)


NO_FILTER = Filter()
"""Every record, with nothing to re-check."""


def columns_of(condition: Condition | None) -> set[Column]:
    """Return the columns that a condition reads."""
    match condition:
        case None:
            return set()
        case Comparison(column):
            return {column}
        case Holds(expression):
            return set(columns_in(expression))
        case And(parts) | Or(parts):
            return set().union(*(columns_of(part) for part in parts))


def all_of(parts: Iterable[Condition]) -> Condition:
    """Join conditions by AND, flattened and folded."""
    flat: list[Condition] = []
    for part in parts:
        if part == NEVER:
            return NEVER
        flat.extend(part.parts if isinstance(part, And) else (part,))
    return flat[0] if len(flat) == 1 else And(tuple(flat))


def any_of(parts: Iterable[Condition]) -> Condition:
    """Join conditions by OR, flattened and folded."""
    flat: list[Condition] = []
    for part in parts:
        if part == ALWAYS:
            return ALWAYS
        flat.extend(part.parts if isinstance(part, Or) else (part,))
    return flat[0] if len(flat) == 1 else Or(tuple(flat))
