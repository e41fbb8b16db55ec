"""The server: five tools, a resource and a prompt over a database within a scope."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Annotated, Any

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ResourceError, ToolError
from mcp_types import CallToolResult, TextContent, ToolAnnotations
from pydantic import Field

from chromasql import __version__, ast
from chromasql.database import AsyncDatabase, Database
from chromasql.errors import ChromaSQLError, ChromaSQLExecutionError, ChromaSQLPlanningError, near_names
from chromasql.integrations.mcp.answers import Answer, AnswerLimits, answer_of, compact
from chromasql.integrations.mcp.guide import INSTRUCTIONS, TOPICS
from chromasql.integrations.retrieval import both_faces
from chromasql.parser import parse
from chromasql.planner.scope import Scope

__all__ = ["DEFAULT_MAX_LIMIT", "DEFAULT_MAX_TIMEOUT", "build_server"]

_log = logging.getLogger("chromasql")


DEFAULT_MAX_LIMIT = 50
"""The most rows of an answer where the scope does not say it."""


DEFAULT_MAX_TIMEOUT = 10.0
"""The most seconds of a statement where the scope does not say it."""


_READ_ONLY = ToolAnnotations(read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False)


_Sql = Annotated[str, Field(description="One statement; see the tool language.")]


_Params = Annotated[
    dict[str, Any] | list[Any] | None,
    Field(description="Values of the parameters: an object for :name, a list for ? and $1."),
]


def build_server(
    database: Database | AsyncDatabase,
    *,
    scope: Scope,
    name: str = "chromasql",
    max_cell: int = 2_000,
    max_bytes: int = 100_000,
) -> MCPServer[Any]:
    """
    Make a server of the Model Context Protocol over a database.

    Its tools are ``query``, ``list_collections``, ``describe_collection``, ``explain`` and ``language``; all of them
    only read. Errors of ChromaSQL reach the model with their caret, and without what servers said; any other failure is
    logged by its kind, and the model hears that there was one.

    Parameters
    ----------
    database
        What `chromasql.connect` or `chromasql.connect_async` returns. It stays open when the server ends.
    scope
        What statements may reach, beside the scope of the database. Limits that it leaves open are 50 rows and
        10 seconds.
    name
        What hosts call the server.
    max_cell
        The most characters of one value; the rest is cut off, and counted.
    max_bytes
        The most bytes of the rows of an answer, as JSON; further rows are left out, and counted.

    Returns
    -------
    MCPServer
        ``run("stdio")`` serves it; `mcp.Client` connects to it in process.

    Raises
    ------
    ChromaSQLPlanningError
        Where the database, the scope or a limit is not one.
    """
    if not isinstance(scope, Scope):
        raise ChromaSQLPlanningError(
            f"scope is a chromasql.Scope, not {type(scope).__name__}; language models get no database without one",
            code="invalid-scope",
        )
    for what, value in (("max_cell", max_cell), ("max_bytes", max_bytes)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ChromaSQLPlanningError(
                f"{what} is a whole number of at least 1, not {value!r}", code="invalid-argument"
            )
    limited = dataclasses.replace(
        scope,
        max_limit=DEFAULT_MAX_LIMIT if scope.limit("max_limit") is None else scope.max_limit,
        max_timeout=DEFAULT_MAX_TIMEOUT if scope.limit("max_timeout") is None else scope.max_timeout,
    )
    _, opened = both_faces(database)
    doors = _Doors(opened.scoped(limited), AnswerLimits(max_cell, max_bytes))
    server: MCPServer[Any] = MCPServer(
        name, instructions=INSTRUCTIONS, version=__version__, log_level="WARNING", lifespan=doors.warm
    )
    for tool in (doors.query, doors.list_collections, doors.describe_collection, doors.explain, doors.language):
        server.add_tool(tool, annotations=_READ_ONLY)
    server.resource(
        "chromasql://collections/{name}",
        name="collection",
        description="Space, dimension and metadata keys of a collection.",
        mime_type="application/json",
    )(doors.read_collection)
    server.prompt(name="search", description="Answer a question from the collections.")(doors.search)
    return server


class _Doors:
    """The functions behind the tools; their docstrings are what a model reads."""

    def __init__(self, database: AsyncDatabase, limits: AnswerLimits) -> None:
        self._database = database
        self._limits = limits

    @asynccontextmanager
    async def warm(self, _: Any) -> AsyncIterator[None]:
        """Open the database beside the first messages, as importing chromadb takes seconds."""
        task = asyncio.create_task(self._count())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _count(self) -> None:
        try:
            found = await self._database.execute("SHOW COLLECTIONS")
        except Exception as error:  # noqa: BLE001 - the first statement says it to the model
            _log.warning("the collections cannot be listed yet: %s", type(error).__name__)
        else:
            _log.info("serving %d collections", len(found))

    async def query(self, sql: _Sql, params: _Params = None) -> Annotated[CallToolResult, Answer]:
        """
        Run one read-only statement (SELECT, SHOW COLLECTIONS or DESCRIBE) and return its rows.

        Bind values that people typed as params. Example:
        sql = "SELECT id, document FROM * RANK BY RRF(KNN(:q), BM25(:q)) LIMIT 5",
        params = {"q": "how are batteries recycled?"}.
        """
        return await self._answer("query", sql, params)

    async def list_collections(
        self,
        like: Annotated[
            str | None, Field(description="A pattern of names, in which % and * stand for any characters.")
        ] = None,
    ) -> Annotated[CallToolResult, Answer]:
        """List the collections, with their numbers of records."""
        sql = "SHOW COLLECTIONS" if like is None else "SHOW COLLECTIONS LIKE :like"
        return await self._answer("list_collections", sql, None if like is None else {"like": like.replace("*", "%")})

    async def describe_collection(self, name: str) -> Annotated[CallToolResult, Answer]:
        """Show a collection: its space and dimension, and the metadata keys with the kinds of their values."""
        return await self._answer("describe_collection", "DESCRIBE :name", {"name": name})

    async def explain(self, sql: _Sql, params: _Params = None) -> CallToolResult:
        """Show how a SELECT would be run: what is sent to which collections, and what is done here. Nothing is run."""
        with _as_tool_errors("explain"):
            statement = parse(sql)
            if not isinstance(statement, ast.Query):
                raise ToolError("only a SELECT can be explained")
            planned = dataclasses.replace(statement, explain="PLAN")
            result = await self._database.execute(planned, params)
        return CallToolResult(content=[TextContent(text=result.explanation or "")])

    async def language(
        self, topic: Annotated[str | None, Field(description=f"One of: {', '.join(TOPICS)}.")] = None
    ) -> CallToolResult:
        """Explain the SQL dialect, on one page. Read it before the first query."""
        page = TOPICS.get("overview" if topic is None else topic.strip().lower())
        if page is None:
            raise ToolError(f"there is no topic {topic}{near_names(str(topic), TOPICS)}; topics: {', '.join(TOPICS)}")
        return CallToolResult(content=[TextContent(text=page)])

    async def read_collection(self, name: str) -> str:
        """Return what DESCRIBE says about a collection, as JSON."""
        try:
            return compact(await self._run("read_collection", "DESCRIBE :name", {"name": name}))
        except ToolError as error:
            raise ResourceError(str(error)) from None

    async def search(self, question: str) -> str:
        """Return what a model is asked to do with a question."""
        return (
            "Answer the question below from the collections of this Chroma database alone.\n"
            "1. list_collections, and describe_collection for those that may help.\n"
            "2. query with RANK BY RRF(KNN(:q), BM25(:q)), the question as the parameter q, and WHERE for limits.\n"
            "3. Answer from the documents, and name id and collection of each that you used. Say so if the answer is "
            "not complete, or nothing fits.\n\n"
            f"Question: {question}"
        )

    async def _answer(self, tool: str, sql: str, params: Any) -> CallToolResult:
        answer = await self._run(tool, sql, params)
        return CallToolResult(content=[TextContent(text=compact(answer))], structured_content=answer)

    async def _run(self, tool: str, sql: str, params: Any) -> Answer:
        with _as_tool_errors(tool):
            return answer_of(await self._database.execute(sql, params), self._limits)


@contextmanager
def _as_tool_errors(tool: str) -> Iterator[None]:
    """Make errors that a model can act on of those that leave the block; the SDK hides and logs any other."""
    try:
        yield
    except ToolError:
        raise
    except ChromaSQLError as error:
        raise ToolError(_told(error)) from None
    except Exception as error:  # noqa: BLE001 - it is passed on as an error of the SDK
        # Neither its text nor its traceback is logged: both may hold values.
        _log.error("the tool %s failed: %s", tool, type(error).__name__)
        raise ToolError(f"the server failed ({type(error).__name__}); this is not the fault of the statement") from None


def _told(error: ChromaSQLError) -> str:
    """Return an error as a model sees it: with its caret, and without what servers and embedders said."""
    text = f"{error.code}: {ChromaSQLError.__str__(error)}"
    if isinstance(error, ChromaSQLExecutionError):
        names = sorted({failure.collection for failure in error.failures if failure.collection is not None})
        kinds = sorted({failure.kind for failure in error.failures})
        text += f"\nfailed: {', '.join(names)}" if names else ""
        text += f"\nkind: {', '.join(kinds)}" if kinds else ""
    return text
