"""What a scope adds to a plan: the visible records, the fields that are open, and the limits."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from chromasql import ast
from chromasql._source import Span
from chromasql.errors import ChromaSQLPlanningError
from chromasql.plan import Column, PlanWarning, Ranking, VisibleRecords
from chromasql.plan.dialect import Dialect
from chromasql.planner.conditions import ConditionBuilder
from chromasql.planner.pushdown import push_down
from chromasql.planner.scope import Scope
from chromasql.planner.values import Name
from chromasql.printer import print_expression

__all__ = ["Scoping", "bind_visible_records"]


def bind_visible_records(view: VisibleRecords, dialect: Dialect) -> VisibleRecords:
    """Return a view for the kind of Chroma that is asked."""
    return dataclasses.replace(view, filter=push_down(view.condition, dialect), page=dialect.page)


class Scoping:
    """
    A scope, for the planner of one statement.

    ``view`` is what it lets the statement see of a collection, or None where that is all of it; ``keys`` are the
    metadata keys among that, or None for all. What goes beyond the scope is a `ChromaSQLPlanningError`.
    """

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self.view = _view_of(scope)
        self.keys = None if self.view is None else self.view.keys

    def allows_column(self, column: Column) -> bool:
        """Tell whether the statement may name a column."""
        return self._scope.allows_column(column)

    def require_column(self, column: Column, span: Span) -> Column:
        """Return a column that the statement may name."""
        if not self._scope.allows_column(column):
            raise ChromaSQLPlanningError(
                f"column {column.key or column.part} is outside the scope; allowed: {self._scope.shown_fields}",
                code="scope-denied",
                span=span,
            )
        return column

    def options(self, values: dict[str, Any], written: Iterable[ast.Argument]) -> dict[str, Any]:
        """Return the options, no larger than is allowed; those that the statement has ``written`` must fit already."""
        bounded = dict(values)
        for name, limit in (("timeout", "max_timeout"), ("per_collection", "max_candidates")):
            maximum = self._scope.limit(limit)
            if maximum is not None and values[name] is None and name == "timeout":
                bounded[name] = maximum
            elif maximum is not None and values[name] is not None and values[name] > maximum:
                option = next((option for option in written if option.name == name), None)
                if option is not None:
                    raise ChromaSQLPlanningError(
                        f"{name} is at most {maximum:g} here", code="scope-limit", span=option.span
                    )
                bounded[name] = maximum
        return bounded

    def limit_names(self, limit: int | None, span: Span | None, warn: Callable[[PlanWarning], None]) -> int | None:
        """Return how many collections SHOW may list: what LIMIT says, or the maximum where it says nothing."""
        maximum = self._scope.limit("max_limit")
        if maximum is None:
            return limit
        if limit is None:
            warn(_limited(maximum))
            return int(maximum)
        return _checked_limit(limit, maximum, span)

    def limit_rows(
        self,
        query: ast.Query,
        limit: int | None,
        rankings: Sequence[Ranking],
        warn: Callable[[PlanWarning], None],
        *,
        fused: bool,
        one_row: bool,
    ) -> int | None:
        """
        Return the number of rows that each list may have: what LIMIT says, or the maximum where it says nothing.

        The lists are one for each ranking, or one where they are ``fused``; all of them together keep to the maximum.
        """
        maximum = self._scope.limit("max_limit")
        if maximum is None:
            return limit
        lists = 1 if fused else max(1, len(rankings))
        share = maximum // lists
        if limit is not None:
            span = None if query.limit is None else query.limit.span
            return _checked_limit(limit, share, span, f" for {lists} queries" if lists > 1 else "")
        found = max((sum(leaf.limit for leaf in ranking.leaves) for ranking in rankings), default=maximum + 1)
        if not one_row and found > share:
            warn(_limited(share))
        return int(share)

    def candidates(self, count: int) -> int:
        """Return a number of candidates that the statement leaves open, or fewer where the scope says so."""
        maximum = self._scope.limit("max_candidates")
        return count if maximum is None else min(count, int(maximum))

    def check_rankings(self, rankings: Iterable[Ranking], query: ast.Query) -> None:
        """Refuse a ranking that takes more candidates than are allowed."""
        maximum = self._scope.limit("max_candidates")
        wanted = max((leaf.limit for ranking in rankings for leaf in ranking.leaves), default=0)
        if maximum is not None and wanted > maximum:
            node = query.topk or query.rank or query.embedding or query
            raise ChromaSQLPlanningError(
                f"{wanted} candidates are more than the {maximum} that are allowed here; "
                "lower limit =, TOPK or LIMIT + OFFSET",
                code="scope-limit",
                span=node.span,
            )

    def check_reranked(self, count: int, span: Span) -> None:
        """Refuse a RERANK BY of more candidates than are allowed."""
        if count > self.candidates(count):
            raise ChromaSQLPlanningError(
                f"{count} candidates are more than the {self.candidates(count)} that are allowed here",
                code="scope-limit",
                span=span,
            )


def _view_of(scope: Scope) -> VisibleRecords | None:
    if scope.predicate is None:
        return None if scope.keys is None else VisibleRecords(keys=scope.keys)
    builder = ConditionBuilder(_named_by_scope, lambda _: None)
    condition = builder.build(scope.predicate)
    return VisibleRecords(condition, push_down(condition), scope.keys)


def _named_by_scope(operand: Name) -> Column:
    """Return the column that the predicate of a scope tests; no field is closed to it."""
    if not isinstance(operand, ast.Field) or operand.root in ("distance", "score", "embedding"):
        raise ChromaSQLPlanningError(f"where of a Scope cannot test {print_expression(operand)}", code="invalid-scope")
    column = Column(operand.root, operand.key)
    if column == Column("metadata"):
        raise ChromaSQLPlanningError(
            "where of a Scope cannot test metadata as a whole; name a key: metadata.key", code="invalid-scope"
        )
    return column


def _checked_limit(limit: int, maximum: int, span: Span | None, queries: str = "") -> int:
    if limit > maximum:
        raise ChromaSQLPlanningError(
            f"LIMIT is at most {maximum} here{queries}; read further by OFFSET", code="scope-limit", span=span
        )
    return limit


def _limited(maximum: int) -> PlanWarning:
    return PlanWarning("limited", f"without LIMIT the answer ends after row {maximum}")
