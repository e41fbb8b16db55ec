"""A provider of collections whose optional members are looked up once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

from chromasql.concurrency.threads import call_user_code
from chromasql.errors import ChromaSQLPlanningError
from chromasql.protocols import AsyncCollectionProvider

__all__ = ["ListNames", "Provider"]

ListNames: TypeAlias = Callable[[], Awaitable[Sequence[str]]]


@dataclass(frozen=True, slots=True)
class Provider:
    """
    What an `AsyncCollectionProvider` can do; an optional member that it does not have is None.

    ``source`` is the provider itself. The members are those of `chromasql.protocols.AsyncCollectionProvider` and
    `chromasql.protocols.MultiServerProvider`; a plain function that opens or lists runs on a thread, as it may block.
    """

    source: AsyncCollectionProvider
    get_collection: Callable[[str], Awaitable[Any]]
    list_collection_names: ListNames
    kept_collection: Callable[[str], Any] | None
    forget_collection: Callable[[str], None] | None
    listings: Callable[[], Mapping[str, ListNames]] | None
    server_of: Callable[[str], str] | None
    max_concurrency: int | None

    @classmethod
    def of(cls, source: AsyncCollectionProvider) -> Provider:
        """Look up the members of a provider; raise `ChromaSQLPlanningError` where it lacks one that it needs."""
        required = ("get_collection", "list_collection_names")
        missing = [name for name in required if not hasattr(source, name)]
        if missing:
            raise ChromaSQLPlanningError(
                f"provider must have {' and '.join(missing)}, and {type(source).__name__} has not; "
                "wrap a chromadb client in SimpleAsyncClientAdapter",
                code="invalid-provider",
            )
        return cls(
            source,
            partial(call_user_code, source.get_collection),
            partial(call_user_code, source.list_collection_names),
            kept_collection=getattr(source, "kept_collection", None),
            forget_collection=getattr(source, "forget_collection", None),
            listings=getattr(source, "listings", None),
            server_of=getattr(source, "server_of", None),
            max_concurrency=getattr(source, "max_concurrency", None),
        )
