"""Plans that serve more than one execution of a statement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chromasql import ast
from chromasql.analysis import bind_parameters
from chromasql.concurrency.byte_cache import ByteCache
from chromasql.plan import QueryPlan, StatementPlan
from chromasql.planner import Settings, plan_bound, with_vector
from chromasql.planner.scope import Scope

__all__ = ["PlanCache"]

_MAX_BYTES = 16_000_000


# The bytes of a tree and its plan for each character of the text, and for the shortest, measured over many statements.
_BYTES_PER_CHARACTER = 150
_LEAST_BYTES = 2000


@dataclass(frozen=True, slots=True)
class _Entry:
    """
    The plan of a statement.

    ``takes_vector`` says that the statement has one parameter, the vector of USING EMBEDDING: the plan then serves any
    vector. Otherwise the statement has no parameter.
    """

    statement: ast.Statement
    plan: StatementPlan
    takes_vector: bool


class PlanCache:
    """
    Binds and plans the statements of an engine within a scope.

    A statement without parameters, or whose only parameter is the vector of USING EMBEDDING, is planned once for each
    `Settings`. The plans used least recently are dropped first; they take ``max_bytes``, about.
    """

    def __init__(self, scope: Scope, *, max_bytes: int = _MAX_BYTES) -> None:
        self._scope = scope
        # Keyed by id(): an entry holds its tree, so the id cannot be reused. The parser returns the same tree for the
        # same text.
        self._entries: ByteCache[tuple[int, Settings], _Entry] = ByteCache(max_bytes)

    def __len__(self) -> int:
        """Return the number of plans that are kept."""
        return len(self._entries)

    def bind_and_plan(
        self, statement: ast.Statement, params: Mapping[str, Any] | Sequence[Any] | None, settings: Settings
    ) -> tuple[ast.Statement, StatementPlan]:
        """
        Return a statement with its parameters bound, and its plan.

        Raises `ChromaSQLPlanningError` for parameters that do not fit the statement, and for one that cannot be
        planned.
        """
        key = id(statement), settings
        entry = self._entries.get(key)
        if entry is not None and not entry.takes_vector and not params:
            return statement, entry.plan
        bound = bind_parameters(statement, params)
        vector = _dense_vector(bound)
        if entry is not None and vector is not None:
            assert isinstance(entry.plan, QueryPlan)
            return bound, with_vector(entry.plan, vector)
        plan = plan_bound(bound, settings=settings, scope=self._scope)
        takes_vector = vector is not None and _is_only_parameter_the_vector(statement)
        if (bound is statement or takes_vector) and _is_reusable(plan):
            size = _LEAST_BYTES + _BYTES_PER_CHARACTER * len(statement.source_text or "")
            self._entries.keep(key, _Entry(statement, plan, takes_vector), size)
        return bound, plan


def _dense_vector(bound: ast.Statement) -> tuple[float, ...] | None:
    match bound:
        case ast.Query(embedding=ast.EmbeddingVector(ast.DenseVector(values))):
            return values
        case _:
            return None


def _is_only_parameter_the_vector(statement: ast.Statement) -> bool:
    match statement:
        case ast.Query(embedding=ast.EmbeddingVector(ast.Parameter() as vector)):
            return all(node is vector for node in ast.walk(statement) if isinstance(node, ast.Parameter))
        case _:
            return False


def _is_reusable(plan: StatementPlan) -> bool:
    """
    Whether a plan stays right.

    One of a RERANK holds a strategy, and another may be registered under its name; one of NOW() is of its moment.
    """
    return not (isinstance(plan, QueryPlan) and (plan.rerank is not None or plan.reads_clock))
