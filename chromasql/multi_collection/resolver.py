"""Which collections a statement asks: those that FROM names or the router chooses, inside the scope."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from chromasql import ast
from chromasql.dispatch.dispatcher import Dispatcher
from chromasql.dispatch.retry import call_with_retry
from chromasql.errors import (
    ChromaSQLError,
    ChromaSQLExecutionError,
    ChromaSQLPlanningError,
    ChromaSQLRoutingError,
    Failure,
    describe_exception,
    near_names,
)
from chromasql.operators.patterns import compile_wildcard
from chromasql.planner.scope import Scope
from chromasql.protocols import AsyncCollectionProvider, RouteFunction

__all__ = ["Resolver"]

_MOST_NAMES = 5


class Resolver:
    """
    Finds the collections of statements.

    ``provider`` lists them, ``route`` chooses among them where it is not None, and ``scope`` is asked before a name is
    used or told: what is outside of it is treated like what does not exist.
    """

    def __init__(
        self, provider: AsyncCollectionProvider, route: RouteFunction | None, scope: Scope, *, retries: int
    ) -> None:
        self._provider = provider
        self._route = route
        self._scope = scope
        self._retries = retries

    def within(self, scope: Scope) -> Resolver:
        """Return one for another scope."""
        return Resolver(self._provider, self._route, scope, retries=self._retries)

    async def collections_of(self, query: ast.Query, dispatcher: Dispatcher) -> tuple[list[str], str]:
        """Return the collections of a statement, and who chose them."""
        if self._route is None:
            return await self._from_sources(query, dispatcher), "FROM"
        narrowed = self._scope.narrowed(query)
        assert isinstance(narrowed, ast.Query)
        routed = await self._routed(self._route, narrowed)
        if routed is not None:
            return routed, "the router"
        return sorted(await self.listed(dispatcher)), "the router, which asks all"

    async def listed(self, dispatcher: Dispatcher, patterns: Sequence[str] = ("*",)) -> list[str]:
        """Return the names that patterns may match; of several servers, those that can be listed."""
        listings = getattr(self._provider, "listings", None)
        if listings is None:
            return await dispatcher.off_loop(self._names)
        asked = {
            server: names
            for server, names in listings().items()
            if _may_match(patterns, server) and self._scope.reaches(server)
        }
        return [name for name in await dispatcher.list_servers(asked) if self._scope.holds(name)]

    async def require_inside(self, describe: ast.Describe, dispatcher: Dispatcher) -> None:
        """Refuse a DESCRIBE of a collection outside the scope, as if there were none of that name."""
        if not self._scope.holds(str(describe.collection.name)):
            known = await dispatcher.off_loop(self.known)
            raise _no_match(describe.collection, known, describe.source_text)

    def missing(self, statement: ast.Statement) -> Callable[[str], Awaitable[Exception | None]]:
        """
        Return what makes the error for a collection of a statement that does not exist.

        A name after FROM ends the statement. One that a pattern stood for is gone since, and one that a router chose is
        the router's affair: those fail like any collection, and where there may be collections outside the scope,
        without the words of the provider, which knows them.
        """

        async def error(name: str) -> Exception | None:
            match statement:
                case ast.Query(sources=sources) if self._route is None:
                    source = next((each for each in sources if each.name == name), None)
                case ast.Describe(source):
                    pass
                case _:
                    source = None
            if source is not None:
                return _no_match(source, await self.known(), statement.source_text)
            return LookupError(f"there is no collection {name}") if self._scope.limits_collections else None

        return error

    async def known(self) -> list[str]:
        """Return the names that an error may mention: those that can be had."""
        listings = getattr(self._provider, "listings", None)
        if listings is None:
            try:
                return await self._names()
            except ChromaSQLExecutionError:
                return []
        asked = [names() for server, names in listings().items() if self._scope.reaches(server)]
        found = await asyncio.gather(*asked, return_exceptions=True)
        return [name for names in found if isinstance(names, list) for name in names if self._scope.holds(name)]

    async def _names(self) -> list[str]:
        try:
            names = _checked_names(await call_with_retry(self._provider.list_collection_names, retries=self._retries))
            return [name for name in names if self._scope.holds(name)]
        except ChromaSQLPlanningError:
            raise
        except Exception as error:
            raise ChromaSQLExecutionError(
                "the names of the collections cannot be listed",
                failures=[Failure(None, type(error).__name__, describe_exception(error))],
            ) from error

    async def _routed(self, route: RouteFunction, query: ast.Query) -> list[str] | None:
        """Return the names that the router chooses; one outside the scope is refused like one that is not there."""
        try:
            names = await _answer_of(route, query)
        except ChromaSQLError as error:
            if self._scope.hides:
                # What a router says of the collections and values that it knows is not for every ear.
                raise _outside() from error
            raise error.located_in(query.source_text or "") from error.__cause__
        if names is not None and not all(map(self._scope.holds, names)):
            raise _outside()
        return names

    async def _from_sources(self, query: ast.Query, dispatcher: Dispatcher) -> list[str]:
        """Return the collections that FROM names, in its order, patterns by name."""
        patterns = [str(source.name) for source in (*query.sources, *query.excluded) if source.is_pattern]
        known = sorted(await self.listed(dispatcher, patterns)) if patterns else []
        left_out = {name for source in query.excluded for name in _matching(source, known)}
        found: dict[str, None] = {}
        for source in query.sources:
            names = [name for name in _matching(source, known) if self._scope.holds(name)]
            if not names:
                dispatcher.require_lists(f"no collection that could be listed matches {source.name}")
                raise _no_match(source, known or await self.known(), query.source_text)
            found.update(dict.fromkeys(names))
        left = [name for name in found if name not in left_out]
        if not left:
            raise ChromaSQLRoutingError(
                f"EXCEPT leaves no collection of {', '.join(list(found)[:_MOST_NAMES])}",
                source=query.source_text,
                span=query.excluded[0].span,
            )
        return left


class _NamesError(TypeError):
    """What should be names of collections is something else."""


async def _answer_of(route: RouteFunction, query: ast.Query) -> list[str] | None:
    try:
        names: Any = route(query)
        if inspect.isawaitable(names):
            names = await names
        return None if names is None else _checked_names(names)
    except ChromaSQLError:
        raise
    except _NamesError as error:
        raise ChromaSQLRoutingError(f"a router returns names or None, and this one returned {error}") from None
    except Exception as error:
        raise ChromaSQLRoutingError(f"the router failed: {describe_exception(error)}") from error


def _checked_names(names: Any) -> list[str]:
    """Return names of collections, each once; those of a set, which has no order, are sorted."""
    if isinstance(names, str) or not isinstance(names, Sequence | set | frozenset):
        raise _NamesError(f"a {type(names).__name__}, not a list of names")
    wrong = next((name for name in names if not isinstance(name, str)), None)
    if wrong is not None or None in names:
        raise _NamesError(f"a list that holds {wrong!r}, which is no name")
    return sorted(names) if isinstance(names, set | frozenset) else list(dict.fromkeys(names))


def _may_match(patterns: Sequence[str], server: str) -> bool:
    """Whether a pattern may match a collection of a server; one that writes a server out needs no other."""
    prefixes = [pattern.partition(".")[0] for pattern in patterns]
    return any("*" in prefix or prefix == server for prefix in prefixes)


def _matching(source: ast.Source, known: Sequence[str]) -> list[str]:
    name = str(source.name)
    if not source.is_pattern:
        return [name]
    matches = compile_wildcard(name, "*")
    return [each for each in known if matches(each)]


def _outside() -> ChromaSQLRoutingError:
    return ChromaSQLRoutingError("the router found no collection for this statement within its scope")


def _no_match(source: ast.Source, known: Sequence[str], text: str | None) -> ChromaSQLRoutingError:
    name = str(source.name)
    near = near_names(name.replace("*", ""), sorted(known))
    message = f"no collection matches {name}" if source.is_pattern else f"there is no collection {name}"
    some = f"; there are {', '.join(sorted(known)[:_MOST_NAMES])}" if known else "; there is none at all"
    return ChromaSQLRoutingError(message + (near or some), source=text, span=source.span)
