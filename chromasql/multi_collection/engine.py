"""The engine: what stays the same between statements."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias, TypeVar, assert_never

from chromasql import ast
from chromasql.analysis import share_parameters
from chromasql.concurrency.lifetime import Lifetime
from chromasql.concurrency.limits import CallLimits
from chromasql.concurrency.tasks import cancel_all
from chromasql.concurrency.threads import Pools, waiting_elsewhere
from chromasql.dispatch.call import HandleChanged
from chromasql.dispatch.dispatcher import Dispatcher
from chromasql.dispatch.options import CollectionSource, DispatchOptions
from chromasql.dispatch.tracing import Trace
from chromasql.errors import (
    ChromaSQLPlanningError,
    ChromaSQLRoutingError,
    ChromaSQLTimeoutError,
)
from chromasql.executor import RunOptions, run_plan, stream_plan
from chromasql.executor.catalog import describe_collection, show_collections
from chromasql.executor.state import StatementContext
from chromasql.explain import analyzed, explained
from chromasql.keyword_index import KeywordIndex
from chromasql.keyword_index.store import as_keyword_index
from chromasql.multi_collection.listing import Lister
from chromasql.multi_collection.long_texts import parse_in_time, run_in_time
from chromasql.multi_collection.options import EngineOptions, check_limit, check_scope
from chromasql.multi_collection.plan_cache import PlanCache
from chromasql.multi_collection.provider import Provider
from chromasql.multi_collection.resolver import Resolver, Route
from chromasql.multi_collection.statements import collection_changed, effective_settings, errors_placed_in
from chromasql.parser import parse_script
from chromasql.plan import DescribePlan, QueryPlan, ShowPlan, StatementPlan
from chromasql.plan.dialect import LOCAL, Dialect, dialect_named
from chromasql.planner import Settings, bind_collections, bind_visible_records
from chromasql.planner.scope import OPEN, Scope
from chromasql.protocols import AsyncCollectionProvider
from chromasql.result import ExecutionResult
from chromasql.retrieval.dialect_detection import first_dialect, known_dialect, remember_dialect
from chromasql.retrieval.embedding import VectorCache

__all__ = ["Engine", "OptionalParameters"]

OptionalParameters: TypeAlias = Mapping[str, Any] | Sequence[Any] | None
"""The parameters of a statement: a mapping for ``:name``, a sequence for ``?`` and ``$1``, None for no parameters."""


CatalogPlan = TypeVar("CatalogPlan", ShowPlan, DescribePlan)
T = TypeVar("T")


DEFAULT_CONCURRENCY = 8
"""How many calls may be under way at once where neither the caller nor the provider says."""


_MAX_PROBES = 3
"""How many collections are asked at once which dialect they have."""


_PROBE_SHARE = 0.25
"""The share of the time of a statement that detecting the dialect may take."""


_MAX_AT_ONCE = 32
"""How many statements of a script run at once."""


_MAX_STATEMENTS = 1_000
"""How many statements a script within a scope may have."""


class _Shared:
    """What the engines of one provider share, whatever their scopes: the limits of calls, and vectors of texts."""

    def __init__(self, provider: AsyncCollectionProvider, options: EngineOptions) -> None:
        self.provider = Provider.of(provider)
        self.concurrency = options.max_concurrency or self.provider.max_concurrency or DEFAULT_CONCURRENCY
        check_limit("max_concurrency", self.concurrency)
        self.limits = CallLimits(
            self.concurrency, options.max_per_collection, self.provider.server_of or (lambda _: "")
        )
        self.vectors = VectorCache()
        self.keyword_index = as_keyword_index(options.keyword_index)
        self.pools = Pools()


@dataclass(frozen=True, slots=True)
class _Ready:
    """A statement that can run: its plan, set on its collections, and what makes its calls."""

    plan: StatementPlan
    route: Route
    dispatcher: Dispatcher


class Engine:
    """
    What stays the same between statements: where collections come from, who routes and who embeds.

    Raises `ChromaSQLPlanningError` for a provider that lacks a method.
    """

    def __init__(
        self,
        provider: AsyncCollectionProvider,
        options: EngineOptions | None = None,
        *,
        shared: _Shared | None = None,
        parent: Lifetime | None = None,
    ) -> None:
        self._options = options or EngineOptions()
        self._shared = shared or _Shared(provider, self._options)
        scope = self._options.scope
        self._provider = self._shared.provider
        self._plans = PlanCache(scope)
        lister = Lister(self._provider, scope, retries=self._options.settings.retries)
        self._resolver = Resolver(lister, self._options.route, scope)
        self._dialect = None if self._options.dialect is None else dialect_named(self._options.dialect)
        self._lifetime = Lifetime(parent)

    def scoped(self, scope: Scope) -> Engine:
        """Return an engine for the same collections within a scope; the scope of this engine applies as well."""
        joined = check_scope(scope).intersect(self._options.scope)
        options = dataclasses.replace(self._options, scope=joined, keep_raw=False)
        return Engine(self._provider.source, options, shared=self._shared, parent=self._lifetime)

    @property
    def keyword_index(self) -> KeywordIndex | None:
        """The keyword index, which engines for scopes of this one share."""
        return self._shared.keyword_index

    @property
    def is_scoped(self) -> bool:
        """Whether there may be collections or records that this engine does not reach."""
        return self._options.scope is not OPEN

    def close(self) -> None:
        """End the statements that run, here and in engines for scopes of this one, and refuse further ones."""
        self._lifetime.close()
        self._shared.pools.end_idle()

    async def execute(
        self,
        statement: str | ast.Statement,
        params: OptionalParameters = None,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - the engine keeps it, and returns what was in time
        explain_rows: bool = False,
    ) -> ExecutionResult:
        """
        Run one statement; ``timeout``, in seconds, replaces that of the settings.

        With ``explain_rows`` the rows of a ranked statement show how they came to their score. Raises
        `ChromaSQLParseError`, `ChromaSQLPlanningError` or `ChromaSQLExecutionError`, with the text of the statement.
        """
        began = asyncio.get_running_loop().time()
        settings = self._settings(timeout)
        async with self._lifetime.statement():
            with self._shared.pools.in_use(), waiting_elsewhere():
                parsed = await parse_in_time(statement, settings)
                result = await self._execute_parsed(parsed, params, settings, began, explain_rows=explain_rows)
            if not result.complete:
                # Its collections may have failed because the database was closed.
                self._lifetime.check()
            return result

    async def _execute_parsed(
        self,
        parsed: ast.Statement,
        params: OptionalParameters,
        settings: Settings,
        began: float,
        *,
        explain_rows: bool,
    ) -> ExecutionResult:
        with Trace.of(parsed) as trace, errors_placed_in(parsed):
            ready = await self._prepare(parsed, params, settings, began, trace)
            result = await self._run_current(ready, explain_rows=explain_rows)
            trace.returned(result)
            return result

    async def _prepare(
        self, parsed: ast.Statement, params: OptionalParameters, settings: Settings, began: float, trace: Trace
    ) -> _Ready:
        """Bind and plan a statement, find its collections and set the plan on them."""
        work = partial(self._plans.bind_and_plan, parsed, params, settings)
        bound, plan = await run_in_time(work, len(parsed.source_text or ""), settings)
        dispatcher = self._dispatcher(bound, effective_settings(settings, plan), began, trace)
        route = await self._resolver.resolve(bound, dispatcher)
        return _Ready(await self._bound(plan, route, dispatcher), route, dispatcher)

    def _settings(self, seconds: float | None) -> Settings:
        """Return the settings of a statement with a timeout of its own, or None, within what the scope allows."""
        settings = self._options.settings
        timeout = settings.timeout if seconds is None else seconds
        longest = self._options.scope.limit("max_timeout")
        if longest is not None:
            timeout = min(timeout or longest, longest)
        return settings if timeout == settings.timeout else dataclasses.replace(settings, timeout=timeout)

    def _dispatcher(self, statement: ast.Statement, effective: Settings, began: float, trace: Trace) -> Dispatcher:
        source = CollectionSource(
            self._provider.get_collection,
            self._provider.kept_collection,
            self._provider.forget_collection,
            missing=self._resolver.missing(statement),
        )
        options = DispatchOptions(
            concurrency=self._shared.concurrency,
            timeout=effective.timeout,
            on_error=effective.on_error,
            retries=effective.retries,
            collection_timeout=effective.collection_timeout,
            min_success=effective.min_success,
            keep_raw=self._options.keep_raw,
            began=began,
        )
        return Dispatcher.start(source, options, trace=trace, limiter=self._shared.limits.for_running_loop())

    def _run_options(self, *, explain_rows: bool = False) -> RunOptions:
        return RunOptions(self._options.embedder, self._shared.vectors, explain_rows, self._shared.keyword_index)

    async def _run_current(self, ready: _Ready, *, explain_rows: bool) -> ExecutionResult:
        """Run a statement, and once more with reopened collections where one is not what it was known to be."""
        try:
            return await self._run(ready, explain_rows=explain_rows)
        except ChromaSQLRoutingError:
            raise
        except (HandleChanged, ChromaSQLPlanningError):
            # Cached facts about a collection were stale, or may be the reason for the planning error: reopen everything
            # and run once more.
            again = dataclasses.replace(ready, dispatcher=ready.dispatcher.restarted(ready.route.listing.unlisted))
        try:
            return await self._run(again, explain_rows=explain_rows)
        except HandleChanged as changed:
            raise collection_changed(changed) from changed

    async def _run(self, ready: _Ready, *, explain_rows: bool) -> ExecutionResult:
        dispatcher = ready.dispatcher
        match ready.plan:
            case QueryPlan(explain="plan") as plan:
                return dataclasses.replace(explained(plan), outcomes=dispatcher.ledger.outcomes())
            case QueryPlan() as plan:
                result = await run_plan(plan, dispatcher, self._run_options(explain_rows=explain_rows))
                return analyzed(result) if plan.explain == "analyze" else result
            case ShowPlan() as plan:
                return await show_collections(plan, ready.route.names, dispatcher)
            case DescribePlan() as plan:
                return await describe_collection(plan, dispatcher)
            case _:
                assert_never(ready.plan)

    async def inspect(self, statement: str, work: Callable[[StatementContext], Awaitable[T]]) -> T:
        """
        Plan a SELECT, and do something else than running it in its collections, within the timeout of the settings.

        Raises what ``work`` raises, `ChromaSQLPlanningError` or `ChromaSQLParseError`.
        """
        settings = self._settings(None)
        began = asyncio.get_running_loop().time()
        with self._shared.pools.in_use(), waiting_elsewhere():
            parsed = await parse_in_time(statement, settings)
            with Trace.of(parsed) as trace, errors_placed_in(parsed):
                ready = await self._prepare(parsed, None, settings, began, trace)
                assert isinstance(ready.plan, QueryPlan)
                return await work(StatementContext.of(ready.plan, ready.dispatcher, self._run_options()))

    async def stream(
        self,
        statement: str | ast.Statement,
        params: OptionalParameters = None,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - as for one statement
    ) -> AsyncGenerator[list[dict[str, Any]], None]:
        """
        Run a SELECT and yield its rows in pages; see `chromasql.executor.stream_plan`.

        Raises what `execute` raises, and `ChromaSQLPlanningError` for any other statement.
        """
        pages = self._pages(statement, params, timeout)
        try:
            while True:
                # The caller's code runs between pages, and its calls belong to other threads than ours.
                async with self._lifetime.statement():
                    with self._shared.pools.in_use(), waiting_elsewhere():
                        rows = await anext(pages, None)
                if rows is None:
                    return
                yield rows
        finally:
            await pages.aclose()

    async def _pages(
        self, statement: str | ast.Statement, params: OptionalParameters, seconds: float | None
    ) -> AsyncGenerator[list[dict[str, Any]], None]:
        began = asyncio.get_running_loop().time()
        settings = self._settings(seconds)
        parsed = await parse_in_time(statement, settings)
        # The caller's code runs between pages; its spans must not become children of ours.
        with Trace.of(parsed, current=False) as trace, errors_placed_in(parsed):
            ready = await self._prepare(parsed, params, settings, began, trace)
            plan, dispatcher = ready.plan, ready.dispatcher
            if not isinstance(plan, QueryPlan) or plan.explain is not None:
                raise ChromaSQLPlanningError(
                    "stream takes a SELECT; execute the statement instead", code="not-a-select"
                )
            ready.route.listing.require_complete("a server cannot be listed, so there is no stream", dispatcher)
            try:
                async for rows in stream_plan(plan, dispatcher, self._run_options()):
                    yield rows
            except HandleChanged as changed:
                raise collection_changed(changed) from changed

    async def execute_many(
        self,
        script: str,
        params: OptionalParameters = None,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - as for one statement
    ) -> list[ExecutionResult]:
        """
        Run the statements of a script, up to 32 at once, and return their results in order.

        Each statement takes the named parameters that it uses, and one that no statement uses is an error. Positional
        parameters belong to a script of one statement. The first error cancels the other statements and is raised.
        """
        self._lifetime.check()
        settings = self._settings(timeout)
        statements = await run_in_time(partial(parse_script, script), len(script), settings)
        if self._options.scope is not OPEN and len(statements) > _MAX_STATEMENTS:
            raise ChromaSQLPlanningError(
                f"the script has {len(statements)} statements, and at most {_MAX_STATEMENTS} are allowed in a scope",
                code="scope-limit",
            )
        shares = share_parameters(statements, params)
        results: list[ExecutionResult | None] = [None] * len(statements)
        waiting = iter(enumerate(zip(statements, shares, strict=True)))

        async def run_next() -> None:
            for index, (statement, share) in waiting:
                results[index] = await self.execute(statement, share, timeout=timeout)

        work = [asyncio.ensure_future(run_next()) for _ in range(min(_MAX_AT_ONCE, len(statements)))]
        try:
            await asyncio.gather(*work)
        finally:
            await cancel_all(work)
        return [result for result in results if result is not None]

    async def _bound(self, plan: StatementPlan, route: Route, dispatcher: Dispatcher) -> StatementPlan:
        """Set a plan on its collections, for the kind of Chroma that holds them."""
        match plan:
            case QueryPlan():
                local = bind_collections(plan, route.names, route.chosen_by, dialect=self._dialect or LOCAL)
                self._options.scope.check_cost(local)
                if self._dialect is not None:
                    return local
                dialect = await self._detected(local.collections or (), dispatcher)
                if dialect is LOCAL:
                    return local
                return bind_collections(plan, route.names, route.chosen_by, dialect=dialect)
            case ShowPlan():
                return await self._with_visible_records(plan, route.names, dispatcher)
            case DescribePlan():
                return await self._with_visible_records(plan, route.names, dispatcher)
            case _:
                assert_never(plan)

    async def _with_visible_records(
        self, plan: CatalogPlan, names: Sequence[str], dispatcher: Dispatcher
    ) -> CatalogPlan:
        """Return the plan of a SHOW or DESCRIBE for the records that its scope shows, in the dialect of its Chroma."""
        if plan.view is None:
            return plan
        dialect = self._dialect or await self._detected(names, dispatcher)
        return dataclasses.replace(plan, view=bind_visible_records(plan.view, dialect))

    async def _detected(self, names: Sequence[str], dispatcher: Dispatcher) -> Dialect:
        """Return the dialect of the provider's Chroma, detected once by the first of a few collections to answer."""
        source = self._provider.source
        known = known_dialect(source)
        if known is not None or not names:
            return known or LOCAL
        probed = names[: min(_MAX_PROBES, self._shared.concurrency)]
        try:
            found = await dispatcher.within_deadline(partial(first_dialect, source, probed), share=_PROBE_SHARE)
        except ChromaSQLTimeoutError:
            found = None
        if found is not None:
            remember_dialect(source, found)
        return found or LOCAL
