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
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, TypeVar

from chromasql.errors import ChromaSQLExecutionError, Failure, describe_exception
from chromasql.handles import Handle, run_blocking
from chromasql.plan import TextQuery

__all__ = ["Vectors", "batch_embedder", "embed_texts"]

AnyEmbedder = TypeVar("AnyEmbedder", bound=Callable[..., Any])

_MARK = "__chromasql_batch__"
_LIST_PARAMETERS = frozenset({"input", "inputs", "texts"})

Vectors = dict[TextQuery, list[float]]


def batch_embedder(function: AnyEmbedder) -> AnyEmbedder:
    """
    Mark a function that embeds many texts at once: ``function(texts, model)`` returns a vector for each.

    It is then called once for all texts of a statement that name the same model. A function whose first parameter is
    called ``texts``, ``input`` or ``inputs`` needs no mark.
    """
    setattr(function, _MARK, True)
    return function


async def embed_texts(
    queries: Iterable[TextQuery], handles: Sequence[Handle], embed_fn: Callable[..., Any] | None
) -> dict[str, Vectors]:
    """
    Embed the texts of a statement and return the vectors for each collection, by its name.

    Without ``embed_fn`` each collection's own embedding function is used, once for all collections that share it.
    """
    distinct = list(dict.fromkeys(queries))
    if not distinct:
        return {}
    if embed_fn is not None:
        vectors = await _embed(distinct, embed_fn)
        return {handle.name: vectors for handle in handles}
    functions: dict[str, Callable[[], Any]] = {}
    used: dict[str, str] = {}
    for handle in handles:
        own = handle.embedding_function
        if own is None:
            raise ChromaSQLExecutionError(
                f"collection {handle.name} has no embedding function, so TEXT needs embed_fn=..; or give a VECTOR"
            )
        used[handle.name], functions[own[0]] = own
    for query in distinct:
        if query.model is not None:
            raise ChromaSQLExecutionError(
                f"MODEL {query.model!r} needs embed_fn=..; a collection's own embedding function has one model"
            )
    found = await asyncio.gather(*(_embed_with_own(distinct, *item) for item in functions.items()))
    by_function = dict(zip(functions, found, strict=True))
    return {name: by_function[function] for name, function in used.items()}


async def _embed_with_own(queries: Sequence[TextQuery], key: str, build: Callable[[], Any]) -> Vectors:
    try:
        function = await run_blocking(build)
    except Exception as error:
        raise _embedding_failed(error, f"the collection's embedding function {key} cannot be used") from error
    return await _embed(queries, function)


async def _embed(queries: Sequence[TextQuery], embed_fn: Callable[..., Any]) -> Vectors:
    if _takes_lists(embed_fn):
        models = dict.fromkeys(query.model for query in queries)
        groups = [[query for query in queries if query.model == model] for model in models]
        found = await asyncio.gather(*(_embed_together(group, embed_fn) for group in groups))
        return {query: vector for vectors in found for query, vector in vectors.items()}
    vectors = await asyncio.gather(*(_call(embed_fn, query.text, query.model) for query in queries))
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
        if inspect.iscoroutinefunction(embed_fn) or inspect.iscoroutinefunction(getattr(embed_fn, "__call__", None)):
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
        raise ChromaSQLExecutionError(f"MODEL {model!r} needs an embedder that takes (text, model)")
    return (texts,)


def _checked(vector: Any, query: TextQuery) -> list[float]:
    try:
        values = array("d", vector).tolist()
    except TypeError:
        values = []
    if not values or not all(map(math.isfinite, values)):
        shown = query.text if len(query.text) <= 40 else f"{query.text[:37]}..."
        raise ChromaSQLExecutionError(f"the embedder returned no vector of finite numbers for {shown!r}")
    return values


def _embedding_failed(error: Exception, what: str) -> ChromaSQLExecutionError:
    if isinstance(error, ChromaSQLExecutionError):
        return error
    failure = Failure(None, type(error).__name__, describe_exception(error))
    return ChromaSQLExecutionError(what, failures=[failure])
