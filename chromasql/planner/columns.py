"""Names to columns: what a field of the statement means, and whether it may stand where it does."""

from __future__ import annotations

from collections.abc import Sequence

from chromasql import ast
from chromasql.errors import ChromaSQLPlanningError
from chromasql.plan import Column, Computed, Output, Read
from chromasql.planner.aggregation import AggregationPlanner, aggregates
from chromasql.planner.scope_rules import Scoping
from chromasql.planner.values import Clock, Name, ValuePlanner
from chromasql.printer import column_name, print_expression

__all__ = ["NameResolver"]


class NameResolver:
    """
    Resolves the names of one SELECT within a scope.

    ``groups`` plans the groups of a statement that aggregates; it is None for a statement that returns records.
    """

    def __init__(self, query: ast.Query, scoping: Scoping, clock: Clock) -> None:
        self._query = query
        self._scoping = scoping
        self._ranked = query.embedding is not None or query.rank is not None
        self._aliases = {
            item.alias: item.operand
            for item in query.projection.items
            if isinstance(item, ast.ProjectionItem) and item.alias is not None
        }
        self._values = ValuePlanner(self.column, clock)
        self._groups = AggregationPlanner(query, self, clock) if aggregates(query) else None

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
        replaced = self._replaced(star, names)
        return [
            replaced.get(name)
            or (Output(name, Column(name), tuple(without), keys) if name == "metadata" else Output(name, Column(name)))
            for name in names
        ]

    def _replaced(self, star: ast.Star, names: Sequence[str]) -> dict[str, Output]:
        """Return the columns of ``* REPLACE (expression AS column)``."""
        found: dict[str, Output] = {}
        for item in star.replaced:
            name = str(item.alias).lower()
            if name not in names:
                raise ChromaSQLPlanningError(
                    f"* has the columns {', '.join(names)}; for a metadata key select the expression beside *",
                    code="unknown-column",
                    span=item.span,
                )
            found[name] = Output(name, self.read(item.operand))
        return found

    def _output(self, item: ast.ProjectionItem) -> Output:
        name = column_name(item)
        if self._groups is None and self._scoping.keys and _is_whole_metadata(item.operand):
            return Output(name, Column("metadata"), only=self._scoping.keys)
        return Output(name, self.above_groups(item.operand))

    def above_groups(self, operand: ast.Expression) -> Read:
        """Return what an expression reads where groups, if there are any, have been made."""
        return self.read(operand) if self._groups is None else self._groups.read_above(operand)

    def read(self, operand: ast.Expression) -> Read:
        """Return what an expression reads from a record."""
        found = self._values.read(operand)
        if isinstance(found, Computed):
            for node in ast.walk(operand):
                if isinstance(node, ast.Field) and node.root in ("metadata", "embedding") and not node.path:
                    raise ChromaSQLPlanningError(
                        f"an expression cannot read {node.root} as a whole; name a key: metadata.key",
                        code="not-allowed-here",
                        span=node.span,
                    )
        return found

    def column(self, operand: Name) -> Column:
        """Return the column of the records that a field means, which the statement may read."""
        return self._scoping.require_column(self._named(operand), operand.span)

    def _named(self, operand: Name) -> Column:
        if isinstance(operand, ast.Total):
            return Column("total")
        if not isinstance(operand, ast.Field):
            raise ChromaSQLPlanningError(
                f"{print_expression(operand)} belongs in SELECT, HAVING or ORDER BY of a statement that groups its "
                "records",
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

    def resolved(self, expression: ast.Expression) -> ast.Expression:
        """Return an expression of GROUP BY, HAVING, ORDER BY or KEEP BY with what the aliases of SELECT stand for."""

        def change(node: ast.Node) -> ast.Node:
            if isinstance(node, ast.Field) and node.qualifier is None and (node.bare or not node.path):
                return self._aliases.get(node.name, node)
            return node

        return change(ast.transform(expression, change))  # type: ignore[return-value]

    def at_position(self, expression: ast.Expression, clause: str) -> ast.Expression:
        """Return the column of SELECT that a bare whole number means, or the expression itself."""
        if not isinstance(expression, ast.Literal) or not ast.is_whole_number(expression.value):
            return expression
        items, position = self._query.projection.items, expression.value
        item = items[position - 1] if 1 <= position <= len(items) else None
        if not isinstance(item, ast.ProjectionItem):
            held = "that is *" if item is not None else f"SELECT has {len(items)}"
            raise ChromaSQLPlanningError(
                f"{clause} {position} means column {position} of SELECT, but {held}",
                code="unknown-column",
                span=expression.span,
            )
        return item.operand

    def tested(self, operand: Name) -> Column:
        """Return the column that a test of WHERE reads."""
        if not isinstance(operand, ast.Field):
            fix = "; HAVING can" if isinstance(operand, ast.Aggregate) else ""
            raise ChromaSQLPlanningError(
                f"WHERE cannot test {print_expression(operand)}{fix}", code="not-allowed-here", span=operand.span
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


def _is_whole_metadata(operand: ast.Expression) -> bool:
    """Whether an operand is all the metadata."""
    return isinstance(operand, ast.Field) and operand.root == "metadata" and not operand.path
