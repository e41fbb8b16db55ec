"""``connect(..)``: the object that an application holds."""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncIterator, Callable, Generator, Iterator, Mapping
from functools import partial
from pathlib import Path
from ssl import SSLContext
from types import TracebackType
from typing import Any, ParamSpec, Self, TypeVar

from chromasql import ast
from chromasql.adapters.http import HttpOptions
from chromasql.adapters.sources import open_source
from chromasql.concurrency.portal import run_in_portal, start_in_portal
from chromasql.errors import ChromaSQLPlanningError, near_names
from chromasql.multi_collection import Engine, EngineOptions
from chromasql.multi_collection.engine import OptionalParameters
from chromasql.multi_collection.keywords import AsyncKeywordIndexControl, KeywordIndexControl
from chromasql.multi_collection.recall import RecallOptions, RecallProgress, RecallReport, measure
from chromasql.parser import parse
from chromasql.planner import Settings
from chromasql.planner.scope import OPEN, Scope
from chromasql.protocols import CollectionRouter, EmbedFunction, RouteFunction
from chromasql.result import ExecutionResult

__all__ = ["AsyncDatabase", "Database", "connect", "connect_async", "measure_recall"]


P = ParamSpec("P")


R = TypeVar("R")


def _with_known_options(connect_to: Callable[P, R]) -> Callable[P, R]:
    """Refuse an option that does not exist with the nearest that does, rather than with Python's own error."""
    known = inspect.signature(connect_to).parameters.keys()

    @functools.wraps(connect_to)
    def checked(*arguments: P.args, **options: P.kwargs) -> R:
        for name in sorted(options.keys() - known):
            raise ChromaSQLPlanningError(_unknown_option(name), code="unknown-option")
        return connect_to(*arguments, **options)

    return checked


@_with_known_options
def connect_async(
    source: Any,
    *,
    router: CollectionRouter | RouteFunction | None = None,
    embed_fn: EmbedFunction | None = None,
    settings: Settings | None = None,
    max_concurrency: int | None = None,
    max_per_collection: int | None = None,
    dialect: str | None = None,
    scope: Scope | None = None,
    keyword_index: str | Path | bool | None = None,
    headers: Mapping[str, str] | None = None,
    token: str | None = None,
    tenant: str | None = None,
    database: str | None = None,
    ssl: SSLContext | bool | None = None,
) -> AsyncDatabase:
    """
    Open a database for async code.

    Use it as in ``async with connect_async(..) as db: await db.execute(sql, params)``. An address, a folder or
    a `chromasql.ServersProvider` is closed with the database; a client or another provider stays open, and the caller
    closes it.

    Parameters
    ----------
    source : str, pathlib.Path, chromadb client or AsyncCollectionProvider
        An ``http://`` or ``https://`` address, the folder of an embedded Chroma, a client of chromadb, async or
        blocking, or a provider of collections.
    router : CollectionRouter or RouteFunction, optional
        Chooses the collections of a statement. Default: FROM does.
    embed_fn : EmbedFunction, optional
        ``embed_fn(text, model)`` embeds TEXT. Default: the embedding function of each collection.
    settings : Settings, optional
        What a statement does not say itself in WITH: timeout, failures, merging. Default: ``Settings()``.
    max_concurrency : int, optional
        The maximum of concurrent calls to a server, over all statements. Default: that of the provider, or 8.
    max_per_collection : int, optional
        The maximum of concurrent calls to one collection. Default: half of ``max_concurrency``, and at most 10.
    dialect : str, optional
        The kind of Chroma, ``local`` or ``distributed``. Default: detected with one request.
    scope : Scope, optional
        What the statements may reach. Default: everything.
    keyword_index : str, pathlib.Path or bool, optional
        A folder in which to keep the words of the documents for BM25, or True to keep them in memory. Default: BM25
        reads the documents.
    headers, token, tenant, database, ssl : optional
        For an address; see `chromasql.HttpProvider`.

    Returns
    -------
    AsyncDatabase
        Nothing has been sent yet.

    Raises
    ------
    ChromaSQLPlanningError
        The source or an option cannot be meant.
    ChromaSQLError
        The address or an option for it is not usable.
    """
    options = EngineOptions(
        router,
        embed_fn,
        Settings() if settings is None else settings,
        max_concurrency,
        max_per_collection,
        dialect,
        OPEN if scope is None else scope,
        keyword_index=keyword_index,
    )
    provider, owned = open_source(source, HttpOptions(headers, token, tenant, database, ssl))
    return AsyncDatabase(Engine(provider, options), provider if owned else None)


