"""GROUP BY, HAVING, aggregates and DISTINCT: what is computed here over all collections."""

from __future__ import annotations

from collections.abc import Callable

from chromasql import ast
from chromasql.errors import ChromaSQLPlanningError
from chromasql.plan import AggregateCall, Aggregation, Column, Keep, OrderKey, PlanWarning
from chromasql.planner.conditions import ConditionBuilder
from chromasql.planner.numbers import count_of

__all__ = ["AggregationPlanner", "aggregates", "plan_keep"]


def aggregates(query: ast.Query) -> bool:
    """Tell whether the rows of a statement are groups rather than records."""
    calls = any(
        isinstance(item, ast.ProjectionItem) and isinstance(item.operand, ast.Aggregate)
        for item in query.projection.items
    )
    grouped = query.group_by is not None and query.group_by.keep is None
    return calls or grouped or query.having is not None or query.projection.distinct


def plan_keep(
    group: ast.GroupBy,
    column: Callable[[ast.Operand], Column],
    order: Callable[[tuple[ast.OrderItem, ...]], tuple[OrderKey, ...]],
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
    return Keep(tuple(_key(field, column) for field in group.keys), count, keys)


def _key(field: ast.Field, column: Callable[[ast.Operand], Column]) -> Column:
    found = column(field)
    if found.part == "embedding" or found == Column("metadata"):
        raise ChromaSQLPlanningError(
            f"GROUP BY cannot compare {found.part}; name a key", code="not-allowed-here", span=field.span
        )
    if found.part in ("distance", "score"):
        raise ChromaSQLPlanningError(
            f"GROUP BY {found.part} would make a group of every record", code="not-allowed-here", span=field.span
        )
    return found


class AggregationPlanner:
    """
    Plans one statement whose rows are groups.

    ``column`` resolves the fields of records. `column_above` then resolves what stands in SELECT, HAVING and ORDER
    BY to the columns of the groups, and collects the aggregates that they need.
    """

    def __init__(self, query: ast.Query, column: Callable[[ast.Operand], Column]) -> None:
        self._query = query
        self._column = column
        self._calls: dict[AggregateCall, int] = {}
        items = [item for item in query.projection.items if isinstance(item, ast.ProjectionItem)]
        if len(items) < len(query.projection.items):
            star = next(item for item in query.projection.items if isinstance(item, ast.Star))
            raise ChromaSQLPlanningError(
                "* cannot be grouped; name the columns", code="not-allowed-here", span=star.span
            )
        if query.group_by is not None:
            fields = query.group_by.keys
        elif query.projection.distinct and not any(isinstance(item.operand, ast.Aggregate) for item in items):
            fields = tuple(item.operand for item in items if isinstance(item.operand, ast.Field))
        else:
            fields = ()
        self._keys = tuple(dict.fromkeys(_key(field, column) for field in fields))

    @property
    def keys(self) -> tuple[Column, ...]:
        """The columns that make the groups; with none there is one group of all records."""
        return self._keys

    def column_above(self, operand: ast.Operand) -> Column:
        """Return the column of the groups that an operand means."""
        if isinstance(operand, ast.Aggregate):
            call = self._call(operand)
            index = self._calls.setdefault(call, len(self._keys) + len(self._calls))
            return Column("group", str(index))
        found = self._column(operand)
        if found not in self._keys:
            fix = (
                "add it to GROUP BY, or aggregate it: MIN({0})"
                if self._keys
                else "aggregate it, as MIN({0}), or group by it"
            )
            raise ChromaSQLPlanningError(
                f"{operand.name} is not the same in all records of a group; {fix.format(operand.name)}",
                code="not-allowed-here",
                span=operand.span,
            )
        return Column("group", str(self._keys.index(found)))

    def _call(self, aggregate: ast.Aggregate) -> AggregateCall:
        if aggregate.argument is None:
            return AggregateCall(aggregate.function, None)
        column = self._column(aggregate.argument)
        if column.part == "embedding" or column == Column("metadata"):
            raise ChromaSQLPlanningError(
                f"{aggregate.function} cannot read {column.part} as a whole",
                code="not-allowed-here",
                span=aggregate.span,
            )
        return AggregateCall(aggregate.function, column, aggregate.distinct)

    def plan(self, warn: Callable[[PlanWarning], None], resolve: Callable[[ast.Operand], ast.Operand]) -> Aggregation:
        """Return the plan of the groups, with every aggregate asked for by now and those of HAVING."""
        having = None
        if self._query.having is not None:
            builder = ConditionBuilder(lambda operand: self.column_above(resolve(operand)), warn)
            having = builder.build(self._query.having)
        return Aggregation(self._keys, tuple(self._calls), having)
