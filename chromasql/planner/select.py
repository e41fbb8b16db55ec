"""The plan of a SELECT."""

from __future__ import annotations

import dataclasses
from typing import Any

from chromasql import ast
from chromasql.errors import ChromaSQLPlanningError
from chromasql.plan import (
    EMBEDDING_KEY,
    Aggregation,
    CandidateSearch,
    Column,
    Condition,
    Filter,
    Keep,
    KnnLeaf,
    OrderKey,
    Output,
    PlanWarning,
    QueryPlan,
    Ranking,
    RerankPlan,
    columns_in,
)
from chromasql.plan.conditions import all_of
from chromasql.planner.aggregation import plan_keep
from chromasql.planner.columns import NameResolver
from chromasql.planner.conditions import ConditionBuilder
from chromasql.planner.materialization import plan_materialization
from chromasql.planner.numbers import count_of, number_of
from chromasql.planner.pushdown import is_selective, push_down
from chromasql.planner.rank_warnings import warnings_of_rankings
from chromasql.planner.ranking import RankingPlanner
from chromasql.planner.rerank import plan_rerank
from chromasql.planner.scope_rules import Scoping
from chromasql.planner.settings import Settings, with_options
from chromasql.planner.values import Clock
from chromasql.printer import print_expression

__all__ = ["QueryPlanner", "candidate_search", "statement_text"]

_DEFAULT_CANDIDATES = 300
"""How many candidates a search has that does not say, as many as Chroma Cloud returns at most."""


_MMR_CANDIDATES = 200


_EMBEDDING_CANDIDATES = 10
"""How many candidates USING EMBEDDING has at least, without TOPK."""


_SPACES = {"COSINE": "cosine", "L2": "l2", "IP": "ip"}


def statement_text(statement: ast.Statement) -> str:
    """Return the text of a statement in one line."""
    text = statement.source_text or ""
    # The text of a statement of a script is the whole script, and one that was built by hand has no place in it.
    start, end = statement.span
    return " ".join((text[start:end] if end > start else text).split())


