"""
Predicates of the tree to conditions of a plan: three-valued logic made two-valued.

Negation is pushed down to the tests, where each has its opposite that is likewise unknown on NULL; AND and OR are
monotone in Kleene's logic, so above the tests *unknown* may count as *not true*. What is unknown for every
record (``x = NULL``) folds to NEVER on both sides of a NOT.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeGuard

from chromasql import ast
from chromasql._source import Span
from chromasql.errors import ChromaSQLPlanningError
from chromasql.operators.patterns import check_regex, regex_size
from chromasql.plan import ALWAYS, NEVER, Column, Comparison, Condition, Holds, PlanWarning
from chromasql.plan.conditions import Operator, all_of, any_of
from chromasql.plan.values import Operation, Unvarying
from chromasql.planner.numbers import literal
from chromasql.planner.values import Clock, Name, ValuePlanner, unescaped
from chromasql.printer import print_expression

__all__ = ["MAX_PATTERN_SIZE", "ConditionBuilder"]

MAX_PATTERN_SIZE = 300_000
"""How many instructions the compiled patterns of one clause may have together: about 0.3 s of work."""


_OPERATORS: dict[str, tuple[Operator, Operator]] = {
    "=": ("=", "!="),
    "!=": ("!=", "="),
    "<": ("<", ">="),
    "<=": ("<=", ">"),
    ">": (">", "<="),
    ">=": (">=", "<"),
    "like": ("like", "not like"),
    "ilike": ("ilike", "not ilike"),
    "regex": ("regex", "not regex"),
}
"""The operator of a test, and that of its negation."""


_EXCHANGED: dict[str, Operator] = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
"""The operator of a comparison whose sides are exchanged."""


def _is_name(node: ast.Node) -> TypeGuard[Name]:
    return isinstance(node, ast.Field | ast.Aggregate | ast.Total)


def _listed(values: ast.Expression | ast.Array) -> tuple[ast.Expression, ...]:
    return values.items if isinstance(values, ast.Array) else (values,)


def _without_repeats(parts: Iterable[Condition]) -> list[Condition]:
    """Leave out what is written twice; not by equality, since to Python TRUE equals 1."""
    return list({repr(part): part for part in parts}.values())


class ConditionBuilder:
    """
    Turns one clause into a condition.

    ``column`` resolves a name and refuses those that the clause cannot test; ``warn`` takes what is legal but hardly
    meant. A test of one column against a value becomes a `Comparison`, which may be sent to Chroma; any other
    expression is computed here.
    """

    def __init__(
        self,
        column: Callable[[Name], Column],
        warn: Callable[[PlanWarning], None],
        clock: Clock | None = None,
        grouped: Callable[[ast.Expression], Column | None] | None = None,
    ) -> None:
        self._column = column
        self._warn = warn
        self._values = ValuePlanner(column, clock or Clock(), grouped)
        self._pattern_size = 0

    def build(self, predicate: ast.Expression, *, negated: bool = False) -> Condition:
        """Return the condition that is true exactly where the predicate (or its NOT) is."""
        match predicate:
            case ast.BooleanPredicate(operator, predicates):
                parts = [self.build(part, negated=negated) for part in predicates]
                return all_of(parts) if (operator == "AND") is not negated else any_of(parts)
            case ast.NotPredicate(inner):
                return self.build(inner, negated=not negated)
            case ast.Field() | ast.Aggregate() | ast.Total():
                return self._test(self._column(predicate), "=", not negated)
            case ast.ComparisonPredicate():
                return self._comparison(predicate, negated=negated)
            case ast.InPredicate(operand, values) if self._is_plain(operand, *_listed(values)):
                return self._membership(operand, values, negated=negated is not predicate.negated)
            case ast.BetweenPredicate(operand, low, high) if self._is_plain(operand, low, high):
                self._check_range(operand, low, high)
                if negated is predicate.negated:
                    return all_of([self._compared(operand, ">=", low), self._compared(operand, "<=", high)])
                return any_of([self._compared(operand, "<", low), self._compared(operand, ">", high)])
            case ast.BetweenPredicate(operand, low, high):
                ends = (
                    ast.ComparisonPredicate(operand, ">=", low, span=predicate.span),
                    ast.ComparisonPredicate(operand, "<=", high, span=predicate.span),
                )
                within = ast.BooleanPredicate("AND", ends, span=predicate.span)
                return self.build(within, negated=negated is not predicate.negated)
            case ast.IsNullPredicate(operand) if _is_name(operand):
                return self._null_test(operand, null=negated is predicate.negated)
            case ast.IsTruthPredicate(operand, value) if _is_name(operand):
                column = self._column(operand)
                return self._test(column, "=" if negated is predicate.negated else "is distinct", value)
            case ast.IsDistinctPredicate(operand, value) if self._is_plain(operand, value):
                return self._distinct(operand, value, distinct=negated is predicate.negated)
            case ast.LikePredicate(operand, pattern) if self._is_plain(operand, pattern):
                word, pattern = unescaped(predicate)
                return self._text_test(operand, word, pattern, negated=negated is not predicate.negated)
            case ast.RegexPredicate(operand, pattern) if self._is_plain(operand, pattern):
                return self._text_test(operand, "regex", pattern, negated=negated is not predicate.negated)
            case ast.ContainsPredicate(operand, value) if self._is_plain(operand, *_listed(value)):
                return self._contains(predicate, negated=negated is not predicate.negated)
            case _:
                return self._computed(predicate, negated=negated)

    def _is_plain(self, operand: ast.Expression, *values: ast.Expression) -> TypeGuard[Name]:
        """Whether a test is of one column against values that depend on no record and are not dates."""
        return _is_name(operand) and all(isinstance(value, ast.Literal | ast.Parameter) for value in values)

    def _comparison(self, test: ast.ComparisonPredicate, *, negated: bool) -> Condition:
        operand, value = test.operand, self._simplified(test.value)
        operator = _OPERATORS[test.operator][negated]
        if test.quantifier is not None:
            simple = test.operator == "=" and test.quantifier == "ANY" and _is_name(value)
            if not simple or not isinstance(operand, ast.Literal | ast.Parameter):
                return self._computed(test, negated=negated)
            contains = ast.ContainsPredicate(value, operand, span=test.span)
            return self._contains(contains, negated=negated)
        left = self._simplified(operand)
        if self._is_plain(left, value):
            return self._compared(left, operator, value)
        if self._is_plain(value, left):
            return self._compared(value, _EXCHANGED.get(operator, operator), left)
        return self._computed(test, negated=negated)

    def _simplified(self, node: ast.Expression) -> ast.Expression:
        """Return an expression of constants as the literal that it gives."""
        if isinstance(node, ast.Literal | ast.Parameter) or any(map(_is_name, ast.walk(node))):
            return node
        value = self._values.plan(node)
        if isinstance(value, Unvarying) and isinstance(value.value, str | int | float | bool | None):
            return ast.Literal(value.value, span=node.span)
        return node

    def _computed(self, predicate: ast.Expression, *, negated: bool) -> Condition:
        value = self._values.condition(predicate)
        if isinstance(value, Unvarying):
            return ALWAYS if value.value is (not negated) else NEVER
        text = print_expression(predicate)
        if not negated:
            return Holds(value, text)
        return Holds(Operation("not", (value,)), f"NOT ({text})")

    def _test(
        self, column: Column, operator: Operator, operand: ast.Scalar | tuple[ast.Scalar, ...] = None
    ) -> Condition:
        if _never_present(column):
            return ALWAYS if operator in ("is null", "is distinct") else NEVER
        return Comparison(column, operator, operand)

    def _compared(self, operand: Name, operator: Operator, value: ast.Expression) -> Condition:
        column, scalar = self._column(operand), literal(value)
        if scalar is None:
            self._warn_null(operand, operator)
            return NEVER
        self._check_kind(column, operator, scalar)
        return self._test(column, operator, scalar)

    def _membership(self, operand: Name, values: ast.Array | ast.Parameter, *, negated: bool) -> Condition:
        """Plan IN and NOT IN: a NULL in the list never matches, and makes NOT IN never true."""
        column = self._column(operand)
        items = _items(values)
        if not items:
            return ALWAYS if negated else NEVER
        scalars = [literal(item) for item in items]
        if negated and None in scalars:
            self._warn(
                PlanWarning(
                    "null-comparison",
                    f"{print_expression(operand)} NOT IN (.., NULL) is never true; leave the NULL out",
                )
            )
            return NEVER
        known = tuple(scalar for scalar in scalars if scalar is not None)
        if not known:
            self._warn_null(operand, "IN")
            return NEVER
        if len(known) == 1:
            self._check_kind(column, "=", known[0])
            return self._test(column, "!=" if negated else "=", known[0])
        for scalar in scalars:
            self._check_kind(column, "=", scalar)
        return self._test(column, "not in" if negated else "in", known)

    def _null_test(self, operand: Name, *, null: bool) -> Condition:
        column = self._column(operand)
        if column.part in ("id", "_collection"):
            return NEVER if null else ALWAYS
        return self._test(column, "is null" if null else "is not null")

    def _distinct(self, operand: Name, value: ast.Expression, *, distinct: bool) -> Condition:
        scalar = literal(value)
        if scalar is None:
            return self._null_test(operand, null=not distinct)
        column = self._column(operand)
        return self._test(column, "is distinct" if distinct else "=", scalar)

    def _text_test(self, operand: Name, operator: str, pattern: ast.Expression, *, negated: bool) -> Condition:
        column, text = self._column(operand), literal(pattern)
        if text is None:
            self._warn_null(operand, operator.upper())
            return NEVER
        if not isinstance(text, str):
            raise ChromaSQLPlanningError(
                f"{operator.upper()} takes a string", code="invalid-argument", span=pattern.span
            )
        if operator == "regex":
            self._check_regex(text, pattern.span)
        return self._test(column, _OPERATORS[operator][negated], text)

    def _contains(self, predicate: ast.ContainsPredicate, *, negated: bool) -> Condition:
        assert _is_name(predicate.operand)
        column = self._column(predicate.operand)
        if column.part in ("id", "_collection", "uri"):
            raise ChromaSQLPlanningError(
                f"CONTAINS works on lists and documents; for {column.part} use LIKE '%text%'",
                code="invalid-argument",
                span=predicate.operand.span,
            )
        operator: Operator = "not contains" if negated else "contains"
        operand = predicate.operand
        assert _is_name(operand)
        if isinstance(predicate.value, ast.Literal | ast.Parameter) and predicate.quantifier is None:
            return self._contains_one(operand, column, operator, predicate.value)
        parts = [self._contains_one(operand, column, operator, item) for item in _items(predicate.value)]
        return any_of(parts) if (predicate.quantifier == "ANY") is not negated else all_of(parts)

    def _contains_one(self, operand: Name, column: Column, operator: Operator, value: ast.Expression) -> Condition:
        scalar = literal(value)
        if scalar is None:
            self._warn_null(operand, "CONTAINS")
            return NEVER
        if column.part == "document" and not isinstance(scalar, str):
            raise ChromaSQLPlanningError("document CONTAINS takes a string", code="invalid-argument", span=value.span)
        return self._test(column, operator, scalar)

    def _check_regex(self, pattern: str, span: Span) -> None:
        reason = check_regex(pattern)
        if reason is not None:
            raise ChromaSQLPlanningError(f"REGEX cannot use this pattern: {reason}", code="invalid-pattern", span=span)
        self._pattern_size += regex_size(pattern)
        if self._pattern_size > MAX_PATTERN_SIZE:
            raise ChromaSQLPlanningError(
                "the patterns of this statement are too large together; shorten their repetitions, "
                "or ask with fewer of them at a time",
                code="patterns-too-large",
                span=span,
            )
        if "\b" in pattern:
            self._warn(
                PlanWarning(
                    "backspace-in-regex",
                    r"the REGEX holds a backspace character; for a word boundary write r'\b', a raw string",
                )
            )

    def _check_range(self, operand: Name, low: ast.Expression, high: ast.Expression) -> None:
        least, most = literal(low), literal(high)
        numbers = not isinstance(least, bool | str | None) and not isinstance(most, bool | str | None)
        strings = isinstance(least, str) and isinstance(most, str)
        if (numbers or strings) and least > most:  # type: ignore[operator]
            self._warn(
                PlanWarning(
                    "never-true",
                    f"{print_expression(operand)} BETWEEN {_written(least)} AND {_written(most)} is never true; "
                    "swap the bounds",
                )
            )

    def _check_kind(self, column: Column, operator: str, scalar: ast.Scalar) -> None:
        """Warn where a test can never be true: id, document, uri and _collection are always text."""
        always_text = column.part in ("id", "document", "uri", "_collection")
        if not always_text or isinstance(scalar, str) or scalar is None or operator == "!=":
            return
        self._warn(
            PlanWarning(
                "never-true",
                f"{column.part} is text, so {column.part} {operator} {_written(scalar)} is never true",
            )
        )

    def _warn_null(self, operand: Name, operator: str) -> None:
        fix = {"=": " IS NULL", "!=": " IS NOT NULL"}.get(operator)
        hint = f"; write {print_expression(operand)}{fix}" if fix else ""
        self._warn(PlanWarning("null-comparison", f"{print_expression(operand)} {operator} NULL is never true{hint}"))


def _written(scalar: ast.Scalar) -> str:
    return str(scalar).upper() if isinstance(scalar, bool) else repr(scalar)


def _items(values: ast.Array | ast.Expression) -> tuple[ast.Expression, ...]:
    if isinstance(values, ast.Array):
        return values.items
    if isinstance(values, ast.Parameter):
        literal(values)
    raise ChromaSQLPlanningError("a list of values is expected", code="invalid-argument", span=values.span)


def _never_present(column: Column) -> bool:
    """Chroma keeps names that begin so to itself, so no record shows a metadata key of that name."""
    return column.key is not None and column.key.startswith(("#", "$", "chroma:"))
