"""
What callers plug in: router, provider, collection, embedder.

Nobody needs to inherit from these; an object with the methods is enough. `chromasql.testing` checks an
implementation in one line.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias, runtime_checkable

from chromasql.ast import Query

__all__ = [
    "AsyncCollection",
    "AsyncCollectionProvider",
    "CollectionRouter",
    "EmbedFunction",
    "MultiServerProvider",
    "QueryVector",
    "RouteFunction",
    "Vector",
]

Vector: TypeAlias = Sequence[float]
"""Numbers of one vector; a list, a tuple or a one-dimensional array."""


class QueryVector(list[float]):
    """
    A query vector as it is sent: one object for all collections of a statement, which nobody changes.

    An adapter may keep in ``encoded``, None at first, what it makes of the vector for one collection, such as its JSON,
    and use it for the next. To every other adapter it is a list.
    """

    __slots__ = ("encoded",)

    def __init__(self, values: Iterable[float]) -> None:
        super().__init__(values)
        self.encoded: Any = None


class _EmbedsQueries(Protocol):
    """The ``Embeddings`` of LangChain."""

    def embed_query(self, text: str, /) -> Any: ...


class _Encodes(Protocol):
    """A SentenceTransformer."""

    @property
    def encode(self) -> Callable[..., Any]: ...


class _TextEmbedder(Protocol):
    """A text embedder of Haystack."""

    def run(self, text: str) -> Any: ...


EmbedFunction: TypeAlias = Callable[..., Any] | _EmbedsQueries | _Encodes | _TextEmbedder
"""
``embed_fn(text, model)`` returns the vector of one text; ``model`` is what MODEL says, or None.

The vector is a sequence of numbers or a one-dimensional array. It has as many components as the collection has
dimensions, and each is finite in single precision (float32); otherwise the statement is refused.

It may be a coroutine function; a blocking one is called on a thread. A function that takes a list, either because it is
marked with `chromasql.batch_embedder` or because it is one of chromadb's embedding functions, is called once with all
the texts of a statement for one model and returns as many vectors.

Objects of other libraries are taken as they are: LangChain's ``Embeddings`` (``embed_query`` is called), LlamaIndex's
``BaseEmbedding`` (``get_query_embedding``), Haystack's text embedders (``run``, after ``warm_up``), and models with
``encode``, such as a SentenceTransformer (``encode_query`` where there is one), which get all texts at once. Their
blocking methods are called, on threads.

An exception that it raises becomes the cause of a `chromasql.ChromaSQLExecutionError`, which ends the statement; a
`chromasql.ChromaSQLError` passes as it is.
"""


RouteFunction: TypeAlias = Callable[[Query], Sequence[str] | Awaitable[Sequence[str] | None] | None]
"""A router that is a plain function, or a coroutine function; see `CollectionRouter`."""


@runtime_checkable
class CollectionRouter(Protocol):
    """
    Decides which collections a statement asks. A plain function of the query serves as well.

    The caller guarantees: the query is parsed and its parameters are bound, so every value in it is a literal.

    You must: return the names, without repeats, of all collections that may hold a row of the answer; None for
    all collections; an empty sequence for none at all, in which case nothing is queried and the answer has no
    rows. Never leave out a collection that may hold a row. Refuse a statement by raising
    `chromasql.ChromaSQLRoutingError`; any other exception becomes the cause of one. A coroutine function runs on the
    event loop; a plain function is called on a thread, since it may block, and sees the caller's context variables.
    """

    def route(self, query: Query) -> Sequence[str] | None:
        """Return the names of the collections to ask, or None for all of them."""
        ...


@runtime_checkable
class AsyncCollection(Protocol):
    """
    The reading half of chromadb's ``AsyncCollection``: what a statement calls on a collection.

    The caller guarantees: arguments are valid for Chroma, ``include`` names only what is needed, and calls come
    from one event loop, several at a time.

    You must: answer as Chroma's REST interface does (``get`` gives flat lists, ``query`` a list per query vector,
    nearest first; what was not included is missing or None), and let ``asyncio.CancelledError`` pass. A query vector
    and an embedding have as many components as the collection has dimensions; a distance is a finite number. Methods
    that block are called on threads.

    You may: raise any exception for a call that fails, which becomes the failure of this collection; have
    ``configuration_json`` (its ``hnsw`` or ``spann`` space and its embedding function are read), ``metadata`` and
    ``dimension``; and have ``search(searches, read_level)``, Chroma's Search API.
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
        """Return the ``n_results`` records nearest to each vector, nearest first."""
        ...

    async def count(self) -> int:
        """Return the number of records."""
        ...


@runtime_checkable
class AsyncCollectionProvider(Protocol):
    """
    Opens collections by name.

    The caller guarantees: names come from ``list_collection_names``, from the router or from the statement, where they
    may be any text: never put one into an address unquoted.

    You must: return a collection (see `AsyncCollection`; chromadb's own are fine, blocking ones too), and raise
    chromadb's ``NotFoundError``, a ``KeyError`` or a ``LookupError`` for a name that does not exist. Keep handles:
    ``get_collection`` is called for each collection of each statement. Plain functions are called on threads.

    You may: raise any other exception, which becomes the failure of the collection, or of the statement where the names
    cannot be listed. You may also have any of these members, which are looked up once, when the database is opened:

    - ``kept_collection(name)`` returns the handle that is kept, or None, without waiting.
    - ``forget_collection(name)`` drops a handle that Chroma calls stale, before ``get_collection`` is called again.
    - ``max_concurrency`` is the maximum of concurrent calls, where ``connect`` does not set it.
    - ``listings()`` and ``server_of(name)``, where there are several servers; see `MultiServerProvider`.
    """

    async def get_collection(self, name: str) -> Any:
        """Return the collection of that name."""
        ...

    async def list_collection_names(self) -> Sequence[str]:
        """Return the names of all collections, without repeats."""
        ...


@runtime_checkable
class MultiServerProvider(AsyncCollectionProvider, Protocol):
    """
    An `AsyncCollectionProvider` over several servers, so that one which is down or hangs does not affect the others.

    The collection ``docs`` of the server ``eu`` is called ``eu.docs``.

    You must: return from ``listings()`` all servers by name, each with a coroutine function that lists its collections,
    and from ``server_of(name)`` the server of a collection, without waiting. A listing that raises, or takes more than
    half of the timeout, is a failure called ``eu.*``; the other servers answer.
    """

    def listings(self) -> Mapping[str, Callable[[], Awaitable[Sequence[str]]]]:
        """Return by server a function that lists its collections, under their full names."""
        ...

    def server_of(self, name: str) -> str:
        """Return the name of the server that a collection is on; each server has its own limit of concurrent calls."""
        ...
