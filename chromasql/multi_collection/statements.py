"""What applies to one statement: its settings, and the place of its errors."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager

from chromasql import ast
from chromasql.dispatch.call import HandleChanged
from chromasql.errors import ChromaSQLError, ChromaSQLExecutionError, ChromaSQLPlanningError
from chromasql.plan import QueryPlan, StatementPlan
from chromasql.planner import Settings

__all__ = ["collection_changed", "effective_settings", "errors_placed_in"]


def effective_settings(settings: Settings, plan: StatementPlan) -> Settings:
    """Return the settings that apply: those of the statement, which are in its plan, before those of the caller."""
    if not isinstance(plan, QueryPlan) or (plan.timeout, plan.on_error) == (settings.timeout, settings.on_error):
        return settings
    return dataclasses.replace(settings, timeout=plan.timeout, on_error=plan.on_error)


def collection_changed(changed: HandleChanged) -> ChromaSQLExecutionError:
    """Return the error for a collection that changed again and again while a statement read it."""
    return ChromaSQLExecutionError(f"{changed} during the query; retry", code="collection-changed")


@contextmanager
def errors_placed_in(statement: ast.Statement) -> Iterator[None]:
    """Give an error the text of its statement, and a place in it where only the collections revealed the error."""
    try:
        yield
    except ChromaSQLError as error:
        if error.source is None and statement.source_text is not None:
            error.source = statement.source_text
            if error.span is None and isinstance(error, ChromaSQLPlanningError) and isinstance(statement, ast.Query):
                error.span = (statement.rank or statement.embedding or statement.projection).span
        raise
