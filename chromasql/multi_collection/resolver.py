"""Which collections a statement uses: those that FROM names or the router chooses, inside the scope."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, assert_never

from chromasql import ast
from chromasql.concurrency.threads import call_user_code
from chromasql.dispatch.dispatcher import Dispatcher
from chromasql.errors import ChromaSQLError, ChromaSQLRoutingError, describe_exception, near_names
from chromasql.multi_collection.listing import NO_LISTING, InvalidNamesError, Lister, Listing, checked_names
from chromasql.operators.patterns import compile_wildcard
from chromasql.planner.scope import Scope
from chromasql.protocols import RouteFunction

__all__ = ["Resolver", "Route"]

_MAX_NAMES = 5


@dataclass(frozen=True, slots=True)
class Route:
    """The collections of a statement, who chose them, and the listing that was needed to find them."""

    names: tuple[str, ...]
    chosen_by: str
    listing: Listing = NO_LISTING


class Resolver:
    """
    Finds the collections of statements, before any of them is called.

    ``lister`` lists them, ``route`` chooses among them unless it is None, and a name has to be inside ``scope`` before
    it is used or mentioned: one outside is treated like one that does not exist.
    """

    def __init__(self, lister: Lister, route: RouteFunction | None, scope: Scope) -> None:
        self._lister = lister
        self._route = route
        self._scope = scope
        # Of the router whose method ``route`` is.
        self._names_must_exist = getattr(getattr(route, "__self__", None), "names_must_exist", False) is True

    async def resolve(self, statement: ast.Statement, dispatcher: Dispatcher) -> Route:
        """
        Return the collections of a bound statement, within the deadline of the dispatcher.

        Raises `ChromaSQLRoutingError` where there are none or the router fails, and `ChromaSQLExecutionError` where a
        list is needed that cannot be had.
        """
        match statement:
            case ast.Query():
                if self._route is None:
                    return await self._from_sources(statement, dispatcher)
                return await self._from_router(self._route, statement, dispatcher)
            case ast.ShowCollections():
                listing = await self._lister.list_names(dispatcher)
                return Route(listing.names, "SHOW", listing)
            case ast.Describe(source):
                if not self._scope.allows_collection(str(source.name)):
                    known = await dispatcher.within_deadline(self._lister.known)
                    raise _unknown_collection(source, known, statement.source_text)
                return Route((str(source.name),), "DESCRIBE")
            case _:
                assert_never(statement)

    def missing(self, statement: ast.Statement) -> Callable[[str], Awaitable[Exception | None]]:
        """
        Return a function that makes the error for a collection of a statement that does not exist.

        A name written after FROM or DESCRIBE makes an error that ends the statement. A name from a pattern or from the
        router is a failure of that one collection, for which the function returns None; where the scope hides
        collections it returns an error in our own words, since those of the provider may mention hidden names.
        """

        async def error(name: str) -> Exception | None:
            source = self._written_source(statement, name)
            if source is not None:
                return _unknown_collection(source, await self._lister.known(), statement.source_text)
            if self._names_must_exist:
                return _unknown_name(name, await self._lister.known())
            return LookupError(f"collection {name} does not exist") if self._scope.limits_collections else None

        return error

    def _written_source(self, statement: ast.Statement, name: str) -> ast.Source | None:
        match statement:
            case ast.Query(sources=sources) if self._route is None:
                return next((source for source in sources if source.name == name), None)
            case ast.Describe(source):
                return source
            case _:
                return None

    async def _from_router(self, route: RouteFunction, query: ast.Query, dispatcher: Dispatcher) -> Route:
        narrowed = self._scope.apply_to(query)
        assert isinstance(narrowed, ast.Query)
        names = await dispatcher.within_deadline(partial(self._call_router, route, narrowed))
        if names is not None:
            return await self._expand(names, dispatcher)
        listing = await self._lister.list_names(dispatcher)
        return Route(tuple(sorted(listing.names)), "the router, which asks all", listing)

    async def _expand(self, names: Sequence[str], dispatcher: Dispatcher) -> Route:
        """Return the route to the names of a router, of which those with ``*`` are patterns."""
        patterns = [name for name in names if "*" in name]
        if not patterns:
            return Route(tuple(names), "the router")
        listing = await self._lister.list_names(dispatcher, patterns)
        found = {name: None for name in names if "*" not in name}
        for pattern in patterns:
            matches = compile_wildcard(pattern, "*")
            found.update({name: None for name in sorted(listing.names) if matches(name)})
        return Route(tuple(found), "the router", listing)

    async def _call_router(self, route: RouteFunction, query: ast.Query) -> list[str] | None:
        """Return the names that the router chooses; one outside the scope is refused like one that does not exist."""
        try:
            names = await _await_names(route, query)
        except ChromaSQLError as error:
            if self._scope.restricts:
                # The words of a router may mention collections and values that the scope hides.
                raise _outside_scope() from error
            raise error.located_in(query.source_text or "") from error.__cause__
        if names is not None and not all(self._scope.allows_collection(name) for name in names if "*" not in name):
            raise _outside_scope()
        return names

    async def _from_sources(self, query: ast.Query, dispatcher: Dispatcher) -> Route:
        """Return the collections that FROM names, in its order, those of a pattern sorted."""
        patterns = [str(source.name) for source in (*query.sources, *query.excluded) if source.is_pattern]
        listing = await self._lister.list_names(dispatcher, patterns) if patterns else NO_LISTING
        listed = sorted(listing.names)
        found: dict[str, None] = {}
        for source in query.sources:
            names = [name for name in _matching(source, listed) if self._scope.allows_collection(name)]
            if not names:
                listing.require_complete(f"no collection that could be listed matches {source.name}", dispatcher)
                known = listed or await dispatcher.within_deadline(self._lister.known)
                raise _unknown_collection(source, known, query.source_text)
            found.update(dict.fromkeys(names))
        for source in query.excluded:
            if not set(_matching(source, list(found))) & found.keys():
                listing.require_complete(f"no collection that could be listed matches {source.name}", dispatcher)
                raise _nothing_excluded(source, list(found), query.source_text)
        excluded = {name for source in query.excluded for name in _matching(source, listed)}
        names = [name for name in found if name not in excluded]
        if not names:
            raise ChromaSQLRoutingError(
                f"EXCEPT leaves no collection of {', '.join(list(found)[:_MAX_NAMES])}",
                code="no-collection",
                source=query.source_text,
                span=query.excluded[0].span,
            )
        return Route(tuple(names), "FROM", listing)


async def _await_names(route: RouteFunction, query: ast.Query) -> list[str] | None:
    try:
        names: Any = await call_user_code(route, query)
        return None if names is None else checked_names(names)
    except ChromaSQLError:
        raise
    except InvalidNamesError as error:
        raise ChromaSQLRoutingError(f"a router must return names or None: {error}", code="invalid-router") from None
    except Exception as error:
        raise ChromaSQLRoutingError(f"the router failed: {describe_exception(error)}", code="router-failed") from error


def _matching(source: ast.Source, known: Sequence[str]) -> list[str]:
    name = str(source.name)
    if not source.is_pattern:
        return [name]
    matches = compile_wildcard(name, "*")
    return [candidate for candidate in known if matches(candidate)]


def _outside_scope() -> ChromaSQLRoutingError:
    return ChromaSQLRoutingError(
        "the router found no collection for this statement within its scope", code="no-collection"
    )


def _nothing_excluded(source: ast.Source, found: Sequence[str], text: str | None) -> ChromaSQLRoutingError:
    """Return the error for an EXCEPT that leaves nothing out: what was to be hidden would be shown."""
    name = str(source.name)
    near = near_names(name.replace("*", ""), sorted(found)) or f"; FROM names {', '.join(found[:_MAX_NAMES])}"
    return ChromaSQLRoutingError(
        f"EXCEPT ({name}) leaves no collection out{near}", code="unknown-collection", source=text, span=source.span
    )


def _unknown_name(name: str, known: Sequence[str]) -> ChromaSQLRoutingError:
    """Return the error for a name that a router built from the values of WHERE, and that does not exist."""
    near = near_names(name, sorted(known))
    return ChromaSQLRoutingError(
        f"the router chose collection {name}, which does not exist{near}", code="unknown-collection"
    )


def _unknown_collection(source: ast.Source, known: Sequence[str], text: str | None) -> ChromaSQLRoutingError:
    """Return the error for a name that does not exist, or a pattern that matches nothing, with names that do exist."""
    name = str(source.name)
    near = near_names(name.replace("*", ""), sorted(known))
    available = f"; available: {', '.join(sorted(known)[:_MAX_NAMES])}" if known else "; there are no collections"
    message = f"no collection matches {name}" if source.is_pattern else f"collection {name} does not exist"
    return ChromaSQLRoutingError(
        message + (near or available),
        code="no-collection" if source.is_pattern else "unknown-collection",
        source=text,
        span=source.span,
    )
