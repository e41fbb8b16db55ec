"""
Texts to vectors: each distinct text once per model, whatever the number of collections.

An embedder is one of three: a function ``(text, model)`` that returns a vector; a function marked by `batch_embedder`,
which takes a list of texts and returns as many vectors; or one of chromadb's embedding functions. It may be a coroutine
function; a blocking one runs on a thread. `chromasql.retrieval.embedders` makes such functions of other objects.
"""

from __future__ import annotations

import asyncio
import inspect
import math
from array import array
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from contextlib import suppress
from functools import partial
from inspect import Parameter
from typing import Any, TypeVar

from chromasql.concurrency.byte_cache import ByteCache
from chromasql.concurrency.tasks import cancel_all
from chromasql.concurrency.threads import call_user_code, run_user_code
from chromasql.dispatch.embedding_functions import CollectionEmbedder
from chromasql.dispatch.open_collection import CollectionHandle
from chromasql.errors import ChromaSQLError, ChromaSQLExecutionError, ChromaSQLPlanningError, Failure
from chromasql.plan import TextQuery
from chromasql.protocols import QueryVector
from chromasql.retrieval.embedders import BATCH_MARK, shown_name, takes_lists

__all__ = ["SparseVectors", "VectorCache", "Vectors", "batch_embedder", "count_calls", "embed_sparse", "embed_texts"]

AnyEmbedder = TypeVar("AnyEmbedder", bound=Callable[..., Any])


T = TypeVar("T")


Vectors = dict[TextQuery, list[float]]
"""The dense vectors of texts."""


SparseVectors = dict[tuple[TextQuery, str], dict[str, Any]]
"""The sparse vectors of texts, in the form of the Search API, by text and key of the index."""


class VectorCache:
    """The vectors of the texts that were used last, by embedder; they take ``max_bytes``, about."""

    def __init__(self, max_bytes: int = 50_000_000) -> None:
        self._vectors: ByteCache[tuple[str, TextQuery], list[float]] = ByteCache(max_bytes)

    def known(self, embedder: str, queries: Iterable[TextQuery]) -> Vectors:
        """Return the vectors of those of these texts that are in the cache."""
        found: Vectors = {}
        for query in queries:
            vector = self._vectors.get((embedder, query))
            if vector is not None:
                found[query] = vector
        return found

    def keep(self, embedder: str, vectors: Vectors) -> None:
        """Keep vectors, and drop those that were used longest ago."""
        for query, vector in vectors.items():
            # A float takes 24 bytes, and its place in the list 8; the text up to 4 for each character.
            self._vectors.keep((embedder, query), vector, 300 + 32 * len(vector) + 4 * len(query.text))


def batch_embedder(function: AnyEmbedder) -> AnyEmbedder:
    """
    Mark a function that embeds many texts at once: ``function(texts, model)`` returns a vector for each.

    It is then called once for all texts of a statement that name the same model. A function whose first parameter is
    called ``texts``, ``input`` or ``inputs`` needs no mark. It returns the function itself.
    """
    setattr(function, BATCH_MARK, True)
    return function


async def embed_texts(
    queries: Iterable[TextQuery],
    handles: Sequence[CollectionHandle],
    embed_fn: Callable[..., Any] | None,
    cache: VectorCache | None = None,
) -> dict[str, Vectors]:
    """
    Embed the texts of a statement, each once per embedder.

    Parameters
    ----------
    queries : Iterable of TextQuery
        The texts; repeats are embedded once.
    handles : Sequence of CollectionHandle
        The collections, open.
    embed_fn : callable, optional
        The embedder. Default: the embedding function of each collection, once for all collections that share it.
    cache : VectorCache, optional
        Texts whose vectors it has are not embedded again. Default: an empty one.

    Returns
    -------
    dict
        The vectors of the texts, each a `chromasql.protocols.QueryVector`, by the name of the collection. Collections
        with the same embedder share the objects.

    Raises
    ------
    ChromaSQLPlanningError
        Where a collection has no embedding function, or MODEL is given to an embedder that does not take it.
    ChromaSQLExecutionError
        Where an embedder fails, or returns something other than finite vectors.
    """
    distinct = list(dict.fromkeys(queries))
    if not distinct:
        return {}
    cache = VectorCache() if cache is None else cache
    if embed_fn is not None:
        embed = partial(_embed, embed_fn, _failure(embed_fn))
        vectors = _as_query_vectors(await _with_cache("", distinct, cache, embed))
        return {handle.name: vectors for handle in handles}
    functions: dict[str, CollectionEmbedder] = {}
    collections: dict[str, list[str]] = {}
    used: dict[str, str] = {}
    for handle in handles:
        own = handle.embedding_function
        if own is None:
            raise ChromaSQLPlanningError(
                f"collection {handle.name} has no embedding function; pass embed_fn=.. or write VECTOR [..]",
                code="no-embedding-function",
            )
        used[handle.name] = own.key
        functions[own.key] = own
        collections.setdefault(own.key, []).append(handle.name)
    for query in distinct:
        if query.model is not None:
            raise ChromaSQLPlanningError(
                f"MODEL {query.model!r} needs embed_fn=..; the embedding function of a collection has one model",
                code="unsupported-model",
            )
    found = await _at_once(
        _with_cache(
            key,
            distinct,
            cache if own.cacheable else VectorCache(),
            partial(_embed_with_own, own, _failure_of_own(own, collections[key])),
        )
        for key, own in functions.items()
    )
    by_function = dict(zip(functions, map(_as_query_vectors, found), strict=True))
    return {name: by_function[function] for name, function in used.items()}


