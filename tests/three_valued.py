"""An oracle for WHERE: random conditions, each as SQL and as a function of three values, written from the reference."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from hypothesis import strategies as st

Truth = bool | None
Metadata = dict[str, Any]

VALUES: tuple[Any, ...] = ("a", "b", "1", 1, 2, 1.0, 1.5, True, False)


class Condition(NamedTuple):
    sql: str
    truth: Callable[[Metadata], Truth]


def literal(value: Any) -> str:
    """Write a value as SQL."""
    if value is None or isinstance(value, bool):
        return str(value).upper().replace("NONE", "NULL")
    return "'{}'".format(value.replace("\\", "\\\\").replace("'", "''")) if isinstance(value, str) else repr(value)


def kind(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    return "number" if isinstance(value, int | float) else type(value).__name__


def same(left: Any, right: Any) -> bool:
    return kind(left) == kind(right) and left == right


def compare(operator: str, left: Any, right: Any) -> Truth:
    if left is None or right is None:
        return None
    if operator in ("=", "!="):
        return same(left, right) == (operator == "=")
    if kind(left) != kind(right):
        return None
    return {"<": left < right, "<=": left <= right, ">": left > right, ">=": left >= right}[operator]


def negate(truth: Truth) -> Truth:
    return None if truth is None else not truth


def both(truths: Sequence[Truth]) -> Truth:
    return False if False in truths else None if None in truths else True


def either(truths: Sequence[Truth]) -> Truth:
    return True if True in truths else None if None in truths else False


@st.composite
def leaves(draw: st.DrawFn, keys: Sequence[str]) -> Condition:
    """Draw one comparison of a key with values, some of them NULL."""
    key = draw(st.sampled_from(keys))
    values = st.one_of(st.sampled_from(VALUES), st.none())
    value, other = draw(values), draw(values)
    not_ = draw(st.sampled_from(["", "NOT "]))
    flip = negate if not_ else lambda truth: truth
    form = draw(st.integers(0, 6))
    if form == 0:
        operator = draw(st.sampled_from(["=", "=", "!=", "<", "<=", ">", ">="]))
        return Condition(f"{key} {operator} {literal(value)}", lambda m: compare(operator, m.get(key), value))
    if form == 1:
        many = draw(st.lists(values, min_size=1, max_size=3))
        return Condition(
            f"{key} {not_}IN ({', '.join(map(literal, many))})",
            lambda m: flip(either([compare("=", m.get(key), each) for each in many])),
        )
    if form == 2:
        return Condition(
            f"{key} {not_}BETWEEN {literal(value)} AND {literal(other)}",
            lambda m: flip(both([compare(">=", m.get(key), value), compare("<=", m.get(key), other)])),
        )
    if form == 3:
        return Condition(f"{key} IS {not_}NULL", lambda m: flip(m.get(key) is None))
    if form == 4:
        return Condition(
            f"{key} IS {not_}DISTINCT FROM {literal(value)}",
            lambda m: flip(not same(m.get(key), value)),
        )
    if form == 5:
        pattern = draw(st.sampled_from(["a", "b", "1", "a%", "%"]))

        def like(metadata: Metadata) -> Truth:
            found = metadata.get(key)
            if not isinstance(found, str):
                return None if found is None else flip(truth=False)
            return flip(found.startswith(pattern[:-1]) if pattern.endswith("%") else found == pattern)

        return Condition(f"{key} {not_}LIKE {literal(pattern)}", like)
    element = draw(st.sampled_from(VALUES))

    def contains(metadata: Metadata) -> Truth:
        found = metadata.get(key)
        if found is None:
            return None
        return flip(isinstance(found, list) and any(same(each, element) for each in found))

    return Condition(f"{key} {not_}CONTAINS {literal(element)}", contains)


def conditions(keys: Sequence[str]) -> st.SearchStrategy[Condition]:
    """Draw comparisons joined by AND, OR and NOT."""
    return st.recursive(
        leaves(keys),
        lambda inner: st.one_of(
            inner.map(lambda one: Condition(f"NOT ({one.sql})", lambda m: negate(one.truth(m)))),
            st.lists(inner, min_size=2, max_size=3).map(
                lambda parts: Condition(
                    " AND ".join(f"({part.sql})" for part in parts),
                    lambda m: both([part.truth(m) for part in parts]),
                )
            ),
            st.lists(inner, min_size=2, max_size=3).map(
                lambda parts: Condition(
                    " OR ".join(f"({part.sql})" for part in parts),
                    lambda m: either([part.truth(m) for part in parts]),
                )
            ),
        ),
        max_leaves=6,
    )


def metadatas(keys: Sequence[str]) -> st.SearchStrategy[Metadata]:
    """Draw the metadata of a record; any key may be missing, and some values are lists."""
    values = st.one_of(st.sampled_from(VALUES), st.sampled_from([["a"], [1, 2]]))
    return st.fixed_dictionaries({}, optional=dict.fromkeys(keys, values))
