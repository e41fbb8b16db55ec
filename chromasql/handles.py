"""Opened collections: how they are asked, what an answer must look like, what is known of them without asking."""

from __future__ import annotations

import asyncio
import atexit
import inspect
import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any, NamedTuple

from chromasql.errors import ChromaSQLExecutionError
from chromasql.threads import BlockingCalls

__all__ = [
    "CHROMA_NAME",
    "Handle",
    "OwnFunction",
    "awaitable_collection",
    "cancel_all",
    "check_answer",
    "is_missing",
    "run_blocking",
]

CHROMA_NAME = re.compile(r"[a-zA-Z0-9]([a-zA-Z0-9._-]*[a-zA-Z0-9])?")
"""
What a collection of Chroma may be called, its length aside.

chromadb's clients put a name into an address as it is, so one with slashes and dots would lead to another database.
"""


@cache
def _threads() -> BlockingCalls:
    threads = BlockingCalls()
    atexit.register(threads.close)
    return threads


async def run_blocking(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """
    Run a blocking function on a thread of a small pool of our own, and await what it returns if that can be.

    Chroma's embedded ``get`` and ``query`` release the GIL, so a few threads are enough. A cancelled caller does not
    wait for the function, which is abandoned; see `chromasql.threads.BlockingCalls`.
    """
    value = await _threads().run(partial(function, *args, **kwargs))
    return await value if inspect.isawaitable(value) else value


async def cancel_all(tasks: Iterable[asyncio.Future[Any]]) -> None:
    """Cancel those tasks that still run and wait until they have ended, so that none outlives the statement."""
    tasks = list(tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


class _Threaded:
    """The async face of a collection whose methods block."""

    def __init__(self, collection: Any) -> None:
        self._collection = collection

    def __getattr__(self, name: str) -> Any:
        return getattr(self._collection, name)

    async def get(self, **arguments: Any) -> Any:
        return await run_blocking(self._collection.get, **arguments)

    async def query(self, **arguments: Any) -> Any:
        return await run_blocking(self._collection.query, **arguments)

    async def count(self) -> Any:
        return await run_blocking(self._collection.count)

    async def search(self, **arguments: Any) -> Any:
        return await run_blocking(self._collection.search, **_searches(self._collection, arguments))


class _Searching:
    """An async collection of chromadb, whose ``search`` takes plain payloads."""

    def __init__(self, collection: Any) -> None:
        self._collection = collection

    def __getattr__(self, name: str) -> Any:
        return getattr(self._collection, name)

    async def search(self, **arguments: Any) -> Any:
        return await self._collection.search(**_searches(self._collection, arguments))


def _searches(collection: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    """Turn payloads into chromadb's own objects, where the collection is chromadb's."""
    if not type(collection).__module__.startswith("chromadb."):
        return arguments
    from chromadb.api.types import ReadLevel
    from chromadb.execution.expression.plan import Search

    searches = [
        Search(
            where=payload["filter"],
            rank=payload["rank"],
            group_by=payload["group_by"] or None,
            limit=payload["limit"],
            select=payload["select"],
        )
        for payload in arguments["searches"]
    ]
    level = arguments.get("read_level")
    return {"searches": searches} if level is None else {"searches": searches, "read_level": ReadLevel(level)}


def awaitable_collection(collection: Any) -> Any:
    """Return the collection itself if its methods are coroutines, or else an async face of it."""
    if not (callable(getattr(collection, "get", None)) and callable(getattr(collection, "query", None))):
        raise TypeError(f"a {type(collection).__name__} is no collection: it has no get and query")
    if not inspect.iscoroutinefunction(collection.query):
        return _Threaded(collection)
    return _Searching(collection) if type(collection).__module__.startswith("chromadb.") else collection


def is_missing(error: BaseException) -> bool:
    """Tell whether an error means that a collection does not exist, or no longer under that handle."""
    if isinstance(error, LookupError) or type(error).__name__ == "NotFoundError":
        return True
    return isinstance(error, ValueError) and "does not exist" in str(error)


def check_answer(method: str, arguments: Mapping[str, Any], answer: Any) -> None:
    """
    Refuse an answer that is not what Chroma's ``get``, ``query`` or ``count`` returns for these arguments.

    The lists must line up and distances be finite. Values are not looked at one by one: what is read from them later
    fails there.
    """
    if method == "count":
        if type(answer) is not int or answer < 0:
            raise _misshapen(method, "no number of records")
        return
    if not isinstance(answer, Mapping):
        raise _misshapen(method, f"a {type(answer).__name__}, not a mapping")
    if method == "search":
        _check_search(arguments["searches"], answer)
        return
    columns = ["ids", *arguments["include"]]
    lists = {name: answer.get(name) for name in columns}
    if method == "get":
        _check_lists(method, lists)
        return
    expected = len(arguments["query_embeddings"])
    for name, values in lists.items():
        if _length(values) != expected:
            raise _misshapen(method, f"{name} that are not {expected} lists, one for each vector")
    for at in range(expected):
        _check_lists(method, {name: values[at] for name, values in lists.items() if values is not None})


def _check_search(payloads: Sequence[Mapping[str, Any]], answer: Mapping[str, Any]) -> None:
    columns: dict[str, Any] = {"ids": answer.get("ids"), "scores": answer.get("scores")}
    for name, values in columns.items():
        if _length(values) != len(payloads):
            raise _misshapen("search", f"{name} that are not {len(payloads)} lists, one for each payload")
    for at in range(len(payloads)):
        _check_lists("search", {name: values[at] for name, values in columns.items()})


def _check_lists(method: str, lists: Mapping[str, Any]) -> None:
    ids = lists["ids"]
    if _length(ids) is None or not set(map(type, ids)) <= {str}:
        raise _misshapen(method, "no list of ids")
    for name, values in lists.items():
        if _length(values) != len(ids):
            raise _misshapen(method, f"{name} that do not line up with its {len(ids)} ids")
    if not _all_finite(lists.get("distances", ())):
        raise _misshapen(method, "distances that are not finite numbers")


def _length(values: Any) -> int | None:
    return None if isinstance(values, str | bytes | Mapping) or not hasattr(values, "__len__") else len(values)


def _all_finite(values: Iterable[Any]) -> bool:
    try:
        return all(map(math.isfinite, values))
    except TypeError:
        return False


def _misshapen(method: str, what: str) -> ChromaSQLExecutionError:
    return ChromaSQLExecutionError(f"{method} answered with {what}")


class OwnFunction(NamedTuple):
    """
    The embedding function that a collection brings along.

    ``key`` is equal for equal functions, for good where ``lasting``; ``name`` is for people; ``build`` makes it.
    """

    key: str
    name: str
    build: Callable[[], Any]
    lasting: bool = True


@dataclass(slots=True)
class Handle:
    """
    One collection of a statement; ``place`` is its position there, on which ties break last.

    What is known of it without asking is read when it is opened: ``space`` is its distance function, l2, cosine or ip;
    ``dimension`` the number of components of its vectors. Each is None where the collection is empty or does not say.
    ``checks`` tells that the collection checks its answers to ``get``, ``query`` and ``count`` itself.
    """

    name: str
    place: int
    collection: Any = None
    refreshed: bool = False
    space: str | None = field(default=None, init=False)
    dimension: int | None = field(default=None, init=False)
    checks: bool = field(default=False, init=False)

    @property
    def embedding_function(self) -> OwnFunction | None:
        """The embedding function of the collection; read when it is asked for, which most statements never do."""
        configuration = _mapping(getattr(self.collection, "configuration_json", None))
        return _embedding_function(configuration, getattr(self.collection, "_embedding_function", None))

    def sparse_function(self, key: str) -> OwnFunction | None:
        """Return the embedding function of a sparse index, or None where the schema of the collection has none."""
        return _sparse_function(getattr(self.collection, "schema", None), key)

    def opened(self, collection: Any) -> None:
        """Take the collection that the provider gave."""
        self.collection = awaitable_collection(collection)
        configuration = _mapping(getattr(collection, "configuration_json", None))
        self.space = _space(configuration, _mapping(getattr(collection, "metadata", None)))
        self.dimension = _dimension(collection)
        # Asked of its class: what wraps a collection and passes attributes on may change its answers.
        self.checks = getattr(type(collection), "checks_answers", False) is True

    @property
    def facts(self) -> tuple[str | None, int | None, str | None]:
        """What a statement relies on: space, dimension and the key of the embedding function."""
        own = self.embedding_function
        return self.space, self.dimension, None if own is None else own.key


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _space(configuration: Mapping[str, Any], metadata: Mapping[str, Any]) -> str | None:
    named = [_mapping(configuration.get(index)).get("space") for index in ("hnsw", "spann")]
    return next((space for space in (*named, metadata.get("hnsw:space")) if isinstance(space, str)), None)


def _dimension(collection: Any) -> int | None:
    for holder in (collection, getattr(collection, "_model", None)):
        dimension = getattr(holder, "dimension", None)
        if isinstance(dimension, int):
            return dimension
    return None


def _embedding_function(configuration: Mapping[str, Any], given: Any) -> OwnFunction | None:
    config = _mapping(configuration.get("embedding_function"))
    name = config.get("name")
    if config.get("type") == "known" and isinstance(name, str):
        settings = _mapping(config.get("config"))
        key = json.dumps([name, settings], sort_keys=True, default=repr)
        return OwnFunction(key, name, partial(_build, name, settings))
    if given is not None and type(given).__name__ != "DefaultEmbeddingFunction":
        name = type(given).__qualname__
        return OwnFunction(f"{name} {id(given)}", name, lambda: given, lasting=False)
    return None


def _build(name: str, settings: Mapping[str, Any]) -> Any:
    """Build an embedding function that Chroma stored by name."""
    from chromadb.utils.embedding_functions import known_embedding_functions

    if name not in known_embedding_functions:
        raise LookupError(f"its embedding function {name} is not registered with chromadb here")
    return known_embedding_functions[name].build_from_config(dict(settings))


def _sparse_function(schema: Any, key: str) -> OwnFunction | None:
    """Read the embedding function of a sparse index from a schema, chromadb's object or the JSON of a server."""
    if schema is not None and not isinstance(schema, Mapping):
        schema = schema.serialize_to_json()
    config: Any = schema
    for step in ("keys", key, "sparse_vector", "sparse_vector_index", "config", "embedding_function"):
        config = _mapping(config).get(step)
    config = _mapping(config)
    name = config.get("name")
    if config.get("type") != "known" or not isinstance(name, str):
        return None
    settings = _mapping(config.get("config"))
    return OwnFunction(
        json.dumps([name, settings], sort_keys=True, default=repr), name, partial(_build_sparse, name, settings)
    )


def _build_sparse(name: str, settings: Mapping[str, Any]) -> Any:
    from chromadb.utils.embedding_functions import sparse_known_embedding_functions

    if name not in sparse_known_embedding_functions:
        raise LookupError(f"its sparse embedding function {name} is not registered with chromadb here")
    return sparse_known_embedding_functions[name].build_from_config(dict(settings))
