"""GROUP BY, HAVING, aggregates and DISTINCT: what is computed here over all collections."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from chromasql import ast
from chromasql.errors import ChromaSQLPlanningError
from chromasql.plan import AggregateCall, Aggregation, Column, Computed, Keep, OrderKey, PlanWarning, Read, columns_in
from chromasql.planner.aggregates import check_arguments
from chromasql.planner.conditions import ConditionBuilder
from chromasql.planner.numbers import count_of
from chromasql.planner.values import Clock, Name, ValuePlanner
from chromasql.printer import print_expression

__all__ = ["AggregationPlanner", "aggregates", "plan_keep"]


class Reads(Protocol):
    """What the expressions of a statement read from its records."""

    def read(self, operand: ast.Expression) -> Read:
        """Return what an expression reads from a record."""

    def column(self, operand: Name) -> Column:
        """Return the column that a name means."""

    def resolved(self, expression: ast.Expression) -> ast.Expression:
        """Return an expression with what the aliases of SELECT stand for."""

    def at_position(self, expression: ast.Expression, clause: str) -> ast.Expression:
        """Return the column of SELECT that a bare whole number means, or the expression itself."""


def aggregates(query: ast.Query) -> bool:
    """Tell whether the rows of a statement are groups rather than records."""
    calls = any(
        isinstance(node, ast.Aggregate)
        for item in query.projection.items
        if isinstance(item, ast.ProjectionItem)
        for node in ast.walk(item.operand)
    )
    grouped = query.group_by is not None and query.group_by.keep is None
    ranked = query.rank is not None or query.embedding is not None
    # Of a ranking, DISTINCT keeps the best of the rows that are equal.
    distinct = query.projection.distinct and (not ranked or grouped)
    return calls or grouped or query.having is not None or distinct


def plan_keep(
    group: ast.GroupBy, reads: Reads, order: Callable[[tuple[ast.OrderItem, ...]], tuple[OrderKey, ...]]
) -> Keep:
    """Plan ``GROUP BY keys KEEP n BY items``; NULL sorts last within a group unless it says NULLS FIRST."""
    assert group.keep is not None
    count = count_of(group.keep.count, "KEEP", least=1)
    assert count is not None
    items = group.keep.order_by
    keys = tuple(
        OrderKey(key.column, key.descending, nulls_first=item.nulls == "FIRST")
        for key, item in zip(order(items), items, strict=True)
    )
    return Keep(tuple(_group_key(node, reads) for node in group.keys), count, keys)


def _group_key(node: ast.Expression, reads: Reads) -> Read:
    expression = reads.resolved(reads.at_position(node, "GROUP BY"))
    found = reads.read(expression)
    if found.part == "embedding" or found == Column("metadata"):
        raise ChromaSQLPlanningError(
            f"GROUP BY cannot compare {found.part}; name a key", code="not-allowed-here", span=node.span
        )
    if Column("total") in columns_in(found):
        raise ChromaSQLPlanningError("COUNT(*) OVER () belongs in SELECT", code="not-allowed-here", span=node.span)
    if found.part in ("distance", "score"):
        raise ChromaSQLPlanningError(
            f"GROUP BY {found.part} would make a group of every record", code="not-allowed-here", span=node.span
        )
    return found


class AggregationPlanner:
    """
    Plans one statement whose rows are groups.

    ``reads`` resolves what is read from records. `read_above` then resolves what stands in SELECT, HAVING and ORDER BY
    to the columns of the groups, and collects the aggregates that they need.
    """

    def __init__(self, query: ast.Query, reads: Reads, clock: Clock) -> None:
        self._query = query
        self._reads = reads
        self._clock = clock
        self._values = ValuePlanner(self._name_above, clock, self._key_above)
        self._calls: dict[AggregateCall, int] = {}
        items = [item for item in query.projection.items if isinstance(item, ast.ProjectionItem)]
        if len(items) < len(query.projection.items):
            star = next(item for item in query.projection.items if isinstance(item, ast.Star))
            raise ChromaSQLPlanningError(
                "* cannot be grouped; name the columns", code="not-allowed-here", span=star.span
            )
        nodes: tuple[ast.Expression, ...] = ()
        if query.group_by is not None:
            nodes = query.group_by.keys
        elif query.projection.distinct and not any(map(_holds_aggregate, items)):
            nodes = tuple(item.operand for item in items if not isinstance(item.operand, ast.Total))
        self._keys = tuple(dict.fromkeys(_group_key(node, reads) for node in nodes))

    @property
    def keys(self) -> tuple[Read, ...]:
        """What makes the groups; with none there is one group of all records."""
        return self._keys

    def read_above(self, operand: ast.Expression) -> Read:
        """Return what an expression reads from a row of the groups."""
        return self._values.read(operand)

    def _key_above(self, operand: ast.Expression) -> Column | None:
        """Return the column of the groups that an expression is, where it is one of their keys."""
        if isinstance(operand, ast.Literal | ast.Parameter) or _holds_aggregate(operand):
            return None
        computed = [key for key in self._keys if isinstance(key, Computed)]
        if not computed:
            return None
        found = self._reads.read(operand)
        if not isinstance(found, Computed):
            return None
        same = next((key for key in computed if key.expression == found.expression), None)
        return None if same is None else Column("group", str(self._keys.index(same)))

    def _name_above(self, operand: Name) -> Column:
        if isinstance(operand, ast.Aggregate):
            call = self._call(operand)
            index = self._calls.setdefault(call, len(self._keys) + len(self._calls))
            return Column("group", str(index))
        if isinstance(operand, ast.Total):
            return Column("total")
        found = self._reads.column(operand)
        if found not in self._keys:
            name = print_expression(operand)
            fix = f"add it to GROUP BY, or aggregate it: MIN({name})"
            if not self._keys:
                fix = f"aggregate it, as MIN({name}), or group by it"
            raise ChromaSQLPlanningError(
                f"{name} is not the same in all records of a group; {fix}", code="not-allowed-here", span=operand.span
            )
        return Column("group", str(self._keys.index(found)))

    def _call(self, aggregate: ast.Aggregate) -> AggregateCall:
        function, arguments = aggregate.function, aggregate.others
        inner = (
            [aggregate.where, *arguments]
            if aggregate.argument is None
            else [aggregate.argument, aggregate.where, *arguments]
        )
        if any(node is not None and _holds_aggregate(node) for node in inner):
            raise ChromaSQLPlanningError(
                f"{function} cannot read another aggregate", code="not-allowed-here", span=aggregate.span
            )
        where = None
        if aggregate.where is not None:
            condition = self._reads.read(aggregate.where)
            where = condition if isinstance(condition, Computed) else Computed(condition, str(condition))
        if aggregate.argument is None:
            return AggregateCall(function, None, where=where)
        column = self._argument(aggregate, aggregate.argument)
        check_arguments(aggregate)
        others = tuple(self._argument(aggregate, node) for node in arguments)
        return AggregateCall(function, column, aggregate.distinct, others, where)

    def _argument(self, aggregate: ast.Aggregate, node: ast.Expression) -> Read:
        column = self._reads.read(node)
        if column.part == "embedding" or column == Column("metadata"):
            raise ChromaSQLPlanningError(
                f"{aggregate.function} cannot read {column.part} as a whole",
                code="not-allowed-here",
                span=aggregate.span,
            )
        return column

    def plan(self, warn: Callable[[PlanWarning], None]) -> Aggregation:
        """Return the plan of the groups, with every aggregate asked for by now and those of HAVING."""
        having = None
        if self._query.having is not None:
            builder = ConditionBuilder(self._name_above, warn, self._clock, self._key_above)
            having = builder.build(self._reads.resolved(self._query.having))
        return Aggregation(self._keys, tuple(self._calls), having)


def _holds_aggregate(node: ast.Node) -> bool:
    return any(isinstance(part, ast.Aggregate) for part in ast.walk(node))