def _as_query_vectors(vectors: Vectors) -> Vectors:
    return {query: QueryVector(vector) for query, vector in vectors.items()}


def count_calls(
    queries: Iterable[TextQuery], handles: Sequence[CollectionHandle], embed_fn: Callable[..., Any] | None
) -> int:
    """Return how many calls of embedders the texts of a statement take."""
    distinct = dict.fromkeys(queries)
    if embed_fn is not None:
        return len({query.model for query in distinct}) if takes_lists(embed_fn) else len(distinct)
    return len({handle.embedding_function.key for handle in handles if handle.embedding_function}) if distinct else 0


async def embed_sparse(
    queries: Iterable[tuple[TextQuery, str]], handles: Sequence[CollectionHandle]
) -> dict[str, SparseVectors]:
    """
    Embed texts for sparse indexes, by the function in the schema of each collection.

    A query is a text and the key of the index. Returns the sparse vectors by the name of the collection. Raises
    `ChromaSQLExecutionError` where a schema has no such function, or it fails.
    """
    found: dict[str, SparseVectors] = {handle.name: {} for handle in handles}
    known: dict[tuple[str, str], dict[str, Any]] = {}
    for text, key in dict.fromkeys(queries):
        for handle in handles:
            own = handle.sparse_function(key)
            if own is None:
                raise ChromaSQLExecutionError(
                    f"collection {handle.name} has no embedding function for the sparse index {key}; "
                    "write the sparse vector, as in {1: 0.5, 7: 0.2}",
                    code="no-embedding-function",
                )
            if (text.text, own.key) not in known:
                known[text.text, own.key] = await _sparse_vector(text.text, own)
            found[handle.name][text, key] = known[text.text, own.key]
    return found


async def _sparse_vector(text: str, own: CollectionEmbedder) -> dict[str, Any]:
    try:
        function = await run_user_code(own.build)
        (vector,) = await run_user_code(getattr(function, "embed_query", function), [text])
        pairs = sorted(zip(vector.indices, vector.values, strict=True))
    except Exception as error:
        raise _embedding_failed(error, f"the sparse embedding function {own.name} cannot be used") from error
    return {
        "#type": "sparse_vector",
        "indices": [int(index) for index, _ in pairs],
        "values": [float(value) for _, value in pairs],
    }


