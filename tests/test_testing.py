from __future__ import annotations

import asyncio
import functools
import posixpath
from collections.abc import Callable
from typing import Any

import chromadb
import numpy as np
import pytest

from chromasql.adapters import MemoryProvider, MetadataFieldRouter, PatternRouter, StaticRouter
from chromasql.adapters.memory import MemoryCollection
from chromasql.ast import Query
from chromasql.errors import ChromaSQLRoutingError
from chromasql.parser import parse
from chromasql.testing import check_provider, check_router

RECORDS = [
    {"id": f"r{number}", "document": f"d{number}", "metadata": {"n": number}, "embedding": [number, 1.0]}
    for number in range(30)
]
SMALL = RECORDS[:9]


# Good ones


@pytest.mark.parametrize("records", [RECORDS, SMALL, RECORDS[:1], [], [{"id": "bare"}]], ids=len)
async def test_a_good_provider_passes(records: list[Any]) -> None:
    """The check has nothing to say about collections large, small, empty or without embeddings."""
    await check_provider(MemoryProvider({"docs": records, "more": records}))


class Slow(MemoryCollection):
    """Waits in each call, as a network does."""

    async def get(self, *arguments: Any, **named: Any) -> Any:
        """Wait, then answer."""
        await asyncio.sleep(0)
        return await super().get(*arguments, **named)


async def test_a_provider_that_waits_passes() -> None:
    """A call that is cancelled while it waits, and lets that pass, is a good one."""
    await check_provider(MemoryProvider({"docs": Slow("docs", SMALL)}))


async def test_blocking_collections_of_chroma_pass(unique_name: Callable[..., str]) -> None:
    """Collections of an embedded Chroma, which block and answer with arrays of numpy, are good ones."""
    client = chromadb.EphemeralClient()
    name = unique_name()
    collection = client.create_collection(name, embedding_function=None)
    collection.add(ids=[record["id"] for record in RECORDS], embeddings=np.random.default_rng(0).random((30, 4)))

    class Provider:
        async def get_collection(self, name: str) -> Any:
            """Return a collection that blocks."""
            return client.get_collection(name, embedding_function=None)

        async def list_collection_names(self) -> tuple[str, ...]:
            """Return the one name."""
            return (name,)

    await check_provider(Provider())


# Bad providers


class Bad(MemoryProvider):
    """A good provider of two collections, to be spoiled."""

    def __init__(self, **spoiled: Any) -> None:
        super().__init__({"docs": SMALL, "more": RECORDS})
        for name, value in spoiled.items():
            setattr(self, name, value)


def answer(value: Any, error: Exception | None = None) -> Callable[..., Any]:
    async def method(*_: Any, **__: Any) -> Any:
        if error is not None:
            raise error
        return value

    return method


class Flickering:
    """Cannot say which collections there are."""

    def __init__(self) -> None:
        self._names = [["docs"], ["more"]]

    async def list_collection_names(self) -> list[str]:
        """Return other names each time."""
        return self._names.pop()

    async def get_collection(self, name: str) -> None:
        """Know none of them."""
        raise LookupError(name)


