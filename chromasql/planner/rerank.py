"""RERANK BY: the strategy and its arguments."""

from __future__ import annotations

from typing import Any

from chromasql import ast
from chromasql.errors import ChromaSQLPlanningError, near_names
from chromasql.operators.rerank import known_strategies, strategy_named, with_defaults
from chromasql.plan import Column, RerankPlan
from chromasql.planner.numbers import count_of, literal
from chromasql.planner.scope_rules import Scoping

__all__ = ["plan_rerank"]

_DEFAULT_RERANKED = 300


_DEFAULT_MMR = 200


def plan_rerank(query: ast.Query, scoping: Scoping, *, grouped: bool) -> RerankPlan | None:
    """
    Plan the RERANK BY of a statement, or return None where it has none.

    ``grouped`` says whether the statement returns groups rather than records.
    """
    node = query.rerank
    if node is None:
        return None
    strategy = strategy_named(node.strategy)
    known = known_strategies()
    if strategy is None:
        hint = near_names(node.strategy, known) or f"; the strategies are {', '.join(known)}"
        raise ChromaSQLPlanningError(
            f"rerank strategy {node.strategy} does not exist{hint}", code="unknown-strategy", span=node.span
        )
    if grouped:
        raise ChromaSQLPlanningError(
            "RERANK BY orders records, and this statement returns groups", code="not-allowed-here", span=node.span
        )
    for part in strategy.parts:
        if part != "embedding":
            scoping.require_column(Column(part), node.span)
    arguments: dict[str, Any] = {}
    for argument in node.arguments:
        if strategy.arguments is not None and argument.name not in (*strategy.arguments, "candidates"):
            names = ", ".join(sorted({*strategy.arguments, "candidates"}))
            raise ChromaSQLPlanningError(
                f"{node.strategy} has no argument {argument.name}; it takes {names}",
                code="unknown-argument",
                span=argument.span,
            )
        arguments[argument.name] = _argument(argument)
    default = count_of(query.topk, "TOPK", least=1)
    if default is None:
        default = scoping.candidates(_DEFAULT_MMR if node.strategy == "MMR" else _DEFAULT_RERANKED)
    candidates = arguments.pop("candidates", default)
    if type(candidates) is not int or candidates < 1:
        raise ChromaSQLPlanningError(
            "candidates takes a whole number of at least 1", code="invalid-argument", span=node.span
        )
    scoping.check_reranked(candidates, node.span)
    try:
        arguments = with_defaults(strategy, arguments)
    except ValueError as error:
        raise ChromaSQLPlanningError(str(error), code="missing-argument", span=node.span) from None
    problem = strategy.check(arguments)
    if problem is not None:
        raise ChromaSQLPlanningError(problem, code="invalid-argument", span=node.span)
    return RerankPlan(node.strategy, candidates, arguments, strategy.parts)


def _argument(argument: ast.Argument) -> Any:
    match argument.value:
        case ast.Array(items):
            return tuple(literal(item) for item in items)
        case ast.Literal(value):
            return value
        case value:
            raise ChromaSQLPlanningError(
                f"{argument.name} takes a value or a list", code="invalid-argument", span=value.span
            )
