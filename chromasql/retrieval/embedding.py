"""
Texts to vectors: each distinct text once per model, whatever the number of collections.

An embedder is one of these: a function ``(text, model)`` that returns a vector; the same marked by
`batch_embedder`, which takes a list of texts and returns as many vectors; or one of chromadb's embedding functions. It
may be a coroutine function; a blocking one runs off the event loop.
"""

from __future__ import annotations

import asyncio
import inspect
import math
from array import array
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from functools import partial
from typing import Any, TypeVar

from chromasql.concurrency.tasks import cancel_all
from chromasql.concurrency.threads import run_blocking
from chromasql.dispatch.embedding_functions import CollectionEmbedder
from chromasql.dispatch.open_collection import CollectionHandle
from chromasql.errors import (
    ChromaSQLError,
    ChromaSQLExecutionError,
    ChromaSQLPlanningError,
    Failure,
    describe_exception,
)
from chromasql.plan import TextQuery

__all__ = ["SparseVectors", "VectorCache", "Vectors", "batch_embedder", "count_calls", "embed_sparse", "embed_texts"]

AnyEmbedder = TypeVar("AnyEmbedder", bound=Callable[..., Any])


T = TypeVar("T")


_MARK = "__chromasql_batch__"


_LIST_PARAMETERS = frozenset({"input", "inputs", "texts"})


Vectors = dict[TextQuery, list[float]]


SparseVectors = dict[tuple[TextQuery, str], dict[str, Any]]


class VectorCache:
    """The vectors of the texts that were embedded last, by embedder; at most ``size`` of them."""

    def __init__(self, size: int = 1024) -> None:
        self._size = size
        self._vectors: OrderedDict[tuple[str, TextQuery], list[float]] = OrderedDict()

    def known(self, embedder: str, queries: Iterable[TextQuery]) -> Vectors:
        """Return the vectors that are known of these texts."""
        found: Vectors = {}
        for query in queries:
            vector = self._vectors.get((embedder, query))
            if vector is not None:
                self._vectors.move_to_end((embedder, query))
                found[query] = vector
        return found

    def keep(self, embedder: str, vectors: Vectors) -> None:
        """Remember vectors, forgetting those that were used longest ago."""
        for query, vector in vectors.items():
            self._vectors[embedder, query] = vector
        while len(self._vectors) > self._size:
            self._vectors.popitem(last=False)


def batch_embedder(function: AnyEmbedder) -> AnyEmbedder:
    """
    Mark a function that embeds many texts at once: ``function(texts, model)`` returns a vector for each.

    It is then called once for all texts of a statement that name the same model. A function whose first parameter is
    called ``texts``, ``input`` or ``inputs`` needs no mark.
    """
    setattr(function, _MARK, True)
    return function


async def embed_texts(
    queries: Iterable[TextQuery],
    handles: Sequence[CollectionHandle],
    embed_fn: Callable[..., Any] | None,
    cache: VectorCache | None = None,
) -> dict[str, Vectors]:
    """
    Embed the texts of a statement and return the vectors for each collection, by its name.

    Without ``embed_fn`` each collection's own embedding function is used, once for all collections that share it. Texts
    whose vectors are in ``cache`` are not embedded again.
    """
    distinct = list(dict.fromkeys(queries))
    if not distinct:
        return {}
    cache = VectorCache() if cache is None else cache
    if embed_fn is not None:
        vectors = await _remembered("", distinct, cache, lambda missing: _embed(missing, embed_fn))
        return {handle.name: vectors for handle in handles}
    functions: dict[str, CollectionEmbedder] = {}
    used: dict[str, str] = {}
    for handle in handles:
        own = handle.embedding_function
        if own is None:
            raise ChromaSQLPlanningError(
                f"collection {handle.name} has no embedding function, so TEXT needs embed_fn=..; or give a VECTOR"
            )
        used[handle.name] = own.key
        functions[own.key] = own
    for query in distinct:
        if query.model is not None:
            raise ChromaSQLPlanningError(
                f"MODEL {query.model!r} needs embed_fn=..; a collection's own embedding function has one model"
            )
    found = await _at_once(
        _remembered(own.key, distinct, cache if own.lasting else VectorCache(), partial(_embed_with_own, own))
        for own in functions.values()
    )
    by_function = dict(zip(functions, found, strict=True))
    return {name: by_function[function] for name, function in used.items()}


def count_calls(
    queries: Iterable[TextQuery], handles: Sequence[CollectionHandle], embed_fn: Callable[..., Any] | None
) -> int:
    """Return how many calls of embedders the texts of a statement take."""
    distinct = dict.fromkeys(queries)
    if embed_fn is not None:
        return len({query.model for query in distinct}) if _takes_lists(embed_fn) else len(distinct)
    return len({handle.embedding_function.key for handle in handles if handle.embedding_function}) if distinct else 0


async def embed_sparse(
    queries: Iterable[tuple[TextQuery, str]], handles: Sequence[CollectionHandle]
) -> dict[str, SparseVectors]:
    """
    Embed texts for sparse indexes, by the function in the schema of each collection, and return the sparse vectors.

    A query is a text and the key of the index. Vectors come in the form of the Search API, by the collection's name.
    """
    found: dict[str, SparseVectors] = {handle.name: {} for handle in handles}
    known: dict[tuple[str, str], dict[str, Any]] = {}
    for text, key in dict.fromkeys(queries):
        for handle in handles:
            own = handle.sparse_function(key)
            if own is None:
                raise ChromaSQLExecutionError(
                    f"collection {handle.name} has no embedding function for the sparse index {key}; "
                    "give the sparse vector, {1: 0.5, 7: 0.2}"
                )
            if (text.text, own.key) not in known:
                known[text.text, own.key] = await _sparse_vector(text.text, own)
            found[handle.name][text, key] = known[text.text, own.key]
    return found


