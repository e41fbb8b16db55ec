"""
Conditions evaluated on rows: what Chroma cannot say is re-checked here.

Semantics: language reference, section 3. A test answers whether it is true; false and unknown are the same to it.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, assert_never

from chromasql.ast import kind_of
from chromasql.operators.patterns import compile_like, compile_regex
from chromasql.operators.row import Row
from chromasql.operators.values import compile_value, reader
from chromasql.plan import And, Column, Comparison, Condition, Holds, Or

__all__ = ["compile_condition"]

Check = Callable[[Row], bool]


_ORDERINGS: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def compile_condition(condition: Condition) -> Check:
    """Return a function that tells whether a row satisfies the condition."""
    match condition:
        case Comparison(column, word, operand):
            return _compile_test(column, word, operand)
        case Holds(expression):
            value = compile_value(expression)
            return lambda row: value(row) is True
        case And(parts):
            checks = [compile_condition(part) for part in parts]
            return lambda row: all(check(row) for check in checks)
        case Or(parts):
            checks = [compile_condition(part) for part in parts]
            return lambda row: any(check(row) for check in checks)
        case _:
            assert_never(condition)


def _compile_test(column: Column, word: str, operand: Any) -> Check:
    read = reader(column)
    if column.part == "document" and word in ("contains", "not contains"):
        wanted = word == "contains"
        return lambda row: row.document is not None and (operand in row.document) is wanted
    match word:
        case "is null":
            return lambda row: read(row) is None
        case "is not null":
            return lambda row: read(row) is not None
        case "is distinct":
            same = _value_test("=", operand)
            return lambda row: (value := read(row)) is None or not same(value)
        case "!=" | "not in" | "not contains" | "not like" | "not ilike" | "not regex":
            positive = _value_test("=" if word == "!=" else word.removeprefix("not "), operand)
            return lambda row: (value := read(row)) is not None and not positive(value)
        case _:
            test = _value_test(word, operand)
            return lambda row: (value := read(row)) is not None and test(value)


def _value_test(word: str, operand: Any) -> Callable[[Any], bool]:
    """Return the test of a value that is not NULL."""
    match word:
        case "=":
            kind = kind_of(operand)
            return lambda value: value == operand and kind_of(value) == kind
        case "in":
            members = {(kind_of(item), item) for item in operand}
            return lambda value: (kind := kind_of(value)) != "list" and (kind, value) in members
        case "<" | "<=" | ">" | ">=":
            compare, kind = _ORDERINGS[word], kind_of(operand)
            return lambda value: kind_of(value) == kind and compare(value, operand)
        case "contains":
            same = _value_test("=", operand)
            return lambda value: isinstance(value, list) and any(same(item) for item in value)
        case "like" | "ilike":
            fits = compile_like(operand, ignore_case=word == "ilike")
            return lambda value: isinstance(value, str) and fits(value)
        case "regex":
            search = compile_regex(operand)
            return lambda value: isinstance(value, str) and search(value)
        case _:
            raise AssertionError(word)
