"""The plan of a SELECT."""

from __future__ import annotations

import dataclasses
from typing import Any

from chromasql import ast
from chromasql.errors import ChromaSQLPlanningError, near_names
from chromasql.operators.rerank import known_strategies, strategy_named
from chromasql.plan import (
    Aggregation,
    CandidateSearch,
    Column,
    Condition,
    Filter,
    OrderKey,
    Output,
    PlanWarning,
    QueryPlan,
    Ranking,
    RerankPlan,
)
from chromasql.plan.conditions import all_of
from chromasql.planner.aggregation import AggregationPlanner, aggregates, plan_keep
from chromasql.planner.conditions import ConditionBuilder
from chromasql.planner.materialization import plan_materialization
from chromasql.planner.numbers import count_of, literal, number_of
from chromasql.planner.pushdown import is_selective, push_down
from chromasql.planner.ranking import RankingPlanner
from chromasql.planner.scope_rules import Scoping
from chromasql.planner.settings import Settings, with_options

__all__ = ["QueryPlanner", "candidate_search", "statement_text"]

_DEFAULT_CANDIDATES = 100


_DEFAULT_RERANKED = 50


_SPACES = {"COSINE": "cosine", "L2": "l2", "IP": "ip"}


def statement_text(statement: ast.Statement) -> str:
    """Return the text of a statement in one line."""
    return " ".join((statement.source_text or "").split())