async def _sparse_vector(text: str, own: CollectionEmbedder) -> dict[str, Any]:
    try:
        function = await run_blocking(own.build)
        (vector,) = await run_blocking(getattr(function, "embed_query", function), [text])
        pairs = sorted(zip(vector.indices, vector.values, strict=True))
    except Exception as error:
        raise _embedding_failed(error, f"the sparse embedding function {own.name} cannot be used") from error
    return {
        "#type": "sparse_vector",
        "indices": [int(index) for index, _ in pairs],
        "values": [float(value) for _, value in pairs],
    }


async def _at_once(work: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Await several things at once; where one fails, the others do not run on."""
    tasks = [asyncio.ensure_future(each) for each in work]
    try:
        return await asyncio.gather(*tasks)
    finally:
        await cancel_all(tasks)


async def _remembered(
    embedder: str,
    queries: Sequence[TextQuery],
    cache: VectorCache,
    embed: Callable[[Sequence[TextQuery]], Awaitable[Vectors]],
) -> Vectors:
    """Embed the texts that the cache does not know and remember them."""
    known = cache.known(embedder, queries)
    missing = [query for query in queries if query not in known]
    if missing:
        new = await embed(missing)
        cache.keep(embedder, new)
        known |= new
    return known


_built: OrderedDict[str, Any] = OrderedDict()


_MOST_BUILT = 32


async def _built_function(own: CollectionEmbedder) -> Any:
    """Build an embedding function once; some load a model."""
    if not own.lasting:
        return own.build()
    if own.key not in _built:
        _built[own.key] = await run_blocking(own.build)
        while len(_built) > _MOST_BUILT:
            _built.popitem(last=False)
    return _built[own.key]


async def _embed_with_own(own: CollectionEmbedder, queries: Sequence[TextQuery]) -> Vectors:
    try:
        function = await _built_function(own)
    except Exception as error:
        raise _embedding_failed(error, f"the collection's embedding function {own.name} cannot be used") from error
    return await _embed(queries, function)


async def _embed(queries: Sequence[TextQuery], embed_fn: Callable[..., Any]) -> Vectors:
    if _takes_lists(embed_fn):
        models = dict.fromkeys(query.model for query in queries)
        groups = [[query for query in queries if query.model == model] for model in models]
        found = await _at_once(_embed_together(group, embed_fn) for group in groups)
        return {query: vector for vectors in found for query, vector in vectors.items()}
    vectors = await _at_once(_call(embed_fn, query.text, query.model) for query in queries)
    return {query: _checked(vector, query) for query, vector in zip(queries, vectors, strict=True)}


async def _embed_together(queries: Sequence[TextQuery], embed_fn: Callable[..., Any]) -> Vectors:
    texts = [query.text for query in queries]
    model = queries[0].model
    as_query = getattr(embed_fn, "embed_query", None)
    vectors = await _call(embed_fn if as_query is None else as_query, texts, model)
    try:
        count = len(vectors)
    except TypeError:
        count = -1
    if count != len(texts):
        raise ChromaSQLExecutionError(f"the embedder was given {len(texts)} texts and must return as many vectors")
    return {query: _checked(vector, query) for query, vector in zip(queries, vectors, strict=True)}


def _takes_lists(embed_fn: Callable[..., Any]) -> bool:
    if getattr(embed_fn, _MARK, False):
        return True
    try:
        first = next(iter(inspect.signature(embed_fn).parameters), "")
    except (TypeError, ValueError):
        return False
    return first in _LIST_PARAMETERS


async def _call(embed_fn: Callable[..., Any], texts: str | list[str], model: str | None) -> Any:
    arguments = _arguments(embed_fn, texts, model)
    try:
        if inspect.iscoroutinefunction(embed_fn) or inspect.iscoroutinefunction(type(embed_fn).__call__):
            return await _awaited(embed_fn(*arguments))
        return await run_blocking(embed_fn, *arguments)
    except Exception as error:
        raise _embedding_failed(error, "the embedder failed") from error


async def _awaited(value: Awaitable[Any]) -> Any:
    return await value


def _arguments(embed_fn: Callable[..., Any], texts: str | list[str], model: str | None) -> tuple[Any, ...]:
    """Give the model to an embedder that takes one; refuse to drop it in silence."""
    try:
        parameters = list(inspect.signature(embed_fn).parameters.values())
    except (TypeError, ValueError):
        return (texts, model)
    positional = [each for each in parameters if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)]
    if len(positional) > 1 or any(each.kind is each.VAR_POSITIONAL for each in parameters):
        return (texts, model)
    if model is not None:
        raise ChromaSQLPlanningError(f"MODEL {model!r} needs an embedder that takes (text, model)")
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
    return ChromaSQLExecutionError(f"the embedder returned no vector of finite numbers for {shown!r}")


def _embedding_failed(error: Exception, what: str) -> ChromaSQLError:
    if isinstance(error, ChromaSQLError):
        return error
    failure = Failure(None, type(error).__name__, describe_exception(error))
    return ChromaSQLExecutionError(what, failures=[failure])
