"""The engine: what stays the same between statements."""

from __future__ import annotations

import asyncio
import copy
import dataclasses
from collections import OrderedDict
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

from chromasql import ast
from chromasql.analysis import bind_parameters, share_parameters
from chromasql.concurrency.limits import CallLimits
from chromasql.concurrency.tasks import cancel_all
from chromasql.dispatch.call import HandleChanged
from chromasql.dispatch.dispatcher import Dispatcher
from chromasql.dispatch.tracing import Trace
from chromasql.errors import (
    ChromaSQLError,
    ChromaSQLExecutionError,
    ChromaSQLPlanningError,
    ChromaSQLRoutingError,
    ChromaSQLTimeoutError,
)
from chromasql.executor import run_plan, stream_plan
from chromasql.executor.catalog import describe_collection, show_collections
from chromasql.explain import analyzed, explained
from chromasql.multi_collection.resolver import Resolver
from chromasql.parser import parse, parse_script
from chromasql.plan import DescribePlan, QueryPlan, ShowPlan, StatementPlan
from chromasql.plan.dialect import LOCAL, Dialect, dialect_named
from chromasql.planner import Settings, bind_collections, bind_visible_records, plan_bound, with_vector
from chromasql.planner.scope import OPEN, Scope
from chromasql.protocols import AsyncCollectionProvider, CollectionRouter, EmbedFunction, RouteFunction
from chromasql.result import ExecutionResult
from chromasql.retrieval.dialect_detection import first_dialect, known_dialect, remember_dialect
from chromasql.retrieval.embedding import VectorCache

__all__ = ["Engine"]

Parameters = Mapping[str, Any] | Sequence[Any] | None


CataloguePlan = TypeVar("CataloguePlan", ShowPlan, DescribePlan)


DEFAULT_CONCURRENCY = 8
"""How many collections are asked at once where neither the caller nor the provider says."""


_BESIDE_EMBEDDING = tuple(each.name for each in dataclasses.fields(ast.Query) if each.name != "embedding")


# How many plans an engine keeps of statements without parameters, or whose vector is the only one.
_KEPT_PLANS = 256


# How many collections are asked for the dialect at once, and the part of the time that this may take.
_PROBED = 3


_PROBING = 0.25


