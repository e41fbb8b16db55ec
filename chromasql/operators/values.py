"""Expressions compiled once for a statement to functions of a row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, assert_never

from chromasql.operators.functions import Function, find_function, shown_moment
from chromasql.operators.row import Row, column_reader
from chromasql.plan import Column, Read
from chromasql.plan.values import Branch, Cases, Operation, Unvarying, ValueExpression

__all__ = ["compile_value", "reader", "result_type"]

Evaluate = Callable[[Row], Any]


def reader(read: Read) -> Evaluate:
    """Return a function that reads a column or a computed value from a row; what is missing is None."""
    if isinstance(read, Column):
        return column_reader(read)
    value = compile_value(read.expression)
    kind = result_type(read.expression)
    if kind not in ("date", "timestamp", "any"):
        return value
    date = kind == "date"
    return lambda row: shown_moment(value(row), date=date)


def result_type(expression: ValueExpression) -> str:
    """Return the kind of what an expression gives, as far as the plan alone can tell; ``any`` otherwise."""
    match expression:
        case Column(part):
            return {"id": "text", "document": "text", "uri": "text", "_collection": "text", "distance": "number"}.get(
                part, "any"
            )
        case Unvarying(value):
            return _type_of(value)
        case Cases(branches, otherwise):
            return _common([*(branch.result for branch in branches), otherwise])
        case Operation("and" | "or"):
            return "boolean"
        case Operation("COALESCE" | "GREATEST" | "LEAST", arguments):
            return _common(arguments)
        case Operation("NULLIF", arguments):
            return result_type(arguments[0])
        case Operation(name):
            function = find_function(name)
            assert function is not None, name
            return function.result
        case _:
            assert_never(expression)


def _type_of(value: Any) -> str:
    kinds = {bool: "boolean", int: "number", float: "number", str: "text", tuple: "list", type(None): "null"}
    return kinds.get(type(value)) or ("timestamp" if hasattr(value, "tzinfo") else "interval")


def _common(expressions: Sequence[ValueExpression]) -> str:
    kinds = {result_type(expression) for expression in expressions} - {"null"}
    if kinds <= {"date", "timestamp"} and len(kinds) == 2:
        return "timestamp"
    return kinds.pop() if len(kinds) == 1 else "any"


def compile_value(expression: ValueExpression) -> Evaluate:
    """Return a function that computes an expression for a row; NULL is None, and a moment is a datetime."""
    match expression:
        case Column():
            return column_reader(expression)
        case Unvarying(value):
            return lambda _: value
        case Operation("and", arguments):
            return _conjunction(list(map(compile_value, arguments)), holds=True)
        case Operation("or", arguments):
            return _conjunction(list(map(compile_value, arguments)), holds=False)
        case Operation("COALESCE", arguments):
            return _first_known(list(map(compile_value, arguments)))
        case Operation(name, arguments):
            function = find_function(name)
            assert function is not None, name
            return _applied(function, list(map(compile_value, arguments)))
        case Cases(branches, otherwise):
            return _chosen(branches, otherwise)
        case _:
            assert_never(expression)


def _conjunction(parts: Sequence[Evaluate], *, holds: bool) -> Evaluate:
    """Return AND, or OR where not ``holds``; what is neither TRUE nor FALSE is unknown."""
    decisive = not holds

    def joined(row: Row) -> Any:
        result: bool | None = holds
        for part in parts:
            value = part(row)
            if value is decisive:
                return decisive
            if value is not holds:
                result = None
        return result

    return joined


def _first_known(parts: Sequence[Evaluate]) -> Evaluate:
    def first(row: Row) -> Any:
        for part in parts:
            value = part(row)
            if value is not None:
                return value
        return None

    return first


def _applied(function: Function, arguments: Sequence[Evaluate]) -> Evaluate:
    apply = function.apply
    if not function.strict:
        return lambda row: apply(*[argument(row) for argument in arguments])
    if len(arguments) == 1:
        (only,) = arguments
        return lambda row: None if (value := only(row)) is None else apply(value)
    if len(arguments) == 2:
        one, two = arguments

        def of_two(row: Row) -> Any:
            left = one(row)
            if left is None:
                return None
            right = two(row)
            return None if right is None else apply(left, right)

        return of_two

    def of_many(row: Row) -> Any:
        values = [argument(row) for argument in arguments]
        return None if None in values else apply(*values)

    return of_many


def _chosen(branches: Sequence[Branch], otherwise: ValueExpression) -> Evaluate:
    compiled = [(compile_value(branch.condition), compile_value(branch.result)) for branch in branches]
    last = compile_value(otherwise)

    def chosen(row: Row) -> Any:
        for condition, result in compiled:
            if condition(row) is True:
                return result(row)
        return last(row)

    return chosen
