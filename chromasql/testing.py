"""
Checks for people who write a plug.

One line in a test says whether a plug keeps its side of the contract in `chromasql.protocols`::

    await check_provider(MyProvider(...))
    await check_router(MyRouter(...), queries=["SELECT * FROM docs WHERE tenant = 'a'"])
"""

from __future__ import annotations

import asyncio
import inspect
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from chromasql import ast
from chromasql.errors import ChromaSQLRoutingError, describe_exception
from chromasql.parser import parse
from chromasql.protocols import AsyncCollectionProvider, CollectionRouter, RouteFunction

__all__ = ["check_provider", "check_router"]

_RECORDS = 25
"""How many records of a collection are looked at."""


_PAGE = 7


_QUERIES = (
    "SELECT * FROM docs",
    "SELECT * FROM docs WHERE tenant = 'a'",
    "SELECT * FROM docs WHERE tenant IN ('a', 'b') OR year > 2020",
    "SELECT * FROM docs WHERE tenant = 'a' AND tenant = 'b'",
    "SELECT * FROM docs WHERE NOT (tenant != 'a')",
    "SELECT id FROM docs USING EMBEDDING (TEXT 'words') WHERE_DOCUMENT CONTAINS 'word' TOPK 5",
)


async def check_router(
    router: CollectionRouter | RouteFunction, *, queries: Iterable[str | ast.Query] = _QUERIES
) -> None:
    """
    Check that a router, or a plain or async function of the query, answers as the contract says.

    ``queries`` are statements that it is to route; give some that it understands. It may refuse one by
    raising `ChromaSQLRoutingError`. Whether the collections hold all rows of the statement only
    you can know. Raises AssertionError with a sentence that says what is wrong.
    """
    route: Any = getattr(router, "route", router)
    _require(callable(route), f"a router has a method route(query) or is a function; {router!r} is neither")
    for text in queries:
        query = parse(text) if isinstance(text, str) else text
        _require(isinstance(query, ast.Query), f"{text!r} is not a SELECT statement, and nothing else is routed")
        first, second = await _await_route(route, query), await _await_route(route, query)
        shown = query.source_text or query
        _require(first == second, f"routing {shown!r} twice returned {first!r} and then {second!r}")


async def _await_route(route: Callable[[Any], Any], query: ast.Statement) -> list[str] | str | None:
    """Return the names, None for all collections, or the message of a refusal."""
    shown = query.source_text or query
    try:
        answer = route(query)
        names = await answer if inspect.isawaitable(answer) else answer
    except ChromaSQLRoutingError as error:
        return error.message
    except Exception as error:
        raise AssertionError(
            f"routing {shown!r} raised {type(error).__name__} ({describe_exception(error)}); "
            "to refuse a statement, raise ChromaSQLRoutingError"
        ) from error
    if names is None:
        return None
    _check_names(names, f"routing {shown!r}", "None for all collections")
    return list(names)


_NO_SUCH = "no-such-collection-{}"


async def check_provider(provider: AsyncCollectionProvider) -> None:
    """
    Check that a provider, and each collection that it returns, answers as the contract says.

    It must have at least one collection; more than seven records in it show more. Nothing is written.
    Checked are the names, the handles, an unknown name, the shapes of get, query and count, paging, and that
    a call can be cancelled. Raises AssertionError with a sentence that says what is wrong.
    """
    names = await _await_method(provider, "list_collection_names")
    _check_names(names, "list_collection_names()", "an empty list for no collections")
    _require(bool(names), "the provider lists no collections; give it one with some records to be checked")
    again = await _await_method(provider, "list_collection_names")
    _require(sorted(names) == sorted(again), f"list_collection_names() returned {names!r} and then {again!r}")
    await _check_cancellation(provider.get_collection(names[0]), f"get_collection({names[0]!r})")
    unknown = next(name for name in map(_NO_SUCH.format, itertools.count()) if name not in names)
    await _check_unknown_name(provider, unknown, "does not exist")
    # A provider that puts a name into an address unquoted may open a collection that was not named.
    await _check_unknown_name(provider, f"{unknown}/{names[0]}", "is not valid")
    for name in names:
        await _check_collection(await _await_method(provider, "get_collection", name), name)


async def _await_method(provider: AsyncCollectionProvider, method: str, *arguments: str) -> Any:
    """Await a method of the provider."""
    what = f"{method}({', '.join(map(repr, arguments))})"
    call: Any = getattr(provider, method, None)
    _require(callable(call), f"a provider has a method {method}; {provider!r} has none")
    answer = call(*arguments)
    _require(
        inspect.isawaitable(answer),
        f"{what} returned {answer!r} without being awaited; the methods of a provider are async",
    )
    return await _await_answer(answer, what)


async def _await_answer(answer: Any, what: str) -> Any:
    """Return what was awaited; a collection, unlike a provider, may also answer at once."""
    try:
        return await answer if inspect.isawaitable(answer) else answer
    except Exception as error:
        raise AssertionError(f"{what} raised {type(error).__name__}: {describe_exception(error)}") from error


async def _check_unknown_name(provider: AsyncCollectionProvider, unknown: str, why: str) -> None:
    what = f"get_collection of a name that {why} ({unknown!r})"
    try:
        collection = await provider.get_collection(unknown)
    except LookupError:
        return
    except Exception as error:
        if any(kind.__name__ == "NotFoundError" for kind in type(error).__mro__):
            return
        raise AssertionError(
            f"{what} raised {type(error).__name__}; raise a LookupError or chromadb's NotFoundError"
        ) from error
    raise AssertionError(f"{what} returned {collection!r}; raise a LookupError")


