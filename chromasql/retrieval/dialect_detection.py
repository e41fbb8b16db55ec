"""Which kind of Chroma holds a collection: detected once per client, and kept."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Sequence
from typing import Any
from weakref import WeakKeyDictionary

from chromasql.concurrency.containment import contained
from chromasql.concurrency.tasks import cancel_all
from chromasql.concurrency.threads import call_user_code, run_blocking
from chromasql.plan.dialect import DISTRIBUTED, LOCAL, Dialect
from chromasql.protocols import AsyncCollectionProvider

__all__ = ["detect_dialect", "first_dialect", "known_dialect", "remember_dialect"]

_known: WeakKeyDictionary[Any, Dialect] = WeakKeyDictionary()


_locks: WeakKeyDictionary[asyncio.AbstractEventLoop, WeakKeyDictionary[Any, asyncio.Lock]] = WeakKeyDictionary()


def known_dialect(owner: Any) -> Dialect | None:
    """Return the dialect that was detected for a provider or a client, or None."""
    try:
        return _known.get(owner)
    except TypeError:
        return None


def remember_dialect(owner: Any, dialect: Dialect) -> None:
    """Keep the dialect of a provider or a client for as long as that exists."""
    try:
        _known[owner] = dialect
    except TypeError:
        return


async def detect_dialect(collection: Any) -> Dialect:
    """
    Detect with one request whether a collection has the Search API, which only distributed Chroma has.

    Embedded Chroma raises NotImplementedError and a single node answers 501; any other failure proves nothing, and is
    raised as it is.
    """
    search = getattr(collection, "search", None)
    if not callable(search):
        return LOCAL
    client = getattr(collection, "_client", None) or getattr(collection, "_server", None) or collection
    async with _lock_of(client):
        known = known_dialect(client)
        if known is None:
            known = DISTRIBUTED if await _has_search(search) else LOCAL
            remember_dialect(client, known)
        return known


async def first_dialect(provider: AsyncCollectionProvider, names: Sequence[str]) -> Dialect | None:
    """Probe some collections of a provider at once and return the first dialect that is detected, or None."""
    probes = [asyncio.ensure_future(_dialect_of(provider, name)) for name in names]
    try:
        for probe in asyncio.as_completed(probes):
            found = await probe
            if found is not None:
                return found
        return None
    finally:
        await cancel_all(probes)


async def _dialect_of(provider: AsyncCollectionProvider, name: str) -> Dialect | None:
    try:
        with contained():
            return await detect_dialect(await call_user_code(provider.get_collection, name))
    except Exception:  # noqa: BLE001 - whatever is wrong with it, the statement will meet it and say so
        return None


def _lock_of(client: Any) -> asyncio.Lock:
    """Return the lock under which callers of this loop detect the dialect of a client, so that only one does."""
    try:
        return _locks.setdefault(asyncio.get_running_loop(), WeakKeyDictionary()).setdefault(client, asyncio.Lock())
    except TypeError:
        return asyncio.Lock()


async def _has_search(search: Any) -> bool:
    try:
        if inspect.iscoroutinefunction(search):
            await search(searches=[])
        else:
            await run_blocking(search, searches=[])
    except Exception as error:
        if isinstance(error, NotImplementedError) or getattr(error, "status", None) == 501:
            return False
        if "not implemented" in str(error).lower():
            return False
        raise
    return True