class QueryPlanner:
    """Plans one SELECT within a scope."""

    def __init__(self, query: ast.Query, settings: Settings, scoping: Scoping) -> None:
        self._query = query
        self._settings = settings
        self._scoping = scoping
        self._warnings: dict[PlanWarning, None] = {}
        self._ranked = query.embedding is not None or query.rank is not None
        self._aliases = {
            item.alias: item.operand
            for item in query.projection.items
            if isinstance(item, ast.ProjectionItem) and item.alias is not None
        }
        self._offset = count_of(query.offset, "OFFSET", least=0) or 0
        self._groups = AggregationPlanner(query, self._column) if aggregates(query) else None
        self._limit = count_of(query.limit, "LIMIT", least=0)

    def plan(self) -> QueryPlan:
        """Return the plan, as if for one collection."""
        query = self._query
        self._refuse_what_needs_a_ranking()
        options = self._scoping.options(with_options(self._settings, query.options), query.options)
        condition = self._condition()
        filter_ = push_down(condition)
        rerank = self._rerank()
        rankings = self._rankings(condition, rerank)
        outputs = self._outputs()
        order = self._order(query.order_by)
        plan = QueryPlan(
            statement=statement_text(query),
            outputs=outputs,
            condition=condition,
            filter=filter_,
            rankings=rankings,
            batch=isinstance(query.embedding, ast.EmbeddingBatch),
            space=None if query.similarity is None else _SPACES[query.similarity],
            candidates=candidate_search(filter_),
            threshold=number_of(query.score_threshold, "WITH SCORE THRESHOLD"),
            keep=self._keep(),
            rerank=rerank,
            aggregation=self._aggregation(),
            distinct=query.projection.distinct and query.group_by is not None,
            order=order,
            limit=self._scoping.limit_rows(
                query,
                self._limit,
                rankings,
                self._warn,
                fused=options["merge"] == "rrf",
                one_row=self._groups is not None and not self._groups.keys,
            ),
            offset=self._offset,
            view=self._scoping.view,
            explain=None if query.explain is None else query.explain.lower(),
            **options,
        )
        return dataclasses.replace(plan, warnings=tuple(self._warnings), materialization=plan_materialization(plan, 1))

    def _warn(self, warning: PlanWarning) -> None:
        self._warnings[warning] = None

    def _refuse_what_needs_a_ranking(self) -> None:
        if self._ranked:
            return
        query = self._query
        nodes: dict[str, ast.Node | None] = {
            "TOPK": query.topk,
            "WITH SCORE THRESHOLD": query.score_threshold,
            "RERANK BY": query.rerank,
        }
        for option in query.options:
            if option.name in ("merge", "per_collection"):
                nodes[option.name] = option
        for name, node in nodes.items():
            if node is not None:
                raise ChromaSQLPlanningError(
                    f"{name} needs a ranking; add RANK BY KNN(..) or USING EMBEDDING (..)", span=node.span
                )
        if query.similarity is not None:
            raise ChromaSQLPlanningError(
                "SIMILARITY needs a ranking; add RANK BY KNN(..) or USING EMBEDDING (..)", span=query.span
            )

    # Ranking

    def _rankings(self, condition: Condition, rerank: RerankPlan | None) -> tuple[Ranking, ...]:
        query = self._query
        topk = count_of(query.topk, "TOPK", least=1)
        reaches = None if self._limit is None else max(1, self._limit + self._offset)

        def pool_of(whole: bool) -> int:
            if topk is not None:
                return topk
            least = rerank.candidates if rerank is not None else 1
            pool = self._scoping.candidates(_DEFAULT_CANDIDATES)
            if whole and query.group_by is None and self._groups is None:
                return max(reaches or pool, least)
            return max(pool, reaches or 0, least)

        planner = RankingPlanner(condition, pool_of, self._column)
        rankings: tuple[Ranking, ...] = ()
        if query.embedding is not None:
            rankings = planner.plan_embedding(query.embedding)
        elif query.rank is not None:
            rankings = (planner.plan_rank(query.rank),)
        self._scoping.check_rankings(rankings, query)
        return rankings

    def _rerank(self) -> RerankPlan | None:
        node = self._query.rerank
        if node is None:
            return None
        strategy = strategy_named(node.strategy)
        known = known_strategies()
        if strategy is None:
            hint = near_names(node.strategy, known) or f"; the strategies are {', '.join(known)}"
            raise ChromaSQLPlanningError(f"there is no rerank strategy {node.strategy}{hint}", span=node.span)
        if self._groups is not None:
            raise ChromaSQLPlanningError("RERANK BY orders records, and this statement returns groups", span=node.span)
        for part in strategy.parts:
            if part != "embedding":
                self._scoping.require_column(Column(part), node.span)
        arguments: dict[str, Any] = {}
        for argument in node.arguments:
            if strategy.arguments is not None and argument.name not in (*strategy.arguments, "candidates"):
                names = ", ".join(sorted({*strategy.arguments, "candidates"}))
                raise ChromaSQLPlanningError(
                    f"{node.strategy} has no argument {argument.name}; it takes {names}", span=argument.span
                )
            arguments[argument.name] = _argument(argument)
        candidates = arguments.pop(
            "candidates", self._scoping.candidates(max(_DEFAULT_RERANKED, 4 * (self._limit or 0)))
        )
        if type(candidates) is not int or candidates < 1:
            raise ChromaSQLPlanningError("candidates takes a whole number of at least 1", span=node.span)
        self._scoping.check_reranked(candidates, node.span)
        problem = strategy.check(arguments)
        if problem is not None:
            raise ChromaSQLPlanningError(problem, span=node.span)
        return RerankPlan(node.strategy, candidates, arguments, strategy.parts)

    # Columns

    def _outputs(self) -> tuple[Output, ...]:
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
                        f"two columns are called {output.name}; rename one by AS", span=item.span
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
                raise ChromaSQLPlanningError(f"* does not hold {field.name}", span=field.span)
        return [
            Output(name, Column(name), tuple(without), keys) if name == "metadata" else Output(name, Column(name))
            for name in names
        ]

    def _output(self, item: ast.ProjectionItem) -> Output:
        if self._groups is None and self._scoping.keys and _is_whole(item.operand):
            return Output(item.name, Column("metadata"), only=self._scoping.keys)
        return Output(item.name, self._shown(item.operand))

    def _shown(self, operand: ast.Operand) -> Column:
        return self._column(operand) if self._groups is None else self._groups.column_above(operand)

    def _column(self, operand: ast.Operand) -> Column:
        """Return the column of the records that a field means, which the statement may read."""
        return self._scoping.require_column(self._named(operand), operand.span)

    def _named(self, operand: ast.Operand) -> Column:
        if isinstance(operand, ast.Aggregate):
            raise ChromaSQLPlanningError(
                f"{operand.name} belongs in SELECT, HAVING or ORDER BY of a statement that groups its records",
                span=operand.span,
            )
        self._check_path(operand)
        if operand.root in ("distance", "score") and not self._ranked:
            raise ChromaSQLPlanningError(
                f"{operand.root} needs a ranking; add RANK BY KNN(..) or USING EMBEDDING (..), "
                f"or write metadata.{operand.root} for a key",
                span=operand.span,
            )
        return Column(operand.root, operand.key)

    def _check_path(self, field: ast.Field) -> None:
        head = field.path[0].lower() if field.bare and len(field.path) > 1 else ""
        if head in ast.SYSTEM_COLUMNS:
            raise ChromaSQLPlanningError(
                f"{head} has no parts; for a metadata key write metadata['{field.key}']", span=field.span
            )

    def _resolved(self, operand: ast.Operand) -> ast.Operand:
        """Return what an alias of SELECT stands for."""
        if isinstance(operand, ast.Field) and operand.bare and len(operand.path) == 1:
            return self._aliases.get(operand.path[0], operand)
        return operand

    # Filter

    def _condition(self) -> Condition:
        builder = ConditionBuilder(self._tested, self._warn)
        predicates = (self._query.where, self._query.where_document)
        parts = [builder.build(predicate) for predicate in predicates if predicate is not None]
        return all_of([*(() if self._scoping.view is None else (self._scoping.view.condition,)), *parts])

    def _tested(self, operand: ast.Operand) -> Column:
        if isinstance(operand, ast.Aggregate):
            raise ChromaSQLPlanningError(f"WHERE cannot test {operand.name}; HAVING can", span=operand.span)
        if operand.root in ("distance", "score"):
            raise ChromaSQLPlanningError(
                f"WHERE cannot test {operand.root}: keep the near rows by WITH SCORE THRESHOLD x, "
                f"or write metadata.{operand.root} for a key of that name",
                span=operand.span,
            )
        if operand.root == "embedding" or (operand.root == "metadata" and not operand.path):
            raise ChromaSQLPlanningError(
                f"WHERE cannot test {operand.root} as a whole; name a key: metadata.key", span=operand.span
            )
        self._check_path(operand)
        return self._scoping.require_column(Column(operand.root, operand.key), operand.span)

    # Groups

    def _keep(self) -> Any:
        group = self._query.group_by
        if group is None or group.keep is None:
            return None
        if self._groups is not None:
            raise ChromaSQLPlanningError(
                "KEEP keeps records, so it cannot stand beside aggregates, HAVING or DISTINCT", span=group.keep.span
            )
        return plan_keep(group, self._column, self._order)

    def _aggregation(self) -> Aggregation | None:
        return None if self._groups is None else self._groups.plan(self._warn, self._resolved)

    # Order

    def _order(self, items: tuple[ast.OrderItem, ...]) -> tuple[OrderKey, ...]:
        keys: list[OrderKey] = []
        for item in items:
            column = self._shown(self._resolved(item.operand))
            if column == Column("metadata") or column.part == "embedding":
                raise ChromaSQLPlanningError(
                    f"ORDER BY cannot compare {column.part}; name a key", span=item.operand.span
                )
            descending = item.direction == "DESC"
            if descending and column.part in ("score", "distance") and item in self._query.order_by:
                self._warn(
                    PlanWarning("worst-first", f"lower is better, so ORDER BY {column} DESC puts the worst row first")
                )
            nulls_first = descending if item.nulls is None else item.nulls == "FIRST"
            keys.append(OrderKey(column, descending, nulls_first))
        return tuple(keys)


def _is_whole(operand: ast.Operand) -> bool:
    """Whether an operand is all the metadata."""
    return isinstance(operand, ast.Field) and operand.root == "metadata" and not operand.path


def _argument(argument: ast.Argument) -> Any:
    match argument.value:
        case ast.Array(items):
            return tuple(literal(item) for item in items)
        case ast.Literal(value):
            return value
        case value:
            raise ChromaSQLPlanningError(f"{argument.name} takes a value or a list", span=value.span)


def candidate_search(filter_: Filter) -> CandidateSearch:
    """Choose how a ranked statement finds candidates: see `QueryPlan`."""
    if any(request.ids is not None for request in filter_.requests):
        return "prefilter"
    if filter_.residual is None:
        return "filtered"
    return "prefilter" if is_selective(filter_) else "expanding"