def connect(source: Any, **options: Any) -> Database:
    """
    Open a database for blocking code.

    Use it as in ``with connect(..) as db: db.execute(sql, params)``. The engine runs on a private event loop, so this
    works where a loop is running already, as in a notebook.

    Parameters
    ----------
    source
        As for `connect_async`.
    **options
        Those of `connect_async`, with the same defaults.

    Returns
    -------
    Database
        Nothing has been sent yet.

    Raises
    ------
    ChromaSQLError
        As `connect_async`.
    ChromaSQLPlanningError
        An option has another name.
    """
    return Database(connect_async(source, **options))


_OPTIONS = inspect.signature(connect_async).parameters.keys() - {"source"}


def _unknown_option(name: str) -> str:
    """Return the message for an option that `connect` does not have."""
    setting = name if name in inspect.signature(Settings).parameters else None
    hint = f"; it is a setting: settings=Settings({name}=..)" if setting else near_names(name, _OPTIONS)
    return f"connect has no option {name}{hint or '; the options are ' + ', '.join(sorted(_OPTIONS))}"


class AsyncDatabase:
    """A source of collections with a router and an embedder; made by `connect_async`."""

    def __init__(self, engine: Engine, owned: Any = None) -> None:
        self._engine = engine
        self._owned = owned

    async def execute(
        self,
        sql: str | ast.Statement,
        params: OptionalParameters = None,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - the engine keeps it, and returns what was in time
        explain_rows: bool = False,
    ) -> ExecutionResult:
        """
        Run one statement; ``params`` is a mapping for ``:name`` and a sequence for ``?`` and ``$1``.

        ``timeout`` is in seconds for the whole statement and replaces that of the settings. With ``explain_rows`` a row
        of a ranked statement has ``_explain``: its score and, for each KNN or BM25 of the ranking, its rank and raw
        distance, or None where that one did not find it.

        Raises `ChromaSQLParseError`, `ChromaSQLPlanningError` or `ChromaSQLExecutionError`.
        """
        return await self._engine.execute(sql, params, timeout=timeout, explain_rows=explain_rows)

    async def execute_many(
        self,
        script: str,
        params: OptionalParameters = None,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - as for one statement
    ) -> list[ExecutionResult]:
        """
        Run the statements of a script, separated by semicolons, at once, and return their results in order.

        A named parameter goes to each statement that uses it. Raises what `execute` raises, for the first error.
        """
        return await self._engine.execute_many(script, params, timeout=timeout)

    async def stream(
        self,
        sql: str | ast.Statement,
        params: OptionalParameters = None,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - as for one statement
    ) -> AsyncIterator[dict[str, Any]]:
        """
        Run a SELECT and yield its rows one by one, as they come: ``async for row in db.stream(sql)``.

        An unranked statement without order or groups is read in pages of 1,000 records, so its size does not
        matter. There is no partial answer: a collection that fails ends the stream with `ChromaSQLExecutionError`.
        """
        async for rows in self._engine.stream(sql, params, timeout=timeout):
            for row in rows:
                yield row

    def scoped(self, scope: Scope) -> AsyncDatabase:
        """
        Return this database for statements that may reach no more than a scope: one tenant's records, say.

        It is cheap, so it can be made for each request. A scope that this database has applies as well. Raises
        `ChromaSQLPlanningError` where ``scope`` is not a `Scope`.
        """
        return AsyncDatabase(self._engine.scoped(scope))

    @property
    def keyword_index(self) -> AsyncKeywordIndexControl:
        """Builds, refreshes and shows the keyword index, where `connect_async` was told to keep one."""
        return AsyncKeywordIndexControl(self._engine)

    def prepare(self, sql: str) -> AsyncPrepared:
        """Parse a statement once, to execute it many times; raise `ChromaSQLParseError` where it is not one."""
        return AsyncPrepared(self, parse(sql))

    async def close(self) -> None:
        """
        Close the database, and what was opened for it; doing so again is no error.

        Statements that run, here and in databases that `scoped` made from this one, end with an error of code
        ``closed``, and so does every later one.
        """
        self._engine.close()
        if self._owned is not None:
            await self._owned.close()

    def __await__(self) -> Generator[Any, None, AsyncDatabase]:
        async def ready() -> AsyncDatabase:
            return self

        return ready().__await__()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()


