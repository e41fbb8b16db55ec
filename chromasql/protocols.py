"""
What callers plug in: router, provider, collection, embedder.

Nobody needs to inherit from these; an object with the methods is enough. `chromasql.testing` checks an
implementation in one line.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias, runtime_checkable

from chromasql.ast import Query

__all__ = ["AsyncCollection", "AsyncCollectionProvider", "CollectionRouter", "EmbedFunction", "RouteFunction", "Vector"]

Vector: TypeAlias = Sequence[float]


EmbedFunction: TypeAlias = Callable[..., Any]
"""
``embed_fn(text, model)`` returns the vector of one text; ``model`` is what MODEL says, or None.

It may be a coroutine function; a blocking one is called off the event loop. A function that takes a list, either
because it is marked with `chromasql.batch_embedder` or because it is one of chromadb's embedding
functions, is called once with all the texts of a statement for one model and returns as many vectors.
"""


RouteFunction: TypeAlias = Callable[[Query], Sequence[str] | Awaitable[Sequence[str] | None] | None]


@runtime_checkable
class CollectionRouter(Protocol):
    """
    Decides which collections a statement asks. A plain function of the query serves as well.

    The caller guarantees: the query is parsed and its parameters are bound, so every value in it is a literal.

    You must: return the names, without repeats, of all collections that may hold a row of the answer; None for
    all collections; an empty sequence for none at all, in which case nothing is queried and the answer has no
    rows. Never leave out a collection that may hold a row. Refuse a statement by raising
    `chromasql.ChromaSQLRoutingError`. A coroutine is awaited.
    """

    def route(self, query: Query) -> Sequence[str] | None:
        """Return the names of the collections to ask, or None for all of them."""
        ...


@runtime_checkable
class AsyncCollection(Protocol):
    """
    What is asked of a collection: the reading half of chromadb's ``AsyncCollection``.

    The caller guarantees: arguments are valid for Chroma, ``include`` names only what is needed, and calls come
    from one event loop, several at a time.

    You must: answer as Chroma's REST interface does (``get`` gives flat lists, ``query`` a list per query vector,
    nearest first; what was not included is missing or None), and let ``asyncio.CancelledError`` pass. A collection
    whose methods block is accepted where an adapter wraps it.

    You may: have ``configuration_json`` (its ``hnsw`` or ``spann`` space and its embedding function are read),
    ``metadata`` and ``dimension``.
    """

    name: str

    async def get(
        self,
        ids: list[str] | None = None,
        where: dict[str, Any] | None = None,
        limit: int | None = None,
        offset: int | None = None,
        where_document: dict[str, Any] | None = None,
        include: list[str] = ...,
    ) -> Mapping[str, Any]:
        """Return records by id and filter, in record order."""
        ...

    async def query(
        self,
        query_embeddings: list[list[float]] | None = None,
        n_results: int = 10,
        where: dict[str, Any] | None = None,
        where_document: dict[str, Any] | None = None,
        ids: list[str] | None = None,
        include: list[str] = ...,
    ) -> Mapping[str, Any]:
        """Return the nearest records of each vector."""
        ...

    async def count(self) -> int:
        """Return the number of records."""
        ...


@runtime_checkable
class AsyncCollectionProvider(Protocol):
    """
    Gives collections by name.

    The caller guarantees: names come from ``list_collection_names``, from the router or from the statement, where they
    may be any text: never put one into an address as it is.

    You must: return a collection (see `AsyncCollection`; chromadb's own are fine, blocking ones too), and raise
    chromadb's ``NotFoundError``, a ``KeyError`` or a ``LookupError`` for a name that does not exist. Keep handles:
    it is called for each collection of each statement.

    You may: have ``kept_collection(name)``, which returns the handle that is kept, or None, at once, so that nothing
    waits for what is open already; ``forget_collection(name)``, called when Chroma says that a handle is stale, before
    it is asked for once more; ``max_concurrency``, the number of calls that may be under way at once;
    ``server_of(name)``, the name of the server that a collection is on, so that one which hangs takes no turns from
    another;
    ``async close()``, awaited when the database that was opened on the provider closes.
    """

    async def get_collection(self, name: str) -> Any:
        """Return the collection of that name."""
        ...

    async def list_collection_names(self) -> Sequence[str]:
        """Return the names of all collections, without repeats."""
        ...
