"""Values that are computed from the columns of a row, as plain data: nothing about how they are computed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from chromasql.ast import Scalar
from chromasql.plan.columns import Column

__all__ = ["Branch", "Cases", "Computed", "Interval", "Operation", "Read", "Unvarying", "ValueExpression", "columns_in"]


@dataclass(frozen=True, slots=True)
class Interval:
    """A span of time; months and days are of the calendar."""

    months: int = 0
    days: int = 0
    microseconds: int = 0


@dataclass(frozen=True, slots=True)
class Unvarying:
    """The same value for every row; a date or a moment is in UTC."""

    value: Scalar | tuple[Scalar, ...] | datetime | Interval


@dataclass(frozen=True, slots=True)
class Operation:
    """A function or an operator of values; ``name`` is that of the registry of functions."""

    name: str
    arguments: tuple[ValueExpression, ...] = ()


@dataclass(frozen=True, slots=True)
class Branch:
    """The result where a condition is TRUE."""

    condition: ValueExpression
    result: ValueExpression


@dataclass(frozen=True, slots=True)
class Cases:
    """The result of the first branch whose condition is TRUE, or else ``otherwise``."""

    branches: tuple[Branch, ...]
    otherwise: ValueExpression


ValueExpression: TypeAlias = Column | Unvarying | Operation | Cases


@dataclass(frozen=True, slots=True)
class Computed:
    """An expression in the place of a column; ``text`` is how it is written."""

    expression: ValueExpression
    text: str

    @property
    def part(self) -> str:
        """Not a part of the record."""
        return "computed"

    @property
    def key(self) -> None:
        """Not a key of the metadata."""
        return

    def __str__(self) -> str:
        return self.text


Read: TypeAlias = Column | Computed
"""What a step reads from a row: a column, or a value computed from columns."""


def columns_in(value: Read | ValueExpression) -> frozenset[Column]:
    """Return the columns that a value is computed from."""
    match value:
        case Column():
            return frozenset({value})
        case Computed(expression):
            return columns_in(expression)
        case Unvarying():
            return frozenset()
        case Operation(_, arguments):
            return frozenset().union(*map(columns_in, arguments))
        case Cases(branches, otherwise):
            inner = [part for branch in branches for part in (branch.condition, branch.result)]
            return frozenset().union(*map(columns_in, (*inner, otherwise)))