async def _at_once(work: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Await several coroutines at once; where one fails, the others are cancelled."""
    tasks = [asyncio.ensure_future(coroutine) for coroutine in work]
    try:
        return await asyncio.gather(*tasks)
    finally:
        await cancel_all(tasks)


async def _with_cache(
    embedder: str,
    queries: Sequence[TextQuery],
    cache: VectorCache,
    embed: Callable[[Sequence[TextQuery]], Awaitable[Vectors]],
) -> Vectors:
    """Return the vectors of texts; those that are not in the cache are embedded and kept there."""
    known = cache.known(embedder, queries)
    missing = [query for query in queries if query not in known]
    if missing:
        new = await embed(missing)
        cache.keep(embedder, new)
        known |= new
    return known


_built: OrderedDict[str, Any] = OrderedDict()


_MAX_BUILT = 32


async def _built_function(own: CollectionEmbedder) -> Any:
    """Build an embedding function once; some load a model."""
    if not own.cacheable:
        return own.build()
    function = _built.get(own.key)
    if function is None:
        function = _built[own.key] = await run_user_code(own.build)
        while len(_built) > _MAX_BUILT:
            # Another thread may have been here before.
            with suppress(KeyError):
                _built.popitem(last=False)
    return function


def _failure(embed_fn: Callable[..., Any]) -> str:
    """Return what an error says where the embedder of the database fails."""
    return f"the embedder {shown_name(embed_fn)} (embed_fn) failed"


def _failure_of_own(own: CollectionEmbedder, collections: Sequence[str]) -> str:
    """Return what an error says where the embedding function of these collections fails."""
    several = f" and {len(collections) - 1} more" if len(collections) > 1 else ""
    return (
        f"the embedding function {own.name} of collection {collections[0]}{several} failed; "
        "pass embed_fn=.. to use another"
    )


async def _embed_with_own(own: CollectionEmbedder, failure: str, queries: Sequence[TextQuery]) -> Vectors:
    try:
        function = await _built_function(own)
    except Exception as error:
        raise _embedding_failed(error, failure) from error
    return await _embed(function, failure, queries)


async def _embed(embed_fn: Callable[..., Any], failure: str, queries: Sequence[TextQuery]) -> Vectors:
    """Embed texts; ``failure`` is what an error says where the embedder fails."""
    if takes_lists(embed_fn):
        models = dict.fromkeys(query.model for query in queries)
        groups = [[query for query in queries if query.model == model] for model in models]
        found = await _at_once(_embed_together(group, embed_fn, failure) for group in groups)
        return {query: vector for vectors in found for query, vector in vectors.items()}
    vectors = await _at_once(_call(embed_fn, failure, query.text, query.model) for query in queries)
    return {query: _checked(vector, query) for query, vector in zip(queries, vectors, strict=True)}


async def _embed_together(queries: Sequence[TextQuery], embed_fn: Callable[..., Any], failure: str) -> Vectors:
    texts = [query.text for query in queries]
    model = queries[0].model
    as_query = getattr(embed_fn, "embed_query", None)
    vectors = await _call(embed_fn if as_query is None else as_query, failure, texts, model)
    try:
        count = len(vectors)
    except TypeError:
        count = -1
    if count != len(texts):
        raise ChromaSQLExecutionError(
            f"the embedder was given {len(texts)} texts and must return as many vectors", code="embedding-failed"
        )
    return {query: _checked(vector, query) for query, vector in zip(queries, vectors, strict=True)}


async def _call(embed_fn: Callable[..., Any], failure: str, texts: str | list[str], model: str | None) -> Any:
    arguments = _arguments(embed_fn, texts, model)
    try:
        return await call_user_code(embed_fn, *arguments)
    except Exception as error:
        raise _embedding_failed(error, failure) from error


def _arguments(embed_fn: Callable[..., Any], texts: str | list[str], model: str | None) -> tuple[Any, ...]:
    """Return the arguments of an embedder: the model only if it takes one, and an error where that would drop MODEL."""
    try:
        parameters = list(inspect.signature(embed_fn).parameters.values())
    except (TypeError, ValueError):
        return (texts, model)
    kinds = [parameter.kind for parameter in parameters]
    positional = sum(kind in (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD) for kind in kinds)
    if positional > 1 or Parameter.VAR_POSITIONAL in kinds:
        return (texts, model)
    if model is not None:
        raise ChromaSQLPlanningError(
            f"MODEL {model!r} needs an embedder that takes (text, model)", code="unsupported-model"
        )
    return (texts,)


def _checked(vector: Any, query: TextQuery) -> list[float]:
    """Return the vector as floats that are finite in the single precision that Chroma keeps them in."""
    try:
        values = [] if isinstance(vector, bytes | bytearray) else array("d", vector).tolist()
        finite = all(map(math.isfinite, array("f", values)))
    except Exception as error:
        raise _no_vector(query) from error
    if not values or not finite:
        raise _no_vector(query)
    return values


def _no_vector(query: TextQuery) -> ChromaSQLExecutionError:
    shown = query.text if len(query.text) <= 40 else f"{query.text[:37]}..."
    return ChromaSQLExecutionError(
        f"the embedder returned no vector of finite numbers for {shown!r}", code="embedding-failed"
    )


def _embedding_failed(error: Exception, what: str) -> ChromaSQLError:
    if isinstance(error, ChromaSQLError):
        return error
    return ChromaSQLExecutionError(what, code="embedding-failed", failures=[Failure.of(error)])
