"""
What a statement may reach, whatever its text says: for statements that a stranger or a language model writes.

A `Scope` is not a filter on the text. The collections outside it are not listed, not matched and not opened; its
predicate stands beside WHERE in every plan; its fields are checked where the planner resolves a name.
"""

from __future__ import annotations

import copy
import dataclasses
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any

from chromasql import ast
from chromasql._source import NO_SPAN, Span
from chromasql.analysis import bind_parameters
from chromasql.errors import ChromaSQLError, ChromaSQLPlanningError
from chromasql.operators.patterns import compile_wildcard
from chromasql.parser import parse
from chromasql.plan import Column, QueryPlan

__all__ = ["OPEN", "Scope"]

_ALWAYS_SEEN = ("_collection", "distance", "score")


# No field can be qualified by the name of this collection.
_TRIAL = 'SELECT id FROM "-" WHERE '


# What no name of Chroma's has; a plus stands behind the name of a topology.
_FOREIGN = re.compile(r"[^a-zA-Z0-9._+*-]")


_LIMITS = ("max_limit", "max_candidates", "max_cost", "max_timeout")


@dataclass(frozen=True)
class Scope:
    """
    What the statements of a database may reach; what is None is not limited.

    ``collections`` are names, or patterns in which ``*`` stands for any characters; ``names`` are exact names, which is
    what to build from a value that somebody gave: a ``*`` in them is refused. ``fields`` are the columns that
    a statement may name: ``id``, ``document``, ``uri``, ``embedding``, ``metadata`` for all its keys, and
    single keys, as ``year`` or ``metadata.year``; ``*`` then shows those. ``where`` is a predicate that every record
    has to satisfy, with the values of its parameters in ``params``; it may read any field.

    ``max_limit`` is the most rows of an answer, all lists of a batch together, and stands in where a statement has no
    LIMIT. ``max_candidates`` is the most that a KNN, a BM25 or a RERANK BY may take, ``max_cost`` the most of
    collections x candidates, over all leaves of a statement, and ``max_timeout`` the most seconds. ``within`` is a
    scope that holds as well.

    Raises `ChromaSQLPlanningError` for a limit that is not positive, a field that is not a column, and a ``where`` that
    does not parse or lacks a parameter.
    """

    collections: Sequence[str] | None = None
    fields: Sequence[str] | None = None
    where: str | None = None
    params: Mapping[str, Any] | Sequence[Any] | None = field(default=None, repr=False, hash=False)
    max_limit: int | None = None
    max_candidates: int | None = None
    max_cost: int | None = None
    max_timeout: float | None = None
    within: Scope | None = None
    names: Sequence[str] | None = None

    def __post_init__(self) -> None:
        for name in ("collections", "fields", "names"):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, _names(name, value))
        if self.fields is not None:
            _check_fields(self.fields)
        odd = next((name for name in (*(self.collections or ()), *(self.names or ())) if _FOREIGN.search(name)), None)
        if odd is not None:
            raise ChromaSQLPlanningError(
                f"no collection is called {odd!r}: names have letters, digits and . _ - alone", code="invalid-scope"
            )
        pattern = next((name for name in self.names or () if "*" in name), None)
        if pattern is not None:
            raise ChromaSQLPlanningError(
                f"names of a Scope are exact, so {pattern!r} is refused; patterns belong in collections",
                code="invalid-scope",
            )
        for name in _LIMITS:
            self._check_limit(name)
        if self.where is not None and not isinstance(self.where, str):
            raise ChromaSQLPlanningError(
                f"where of a Scope takes a predicate as text, not {self.where!r}", code="invalid-scope"
            )
        if self.within is not None and not isinstance(self.within, Scope):
            raise ChromaSQLPlanningError(f"within of a Scope takes a Scope, not {self.within!r}", code="invalid-scope")
        # What the caller changes afterwards must not change what was promised.
        object.__setattr__(self, "params", copy.deepcopy(self.params))
        if self.where is None and self.params:
            raise ChromaSQLPlanningError(
                "a Scope has params for its where, and this one has no where", code="invalid-scope"
            )
        self.predicate  # noqa: B018 - what is wrong with it is said here rather than by the first statement

    def _check_limit(self, name: str) -> None:
        value = getattr(self, name)
        number = isinstance(value, int) or (name == "max_timeout" and isinstance(value, float))
        if value is not None and (isinstance(value, bool) or not number or not 0 < value <= ast.MAX_NUMBER):
            what = "a number of seconds above 0" if name == "max_timeout" else "a whole number of at least 1"
            raise ChromaSQLPlanningError(f"{name} of a Scope takes {what}, not {value!r}", code="invalid-scope")

    @cached_property
    def predicate(self) -> ast.Expression | None:
        """The predicates of this scope and those around it, bound, without places in a text."""
        own = None if self.where is None else _predicate(self.where, self.params)
        outer = None if self.within is None else self.within.predicate
        both = tuple(item for item in (outer, own) if item is not None)
        return ast.BooleanPredicate("AND", both) if len(both) > 1 else next(iter(both), None)

    @cached_property
    def _fits(self) -> tuple[Callable[[str], bool], ...]:
        return tuple(compile_wildcard(name, "*") for name in self.collections or ())

    @property
    def limits_collections(self) -> bool:
        """Whether there may be collections outside."""
        own = self.collections is not None or self.names is not None
        return own or (self.within is not None and self.within.limits_collections)

    @property
    def restricts(self) -> bool:
        """Whether there may be collections or records outside."""
        return self.limits_collections or self.predicate is not None

    def allows_collection(self, collection: str) -> bool:
        """Tell whether a collection of this name is inside."""
        inside = (
            (self.collections is None and self.names is None)
            or collection in (self.names or ())
            or any(fits(collection) for fits in self._fits)
        )
        return inside and (self.within is None or self.within.allows_collection(collection))

    def allows_server(self, server: str) -> bool:
        """Tell whether a collection of a server, which is called ``server.name``, may be inside."""
        start = f"{server}."
        named = (*(self.collections or ()), *(self.names or ()))
        inside = (self.collections is None and self.names is None) or any(_may_begin(name, start) for name in named)
        return inside and (self.within is None or self.within.allows_server(server))

    def allows_column(self, column: Column) -> bool:
        """Tell whether a statement may name a column; the whole metadata, where all its keys are permitted."""
        if self.within is not None and not self.within.allows_column(column):
            return False
        if self.fields is None or column.part in _ALWAYS_SEEN:
            return True
        return column in self._named or (column.part == "metadata" and Column("metadata") in self._named)

    @cached_property
    def _named(self) -> frozenset[Column]:
        return frozenset(map(_column, self.fields or ()))

    @cached_property
    def keys(self) -> tuple[str, ...] | None:
        """The metadata keys that a statement may see, or None for all."""
        if self.allows_column(Column("metadata")):
            return None
        outer = None if self.within is None else self.within.keys
        named = {*(column.key for column in self._named), *(outer or ())}
        return tuple(sorted(key for key in named if key is not None and self.allows_column(Column("metadata", key))))

    @property
    def shown_fields(self) -> str:
        """The fields as a sentence names them."""
        named = [name for name in self.fields or () if self.allows_column(_column(name))]
        inherited = "" if self.within is None or self.fields is not None else self.within.shown_fields
        return ", ".join(named) or inherited or "none"

    def limit(self, name: str) -> Any:
        """Return a limit by its name: the smallest of those that hold, or None."""
        outer = None if self.within is None else self.within.limit(name)
        return min((bound for bound in (getattr(self, name), outer) if bound is not None), default=None)

    def intersect(self, outer: Scope) -> Scope:
        """Return a scope in which both hold."""
        if outer is OPEN:
            return self
        return dataclasses.replace(self, within=outer if self.within is None else self.within.intersect(outer))

    def apply_to(self, statement: ast.Statement) -> ast.Statement:
        """Return a statement with the predicate beside its WHERE, as a router is to see it."""
        if self.predicate is None or not isinstance(statement, ast.Query):
            return statement
        where = self.predicate
        if statement.where is not None:
            where = ast.BooleanPredicate("AND", (where, statement.where), span=statement.where.span)
        return dataclasses.replace(statement, where=where)

    def check_cost(self, plan: QueryPlan) -> None:
        """Refuse a bound plan that would ask more collections for more candidates than ``max_cost``."""
        most = self.limit("max_cost")
        if most is None:
            return
        count = len(plan.collections or ())
        leaves = [leaf for ranking in plan.rankings for leaf in ranking.leaves]
        if not leaves and plan.needed is None and plan.aggregation is None:
            raise ChromaSQLPlanningError(
                f"add a LIMIT: collections x rows are at most {most:,} here", code="scope-limit"
            )
        candidates = sum(plan.per_collection or leaf.limit for leaf in leaves) if leaves else plan.needed or 0
        if count * candidates > most:
            raise ChromaSQLPlanningError(
                f"{count} collections x {candidates} candidates are {count * candidates:,}, and at most {most:,} are "
                "allowed here; name fewer collections, or lower LIMIT and limit =",
                code="scope-limit",
            )


