"""
Embedders of other libraries, as the function that a statement calls.

They are told apart by their methods, so that none of these libraries has to be installed. The blocking method of each
is used, on a thread: the async ones of many keep a connection of the event loop that they were first called on, and the
statements of `chromasql.connect` run on a loop of their own.
"""

from __future__ import annotations

import functools
import inspect
import threading
from collections.abc import Callable, Sequence
from typing import Any

from chromasql.errors import ChromaSQLExecutionError, ChromaSQLPlanningError

__all__ = ["BATCH_MARK", "as_embed_function", "shown_name", "takes_lists"]

BATCH_MARK = "__chromasql_batch__"
"""The attribute of functions that `chromasql.batch_embedder` marked."""


_LIST_PARAMETERS = frozenset({"input", "inputs", "texts"})


_ACCEPTED = (
    "a function embed_fn(text, model), an embedding function of chromadb, the Embeddings of LangChain, the "
    "BaseEmbedding of LlamaIndex, a text embedder of Haystack, or a model with encode(texts)"
)


def as_embed_function(embedder: Any) -> Any:
    """
    Return the function that embeds a query with an embedder.

    Functions, and None, are returned as they are, and so are chromadb's embedding functions. Of an object of another
    library it is what embeds a query (not a document, where there are two): ``get_query_embedding`` of LlamaIndex,
    ``embed_query`` of LangChain, ``run`` of a text embedder of Haystack, ``encode_query`` or ``encode`` of a
    SentenceTransformer. Raises `ChromaSQLPlanningError` for any other object.
    """
    if embedder is None or inspect.isroutine(embedder) or isinstance(embedder, functools.partial):
        return embedder
    if isinstance(embedder, type):
        raise ChromaSQLPlanningError(
            f"embed_fn is the class {embedder.__name__}; make an object of it: embed_fn={embedder.__name__}(..)",
            code="invalid-argument",
        )
    # First, as these can be called as well: with the nodes of a pipeline, or with tensors.
    function = getattr(embedder, "get_query_embedding", None)
    if function is None and not (callable(embedder) and _first_parameter(embedder)):
        function = _of_object(embedder)
    if function is None and not callable(embedder):
        raise ChromaSQLPlanningError(f"embed_fn is {_ACCEPTED}, not {type(embedder).__name__}", code="invalid-argument")
    return embedder if function is None else function


def _of_object(embedder: Any) -> Callable[..., Any] | None:
    """Return what embeds a query with an object of another library, or None."""
    if hasattr(embedder, "embed_query"):
        method: Callable[..., Any] = embedder.embed_query
        return method
    if hasattr(embedder, "encode") and not isinstance(embedder, str):
        return _Encoder(embedder)
    return _Component(embedder) if hasattr(embedder, "run") and not callable(embedder) else None


def takes_lists(embed_fn: Callable[..., Any]) -> bool:
    """Whether a function is called with all the texts of a statement at once."""
    if getattr(embed_fn, BATCH_MARK, False):
        return True
    return _first_parameter(embed_fn) in _LIST_PARAMETERS


def shown_name(embed_fn: Callable[..., Any]) -> str:
    """Return what an error calls an embedder: the name of a function, or the class of an object."""
    owner = getattr(embed_fn, "__self__", None)
    if owner is not None and not inspect.ismodule(owner):
        return f"{type(owner).__name__}.{getattr(embed_fn, '__name__', '')}"
    if isinstance(embed_fn, _Encoder | _Component):
        return type(embed_fn.wrapped).__name__
    return str(getattr(embed_fn, "__name__", type(embed_fn).__name__))


def _first_parameter(embed_fn: Callable[..., Any]) -> str:
    """Return the name of the first positional parameter, or nothing."""
    try:
        parameters = inspect.signature(embed_fn).parameters.values()
    except (TypeError, ValueError):
        return ""
    named = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return next((parameter.name for parameter in parameters if parameter.kind in named), "")


class _Encoder:
    """A model with ``encode``, such as a SentenceTransformer, which takes all texts at once."""

    def __init__(self, wrapped: Any) -> None:
        self.wrapped = wrapped
        # Newer models put a prompt of their own before a query.
        self._encode = getattr(wrapped, "encode_query", wrapped.encode)

    def __call__(self, texts: list[str]) -> Sequence[Sequence[float]]:
        vectors: Sequence[Sequence[float]] = self._encode(texts)
        return vectors


class _Component:
    """A text embedder of Haystack: ``run(text=..)`` returns a dict with the vector as ``embedding``."""

    def __init__(self, wrapped: Any) -> None:
        if "text" not in inspect.signature(wrapped.run).parameters:
            raise ChromaSQLPlanningError(
                f"embed_fn is {_ACCEPTED}; {type(wrapped).__name__} has run(), but does not take a text",
                code="invalid-argument",
            )
        self.wrapped = wrapped
        self._warm = False
        self._lock = threading.Lock()

    def __call__(self, text: str) -> Sequence[float]:
        with self._lock:
            if not self._warm:
                getattr(self.wrapped, "warm_up", lambda: None)()
                self._warm = True
        answer = self.wrapped.run(text=text)
        try:
            vector: Sequence[float] = answer["embedding"]
        except (TypeError, KeyError):
            raise ChromaSQLExecutionError(
                f"{type(self.wrapped).__name__} returned no embedding for a text", code="embedding-failed"
            ) from None
        return vector
