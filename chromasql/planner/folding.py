"""What is the same for every row is computed once, when the statement is planned."""

from __future__ import annotations

from collections.abc import Sequence

from chromasql._source import Span
from chromasql.errors import ChromaSQLError, ChromaSQLPlanningError
from chromasql.operators.values import compile_value, result_type
from chromasql.plan.values import Operation, Unvarying, ValueExpression

__all__ = ["folded"]


def folded(value: ValueExpression, span: Span) -> ValueExpression:
    """Compute what is the same for every row."""
    match value:
        case Operation(("and" | "or") as name, arguments):
            return _folded_logic(name, arguments)
        case Operation(name, arguments) if all(isinstance(argument, Unvarying) for argument in arguments):
            if result_type(value) == "date":
                # The plan would forget that it is a day, and show a moment.
                return value
            try:
                return Unvarying(compile_value(value)(None))  # type: ignore[arg-type]
            except ChromaSQLError as error:
                raise ChromaSQLPlanningError(error.message, code=error.code, span=span) from None
        case _:
            return value


def _folded_logic(name: str, arguments: Sequence[ValueExpression]) -> ValueExpression:
    decisive = name == "or"
    left: list[ValueExpression] = []
    for argument in arguments:
        if argument == Unvarying(decisive) and isinstance(argument, Unvarying) and argument.value is decisive:
            return argument
        if not (isinstance(argument, Unvarying) and argument.value is (not decisive)):
            left.append(argument)
    if not left:
        return Unvarying(not decisive)
    return left[0] if len(left) == 1 and result_type(left[0]) == "boolean" else Operation(name, tuple(left))
