"""Expressions of the tree to values of a plan: names resolved, functions checked, constants computed once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, TypeAlias

from chromasql import ast
from chromasql._source import Span
from chromasql.errors import ChromaSQLPlanningError, near_names
from chromasql.operators.functions import (
    UNITS,
    Function,
    find_function,
    function_names,
    parse_interval,
    read_moment,
)
from chromasql.operators.patterns import check_regex, pieces_to_regex, split_escaped
from chromasql.operators.values import result_type
from chromasql.plan import Column, Computed, Read
from chromasql.plan.values import Branch, Cases, Operation, Unvarying, ValueExpression
from chromasql.planner.folding import folded
from chromasql.planner.function_hints import function_advice
from chromasql.printer import print_expression

__all__ = ["Clock", "Name", "ValuePlanner", "constant_of", "find_named_function", "unescaped"]

_NOTHING = Unvarying(None)


_TRUE = Unvarying(value=True)


_MOMENTS = frozenset({"date", "timestamp"})


_COMPARISONS = frozenset({"=", "!=", "<", "<=", ">", ">=", "is distinct", "in"})


Name: TypeAlias = ast.Field | ast.Aggregate | ast.Total
"""What stands for one column."""


class Clock:
    """The moment of a statement: read once, however often NOW() stands in it; ``was_read`` says whether it was."""

    def __init__(self, source: Callable[[], datetime] | None = None) -> None:
        self._source = source
        self._now: datetime | None = None

    @property
    def was_read(self) -> bool:
        """Whether the plan depends on when it was made."""
        return self._now is not None

    def now(self) -> datetime:
        """Return the moment of the statement, in UTC."""
        if self._now is None:
            self._now = datetime.now(UTC) if self._source is None else self._source().astimezone(UTC)
        return self._now


class ValuePlanner:
    """
    Plans the expressions of one clause.

    ``column`` resolves a field, an aggregate or the total, and refuses those that the clause cannot read. ``grouped``
    returns the column that an expression is above the groups, where it is one of their keys.
    """

    def __init__(
        self,
        column: Callable[[Name], Column],
        clock: Clock,
        grouped: Callable[[ast.Expression], Column | None] | None = None,
    ) -> None:
        self._column = column
        self._clock = clock
        self._grouped = grouped

    def plan(self, node: ast.Expression) -> ValueExpression:
        """Return the value that an expression stands for; what depends on no row is computed here."""
        if self._grouped is not None and not isinstance(node, Name):
            column = self._grouped(node)
            if column is not None:
                return column
        return folded(self._planned(node), node.span)

    def read(self, node: ast.Expression) -> Read:
        """Return what a step reads for an expression: a column where it is one."""
        value = self.plan(node)
        return value if isinstance(value, Column) else Computed(value, print_expression(node))

    def _planned(self, node: ast.Expression) -> ValueExpression:
        match node:
            case ast.Field() | ast.Aggregate() | ast.Total():
                return self._column(node)
            case ast.Literal(value):
                return Unvarying(value)
            case ast.Parameter():
                raise ChromaSQLPlanningError(
                    f"parameter {node} has no value; give it in params", code="missing-parameter", span=node.span
                )
            case ast.TypedLiteral():
                return _typed(node)
            case ast.Unary(operator, operand):
                return Operation("negative" if operator == "-" else "positive", (self.plan(operand),))
            case ast.Binary():
                return self._binary(node)
            case ast.Call():
                return self._call(node)
            case ast.Case():
                return self._case(node)
            case ast.Cast(operand, to, safe):
                return self._cast(self.plan(operand), to, safe=safe)
            case ast.Element(operand, index):
                return Operation("element", (self.plan(operand), self.plan(index)))
            case ast.BooleanPredicate(operator, predicates):
                return Operation(operator.lower(), tuple(map(self.condition, predicates)))
            case ast.NotPredicate(inner):
                return Operation("not", (self.condition(inner),))
            case ast.Knn() | ast.Bm25() | ast.Rrf():
                raise ChromaSQLPlanningError(
                    "KNN, BM25 and RRF belong in RANK BY; SELECT score shows what they give",
                    code="not-allowed-here",
                    span=node.span,
                )
            case _:
                return self._test(node)

    def condition(self, node: ast.Expression) -> ValueExpression:
        """Return a value that is used as a condition; a text or a number that is written there is an error."""
        value = self.plan(node)
        if isinstance(value, Unvarying) and value.value is not None and not isinstance(value.value, bool):
            raise ChromaSQLPlanningError(
                f"{_written(node)} is not a condition; a condition is TRUE, FALSE or NULL",
                code="invalid-argument",
                span=node.span,
            )
        return value

    # Operators

    def _binary(self, node: ast.Binary) -> ValueExpression:
        left, right = self.plan(node.left), self.plan(node.right)
        kinds = result_type(left), result_type(right)
        if node.operator in ("+", "-") and "interval" in kinds:
            if kinds[1] == "interval":
                name = "add interval" if node.operator == "+" else "subtract interval"
                return Operation(name, (_moment(left, node.left.span), right))
            if node.operator == "+":
                return Operation("add interval", (_moment(right, node.right.span), left))
        if node.operator != "||" and (_MOMENTS | {"interval"}) & set(kinds):
            raise ChromaSQLPlanningError(
                "dates take + and - with an INTERVAL; for the time between two write DATE_DIFF('day', a, b)",
                code="invalid-argument",
                span=node.span,
            )
        return Operation(node.operator, (left, right))

    def _case(self, node: ast.Case) -> ValueExpression:
        branches: list[Branch] = []
        for one in node.branches:
            if node.operand is None:
                condition = self.condition(one.condition)
            else:
                condition = self._compared("=", node.operand, one.condition)
            result = self.plan(one.result)
            condition = folded(condition, one.span)
            if condition == _TRUE:
                return Cases(tuple(branches), result) if branches else result
            if not isinstance(condition, Unvarying):
                branches.append(Branch(condition, result))
        otherwise = _NOTHING if node.otherwise is None else self.plan(node.otherwise)
        return Cases(tuple(branches), otherwise) if branches else otherwise

    @staticmethod
    def _cast(value: ValueExpression, to: str, *, safe: bool) -> ValueExpression:
        kind = "TIMESTAMP" if to == "DATE" else to
        if to == "TEXT" and result_type(value) in _MOMENTS:
            return value
        cast = Operation(f"{'try_cast' if safe else 'cast'} {kind}", (value,))
        return Operation("DATE", (cast,)) if to == "DATE" else cast

    # Functions

    def _call(self, node: ast.Call) -> ValueExpression:
        name = node.function
        if name in ("NOW", "CURRENT_TIMESTAMP") and not node.arguments:
            return Unvarying(self._clock.now())
        if name == "CURRENT_DATE" and not node.arguments:
            return Operation("DATE", (Unvarying(self._clock.now()),))
        function = find_named_function(node)
        self._check_count(function, node)
        arguments = [self.plan(argument) for argument in node.arguments]
        for index in function.moments:
            if index < len(arguments):
                arguments[index] = _moment(arguments[index], node.arguments[index].span)
        for index in function.constants:
            self._check_constant(function, arguments[index], node.arguments[index])
        return Operation(function.name, tuple(arguments))

    @staticmethod
    def _check_count(function: Function, node: ast.Call) -> None:
        count, least, most = len(node.arguments), function.least, function.most
        if count >= least and (most is None or count <= most):
            return
        wanted = f"at least {least}" if most is None else str(least) if least == most else f"{least} to {most}"
        raise ChromaSQLPlanningError(
            f"{node.function} takes {wanted} argument{'' if wanted == '1' else 's'}, not {count}",
            code="invalid-argument",
            span=node.span,
        )

    @staticmethod
    def _check_constant(function: Function, value: ValueExpression, node: ast.Expression) -> None:
        if not isinstance(value, Unvarying):
            raise ChromaSQLPlanningError(
                f"this argument of {function.name} is the same for all rows: a value or a parameter",
                code="invalid-argument",
                span=node.span,
            )
        if value.value is None:
            return
        if function.name.startswith("REGEXP"):
            reason = check_regex(value.value) if isinstance(value.value, str) else "it is not a text"
            if reason is not None:
                raise ChromaSQLPlanningError(
                    f"{function.name} cannot use this pattern: {reason}", code="invalid-pattern", span=node.span
                )
        elif not _is_unit(function, value.value):
            raise ChromaSQLPlanningError(
                f"{function.name} knows no unit {_written(node)}; it takes {', '.join(UNITS)}",
                code="invalid-argument",
                span=node.span,
            )

    # Tests

    def _test(self, node: ast.Predicate) -> ValueExpression:
        match node:
            case ast.ComparisonPredicate(operand, operator, value, None):
                return self._compared(operator, operand, value)
            case ast.ComparisonPredicate(operand, operator, value, quantifier):
                return Operation(f"{operator} {str(quantifier).lower()}", (self.plan(operand), self.plan(value)))
            case ast.BetweenPredicate(operand, low, high, negated):
                within = Operation("and", (self._compared(">=", operand, low), self._compared("<=", operand, high)))
                return _negated(within, negated)
            case ast.InPredicate(operand, values, negated):
                return _negated(self._in(operand, values), negated)
            case ast.IsNullPredicate(operand, negated):
                return _negated(Operation("is null", (self.plan(operand),)), negated)
            case ast.IsTruthPredicate(operand, value, negated):
                return _negated(Operation("is true" if value else "is false", (self.condition(operand),)), negated)
            case ast.IsDistinctPredicate(operand, value, negated):
                return _negated(self._compared("is distinct", operand, value), negated)
            case ast.LikePredicate(operand, _, negated):
                name, pattern = unescaped(node)
                return _negated(Operation(name, (self.plan(operand), self.plan(pattern))), negated)
            case ast.RegexPredicate(operand, pattern, negated):
                wanted = self.plan(pattern)
                self._check_constant(Function("REGEXP", len), wanted, pattern)
                return _negated(Operation("regex", (self.plan(operand), wanted)), negated)
            case ast.ContainsPredicate(operand, value, negated):
                return _negated(self._contains(operand, value, node.quantifier), negated)
            case _:
                raise AssertionError(node)

    def _compared(self, operator: str, left: ast.Expression, right: ast.Expression) -> ValueExpression:
        one, two = self.plan(left), self.plan(right)
        if operator in _COMPARISONS and {result_type(one), result_type(two)} & _MOMENTS:
            one, two = _moment(one, left.span), _moment(two, right.span)
        return Operation(operator, (one, two))

    def _in(self, operand: ast.Expression, values: ast.Array | ast.Parameter) -> ValueExpression:
        if not isinstance(values, ast.Array):
            return self.plan(values)
        tests = [self.plan(operand), *map(self.plan, values.items)]
        if any(result_type(test) in _MOMENTS for test in tests):
            nodes = (operand, *values.items)
            tests = [_moment(test, node.span) for test, node in zip(tests, nodes, strict=True)]
        return Operation("in", tuple(tests))

    def _contains(
        self, operand: ast.Expression, value: ast.Expression | ast.Array, quantifier: ast.Quantifier | None
    ) -> ValueExpression:
        left = self.plan(operand)
        name = "contains text" if left == Column("document") or result_type(left) == "text" else "contains"
        if not isinstance(value, ast.Array):
            return Operation(name, (left, self.plan(value)))
        parts = tuple(Operation(name, (left, self.plan(item))) for item in value.items)
        return Operation("or" if quantifier == "ANY" else "and", parts)


def find_named_function(call: ast.Call, others: Iterable[str] = ()) -> Function:
    """Return the function that a call names; raise where there is none, with names that are near, ``others`` too."""
    name = call.function
    function = find_function(name)
    if function is None or not function.name[0].isupper():
        advice = function_advice(name)
        near = near_names(name, [*function_names(), *ast.AGGREGATES, *others], 0.75)
        hint = f"; {advice}" if advice else near or "; the language reference lists the functions"
        span = Span(call.span.start, call.span.start + len(name))
        raise ChromaSQLPlanningError(f"there is no function {name}{hint}", code="unknown-function", span=span)
    return function


def unescaped(test: ast.LikePredicate) -> tuple[str, ast.Expression]:
    """Return the operator and the pattern of a LIKE without its ESCAPE: a regex, where it escapes a wildcard."""
    word = "ilike" if test.ignore_case else "like"
    if test.escape is None:
        return word, test.pattern
    escape, pattern = constant_of(test.escape), constant_of(test.pattern)
    if not isinstance(escape, str) or len(escape) != 1:
        raise ChromaSQLPlanningError("ESCAPE takes one character", code="invalid-argument", span=test.escape.span)
    if not isinstance(pattern, str):
        return word, test.pattern
    try:
        pieces = split_escaped(pattern, escape)
    except ValueError as error:
        raise ChromaSQLPlanningError(str(error), code="invalid-pattern", span=test.pattern.span) from None
    if any("%" in piece for piece in pieces):
        regex = pieces_to_regex(pieces, ignore_case=test.ignore_case)
        return "regex", ast.Literal(regex, span=test.pattern.span)
    return word, ast.Literal("%".join(pieces), span=test.pattern.span)


def constant_of(node: ast.Expression) -> Any:
    """Return the value of an expression that reads nothing of the records; otherwise raise."""

    def refuse(field: Name) -> Column:
        raise ChromaSQLPlanningError(
            "a value is expected here, which depends on no record", code="invalid-argument", span=field.span
        )

    value = ValuePlanner(refuse, Clock()).plan(node)
    assert isinstance(value, Unvarying)
    return value.value


def _negated(value: ValueExpression, negated: bool) -> ValueExpression:
    return Operation("not", (value,)) if negated else value


def _typed(node: ast.TypedLiteral) -> ValueExpression:
    if node.type == "INTERVAL":
        interval = parse_interval(node.text)
        if interval is None:
            raise ChromaSQLPlanningError(
                "an INTERVAL is a number and a unit: INTERVAL '30 days', INTERVAL '1 month'",
                code="invalid-literal",
                span=node.span,
            )
        return Unvarying(interval)
    moment = read_moment(node.text)
    if moment is None:
        raise ChromaSQLPlanningError(
            f"{node.text!r} is not a date; dates are written DATE '2024-05-01' or TIMESTAMP '2024-05-01 08:30:00'",
            code="invalid-literal",
            span=node.span,
        )
    return Operation("DATE", (Unvarying(moment),)) if node.type == "DATE" else Unvarying(moment)


def _moment(value: ValueExpression, span: Span) -> ValueExpression:
    """Return the value read as a date or a time; a text that is written out and is not one is an error."""
    if result_type(value) in _MOMENTS:
        return value
    if not isinstance(value, Unvarying):
        return Operation("moment", (value,))
    moment = read_moment(value.value)
    if moment is None and value.value is not None:
        raise ChromaSQLPlanningError(
            f"{value.value!r} is not a date; dates are texts such as '2024-05-01' or '2024-05-01T08:30:00Z'",
            code="invalid-argument",
            span=span,
        )
    return Unvarying(moment)


def _is_unit(function: Function, unit: Any) -> bool:
    sample = datetime(2024, 5, 17, tzinfo=UTC)
    arguments = [sample if index in function.moments else unit for index in range(function.least)]
    return isinstance(unit, str) and function.apply(*arguments) is not None


def _written(node: ast.Expression) -> str:
    return repr(node.value) if isinstance(node, ast.Literal) else "this"
