"""Random conditions on metadata, each as SQL and as a function of three values: those of the oracle, without a store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from hypothesis import strategies as st

from tests.support.oracle.predicates import (
    And,
    Between,
    Column,
    Compare,
    Contains,
    In,
    IsDistinct,
    IsNull,
    Like,
    Not,
    Or,
)
from tests.support.oracle.values import Hit, Record, Truth, Writer

Metadata = dict[str, Any]

VALUES: tuple[Any, ...] = ("a", "b", "1", 1, 2, 1.0, 1.5, True, False)


class Condition(NamedTuple):
    sql: str
    truth: Callable[[Metadata], Truth]


@st.composite
def leaves(draw: st.DrawFn, keys: Sequence[str]) -> Any:
    """Draw one comparison of a key with values, some of them NULL."""
    key = draw(st.sampled_from(keys))
    column = Column("metadata", key, key, bare=True)
    values = st.one_of(st.sampled_from(VALUES), st.none())
    value, other, negated = draw(values), draw(values), draw(st.booleans())
    match draw(st.integers(0, 6)):
        case 0:
            return Compare(column, draw(st.sampled_from(["=", "=", "!=", "<", "<=", ">", ">="])), value)
        case 1:
            return In(column, tuple(draw(st.lists(values, min_size=1, max_size=3))), negated=negated)
        case 2:
            return Between(column, value, other, negated=negated)
        case 3:
            return IsNull(column, negated=negated)
        case 4:
            return IsDistinct(column, value, negated=negated)
        case 5:
            return Like(column, draw(st.sampled_from(["a", "b", "1", "a%", "%"])), negated=negated)
        case _:
            return Contains(column, draw(st.sampled_from(VALUES)), negated=negated)


def conditions(keys: Sequence[str]) -> st.SearchStrategy[Condition]:
    """Draw comparisons joined by AND, OR and NOT."""

    def joined(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        several = st.lists(inner, min_size=2, max_size=3).map(tuple)
        return st.one_of(inner.map(Not), several.map(And), several.map(Or))

    return st.recursive(leaves(keys), joined, max_leaves=6).map(_condition)


def _condition(node: Any) -> Condition:
    return Condition(node.sql(Writer()), lambda metadata: node.truth(Hit(Record("", metadata=metadata), "", 0)))


def metadatas(keys: Sequence[str]) -> st.SearchStrategy[Metadata]:
    """Draw the metadata of a record; any key may be missing, and some values are lists."""
    values = st.one_of(st.sampled_from(VALUES), st.sampled_from([["a"], [1, 2]]))
    return st.fixed_dictionaries({}, optional=dict.fromkeys(keys, values))