class Engine:
    """What stays the same between statements: where collections come from, who routes and who embeds."""

    def __init__(
        self,
        provider: AsyncCollectionProvider,
        *,
        router: CollectionRouter | RouteFunction | None = None,
        embed_fn: EmbedFunction | None = None,
        settings: Settings | None = None,
        max_concurrency: int | None = None,
        dialect: str | None = None,
        scope: Scope | None = None,
        max_per_collection: int | None = None,
        keep_raw: bool = False,
    ) -> None:
        if max_concurrency is None:
            max_concurrency = getattr(provider, "max_concurrency", None) or DEFAULT_CONCURRENCY
        for name, limit in (("max_concurrency", max_concurrency), ("max_per_collection", max_per_collection)):
            if limit is not None and (type(limit) is not int or limit < 1):
                raise ChromaSQLPlanningError(f"{name} takes a whole number of at least 1, not {limit!r}")
        route = getattr(router, "route", router)
        if route is not None and not callable(route):
            raise ChromaSQLPlanningError(
                f"a {type(router).__name__} is no router; give a function of the query, or an object with route(query)"
            )
        if not (hasattr(provider, "get_collection") and hasattr(provider, "list_collection_names")):
            raise ChromaSQLPlanningError(
                f"a {type(provider).__name__} is no provider of collections: it has no get_collection and "
                "list_collection_names; wrap a chromadb client in SimpleAsyncClientAdapter"
            )
        self._provider = provider
        self._embed_fn = embed_fn
        self._settings = settings or Settings()
        self._scope = _checked_scope(OPEN if scope is None else scope)
        self._resolver = Resolver(provider, route, self._scope, retries=self._settings.retries)
        self._concurrency = max_concurrency
        self._limits = CallLimits(max_concurrency, max_per_collection, getattr(provider, "server_of", lambda _: ""))
        self._keep_raw = keep_raw
        self._cache = VectorCache()
        self._plans: OrderedDict[tuple[int, Settings, bool], tuple[ast.Statement, StatementPlan]] = OrderedDict()
        self._dialect = None if dialect is None else dialect_named(dialect)

    def scoped(self, scope: Scope) -> Engine:
        """Return an engine for the same collections within a scope; one that this engine has holds as well."""
        # A scope that was looked up and not found must not open everything.
        joined = _checked_scope(scope).inside(self._scope)
        again = copy.copy(self)
        again._scope, again._resolver = joined, self._resolver.within(joined)  # noqa: SLF001 - it is one of us
        again._plans, again._keep_raw = OrderedDict(), False  # noqa: SLF001
        return again

    async def execute(
        self,
        statement: str | ast.Statement,
        params: Parameters = None,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - the engine keeps it, and returns what was in time
        explain_rows: bool = False,
    ) -> ExecutionResult:
        """
        Run one statement; ``timeout`` in seconds stands in for that of the settings.

        With ``explain_rows`` the rows of a ranked statement show how they came to their score.
        """
        parsed = _parsed(statement)
        with Trace.of(parsed) as trace, _located(parsed):
            placed, dispatcher = await self._ready(parsed, params, timeout, trace)
            result = await self._executed(placed, dispatcher, explain_rows=explain_rows)
            trace.returned(result)
            return result

    async def _executed(self, placed: StatementPlan, dispatcher: Dispatcher, *, explain_rows: bool) -> ExecutionResult:
        """Run a placed plan, and again where a collection turns out to be another than it was known to be."""
        try:
            return await self._run(placed, dispatcher, explain_rows=explain_rows)
        except ChromaSQLRoutingError:
            raise
        except (HandleChanged, ChromaSQLPlanningError):
            # What was known of a collection was out of date, or may have been where it was refused for that.
            dispatcher = dispatcher.renewed()
        try:
            return await self._run(placed, dispatcher, explain_rows=explain_rows)
        except HandleChanged as changed:
            raise ChromaSQLExecutionError(f"{changed} while it was asked; ask again") from changed

    async def _ready(
        self, parsed: ast.Statement, params: Parameters, seconds: float | None, trace: Trace
    ) -> tuple[StatementPlan, Dispatcher]:
        """Bind, plan, route and place a statement."""
        settings = self._settings if seconds is None else dataclasses.replace(self._settings, timeout=seconds)
        most = self._scope.most("max_timeout")
        if most is not None:
            settings = dataclasses.replace(settings, timeout=min(settings.timeout or most, most))
        bound, plan = self._planned(parsed, params, settings)
        dispatcher = self._dispatcher(plan, bound, settings, trace)
        return await self._placed(bound, plan, dispatcher), dispatcher

    def _planned(
        self, parsed: ast.Statement, params: Parameters, settings: Settings
    ) -> tuple[ast.Statement, StatementPlan]:
        """
        Return a statement with its parameters bound, and its plan.

        One without parameters, or whose vector is its only one, is planned once.
        """
        bound, vector = parsed, None
        if params:
            bound = bind_parameters(parsed, params)
            vector = _only_vector(parsed, bound)
            if vector is None:
                return bound, plan_bound(bound, settings=settings, scope=self._scope)
        # By identity: the parser gives the same tree for the same text, and the tree that is kept keeps its id.
        key = id(parsed), settings, vector is not None
        known = self._plans.get(key)
        if known is not None:
            self._plans.move_to_end(key)
            plan = known[1]
            return bound, plan if vector is None or not isinstance(plan, QueryPlan) else with_vector(plan, vector)
        if vector is None:
            bind_parameters(parsed, params)
        known = parsed, plan_bound(bound, settings=settings, scope=self._scope)
        # What a strategy reads of the rows is in the plan, and another one may be registered under its name.
        if not (isinstance(known[1], QueryPlan) and known[1].rerank is not None):
            self._plans[key] = known
            if len(self._plans) > _KEPT_PLANS:
                self._plans.popitem(last=False)
        return bound, known[1]

    async def stream(
        self,
        statement: str | ast.Statement,
        params: Parameters = None,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - as for one statement
    ) -> AsyncGenerator[list[dict[str, Any]], None]:
        """Run a SELECT and yield its rows in pages; see `chromasql.executor.stream_plan`."""
        parsed = _parsed(statement)
        # Between two pages the caller's code runs, below which nothing of its own may hang.
        with Trace.of(parsed, current=False) as trace, _located(parsed):
            placed, dispatcher = await self._ready(parsed, params, timeout, trace)
            if not isinstance(placed, QueryPlan) or placed.explain is not None:
                raise ChromaSQLPlanningError("stream takes a SELECT; execute the statement instead")
            dispatcher.require_lists("a server cannot be listed, so there is no stream")
            try:
                async for rows in stream_plan(placed, dispatcher, self._embed_fn, cache=self._cache):
                    yield rows
            except HandleChanged as changed:
                raise ChromaSQLExecutionError(f"{changed} while it was asked; ask again") from changed

    async def execute_many(
        self,
        script: str,
        params: Parameters = None,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - as for one statement
    ) -> list[ExecutionResult]:
        """
        Run the statements of a script at once and return their results in order.

        Named parameters are shared: each statement takes those that it names, and one that none names is an error.
        Positional ones are of one statement. The first error ends the others.
        """
        statements = parse_script(script)
        shares = share_parameters(statements, params)
        work = [
            asyncio.ensure_future(self.execute(statement, share, timeout=timeout))
            for statement, share in zip(statements, shares, strict=True)
        ]
        try:
            return await asyncio.gather(*work)
        finally:
            await cancel_all(work)

    async def _run(self, plan: StatementPlan, dispatcher: Dispatcher, *, explain_rows: bool) -> ExecutionResult:
        match plan:
            case QueryPlan(explain="plan"):
                return dataclasses.replace(explained(plan), outcomes=dispatcher.ledger.outcomes())
            case QueryPlan():
                result = await run_plan(plan, dispatcher, self._embed_fn, cache=self._cache, explain_rows=explain_rows)
                return analyzed(result) if plan.explain == "analyze" else result
            case ShowPlan():
                names = await self._resolver.listed(dispatcher)
                return await show_collections(await self._seen(plan, names, dispatcher), names, dispatcher)
            case DescribePlan():
                return await describe_collection(await self._seen(plan, [plan.collection], dispatcher), dispatcher)

    async def _placed(self, statement: ast.Statement, plan: StatementPlan, dispatcher: Dispatcher) -> StatementPlan:
        if not isinstance(statement, ast.Query) or not isinstance(plan, QueryPlan):
            if isinstance(statement, ast.Describe):
                await self._resolver.require_inside(statement, dispatcher)
            return plan
        names, route = await dispatcher.off_loop(partial(self._resolver.collections_of, statement, dispatcher))
        placed = bind_collections(plan, names, route, dialect=self._dialect or LOCAL)
        self._scope.check_cost(placed)
        if self._dialect is None:
            dialect = await self._detected(placed.collections or (), dispatcher)
            if dialect is not LOCAL:
                return bind_collections(plan, names, route, dialect=dialect)
        return placed

    async def _seen(self, plan: CataloguePlan, names: Sequence[str], dispatcher: Dispatcher) -> CataloguePlan:
        """Return the plan of a SHOW or DESCRIBE for what its scope lets it see in the kind of Chroma that is asked."""
        if plan.view is None:
            return plan
        dialect = self._dialect or await self._detected(names, dispatcher)
        return dataclasses.replace(plan, view=bind_visible_records(plan.view, dialect))

    async def _detected(self, names: Sequence[str], dispatcher: Dispatcher) -> Dialect:
        """Return the dialect of the provider's Chroma; the first time, whichever of a few collections answers tells."""
        known = known_dialect(self._provider)
        if known is not None or not names:
            return known or LOCAL
        try:
            found = await dispatcher.off_loop(
                partial(first_dialect, self._provider, names[: min(_PROBED, self._concurrency)]), share=_PROBING
            )
        except ChromaSQLTimeoutError:
            found = None
        if found is not None:
            remember_dialect(self._provider, found)
        return found or LOCAL

    def _dispatcher(
        self, plan: StatementPlan, statement: ast.Statement, settings: Settings, trace: Trace
    ) -> Dispatcher:
        return Dispatcher(
            self._provider.get_collection,
            kept=getattr(self._provider, "kept_collection", None),
            forget=getattr(self._provider, "forget_collection", None),
            missing=self._resolver.missing(statement),
            concurrency=self._concurrency,
            timeout=plan.timeout if isinstance(plan, QueryPlan) else settings.timeout,
            on_error=plan.on_error if isinstance(plan, QueryPlan) else settings.on_error,
            retries=settings.retries,
            collection_timeout=settings.collection_timeout,
            min_success=settings.min_success,
            keep_raw=self._keep_raw,
            trace=trace,
            turns=self._limits.here(),
        )