async def _check_collection(collection: Any, name: str) -> None:
    for method in ("get", "query", "count"):
        _require(
            callable(getattr(collection, method, None)),
            f"a collection has a method {method}; the one for {name!r} has none",
        )
    called = getattr(collection, "name", None)
    _require(called == name, f"the collection for {name!r} says that its name is {called!r}")
    records = await _check_get(collection, name)
    await _check_count(collection, name, len(records["ids"]))
    await _check_paging(collection, name, records["ids"])
    await _check_query(collection, name, records)
    await _check_cancellation(collection.get(include=[], limit=1), f"get of {name!r}")


async def _check_get(collection: Any, name: str) -> Mapping[str, Any]:
    """Check the shape of get and return the first records with all their columns."""
    columns = ["documents", "embeddings", "metadatas"]
    what = f"get of {name!r}"
    records: Mapping[str, Any] = await _await_answer(collection.get(include=columns, limit=_RECORDS), what)
    _check_ids(records, what)
    ids = records["ids"]
    _require(len(ids) <= _RECORDS, f"{what} returned {len(ids)} records, more than its limit of {_RECORDS}")
    for column in columns:
        _check_column(records.get(column), column, len(ids), what)
    if ids:
        picked = await _await_answer(collection.get(ids=[ids[-1]], include=[]), what)
        _check_ids(picked, what)
        _require(picked["ids"] == [ids[-1]], f"{what} with ids=[{ids[-1]!r}] returned {picked['ids']!r}")
    return records


async def _check_count(collection: Any, name: str, seen: int) -> None:
    what = f"count of {name!r}"
    count = await _await_answer(collection.count(), what)
    _require(type(count) is int, f"{what} returned {count!r}, which is not an int")
    all_seen = seen < _RECORDS
    _require(count == seen if all_seen else count >= seen, f"{what} is {count}, but get returned {seen}")


async def _check_paging(collection: Any, name: str, ids: Sequence[str]) -> None:
    """Check that the pages of get, put together, are what one get returns."""
    paged: list[str] = []
    for offset in range(0, len(ids), _PAGE):
        size = min(_PAGE, len(ids) - offset)
        page = await _await_answer(collection.get(include=[], limit=size, offset=offset), f"get of {name!r}")
        _check_ids(page, f"a page of {name!r}")
        paged += page["ids"]
    _require(
        paged == ids,
        f"the pages of {name!r}, put together, are not what one get returned: records keep their order, and "
        "limit and offset count in it",
    )


async def _check_query(collection: Any, name: str, records: Mapping[str, Any]) -> None:
    vectors = [[float(x) for x in vector] for vector in records["embeddings"] if vector is not None][:2]
    if not vectors:
        return
    what = f"query of {name!r}"
    columns = ["distances", "documents", "metadatas"]
    call = collection.query(query_embeddings=vectors, n_results=_PAGE, include=columns)
    answer = await _await_answer(call, what)
    _require(isinstance(answer, Mapping), f"{what} returned {answer!r}, which is not a mapping")
    for column in ("ids", *columns):
        _check_column(answer.get(column), f"lists of {column}", len(vectors), what)
    for index, ids in enumerate(answer["ids"]):
        _check_ids({"ids": ids}, what)
        _require(len(ids) <= _PAGE, f"{what} returned {len(ids)} records, more than n_results={_PAGE}")
        for column in columns:
            _check_column(answer[column][index], column, len(ids), what)
        distances = answer["distances"][index]
        _require(
            all(nearer <= farther for nearer, farther in itertools.pairwise(distances)),
            f"{what} returned the distances {list(distances)!r}; the nearest comes first",
        )


async def _check_cancellation(call: Any, what: str) -> None:
    """Cancel a call under way; one that never waits has answered by then and cannot be cancelled."""
    if not inspect.isawaitable(call):
        return
    task = asyncio.ensure_future(call)
    await asyncio.sleep(0)
    if not task.cancel():
        await _await_answer(task, what)
        return
    try:
        await task
    except asyncio.CancelledError:
        return
    except Exception as error:
        raise AssertionError(
            f"{what} turned a cancellation into {type(error).__name__}; let asyncio.CancelledError pass"
        ) from error
    raise AssertionError(f"{what} swallowed a cancellation; let asyncio.CancelledError pass")


def _check_names(names: Any, what: str, instead: str) -> None:
    _require(
        isinstance(names, Sequence) and not isinstance(names, str),
        f"{what} returned {names!r}; it returns a list or tuple of names, or {instead}",
    )
    _require(
        all(isinstance(name, str) and name for name in names),
        f"{what} returned {names!r}; a name is a string, and not empty",
    )
    _require(len(set(names)) == len(names), f"{what} returned {names!r}, where a name is repeated")


def _check_ids(answer: Any, what: str) -> None:
    _require(
        isinstance(answer, Mapping) and isinstance(answer.get("ids"), list),
        f"{what} returned {answer!r}, not a mapping with a list of ids",
    )
    ids = answer["ids"]
    _require(all(isinstance(identity, str) for identity in ids), f"{what} returned the ids {ids!r}; an id is a string")
    _require(len(set(ids)) == len(ids), f"{what} returned an id twice: {ids!r}")


def _check_column(values: Any, column: str, count: int, what: str) -> None:
    found = "no" if values is None else len(values)
    _require(found == count, f"{what} returned {found} {column} where {count} are due, though they were included")


def _require(condition: bool, sentence: str) -> None:
    if not condition:
        raise AssertionError(sentence)
