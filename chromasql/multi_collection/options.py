"""What an application sets for all statements of a database."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chromasql import ast
from chromasql.errors import ChromaSQLPlanningError
from chromasql.plan.dialect import dialect_named
from chromasql.planner import Settings, plan_bound
from chromasql.planner.scope import OPEN, Scope
from chromasql.protocols import CollectionRouter, EmbedFunction, RouteFunction
from chromasql.retrieval.embedders import as_embed_function

__all__ = ["EngineOptions", "check_limit", "check_scope"]


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """
    The options of an engine; `chromasql.connect_async` says what each means.

    ``keep_raw`` keeps the answers of Chroma in `chromasql.ExecutionResult.raw`. None stands for the default. Raises
    `ChromaSQLPlanningError` for a value that is not usable.
    """

    router: CollectionRouter | RouteFunction | None = None
    embed_fn: EmbedFunction | None = None
    settings: Settings = field(default_factory=Settings)
    max_concurrency: int | None = None
    max_per_collection: int | None = None
    dialect: str | None = None
    scope: Scope = OPEN
    keep_raw: bool = False
    keyword_index: str | Path | bool | None = None

    def __post_init__(self) -> None:
        check_limit("max_concurrency", self.max_concurrency)
        check_limit("max_per_collection", self.max_per_collection)
        if self.route is not None and not callable(self.route):
            raise ChromaSQLPlanningError(
                f"router must be a function or have route(query), not {type(self.router).__name__}",
                code="invalid-router",
            )
        # Here and not by each statement, as some embedders are made ready by their first text.
        object.__setattr__(self, "embed_fn", as_embed_function(self.embed_fn))
        if self.dialect is not None:
            dialect_named(self.dialect)
        if check_scope(self.scope) is not OPEN:
            # Whether its predicate can be planned is better said now than by the first statement.
            plan_bound(ast.ShowCollections(), scope=self.scope)

    @property
    def embedder(self) -> Callable[..., Any] | None:
        """The function that embeds."""
        function: Any = self.embed_fn
        embedder: Callable[..., Any] | None = function
        return embedder

    @property
    def route(self) -> RouteFunction | None:
        """The function of the router."""
        router: Any = self.router
        route: RouteFunction | None = getattr(router, "route", router)
        return route


def check_scope(scope: Scope) -> Scope:
    """Return a scope, or raise `ChromaSQLPlanningError`: None, from a lookup that failed, must not open everything."""
    if not isinstance(scope, Scope):
        raise ChromaSQLPlanningError(f"scope must be a Scope, not {type(scope).__name__}", code="invalid-scope")
    return scope


def check_limit(name: str, limit: int | None) -> None:
    """Raise `ChromaSQLPlanningError` unless a limit is None or a whole number of at least 1."""
    if limit is not None and (type(limit) is not int or limit < 1):
        raise ChromaSQLPlanningError(
            f"{name} must be a whole number of at least 1, not {limit!r}", code="invalid-argument"
        )
