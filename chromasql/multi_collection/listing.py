"""The names of the collections that a statement may use, from one provider or from several servers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from chromasql.concurrency.containment import contained
from chromasql.dispatch.call import CallFailed
from chromasql.dispatch.dispatcher import Dispatcher
from chromasql.dispatch.open_collection import CollectionHandle
from chromasql.dispatch.retry import call_with_retry
from chromasql.errors import ChromaSQLExecutionError, Failure
from chromasql.multi_collection.provider import ListNames, Provider
from chromasql.planner.scope import Scope

__all__ = ["NO_LISTING", "InvalidNamesError", "Lister", "Listing", "checked_names"]

_SHARE = 0.5
"""The share of the remaining time that the lists of several servers may take."""


class InvalidNamesError(TypeError):
    """What should be a list of names is something else."""


@dataclass(frozen=True, slots=True)
class Listing:
    """The names that were listed, and the servers that could not be listed, as ``server.*``."""

    names: tuple[str, ...] = ()
    unlisted: frozenset[str] = frozenset()

    def require_complete(self, message: str, dispatcher: Dispatcher) -> None:
        """Raise `ChromaSQLExecutionError` where a server could not be listed."""
        if self.unlisted:
            ledger = dispatcher.ledger
            raise ledger.failed(message, code="listing-failed") from ledger.first_cause()


NO_LISTING = Listing()
"""The listing of a statement that needs no list."""


class Lister:
    """Lists the collections of a provider that are inside a scope; those outside are never mentioned."""

    def __init__(self, provider: Provider, scope: Scope, *, retries: int) -> None:
        self._provider = provider
        self._scope = scope
        self._retries = retries

    async def list_names(self, dispatcher: Dispatcher, patterns: Sequence[str] = ("*",)) -> Listing:
        """
        List the collections that patterns may match.

        Of several servers, only those that a pattern can match are listed. Raises `ChromaSQLExecutionError` where no
        list could be had.
        """
        if self._provider.listings is None:
            return Listing(tuple(await dispatcher.within_deadline(self._names)))
        listings = {
            server: names
            for server, names in self._provider.listings().items()
            if _may_match(patterns, server) and self._scope.allows_server(server)
        }
        listed, unlisted = await self._list_servers(listings, dispatcher)
        return Listing(tuple(name for name in listed if self._scope.allows_collection(name)), unlisted)

    async def known(self) -> list[str]:
        """Return the names that an error message may mention: those that can be listed now."""
        if self._provider.listings is None:
            try:
                return await self._names()
            except ChromaSQLExecutionError:
                return []
        listings = [names() for server, names in self._provider.listings().items() if self._scope.allows_server(server)]
        found = await asyncio.gather(*map(_awaited, listings), return_exceptions=True)
        return [name for names in found if not isinstance(names, BaseException) for name in self._inside(names)]

    async def _names(self) -> list[str]:
        try:
            names = await call_with_retry(self._provider.list_collection_names, retries=self._retries)
            return self._inside(checked_names(names))
        except Exception as error:
            raise ChromaSQLExecutionError(
                "the names of the collections cannot be listed",
                code="listing-failed",
                failures=[Failure.of(error)],
            ) from error

    def _inside(self, names: Sequence[str]) -> list[str]:
        return [name for name in names if self._scope.allows_collection(name)]

    async def _list_servers(
        self, listings: Mapping[str, ListNames], dispatcher: Dispatcher
    ) -> tuple[list[str], frozenset[str]]:
        """
        List several servers, and return the names and the servers that failed.

        A server that fails or is late is treated like a collection that does, under the name ``server.*``.
        """
        by_name = {f"{server}.*": names for server, names in listings.items()}
        handles = [CollectionHandle(name, place) for place, name in enumerate(by_name)]
        list_server = partial(self._list_server, by_name, dispatcher)
        listed = await dispatcher.fan_out("list", handles, list_server, share=_SHARE)
        ledger = dispatcher.ledger
        if not listed:
            message = "the names of the collections cannot be listed"
            raise ledger.failed(message, code="listing-failed") from ledger.first_cause()
        # A server that was listed is not a collection of the statement, so it has no outcome.
        for handle, _ in listed:
            del ledger[handle.name]
        return [name for _, found in listed for name in found], frozenset(by_name) & frozenset(ledger)

    async def _list_server(
        self, listings: Mapping[str, ListNames], dispatcher: Dispatcher, handle: CollectionHandle
    ) -> list[str]:
        try:
            names = await call_with_retry(listings[handle.name], retries=self._retries, has_time=dispatcher.has_time)
            return checked_names(names)
        except Exception as error:
            raise CallFailed(error) from error


async def _awaited(names: Awaitable[Sequence[str]]) -> Sequence[str]:
    with contained():
        return await names


def checked_names(names: Any) -> list[str]:
    """
    Return names of collections without repeats; those of a set, which has no order, are sorted.

    Raises `InvalidNamesError` for anything that is not a collection of texts.
    """
    if isinstance(names, str) or not isinstance(names, Sequence | set | frozenset):
        raise InvalidNamesError(f"{type(names).__name__} is not a list of names")
    wrong = [name for name in names if not isinstance(name, str)]
    if wrong:
        raise InvalidNamesError(f"the list holds {wrong[0]!r}, which is not a name")
    return sorted(names) if isinstance(names, set | frozenset) else list(dict.fromkeys(names))


def _may_match(patterns: Sequence[str], server: str) -> bool:
    """Whether a pattern may match a collection of a server; one that spells out a server matches no other."""
    prefixes = [pattern.partition(".")[0] for pattern in patterns]
    return any("*" in prefix or prefix == server for prefix in prefixes)
