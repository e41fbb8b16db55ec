"""A warning for the values that SUM and AVG cannot take."""

from __future__ import annotations

from chromasql.executor.state import StatementContext
from chromasql.operators.aggregate import Groups
from chromasql.plan import PlanWarning

__all__ = ["warn_of_left_out"]


def warn_of_left_out(context: StatementContext, groups: Groups) -> None:
    """Warn of each aggregate that left out values which are not numbers, and of how many."""
    for call, count in groups.left_out.items():
        assert call.column is not None
        values = "1 value that is" if count == 1 else f"{count} values that are"
        name = call.column.key or str(call.column)
        message = f"{call.function}({name}) left out {values} not a number"
        context.dispatcher.ledger.warn(PlanWarning("not-numbers", message))
