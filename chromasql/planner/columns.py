"""Names to columns: what a field of the statement means, and whether it may stand where it does."""

from __future__ import annotations

from chromasql import ast
from chromasql.errors import ChromaSQLPlanningError
from chromasql.plan import Column, Output
from chromasql.planner.aggregation import AggregationPlanner, aggregates
from chromasql.planner.scope_rules import Scoping

__all__ = ["NameResolver"]


class NameResolver:
    """
    Resolves the names of one SELECT within a scope.

    ``groups`` plans the groups of a statement that aggregates; it is None for a statement that returns records.
    """

    def __init__(self, query: ast.Query, scoping: Scoping) -> None:
        self._query = query
        self._scoping = scoping
        self._ranked = query.embedding is not None or query.rank is not None
        self._aliases = {
            item.alias: item.operand
            for item in query.projection.items
            if isinstance(item, ast.ProjectionItem) and item.alias is not None
        }
        self._groups = AggregationPlanner(query, self.column) if aggregates(query) else None

    @property
    def groups(self) -> AggregationPlanner | None:
        """What plans the groups, where the statement has them."""
        return self._groups

    def outputs(self) -> tuple[Output, ...]:
        """Return the columns of the result, ``*`` spelled out."""
        outputs: dict[str, Output] = {}
        starred: set[str] = set()
        for item in self._query.projection.items:
            if isinstance(item, ast.Star):
                new = self._star(item)
                starred.update(output.name for output in new)
            else:
                new = [self._output(item)]
            for output in new:
                if output.name in outputs and output.name not in starred:
                    raise ChromaSQLPlanningError(
                        f"duplicate column {output.name}; rename one with AS", code="duplicate-column", span=item.span
                    )
                outputs.setdefault(output.name, output)
        return tuple(outputs.values())

    def _star(self, star: ast.Star) -> list[Output]:
        columns = ["id", "document", "metadata", *(["distance"] if self._ranked else [])]
        keys = self._scoping.keys
        names = [name for name in columns if self._scoping.allows_column(Column(name)) or (name == "metadata" and keys)]
        without: list[str] = []
        for field in star.excluded:
            column = self._named(field)
            if column.key is not None:
                without.append(column.key)
            elif column.part in names:
                names.remove(column.part)
            elif column.part not in columns:
                raise ChromaSQLPlanningError(f"* does not hold {field.name}", code="unknown-column", span=field.span)
        return [
            Output(name, Column(name), tuple(without), keys) if name == "metadata" else Output(name, Column(name))
            for name in names
        ]

    def _output(self, item: ast.ProjectionItem) -> Output:
        if self._groups is None and self._scoping.keys and _is_whole_metadata(item.operand):
            return Output(item.name, Column("metadata"), only=self._scoping.keys)
        return Output(item.name, self.above_groups(item.operand))

    def above_groups(self, operand: ast.Operand) -> Column:
        """Return the column that an operand means where groups, if there are any, have been made."""
        return self.column(operand) if self._groups is None else self._groups.column_above(operand)

    def column(self, operand: ast.Operand) -> Column:
        """Return the column of the records that a field means, which the statement may read."""
        return self._scoping.require_column(self._named(operand), operand.span)

    def _named(self, operand: ast.Operand) -> Column:
        if isinstance(operand, ast.Aggregate):
            raise ChromaSQLPlanningError(
                f"{operand.name} belongs in SELECT, HAVING or ORDER BY of a statement that groups its records",
                code="not-allowed-here",
                span=operand.span,
            )
        self._check_path(operand)
        if operand.root in ("distance", "score") and not self._ranked:
            raise ChromaSQLPlanningError(
                f"{operand.root} needs a ranking; add RANK BY KNN(..) or USING EMBEDDING (..), "
                f"or write metadata.{operand.root} for a key",
                code="ranking-required",
                span=operand.span,
            )
        return Column(operand.root, operand.key)

    def _check_path(self, field: ast.Field) -> None:
        head = field.path[0].lower() if field.bare and len(field.path) > 1 else ""
        if head in ast.SYSTEM_COLUMNS:
            raise ChromaSQLPlanningError(
                f"{head} has no parts; for a metadata key write metadata['{field.key}']",
                code="not-allowed-here",
                span=field.span,
            )

    def resolve_alias(self, operand: ast.Operand) -> ast.Operand:
        """Return what an alias of SELECT stands for."""
        if isinstance(operand, ast.Field) and operand.qualifier is None and (operand.bare or not operand.path):
            return self._aliases.get(operand.name, operand)
        return operand

    def tested(self, operand: ast.Operand) -> Column:
        """Return the column that a test of WHERE reads."""
        if isinstance(operand, ast.Aggregate):
            raise ChromaSQLPlanningError(
                f"WHERE cannot test {operand.name}; HAVING can", code="not-allowed-here", span=operand.span
            )
        if operand.root in ("distance", "score"):
            raise ChromaSQLPlanningError(
                f"WHERE cannot test {operand.root}: keep the near rows by WITH SCORE THRESHOLD x, "
                f"or write metadata.{operand.root} for a key of that name",
                code="not-allowed-here",
                span=operand.span,
            )
        if operand.root == "embedding" or (operand.root == "metadata" and not operand.path):
            raise ChromaSQLPlanningError(
                f"WHERE cannot test {operand.root} as a whole; name a key: metadata.key",
                code="not-allowed-here",
                span=operand.span,
            )
        self._check_path(operand)
        return self._scoping.require_column(Column(operand.root, operand.key), operand.span)


def _is_whole_metadata(operand: ast.Operand) -> bool:
    """Whether an operand is all the metadata."""
    return isinstance(operand, ast.Field) and operand.root == "metadata" and not operand.path
