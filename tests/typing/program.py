"""
A program that uses the public interface as an application does; mypy --strict must accept it.

It is not run. Where a comment says ``type: ignore``, mypy must refuse the line for that reason: a comment that nothing
needs is an error, too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, assert_type

from chromasql import (
    ChromaSQLError,
    ExecutionResult,
    Failure,
    MemoryProvider,
    Outcome,
    PatternRouter,
    PlanWarning,
    QueryPlan,
    Settings,
    StaticRouter,
    ast,
    batch_embedder,
    bind_parameters,
    build_plan,
    connect,
    connect_async,
    explain_plan,
    parameters_of,
    parse,
    parse_script,
    plan_to_dict,
    print_statement,
)
from chromasql.protocols import AsyncCollection, AsyncCollectionProvider, CollectionRouter


def embed(text: str, model: str | None = None) -> list[float]:
    """Stand in for a model."""
    return [float(len(text)), float(model is None)]


@batch_embedder
def embed_all(texts: Sequence[str], model: str | None = None) -> list[list[float]]:
    """Stand in for a model that takes many texts."""
    return [embed(text, model) for text in texts]


class Embeddings:
    """An embedder of the shape of LangChain's."""

    def embed_query(self, text: str) -> list[float]:
        """Embed a text."""
        return embed(text)


class Router:
    """A router of an application."""

    def route(self, query: ast.Query) -> Sequence[str] | None:
        """Ask all collections."""
        return None if query.where is None else ["docs"]


router: CollectionRouter = Router()
named: CollectionRouter = StaticRouter(["docs"])
patterned: CollectionRouter = PatternRouter("docs-{lang}")
provider: AsyncCollectionProvider = MemoryProvider({"docs": [{"id": "1", "metadata": {"year": 2020}}]})


async def read(collection: AsyncCollection) -> Mapping[str, Any]:
    """Read as the engine does."""
    assert_type(await collection.count(), int)
    return await collection.get(limit=1)


def plans() -> dict[str, Any]:
    """Take a statement from its text to its plan."""
    statement = bind_parameters(parse("SELECT id FROM docs WHERE year = :year"), {"year": 2020})
    assert_type(parameters_of(statement), tuple[str | int, ...])
    for one in parse_script("SELECT id FROM docs; SHOW COLLECTIONS"):
        assert_type(print_statement(one), str)
    plan = build_plan(statement, settings=Settings())
    assert_type(plan, QueryPlan)
    assert_type(explain_plan(plan), str)
    return plan_to_dict(plan)


def blocking() -> list[dict[str, Any]]:
    """Use the blocking face."""
    with connect(provider, embed_fn=embed, router=router) as database:
        result = database.execute("SELECT id FROM docs WHERE year = :year", {"year": 2020})
        assert_type(result, ExecutionResult)
        assert_type(result.complete, bool)
        for outcome in result.outcomes:
            assert_type(outcome, Outcome)
            assert_type(outcome.status, str)
        for failure in result.failures:
            assert_type(failure.error, Failure | None)
        for warning in result.warnings:
            assert_type(warning, PlanWarning)
        database.execute(1)  # type: ignore[arg-type]
        result.complete = True  # type: ignore[misc]
        return [*result.rows, *database.stream("SELECT id FROM docs")]


def embedders() -> None:
    """Pass embedders of other libraries as they are."""
    connect_async(provider, embed_fn=Embeddings())
    connect_async(provider, embed_fn=5)  # type: ignore[arg-type]


async def without_blocking() -> list[ExecutionResult]:
    """Use the asynchronous face."""
    async with connect_async(provider, embed_fn=embed_all) as database:
        rows = [row async for row in database.stream("SELECT id FROM docs")]
        assert_type(rows, list[dict[str, Any]])
        try:
            return await database.execute_many("SELECT id FROM docs; SHOW COLLECTIONS")
        except ChromaSQLError as error:
            assert_type(error.code, str)
            return []