class QueryPlanner:
    """Plans one SELECT within a scope."""

    def __init__(self, query: ast.Query, settings: Settings, scoping: Scoping) -> None:
        self._query = query
        self._settings = settings
        self._scoping = scoping
        self._warnings: dict[PlanWarning, None] = {}
        self._clock = Clock(settings.clock)
        self._names = NameResolver(query, scoping, self._clock)
        self._offset = count_of(query.offset, "OFFSET", least=0) or 0
        self._groups = self._names.groups
        self._limit = count_of(query.limit, "LIMIT", least=0)
        self._reaches = None if self._limit is None else max(1, self._limit + self._offset)
        self._by_score = False

    def plan(self) -> QueryPlan:
        """Return the plan, as if for one collection."""
        query = self._query
        self._refuse_what_needs_a_ranking()
        self._warn_of_hyphens()
        options = self._scoping.options(with_options(self._settings, query.options), query.options)
        condition = self._condition()
        filter_ = push_down(condition)
        keep = self._keep()
        rerank = plan_rerank(query, self._scoping, grouped=self._groups is not None)
        outputs = self._names.outputs()
        order = self._order(query.order_by)
        keep = self._distinct_rows(outputs, order) or keep
        self._by_score = (
            rerank is None
            and self._groups is None
            and options["merge"] != "rrf"
            and _is_by_score(order)
            and (keep is None or _is_by_score(keep.order))
        )
        rankings = self._rankings(rerank)
        options["exact"] = self._exact(options["exact"], rankings)
        plan = QueryPlan(
            statement=statement_text(query),
            outputs=outputs,
            condition=condition,
            filter=filter_,
            rankings=rankings,
            batch=isinstance(query.embedding, ast.EmbeddingBatch),
            space=None if query.similarity is None else _SPACES[query.similarity],
            candidates=candidate_search(filter_, exact=options["exact"]),
            goes_on=self._goes_on(keep),
            default_candidates=self._default_candidates(),
            threshold=number_of(query.score_threshold, "WITH SCORE THRESHOLD"),
            keep=keep,
            rerank=rerank,
            aggregation=self._aggregation(),
            distinct=query.projection.distinct and self._groups is not None and query.group_by is not None,
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
        plan = self._with_total(plan)
        if plan.rankings and plan.aggregation is not None:
            most = max(leaf.limit for ranking in plan.rankings for leaf in ranking.leaves)
            self._warn(
                PlanWarning(
                    "candidates-counted",
                    f"the groups are of the candidates of the search, {most} at most of each leaf, not of all records; "
                    "TOPK or limit = takes more",
                )
            )
        return dataclasses.replace(
            plan,
            reads_clock=self._clock.was_read,
            warnings=tuple(self._warnings),
            materialization=plan_materialization(plan, 1),
        )

    def _distinct_rows(self, outputs: tuple[Output, ...], order: tuple[OrderKey, ...]) -> Keep | None:
        """Plan SELECT DISTINCT of a ranking: of the rows that are equal in all columns, the best stays."""
        query = self._query
        if not query.projection.distinct or self._groups is not None:
            return None
        if query.group_by is not None:
            raise ChromaSQLPlanningError(
                "KEEP cannot be combined with aggregates, HAVING or DISTINCT",
                code="not-allowed-here",
                span=query.group_by.span,
            )
        columns = tuple(output.column for output in outputs)
        for key, item in zip(order, query.order_by, strict=True):
            if key.column not in (*columns, Column("score"), Column("distance")):
                raise ChromaSQLPlanningError(
                    f"rows of DISTINCT are ordered by the columns of SELECT; add {print_expression(item.operand)}",
                    code="not-allowed-here",
                    span=item.operand.span,
                )
        return Keep(columns, 1)

    def _goes_on(self, keep: Keep | None) -> bool:
        """Tell whether the one KNN that is the whole rank is read as far as the page needs, however far that is."""
        query = self._query
        if not self._by_score or not self._default_candidates() or self._scoping.candidates(1_000_000) < 1_000_000:
            return False
        if isinstance(query.embedding, ast.EmbeddingText | ast.EmbeddingVector):
            return query.group_by is not None or query.projection.distinct
        if not isinstance(query.rank, ast.Knn):
            return False
        return self._reaches is not None or keep is not None or query.score_threshold is not None

    def _default_candidates(self) -> bool:
        """Tell whether the statement leaves the number of candidates open."""
        query = self._query
        searches = [] if query.rank is None else list(ast.walk(query.rank))
        said = any(isinstance(node, ast.Knn | ast.Bm25) and node.limit is not None for node in searches)
        ranked = query.rank is not None or query.embedding is not None
        return ranked and query.topk is None and query.rerank is None and not said

    def _with_total(self, plan: QueryPlan) -> QueryPlan:
        """Ask for the total where a column shows it; over a ranking other than one KNN it is of the candidates."""
        shown = any(Column("total") in columns_in(output.column) for output in plan.outputs)
        if not shown and not plan.total:
            return plan
        if plan.batch and plan.merge != "rrf":
            raise ChromaSQLPlanningError(
                "a BATCH has several lists, so there is no one total; ask for each by itself",
                code="not-allowed-here",
                span=self._query.span,
            )
        if plan.rankings and not plan.goes_on:
            self._warn(
                PlanWarning(
                    "candidates-counted",
                    "the total is of the candidates of the search, not of all records; TOPK or limit = takes more",
                )
            )
        return dataclasses.replace(plan, total=True)

    def _warn(self, warning: PlanWarning) -> None:
        self._warnings[warning] = None

    def _warn_of_hyphens(self) -> None:
        for node in ast.walk(self._query):
            if ast.is_hyphenated(node):
                written = print_expression(node)  # type: ignore[arg-type]
                joined = written.replace(" ", "")
                self._warn(
                    PlanWarning(
                        "hyphenated-name",
                        f"{joined} subtracts; for a key of that name write `{joined}`, "
                        f"and to subtract put blanks: {written}",
                    )
                )

    def _refuse_what_needs_a_ranking(self) -> None:
        """Raise for the first clause or option that means nothing without RANK BY or USING EMBEDDING."""
        query = self._query
        if query.embedding is not None or query.rank is not None:
            return
        nodes: dict[str, ast.Node | None] = {
            "TOPK": query.topk,
            "WITH SCORE THRESHOLD": query.score_threshold,
            "RERANK BY": query.rerank,
        }
        for option in query.options:
            if option.name in ("exact", "merge", "per_collection"):
                nodes[option.name] = option
        for name, node in nodes.items():
            if node is not None:
                raise ChromaSQLPlanningError(
                    f"{name} needs a ranking; add RANK BY KNN(..) or USING EMBEDDING (..)",
                    code="ranking-required",
                    span=node.span,
                )
        if query.similarity is not None:
            raise ChromaSQLPlanningError(
                "SIMILARITY needs a ranking; add RANK BY KNN(..) or USING EMBEDDING (..)",
                code="ranking-required",
                span=query.span,
            )

    # Ranking

    def _rankings(self, rerank: RerankPlan | None) -> tuple[Ranking, ...]:
        """Plan a ranking for each vector of USING EMBEDDING, or the one of RANK BY; none for an unranked statement."""
        query = self._query
        topk = count_of(query.topk, "TOPK", least=1)
        default = self._scoping.candidates(_DEFAULT_CANDIDATES)

        def candidates_of_leaf(whole: bool) -> int:
            if topk is not None:
                return topk
            if rerank is not None:
                least = self._scoping.candidates(_MMR_CANDIDATES) if rerank.strategy == "MMR" else default
                return max(least, rerank.candidates)
            if query.embedding is not None and query.group_by is None and self._groups is None:
                # As in 1.8.0, whose ORDER BY and threshold are about these.
                return max(self._scoping.candidates(_EMBEDDING_CANDIDATES), self._reaches or 1)
            # Where rows are dropped after the search, nobody knows how many the page takes.
            exact = whole and self._by_score and query.group_by is None and not query.projection.distinct
            return self._reaches if exact and self._reaches is not None else default

        planner = RankingPlanner(candidates_of_leaf, self._names)
        rankings: tuple[Ranking, ...] = ()
        if query.embedding is not None:
            rankings = planner.plan_embedding(query.embedding)
        elif query.rank is not None:
            rankings = (planner.plan_rank(query.rank),)
        self._scoping.check_rankings(rankings, query)
        for warning in warnings_of_rankings(rankings, number_of(query.score_threshold, "WITH SCORE THRESHOLD")):
            self._warn(warning)
        return rankings

    def _exact(self, wanted: bool | None, rankings: tuple[Ranking, ...]) -> bool | None:
        """Return whether records are measured here; a setting does not reach a sparse index, and an option may not."""
        sparse = (leaf for ranking in rankings for leaf in ranking.leaves if isinstance(leaf, KnnLeaf))
        if not wanted or all(leaf.key == EMBEDDING_KEY for leaf in sparse):
            return wanted
        option = next((option for option in self._query.options if option.name == "exact"), None)
        if option is None:
            return None
        raise ChromaSQLPlanningError(
            "exact = TRUE measures embeddings, and a sparse index cannot be measured here; leave it out",
            code="not-allowed-here",
            span=option.span,
        )

    # Filter

    def _condition(self) -> Condition:
        builder = ConditionBuilder(self._names.tested, self._warn, self._clock)
        predicates = (self._query.where, self._query.where_document)
        parts = [builder.build(predicate) for predicate in predicates if predicate is not None]
        return all_of([*(() if self._scoping.view is None else (self._scoping.view.condition,)), *parts])

    # Groups

    def _keep(self) -> Any:
        group = self._query.group_by
        if group is None or group.keep is None:
            return None
        if self._groups is not None:
            raise ChromaSQLPlanningError(
                "KEEP cannot be combined with aggregates, HAVING or DISTINCT",
                code="not-allowed-here",
                span=group.keep.span,
            )
        return plan_keep(group, self._names, self._order)

    def _aggregation(self) -> Aggregation | None:
        return None if self._groups is None else self._groups.plan(self._warn)

    # Order

    def _order(self, items: tuple[ast.OrderItem, ...]) -> tuple[OrderKey, ...]:
        keys: list[OrderKey] = []
        for item in items:
            node = self._names.resolved(self._names.at_position(item.operand, "ORDER BY"))
            column = self._names.above_groups(node)
            if Column("total") in columns_in(column):
                raise ChromaSQLPlanningError(
                    "COUNT(*) OVER () belongs in SELECT", code="not-allowed-here", span=item.operand.span
                )
            if column == Column("metadata") or column.part == "embedding":
                raise ChromaSQLPlanningError(
                    f"ORDER BY cannot compare {column.part}; name a key",
                    code="not-allowed-here",
                    span=item.operand.span,
                )
            descending = item.direction == "DESC"
            if descending and column.part in ("score", "distance") and item in self._query.order_by:
                self._warn(
                    PlanWarning("worst-first", f"lower is better, so ORDER BY {column} DESC puts the worst row first")
                )
            nulls_first = descending if item.nulls is None else item.nulls == "FIRST"
            keys.append(OrderKey(column, descending, nulls_first))
        return tuple(keys)


def _is_by_score(order: tuple[OrderKey, ...]) -> bool:
    """Tell whether an order is that of the score, which ties by id complete."""
    if not order:
        return True
    return len(order) == 1 and order[0].column in (Column("score"), Column("distance")) and not order[0].descending


def candidate_search(filter_: Filter, *, exact: bool | None) -> CandidateSearch:
    """Choose how a ranked statement finds candidates: see `QueryPlan`."""
    if exact:
        return "exact"
    if any(request.ids is not None for request in filter_.requests):
        return "prefilter"
    if filter_.residual is None:
        return "filtered"
    return "prefilter" if is_selective(filter_) else "expanding"