OPEN = Scope()
"""The scope that everything is in."""


def _names(what: str, value: Any) -> tuple[str, ...]:
    names = tuple(value) if isinstance(value, Iterable) and not isinstance(value, str) else (None,)
    if not all(isinstance(name, str) and name for name in names):
        raise ChromaSQLPlanningError(f"{what} of a Scope takes a list of names, not {value!r}", code="invalid-scope")
    return names


def _check_fields(fields: Iterable[str]) -> None:
    for name in fields:
        if "*" in name or "[" in name:
            raise ChromaSQLPlanningError(
                f"fields of a Scope takes names (id, year, metadata.year; metadata for all keys), not {name!r}",
                code="invalid-scope",
            )


def _may_begin(pattern: str, start: str) -> bool:
    """Whether a name that a pattern matches may begin with a text."""
    head, star, _ = pattern.partition("*")
    return head.startswith(start) or (bool(star) and start.startswith(head))


def _column(name: str) -> Column:
    """Return the column that a name in ``fields`` means: a part of the record, otherwise a metadata key."""
    if name.lower() in ast.SYSTEM_COLUMNS:
        return Column(name.lower())
    head, _, key = name.partition(".")
    return Column("metadata", key if head.lower() == "metadata" and key else name)


def _predicate(where: str, params: Mapping[str, Any] | Sequence[Any] | None) -> ast.Expression:
    try:
        bound = bind_parameters(_read(where), params)
    except ChromaSQLError as error:
        span = error.span
        if span is not None:
            span = Span(max(0, span.start - len(_TRIAL)), max(0, span.end - len(_TRIAL)))
        raise ChromaSQLPlanningError(
            f"where of a Scope: {error.message}", code="invalid-scope", source=where, span=span
        ) from error
    assert bound.where is not None
    return bound.where


@lru_cache(maxsize=64)
def _read(where: str) -> ast.Query:
    """Read a predicate that stands alone, by reading a statement that has nothing else; its nodes have no place."""
    query = parse(_TRIAL + where)
    assert isinstance(query, ast.Query)
    alone = ast.Query(query.projection, query.sources, where=query.where)
    if query != alone:
        raise ChromaSQLPlanningError("it takes a predicate and no other clause", code="invalid-scope")
    return ast.transform(alone, lambda node: dataclasses.replace(node, span=NO_SPAN))