def _only_vector(parsed: ast.Statement, bound: ast.Statement) -> tuple[float, ...] | None:
    """Return the vector of USING EMBEDDING where it is all that parameters gave; what they did not change is shared."""
    match bound:
        case ast.Query(embedding=ast.EmbeddingVector(ast.DenseVector(values))):
            shared = all(getattr(bound, name) is getattr(parsed, name) for name in _BESIDE_EMBEDDING)
            return values if shared else None
        case _:
            return None


def _parsed(statement: str | ast.Statement) -> ast.Statement:
    if isinstance(statement, str):
        return parse(statement)
    if not isinstance(statement, ast.Statement):
        raise ChromaSQLPlanningError(
            f"a statement is text, or the tree that parse returns, not a {type(statement).__name__}"
        )
    return statement


@contextmanager
def _located(statement: ast.Statement) -> Iterator[None]:
    """Give an error of a statement its text, and one that only the collections brought to light a place in it."""
    try:
        yield
    except ChromaSQLError as error:
        if error.source is None and statement.source_text is not None:
            error.source = statement.source_text
            if error.span is None and isinstance(error, ChromaSQLPlanningError) and isinstance(statement, ast.Query):
                error.span = (statement.rank or statement.embedding or statement.projection).span
        raise


def _checked_scope(scope: Scope) -> Scope:
    """Return the scope, having made sure that its predicate can be planned."""
    if not isinstance(scope, Scope):
        raise ChromaSQLPlanningError(f"scope takes a Scope, not a {type(scope).__name__}")
    if scope is not OPEN:
        plan_bound(ast.ShowCollections(), scope=scope)
    return scope