@pytest.mark.parametrize(
    ("provider", "message"),
    [
        (object(), "a provider has a method list_collection_names; <object"),
        (
            Bad(list_collection_names=lambda: ["docs"]),
            "returned ['docs'] without being awaited; the methods of a provider are async",
        ),
        (
            Bad(list_collection_names=answer("docs")),
            "list_collection_names() returned 'docs'; it returns a list or tuple",
        ),
        (Bad(list_collection_names=answer(None)), "or an empty list for no collections"),
        (Bad(list_collection_names=answer([])), "the provider lists no collections"),
        (Bad(list_collection_names=answer(["docs", 1])), "a name is a string, and not empty"),
        (Bad(list_collection_names=answer(["docs", "docs"])), "where a name is repeated"),
        (Bad(list_collection_names=answer(None, OSError("down"))), "list_collection_names() raised OSError: down"),
        (Flickering(), "list_collection_names() returned ['more'] and then ['docs']"),
        (Bad(get_collection=answer(None, LookupError("gone"))), "get_collection('docs') raised LookupError: gone"),
        (Bad(get_collection=answer(MemoryCollection("docs", []))), "('no-such-collection-0') returned <chromasql"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_bad_provider_is_caught(provider: Any, message: str) -> None:
    """Each way to break the contract of a provider is told in a sentence."""
    with pytest.raises(AssertionError) as caught:
        await check_provider(provider)

    assert message in str(caught.value)


async def test_a_wrong_error_for_an_unknown_name_is_caught() -> None:
    """An unknown name is a LookupError or chromadb's NotFoundError, nothing else."""

    class Provider(Bad):
        async def get_collection(self, name: str) -> MemoryCollection:
            """Raise the wrong error."""
            try:
                return await super().get_collection(name)
            except LookupError:
                raise ValueError(name) from None

    with pytest.raises(AssertionError, match="raised ValueError; raise a LookupError or chromadb's NotFoundError"):
        await check_provider(Provider())


class Stubborn(Bad):
    """Goes on, or breaks, when it is cancelled."""

    def __init__(self, error: Exception | None) -> None:
        super().__init__()
        self._error = error

    async def get_collection(self, name: str) -> MemoryCollection:
        """Wait, and do not let a cancellation pass."""
        try:
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            if self._error is not None:
                raise self._error from None
        return await super().get_collection(name)


@pytest.mark.parametrize(
    ("error", "message"),
    [(None, "swallowed a cancellation"), (RuntimeError("stop"), "turned a cancellation into RuntimeError")],
)
async def test_a_swallowed_cancellation_is_caught(error: Exception | None, message: str) -> None:
    """A call that is cancelled raises asyncio.CancelledError and nothing else."""
    with pytest.raises(AssertionError, match=message):
        await check_provider(Stubborn(error))


# Bad collections


class Spoiled(MemoryCollection):
    """A good collection whose answers a function of (method, arguments, answer) changes."""

    def __init__(self, change: Callable[[str, dict[str, Any], Any], Any], records: list[Any] = SMALL) -> None:
        super().__init__("docs", records)
        self._change = change

    async def get(self, **arguments: Any) -> Any:
        """Answer with the change."""
        return self._change("get", arguments, await super().get(**arguments))

    async def query(self, **arguments: Any) -> Any:
        """Answer with the change."""
        return self._change("query", arguments, await super().query(**arguments))

    async def count(self) -> Any:
        """Answer with the change."""
        return self._change("count", {}, await super().count())


def change(method: str, alter: Callable[[Any], Any], **only: Any) -> Spoiled:
    """Alter the answers of one method, where its arguments are these."""

    def altered(called: str, arguments: dict[str, Any], answer: Any) -> Any:
        meant = called == method and all(arguments.get(name) == value for name, value in only.items())
        return alter(answer) if meant else answer

    return Spoiled(altered)


def raising(error: Exception) -> Callable[[Any], Any]:
    def alter(_: Any) -> Any:
        raise error

    return alter


def renamed(name: str) -> MemoryCollection:
    collection = MemoryCollection("docs", SMALL)
    collection.name = name
    return collection


class Unlimited(MemoryCollection):
    """Overlooks limits."""

    async def get(self, **arguments: Any) -> Any:
        """Answer with all records."""
        return await super().get(**{**arguments, "limit": None})


class Reversed(MemoryCollection):
    """Keeps no order from page to page."""

    async def get(self, **arguments: Any) -> Any:
        """Answer the later pages back to front."""
        found = await super().get(**arguments)
        return {**found, "ids": found["ids"][::-1]} if arguments.get("offset") else found


def column(name: str, value: Any) -> Callable[[Any], Any]:
    return lambda found: {**found, name: value}


@pytest.mark.parametrize(
    ("collection", "message"),
    [
        (object(), "a collection has a method get; the one for 'docs' has none"),
        (renamed("other"), "the collection for 'docs' says that its name is 'other'"),
        (change("get", raising(OSError("down"))), "get of 'docs' raised OSError: down"),
        (change("get", lambda _: None), "get of 'docs' returned None, not a mapping with a list of ids"),
        (change("get", column("ids", ("r0",))), "not a mapping with a list of ids"),
        (change("get", column("ids", [0])), "get of 'docs' returned the ids [0]; an id is a string"),
        (change("get", column("ids", ["r0", "r0"])), "returned an id twice: ['r0', 'r0']"),
        (change("get", column("documents", None)), "returned no documents where 9 are due"),
        (change("get", column("metadatas", [{}])), "returned 1 metadatas where 9 are due"),
        (change("get", column("ids", []), ids=["r8"]), "get of 'docs' with ids=['r8'] returned []"),
        (Unlimited("docs", RECORDS), "get of 'docs' returned 30 records, more than its limit of 25"),
        (Reversed("docs", RECORDS), "the pages of 'docs', put together, are not what one get returned"),
        (change("get", column("ids", ["r0"]), offset=7), "the pages of 'docs', put together"),
        (change("count", lambda _: 9.0), "count of 'docs' returned 9.0, which is not an int"),
        (change("count", lambda _: 8), "count of 'docs' is 8, but get returned 9"),
        (change("query", raising(TypeError("include"))), "query of 'docs' raised TypeError: include"),
        (change("query", lambda found: found["ids"]), "which is not a mapping"),
        (change("query", column("distances", None)), "returned no lists of distances where 2 are due"),
        (change("query", column("ids", [["r0"]])), "returned 1 lists of ids where 2 are due"),
        (change("query", column("documents", [[], []])), "returned 0 documents where 7 are due"),
        (
            change(
                "query", lambda found: {**found, "distances": [distances[::-1] for distances in found["distances"]]}
            ),
            "the nearest comes first",
        ),
        (
            change("query", lambda found: {**found, "ids": [[f"x{index}" for index in range(8)]] * 2}),
            "query of 'docs' returned 8 records, more than n_results=7",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_bad_collection_is_caught(collection: Any, message: str) -> None:
    """Each way to break the contract of a collection is told in a sentence."""

    class Provider(Bad):
        async def list_collection_names(self) -> list[str]:
            return ["docs"]

        async def get_collection(self, name: str) -> Any:
            return collection if name == "docs" else await super().get_collection(name)

    with pytest.raises(AssertionError) as caught:
        await check_provider(Provider())

    assert message in str(caught.value)


# Routers

TABLE = {"model_to_collections": {"a": {"collections": ["x"]}, "b": {"collections": ["x", "y"]}}}


async def route_later(query: Query) -> list[str]:
    await asyncio.sleep(0)
    return ["docs"]


@pytest.mark.parametrize(
    "router",
    [
        StaticRouter(["docs"]),
        PatternRouter("docs_{tenant}"),
        PatternRouter("docs_{tenant}", fallback_to_all=False),
        MetadataFieldRouter(TABLE, "tenant"),
        MetadataFieldRouter(TABLE, "tenant", fallback_to_all=False),
        lambda query: None,
        lambda query: [],
        lambda query: (query.sources[0].name,),
        route_later,
    ],
)
async def test_a_good_router_passes(router: Any) -> None:
    """Routers, plain functions and coroutine functions that keep the contract pass, refusals and all."""
    await check_router(router)
    await check_router(router, queries=["SELECT id FROM docs WHERE tenant = 'b'", parse("SELECT id FROM docs")])


def counting() -> Callable[[Any], list[str]]:
    names = (f"docs-{number}" for number in range(100))
    return lambda query: [next(names)]


def failing(error: Exception, query: Query) -> None:
    raise error


@pytest.mark.parametrize(
    ("router", "message"),
    [
        ("docs", "a router has a method route(query) or is a function; 'docs' is neither"),
        (lambda query: "docs", "returned 'docs'; it returns a list or tuple of names, or None for all collections"),
        (lambda query: {"docs"}, "returned {'docs'}; it returns a list or tuple of names"),
        (lambda query: [None], "returned [None]; a name is a string, and not empty"),
        (lambda query: [""], "a name is a string, and not empty"),
        (lambda query: ["a", "a"], "returned ['a', 'a'], where a name is repeated"),
        (counting(), "twice returned ['docs-0'] and then ['docs-1']"),
        (functools.partial(failing, KeyError("tenant")), "raised KeyError ('tenant'); to refuse a statement, raise"),
    ],
)
async def test_a_bad_router_is_caught(router: Any, message: str) -> None:
    """Each way to break the contract of a router is told in a sentence that quotes the statement."""
    with pytest.raises(AssertionError) as caught:
        await check_router(router)

    assert message in str(caught.value)
    assert router == "docs" or "'SELECT * FROM docs'" in str(caught.value)


async def test_a_router_that_sometimes_refuses_is_caught() -> None:
    """The same statement is refused each time or never."""
    answers = iter([["docs"], ChromaSQLRoutingError("not today")])

    def route(query: Query) -> Any:
        given = next(answers)
        if isinstance(given, Exception):
            raise given
        return given

    with pytest.raises(AssertionError, match="and then 'not today'"):
        await check_router(route)


async def test_only_select_is_routed() -> None:
    """A statement that is not a SELECT never reaches a router."""
    with pytest.raises(AssertionError, match="'SHOW COLLECTIONS' is not a SELECT statement"):
        await check_router(StaticRouter(["docs"]), queries=["SHOW COLLECTIONS"])


async def test_a_name_that_is_taken_for_a_path_is_found() -> None:
    """A provider that takes a name with a slash for a path would return a collection that was not named."""

    class Path(MemoryProvider):
        async def get_collection(self, name: str) -> Any:
            return await super().get_collection(posixpath.basename(name))

    with pytest.raises(AssertionError, match=r"a name that is not valid \('no-such-collection-0/docs'\) returned"):
        await check_provider(Path({"docs": [{"id": "a", "embedding": [1.0]}]}))
