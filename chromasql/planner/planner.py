"""
A bound statement to its plan, in the order of its clauses.

A plan is made in two steps: `build_plan` decides what does not depend on the collections, `place_plan`
what does, once the router has named them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, assert_never

from chromasql import ast
from chromasql.analysis import bind_parameters
from chromasql.errors import ChromaSQLError, ChromaSQLPlanningError, near_names
from chromasql.plan import (
    ALWAYS,
    AllOf,
    AnyOf,
    Column,
    Condition,
    DescribePlan,
    Fetch,
    Filter,
    OrderKey,
    Output,
    PlanWarning,
    QueryPlan,
    Ranking,
    ShowPlan,
    StatementPlan,
    Test,
    TextQuery,
    VectorQuery,
    columns_of,
)
from chromasql.planner.conditions import ConditionBuilder, all_of, literal
from chromasql.planner.pushdown import push_down
from chromasql.rows import PARTS

__all__ = ["MAX_POOL", "Settings", "build_plan", "place_plan", "plan_statement"]

MAX_POOL = 1_000_000
"""The most candidates that a ranked statement may ask for."""

_DEFAULT_POOL = 100
_SPACES = {"COSINE": "cosine", "L2": "l2", "IP": "ip"}
_OPTIONS = ("merge", "on_error", "per_collection", "read_level", "timeout")
_FETCH_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class Settings:
    """
    What the caller sets for a statement that does not say otherwise in ``WITH (..)``.

    ``merge`` is ``distance`` or ``rrf``; ``on_error`` is ``skip`` or ``fail``; ``timeout`` is in seconds for the whole
    statement; ``per_collection`` is the number of candidates that each collection gives. ``fixed`` names those that the
    statement may not change.
    """

    merge: str = "distance"
    on_error: str = "skip"
    timeout: float | None = None
    per_collection: int | None = None
    fixed: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        for name in ("merge", "on_error", "timeout", "per_collection"):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, _option(name, value))


def plan_statement(
    statement: ast.Statement,
    params: Mapping[str, Any] | Sequence[Any] | None = None,
    *,
    settings: Settings | None = None,
) -> StatementPlan:
    """Plan any statement; see `build_plan`."""
    bound = bind_parameters(statement, params)
    try:
        match bound:
            case ast.Query():
                return _QueryPlanner(bound, settings or Settings()).plan()
            case ast.ShowCollections():
                return _plan_show(bound)
            case ast.Describe(source):
                assert isinstance(source.name, str)
                return DescribePlan(_text(bound), source.name)
            case _:
                assert_never(bound)
    except ChromaSQLError as error:
        if bound.source_text is not None and error.span is not None:
            error.located_in(bound.source_text)
        raise


def build_plan(
    query: ast.Statement,
    params: Mapping[str, Any] | Sequence[Any] | None = None,
    *,
    settings: Settings | None = None,
) -> QueryPlan:
    """
    Plan a SELECT: check its meaning and decide what is sent to Chroma and what is done here.

    ``params`` gives the values of its parameters. The plan says nothing of collections yet: `execute_plan` runs it on
    one, `place_plan` sets it on many. Raises `ChromaSQLPlanningError` with the place in the text.
    """
    plan = plan_statement(query, params, settings=settings)
    if not isinstance(plan, QueryPlan):
        raise ChromaSQLPlanningError("build_plan takes a SELECT; execute SHOW and DESCRIBE on a database")
    return plan


def place_plan(plan: QueryPlan, collections: Sequence[str], route: str) -> QueryPlan:
    """
    Set a plan on its collections, in the order of ties, and decide what depends on how many they are.

    ``route`` says why these. Collections that no record of the answer can be in (``_collection = 'a'``) are left out.
    """
    names = tuple(name for name in collections if _possible(plan.filter.residual, name))
    return dataclasses.replace(plan, collections=names, route=route, fetch=_fetch(plan, len(names)))


def _possible(condition: Condition | None, collection: str) -> bool:
    """Whether a record of the collection may satisfy the condition, judged by ``_collection`` alone."""
    match condition:
        case Test(Column("_collection"), operator, operand):
            same = operand == collection if isinstance(operand, str) else collection in (operand or ())  # type: ignore[operator]
            if operator in ("=", "in", "!=", "not in"):
                return same is (operator in ("=", "in"))
            return True
        case AllOf(parts):
            return all(_possible(part, collection) for part in parts)
        case AnyOf(parts):
            return any(_possible(part, collection) for part in parts)
        case _:
            return True


def _fetch(plan: QueryPlan, collections: int) -> Fetch:
    """Decide which parts of the records come when."""
    checked = _parts(columns_of(plan.filter.residual))
    ordered = _parts({key.column for key in plan.order})
    shown = _parts({output.column for output in plan.outputs})
    everything = _sorted(checked | ordered | shown)
    if not plan.rankings:
        first = checked | ordered
        if first >= shown:
            return Fetch(_sorted(first), reason="what is shown is needed to filter or order anyway")
        if plan.limit is None:
            return Fetch(everything, reason="every row is shown")
        if not plan.order and plan.offset == 0:
            return Fetch(everything, reason="every row that is asked for is shown")
        return Fetch(_sorted(first), last=_sorted(shown - first), reason="the rows of the page alone are shown")
    assert plan.per_collection is not None
    candidates = collections * plan.per_collection * len(plan.rankings)
    if candidates <= _FETCH_AT_ONCE or everything == _sorted(checked):
        return Fetch(everything, reason=f"{candidates} candidates are few")
    order = ordered - checked
    return Fetch(
        _sorted(checked),
        order=_sorted(order),
        last=_sorted(shown - order - checked),
        reason=f"of {candidates} candidates only the winners are shown",
    )


def _parts(columns: set[Column]) -> set[str]:
    return {column.part for column in columns if column.part in PARTS}


def _sorted(parts: set[str]) -> tuple[str, ...]:
    return tuple(sorted(parts))


def _text(statement: ast.Statement) -> str:
    return " ".join((statement.source_text or "").split())


def _plan_show(show: ast.ShowCollections) -> ShowPlan:
    pattern = None if show.like is None else literal(show.like)
    if show.like is not None and not isinstance(pattern, str):
        raise ChromaSQLPlanningError("LIKE takes a string", span=show.like.span)
    return ShowPlan(
        _text(show),
        like=pattern if isinstance(pattern, str) else None,
        limit=_count(show.limit, "LIMIT", least=0),
        offset=_count(show.offset, "OFFSET", least=0) or 0,
    )


def _count(value: ast.Value | None, what: str, *, least: int) -> int | None:
    if value is None:
        return None
    number = literal(value)
    if type(number) is not int or number < least:
        raise ChromaSQLPlanningError(f"{what} takes a whole number of at least {least}", span=value.span)
    return number


class _QueryPlanner:
    """Plans one SELECT."""

    def __init__(self, query: ast.Query, settings: Settings) -> None:
        self._query = query
        self._settings = settings
        self._warnings: dict[PlanWarning, None] = {}
        self._ranked = query.embedding is not None
        self._aliases = {
            item.alias: item.operand
            for item in query.projection.items
            if isinstance(item, ast.ProjectionItem) and item.alias is not None
        }

    def plan(self) -> QueryPlan:
        query = self._query
        self._refuse_what_is_not_executed()
        options = self._options()
        rankings = self._rankings()
        limit = _count(query.limit, "LIMIT", least=0)
        offset = _count(query.offset, "OFFSET", least=0) or 0
        pool = self._pool(limit, offset)
        filter_ = self._filter()
        plan = QueryPlan(
            statement=_text(query),
            outputs=self._outputs(),
            filter=filter_,
            rankings=rankings,
            batch=isinstance(query.embedding, ast.EmbeddingBatch),
            space=self._space(),
            pool=pool,
            per_collection=(options["per_collection"] or pool) if self._ranked else None,
            candidates=_candidates(filter_),
            merge=options["merge"],
            threshold=self._threshold(),
            order=self._order(),
            limit=limit,
            offset=offset,
            on_error=options["on_error"],
            timeout=options["timeout"],
            explain=None if query.explain is None else query.explain.lower(),
        )
        plan = dataclasses.replace(plan, warnings=tuple(self._warnings))
        return dataclasses.replace(plan, fetch=_fetch(plan, 1))

    def _warn(self, warning: PlanWarning) -> None:
        self._warnings[warning] = None

    def _refuse_what_is_not_executed(self) -> None:
        query = self._query
        clauses: list[tuple[str, ast.Node | None]] = [
            ("RANK BY", query.rank),
            ("GROUP BY", query.group_by),
            ("HAVING", query.having),
            ("RERANK BY", query.rerank),
        ]
        for name, node in clauses:
            if node is not None:
                raise ChromaSQLPlanningError(f"{name} is not executed yet", span=node.span)
        if query.projection.distinct:
            raise ChromaSQLPlanningError("SELECT DISTINCT is not executed yet", span=query.projection.span)

    # Options

    def _options(self) -> dict[str, Any]:
        settings = self._settings
        options: dict[str, Any] = {
            "merge": settings.merge,
            "on_error": settings.on_error,
            "per_collection": settings.per_collection,
            "timeout": settings.timeout,
        }
        for argument in self._query.options:
            if argument.name not in _OPTIONS:
                hint = near_names(argument.name, _OPTIONS) or f"; the options are {', '.join(_OPTIONS)}"
                raise ChromaSQLPlanningError(f"there is no option {argument.name}{hint}", span=argument.span)
            if argument.name == "read_level":
                raise ChromaSQLPlanningError("WITH (read_level) is not executed yet", span=argument.span)
            if argument.name in settings.fixed:
                raise ChromaSQLPlanningError(
                    f"{argument.name} is fixed by the application and no statement may set it", span=argument.span
                )
            value = argument.value
            if not isinstance(value, ast.Literal):
                raise ChromaSQLPlanningError(f"{argument.name} takes a single value", span=value.span)
            try:
                options[argument.name] = _option(argument.name, value.value)
            except ChromaSQLPlanningError as error:
                error.span = value.span
                raise
        if not self._ranked:
            for name in ("merge", "per_collection"):
                argument_ = next((each for each in self._query.options if each.name == name), None)
                if argument_ is not None:
                    raise ChromaSQLPlanningError(
                        f"{name} is about ranked statements; add USING EMBEDDING", span=argument_.span
                    )
        return options

    # Ranking

    def _rankings(self) -> tuple[Ranking, ...]:
        match self._query.embedding:
            case None:
                return ()
            case ast.EmbeddingBatch(items):
                return tuple(Ranking(_ranking_query(item)) for item in items)
            case item:
                return (Ranking(_ranking_query(item)),)

    def _pool(self, limit: int | None, offset: int) -> int | None:
        query = self._query
        if not self._ranked:
            for name, node in (("TOPK", query.topk), ("WITH SCORE THRESHOLD", query.score_threshold)):
                if node is not None:
                    raise ChromaSQLPlanningError(f"{name} needs a ranking; add USING EMBEDDING", span=node.span)
            return None
        pool = _count(query.topk, "TOPK", least=1)
        if pool is None:
            pool = _DEFAULT_POOL if limit is None else max(1, limit + offset)
        if pool > MAX_POOL:
            node = query.topk or query.limit
            raise ChromaSQLPlanningError(
                f"a ranking of {pool} candidates is more than {MAX_POOL}", span=node.span if node else None
            )
        return pool

    def _space(self) -> str | None:
        similarity = self._query.similarity
        if similarity is not None and not self._ranked:
            raise ChromaSQLPlanningError("SIMILARITY needs a ranking; add USING EMBEDDING")
        return None if similarity is None else _SPACES[similarity]

    def _threshold(self) -> float | None:
        node = self._query.score_threshold
        if node is None:
            return None
        value = literal(node)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ChromaSQLPlanningError("WITH SCORE THRESHOLD takes a number", span=node.span)
        return float(value)

    # Columns

    def _outputs(self) -> tuple[Output, ...]:
        outputs: list[Output] = []
        seen: dict[str, ast.Node] = {}
        for item in self._query.projection.items:
            if isinstance(item, ast.Star):
                new = self._star(item)
            else:
                new = [Output(item.name, self._selected(item.operand))]
            for output in new:
                if output.name in seen and not (isinstance(item, ast.Star) or isinstance(seen[output.name], ast.Star)):
                    raise ChromaSQLPlanningError(
                        f"two columns are called {output.name}; rename one by AS", span=item.span
                    )
                if output.name not in seen:
                    seen[output.name] = item
                    outputs.append(output)
        return tuple(outputs)

    def _star(self, star: ast.Star) -> list[Output]:
        names = ["id", "document", "metadata", *(["distance"] if self._ranked else [])]
        without: list[str] = []
        for field in star.excluded:
            column = self._selected(field)
            if column.key is not None:
                without.append(column.key)
            elif column.part in names:
                names.remove(column.part)
            else:
                raise ChromaSQLPlanningError(f"* does not hold {field.name}", span=field.span)
        return [Output(name, Column(name), tuple(without) if name == "metadata" else ()) for name in names]

    def _selected(self, operand: ast.Operand) -> Column:
        if isinstance(operand, ast.Aggregate):
            raise ChromaSQLPlanningError(f"{operand.function} is not executed yet", span=operand.span)
        self._check_path(operand)
        if operand.root in ("distance", "score") and not self._ranked:
            raise ChromaSQLPlanningError(
                f"{operand.root} needs a ranking; add USING EMBEDDING, or write metadata.{operand.root} for a key",
                span=operand.span,
            )
        return Column(operand.root, operand.key)

    def _check_path(self, field: ast.Field) -> None:
        head = field.path[0].lower() if field.bare and field.path else ""
        if head in ast.SYSTEM_COLUMNS:
            raise ChromaSQLPlanningError(
                f"{head} has no parts; for a metadata key write metadata['{field.key}']", span=field.span
            )

    # Filter

    def _filter(self) -> Filter:
        builder = ConditionBuilder(self._tested, self._warn)
        parts: list[Condition] = []
        for predicate in (self._query.where, self._query.where_document):
            if predicate is not None:
                parts.append(builder.build(predicate))
        condition = all_of(parts) if parts else ALWAYS
        return push_down(condition)

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
        return Column(operand.root, operand.key)

    # Order

    def _order(self) -> tuple[OrderKey, ...]:
        keys: list[OrderKey] = []
        for item in self._query.order_by:
            column = self._ordered(item.operand)
            descending = item.direction == "DESC"
            if descending and column.part in ("score", "distance"):
                self._warn(
                    PlanWarning(
                        "worst-first", f"lower is better, so ORDER BY {column} DESC puts the worst row first"
                    )
                )
            nulls_first = descending if item.nulls is None else item.nulls == "FIRST"
            keys.append(OrderKey(column, descending, nulls_first))
        return tuple(keys)

    def _ordered(self, operand: ast.Operand) -> Column:
        if isinstance(operand, ast.Field) and operand.bare and len(operand.path) == 1:
            operand = self._aliases.get(operand.path[0], operand)
        column = self._selected(operand)
        if column == Column("metadata") or column.part == "embedding":
            raise ChromaSQLPlanningError(f"ORDER BY cannot compare {column.part}; name a key", span=operand.span)
        return column


def _ranking_query(item: ast.Embedding) -> TextQuery | VectorQuery:
    match item:
        case ast.EmbeddingText(text, model):
            words, name = literal(text), None if model is None else literal(model)
            if not isinstance(words, str):
                raise ChromaSQLPlanningError("TEXT takes a string", span=text.span)
            if name is not None and not isinstance(name, str):
                raise ChromaSQLPlanningError("MODEL takes a string", span=item.span)
            return TextQuery(words, name)
        case ast.EmbeddingVector(ast.Array(items)):
            return VectorQuery(tuple(_component(each) for each in items))
        case ast.EmbeddingVector(values):
            raise ChromaSQLPlanningError("USING EMBEDDING takes a dense vector: VECTOR [0.1, 0.2]", span=values.span)
        case _:
            assert_never(item)


def _component(value: ast.Value) -> float:
    number = literal(value)
    if isinstance(number, bool) or not isinstance(number, int | float):
        raise ChromaSQLPlanningError("a vector holds numbers only", span=value.span)
    return float(number)


def _candidates(filter_: Filter) -> str:
    """Choose how a ranked statement finds candidates: see `QueryPlan`."""
    if any(piece.ids is not None for piece in filter_.pieces):
        return "resolve"
    if filter_.residual is None:
        return "query"
    return "resolve" if filter_.selective else "widen"


def _option(name: str, value: Any) -> Any:
    match name, value:
        case "merge", str() if value.lower() in ("score", "distance"):
            return "distance"
        case "merge", str() if value.lower() == "rrf":
            return "rrf"
        case "on_error", str() if value.lower() in ("skip", "fail"):
            return value.lower()
        case "per_collection", int() if not isinstance(value, bool) and 1 <= value <= MAX_POOL:
            return value
        case "timeout", int() | float() if not isinstance(value, bool) and 0 < value < float("inf"):
            return float(value)
        case _:
            _refuse_option(name, value)


def _refuse_option(name: str, value: Any) -> NoReturn:
    takes = {
        "merge": "SCORE (also called distance) or RRF",
        "on_error": "SKIP or FAIL",
        "per_collection": f"a whole number from 1 to {MAX_POOL}",
        "timeout": "a number of seconds above 0",
    }
    raise ChromaSQLPlanningError(f"{name} takes {takes[name]}, not {value!r}")