class Database:
    """The blocking face of `AsyncDatabase`; made by `connect`."""

    def __init__(self, database: AsyncDatabase) -> None:
        self._database = database

    def execute(
        self,
        sql: str | ast.Statement,
        params: OptionalParameters = None,
        *,
        timeout: float | None = None,
        explain_rows: bool = False,
    ) -> ExecutionResult:
        """Run one statement; see `AsyncDatabase.execute`."""
        return run_in_portal(partial(self._database.execute, sql, params, timeout=timeout, explain_rows=explain_rows))

    def execute_many(
        self, script: str, params: OptionalParameters = None, *, timeout: float | None = None
    ) -> list[ExecutionResult]:
        """Run the statements of a script; see `AsyncDatabase.execute_many`."""
        return run_in_portal(partial(self._database.execute_many, script, params, timeout=timeout))

    def stream(
        self, sql: str | ast.Statement, params: OptionalParameters = None, *, timeout: float | None = None
    ) -> Iterator[dict[str, Any]]:
        """Run a SELECT and yield its rows one by one; see `AsyncDatabase.stream`."""
        pages = self._database._engine.stream(sql, params, timeout=timeout)  # noqa: SLF001 - two faces of one thing
        try:
            while (rows := run_in_portal(partial(_next_page, pages))) is not None:
                yield from rows
        finally:
            # Not waited for: the collector may close the generator on the thread of the loop, or at the very end.
            start_in_portal(pages.aclose)

    def scoped(self, scope: Scope) -> Database:
        """Return this database for statements that may reach no more than a scope; see `AsyncDatabase.scoped`."""
        return Database(self._database.scoped(scope))

    @property
    def keyword_index(self) -> KeywordIndexControl:
        """Builds, refreshes and shows the keyword index; see `AsyncDatabase.keyword_index`."""
        return KeywordIndexControl(self._database.keyword_index)

    def prepare(self, sql: str) -> Prepared:
        """Parse a statement once, to execute it many times; raise `ChromaSQLParseError` where it is not one."""
        return Prepared(self, parse(sql))

    def close(self) -> None:
        """Close the database, and what was opened for it; see `AsyncDatabase.close`."""
        run_in_portal(self._database.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


async def _next_page(pages: AsyncIterator[list[dict[str, Any]]]) -> list[dict[str, Any]] | None:
    return await anext(pages, None)


class AsyncPrepared:
    """A parsed statement of an `AsyncDatabase`; made by `AsyncDatabase.prepare`."""

    def __init__(self, database: AsyncDatabase, statement: ast.Statement) -> None:
        self._database = database
        self.statement = statement

    async def execute(self, params: OptionalParameters = None, **options: Any) -> ExecutionResult:
        """Run it; the options are those of `AsyncDatabase.execute`."""
        return await self._database.execute(self.statement, params, **options)


class Prepared:
    """A parsed statement of a `Database`; made by `Database.prepare`."""

    def __init__(self, database: Database, statement: ast.Statement) -> None:
        self._database = database
        self.statement = statement

    def execute(self, params: OptionalParameters = None, **options: Any) -> ExecutionResult:
        """Run it; the options are those of `Database.execute`."""
        return self._database.execute(self.statement, params, **options)


async def measure_recall(
    database: AsyncDatabase | Database,
    source: str,
    *,
    k: int = 10,
    samples: int = 100,
    sql_filter: str | None = None,
    on_progress: Callable[[RecallProgress], None] | None = None,
) -> RecallReport:
    """
    Measure how much of each collection its index finds, against brute force.

    Chroma's index is approximate, and says neither what it misses nor which settings are in force. This reads every
    vector once, in pages, and searches for the neighbours of a sample of records; a record is not its own neighbour. It
    takes about a second for 10,000 records, for which a timeout of the settings has to leave room.

    Parameters
    ----------
    database : AsyncDatabase or Database
        Where the collections are.
    source : str
        What stands after FROM: a name, a pattern or a list.
    k : int
        How many neighbours count. Default: 10.
    samples : int
        How many records of each collection are searched for. The same records are drawn each time. Default: 100.
    sql_filter : str, optional
        What stands after WHERE; the index is asked for neighbours among the records that satisfy it.
    on_progress : callable, optional
        Called with a `RecallProgress` after each page, on the event loop.

    Returns
    -------
    RecallReport
        A `CollectionRecall` for each collection, with what to do. A collection that fails is among its ``failures``.

    Raises
    ------
    ChromaSQLParseError
        ``source`` or ``sql_filter`` is not SQL.
    ChromaSQLPlanningError
        ``k`` or ``samples`` is not a number from 1 on, or the filter cannot be meant.
    ChromaSQLExecutionError
        No collection can be measured.
    """
    options = RecallOptions(k, samples, on_progress or (lambda _: None))
    engine = database._database._engine if isinstance(database, Database) else database._engine  # noqa: SLF001
    return await measure(engine, source, sql_filter, options)
