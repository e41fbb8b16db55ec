"""
Predicates of the tree to conditions of a plan: three-valued logic made two-valued.

Negation is pushed down to the tests, where each has its opposite that is likewise unknown on NULL; AND and OR are
monotone in Kleene's logic, so above the tests *unknown* may count as *not true*. What is unknown for every
record (``x = NULL``) folds to NEVER on both sides of a NOT.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import assert_never

from chromasql import ast
from chromasql._source import Span
from chromasql.errors import ChromaSQLPlanningError
from chromasql.operators.patterns import check_regex, regex_size
from chromasql.plan import ALWAYS, NEVER, Column, Comparison, Condition, PlanWarning
from chromasql.plan.conditions import Operator, all_of, any_of
from chromasql.planner.numbers import literal

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


def _without_repeats(parts: Iterable[Condition]) -> list[Condition]:
    """Leave out what is written twice; not by equality, since to Python TRUE equals 1."""
    return list({repr(part): part for part in parts}.values())


class ConditionBuilder:
    """
    Turns one clause into a condition.

    ``column`` resolves an operand and refuses those that the clause cannot test; ``warn`` takes what is legal
    but hardly meant.
    """

    def __init__(self, column: Callable[[ast.Operand], Column], warn: Callable[[PlanWarning], None]) -> None:
        self._column = column
        self._warn = warn
        self._pattern_size = 0

    def build(self, predicate: ast.Predicate, *, negated: bool = False) -> Condition:
        """Return the condition that is true exactly where the predicate (or its NOT) is."""
        match predicate:
            case ast.BooleanPredicate(operator, predicates):
                parts = [self.build(part, negated=negated) for part in predicates]
                return all_of(parts) if (operator == "AND") is not negated else any_of(parts)
            case ast.NotPredicate(inner):
                return self.build(inner, negated=not negated)
            case ast.ComparisonPredicate(operand, operator, value):
                return self._compared(operand, _OPERATORS[operator][negated], value)
            case ast.InPredicate(operand, values):
                return self._membership(operand, values, negated=negated is not predicate.negated)
            case ast.BetweenPredicate(operand, low, high):
                self._check_range(operand, low, high)
                if negated is predicate.negated:
                    return all_of([self._compared(operand, ">=", low), self._compared(operand, "<=", high)])
                return any_of([self._compared(operand, "<", low), self._compared(operand, ">", high)])
            case ast.IsNullPredicate(operand):
                return self._null_test(operand, null=negated is predicate.negated)
            case ast.IsDistinctPredicate(operand, value):
                return self._distinct(operand, value, distinct=negated is predicate.negated)
            case ast.LikePredicate(operand, pattern):
                word = "ilike" if predicate.ignore_case else "like"
                return self._text_test(operand, word, pattern, negated=negated is not predicate.negated)
            case ast.RegexPredicate(operand, pattern):
                return self._text_test(operand, "regex", pattern, negated=negated is not predicate.negated)
            case ast.ContainsPredicate():
                return self._contains(predicate, negated=negated is not predicate.negated)
            case _:
                assert_never(predicate)

    def _test(
        self, column: Column, operator: Operator, operand: ast.Scalar | tuple[ast.Scalar, ...] = None
    ) -> Condition:
        if _never_present(column):
            return ALWAYS if operator in ("is null", "is distinct") else NEVER
        return Comparison(column, operator, operand)

    def _compared(self, operand: ast.Operand, operator: Operator, value: ast.Value) -> Condition:
        column, scalar = self._column(operand), literal(value)
        if scalar is None:
            self._warn_null(operand, operator)
            return NEVER
        self._check_kind(column, operator, scalar)
        return self._test(column, operator, scalar)

    def _membership(self, operand: ast.Operand, values: ast.Array | ast.Parameter, *, negated: bool) -> Condition:
        """Plan IN and NOT IN: a NULL in the list never matches, and makes NOT IN never true."""
        column = self._column(operand)
        items = _items(values)
        if not items:
            return ALWAYS if negated else NEVER
        scalars = [literal(item) for item in items]
        if negated and None in scalars:
            self._warn(
                PlanWarning("null-comparison", f"{operand.name} NOT IN (.., NULL) is never true; leave the NULL out")
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

    def _null_test(self, operand: ast.Operand, *, null: bool) -> Condition:
        column = self._column(operand)
        if column.part in ("id", "_collection"):
            return NEVER if null else ALWAYS
        return self._test(column, "is null" if null else "is not null")

    def _distinct(self, operand: ast.Operand, value: ast.Value, *, distinct: bool) -> Condition:
        scalar = literal(value)
        if scalar is None:
            return self._null_test(operand, null=not distinct)
        column = self._column(operand)
        return self._test(column, "is distinct" if distinct else "=", scalar)

    def _text_test(self, operand: ast.Operand, operator: str, pattern: ast.Value, *, negated: bool) -> Condition:
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
        column = self._column(predicate.operand)
        if column.part in ("id", "_collection", "uri"):
            raise ChromaSQLPlanningError(
                f"CONTAINS works on lists and documents; for {column.part} use LIKE '%text%'",
                code="invalid-argument",
                span=predicate.operand.span,
            )
        operator: Operator = "not contains" if negated else "contains"
        if isinstance(predicate.value, ast.Literal | ast.Parameter) and predicate.quantifier is None:
            return self._contains_one(predicate.operand, column, operator, predicate.value)
        parts = [self._contains_one(predicate.operand, column, operator, item) for item in _items(predicate.value)]
        return any_of(parts) if (predicate.quantifier == "ANY") is not negated else all_of(parts)

    def _contains_one(self, operand: ast.Operand, column: Column, operator: Operator, value: ast.Value) -> Condition:
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

    def _check_range(self, operand: ast.Operand, low: ast.Value, high: ast.Value) -> None:
        least, most = literal(low), literal(high)
        numbers = not isinstance(least, bool | str | None) and not isinstance(most, bool | str | None)
        strings = isinstance(least, str) and isinstance(most, str)
        if (numbers or strings) and least > most:  # type: ignore[operator]
            self._warn(
                PlanWarning(
                    "never-true",
                    f"{operand.name} BETWEEN {_written(least)} AND {_written(most)} is never true; swap the bounds",
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

    def _warn_null(self, operand: ast.Operand, operator: str) -> None:
        fix = {"=": " IS NULL", "!=": " IS NOT NULL"}.get(operator)
        hint = f"; write {operand.name}{fix}" if fix else ""
        self._warn(PlanWarning("null-comparison", f"{operand.name} {operator} NULL is never true{hint}"))


def _written(scalar: ast.Scalar) -> str:
    return str(scalar).upper() if isinstance(scalar, bool) else repr(scalar)


def _items(values: ast.Array | ast.Value) -> tuple[ast.Value, ...]:
    if isinstance(values, ast.Array):
        return values.items
    if isinstance(values, ast.Parameter):
        literal(values)
    raise ChromaSQLPlanningError("a list of values is expected", code="invalid-argument", span=values.span)


def _never_present(column: Column) -> bool:
    """Chroma keeps names that begin so to itself, so no record shows a metadata key of that name."""
    return column.key is not None and column.key.startswith(("#", "$", "chroma:"))
