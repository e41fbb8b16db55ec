"""Which collections a statement asks: FROM, patterns, EXCEPT, parameters, routers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from chromasql import (
    ChromaSQLError,
    ChromaSQLExecutionError,
    ChromaSQLPlanningError,
    ChromaSQLRoutingError,
    MemoryProvider,
    PatternRouter,
    StaticRouter,
    ast,
    connect_async,
)
from tests.support.doubles import Spy, fill, plain_id, raises

NAMES = ["logs-2023", "logs-2024-01", "logs-2024-02", "notes", "tmp-1"]


def spy() -> Spy:
    """Return a provider of five collections of one record each."""
    return Spy(MemoryProvider({name: [{"id": "1", "embedding": [0.0, 0.0]}] for name in reversed(NAMES)}))


async def asked(sql: str, params: Any = None, **options: Any) -> list[str]:
    """Return the collections that a statement asks, in the order of its outcomes."""
    provider = spy()
    result = await connect_async(provider, **options).execute(sql, params)
    assert {name for name, _ in provider.sent("open")} == {outcome.collection for outcome in result.outcomes}
    return [outcome.collection for outcome in result.outcomes]


# FROM


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        ("notes", ["notes"]),
        ("notes, logs-2023", ["notes", "logs-2023"]),
        ("notes, notes", ["notes"]),
        ("notes AS n", ["notes"]),
        ("*", NAMES),
        ("logs-*", NAMES[:3]),
        ("logs-2024-*", NAMES[1:3]),
        ("*-1", ["tmp-1"]),
        ("l*2*1", ["logs-2024-01"]),
        ("notes, logs-*", ["notes", *NAMES[:3]]),
        ("logs-*, logs-2024-*", NAMES[:3]),
        ("logs-2024-02, logs-*", ["logs-2024-02", "logs-2023", "logs-2024-01"]),
        ("* EXCEPT (tmp-*)", NAMES[:4]),
        ("* EXCEPT (tmp-*, logs-*)", ["notes"]),
        ("* EXCEPT (notes)", [name for name in NAMES if name != "notes"]),
        ("notes, tmp-1 EXCEPT (tmp-1)", ["notes"]),
        ("notes, tmp-1 EXCEPT (tmp-*)", ["notes"]),
        ('"notes"', ["notes"]),
        ("`notes`", ["notes"]),
    ],
)
async def test_from(sources: str, expected: list[str]) -> None:
    """FROM names collections in its own order, those of a pattern by name, each once; EXCEPT takes some away."""
    assert await asked(f"SELECT id FROM {sources} ORDER BY id") == expected


async def test_patterns_on_real_collections(client: Any) -> None:
    """Patterns match what a real Chroma lists."""
    for name in NAMES:
        fill(client, name, 1)
    result = await connect_async(client).execute("SELECT id FROM logs-* EXCEPT (*-02)")
    assert [row["id"] for row in result] == ["logs-2023-0", "logs-2024-01-0"]


async def test_names_alone_list_nothing() -> None:
    """Where FROM names its collections, the provider is not asked for all names."""
    provider = spy()
    await connect_async(provider).execute("SELECT id FROM notes, tmp-1")
    assert not provider.sent("list")


@pytest.mark.parametrize(
    ("sql", "params"),
    [
        ("SELECT id FROM :name", {"name": "notes"}),
        ("SELECT id FROM ?", ["notes"]),
        ("SELECT id FROM $1", ("notes",)),
        ("SELECT id FROM * EXCEPT (:a, logs-2024-*, tmp-*)", {"a": "logs-2023"}),
    ],
)
async def test_parameters_as_names(sql: str, params: Any) -> None:
    """A parameter may name a collection."""
    assert await asked(sql, params) == ["notes"]


async def test_a_parameter_is_no_pattern() -> None:
    """A star in a parameter or in quotes is a character: a value never becomes text."""
    for sql, params in (("SELECT id FROM :name", {"name": "logs-*"}), ("SELECT id FROM `logs-*`", None)):
        with pytest.raises(ChromaSQLRoutingError, match=r"collection logs-\* does not exist"):
            await asked(sql, params)


@pytest.mark.parametrize("value", [5, None, ["notes"], ""])
async def test_a_parameter_that_is_no_name(value: Any) -> None:
    """A parameter that is no name of a collection is refused."""
    with pytest.raises(ChromaSQLPlanningError):
        await asked("SELECT id FROM :name", {"name": value})


@pytest.mark.parametrize(
    ("sql", "marked", "message"),
    [
        ("SELECT id FROM note", "note", "collection note does not exist; did you mean notes?"),
        (
            "SELECT id FROM notes, nowhere-at-all",
            "nowhere-at-all",
            "collection nowhere-at-all does not exist; available:",
        ),
        ("SELECT id FROM log-2*", "log-2*", "no collection matches log-2*; did you mean logs-2023?"),
        ("SELECT id FROM notes, zzz-*", "zzz-*", "no collection matches zzz-*; available: logs-2023, logs-2024-01"),
        ("SELECT id FROM notes EXCEPT (notes)", "notes", "EXCEPT leaves no collection of notes"),
        ("SELECT id FROM tmp-* EXCEPT (*)", "*", "EXCEPT leaves no collection of tmp-1"),
        ("DESCRIBE note", "note", "collection note does not exist; did you mean notes?"),
    ],
)
async def test_no_such_collection(sql: str, marked: str, message: str) -> None:
    """A name or a pattern that leads nowhere is refused with its place and the nearest names, whatever on_error says."""
    with pytest.raises(ChromaSQLRoutingError) as caught:
        await asked(sql)
    assert message in caught.value.message
    assert caught.value.source == sql
    span = caught.value.span
    assert span is not None
    assert sql[span.start : span.end] == marked
    assert span.start == sql.rindex(marked)


async def test_no_collections_at_all() -> None:
    """In an empty database the error says that there is none."""
    with pytest.raises(ChromaSQLRoutingError, match=r"no collection matches .*; there are no collections"):
        await connect_async(MemoryProvider({})).execute("SELECT id FROM *")


async def test_near_names_need_the_listing() -> None:
    """Where names cannot be listed, an unknown one is still told."""
    provider = spy()
    provider.instead["", "list"] = raises(OSError("no network"))
    with pytest.raises(ChromaSQLRoutingError, match="collection note does not exist; there are no collections"):
        await connect_async(provider).execute("SELECT id FROM note")


async def test_a_collection_deleted_meanwhile() -> None:
    """A collection that a pattern found but that is gone when it is opened is a failure like any other."""
    provider = spy()
    provider.instead["logs-2023", "open"] = raises(LookupError("gone"))
    result = await connect_async(provider).execute("SELECT id, _collection FROM logs-*")
    assert [row["_collection"] for row in result] == NAMES[1:3]
    assert [outcome.collection for outcome in result.failures] == ["logs-2023"]


# Routers


class Router:
    """An object with a method."""

    def __init__(self, names: Any) -> None:
        self._names = names

    def route(self, query: ast.Query) -> Any:
        return self._names


class AsyncRouter(Router):
    """The same, as a coroutine."""

    async def route(self, query: ast.Query) -> Any:
        return self._names


def function(names: Any) -> Callable[[ast.Query], Any]:
    """Return a plain function that routes."""
    return lambda query: names


def coroutine(names: Any) -> Callable[[ast.Query], Any]:
    """Return a coroutine function that routes."""

    async def route(query: ast.Query) -> Any:
        return names

    return route


MAKERS = pytest.mark.parametrize("make", [Router, AsyncRouter, function, coroutine])


@MAKERS
async def test_routers(make: Callable[[Any], Any]) -> None:
    """A router, be it object or function, plain or async, decides instead of FROM."""
    for names in (["notes", "tmp-1"], ("notes", "tmp-1"), ["notes", "tmp-1", "notes"], {"tmp-1", "notes"}):
        assert await asked("SELECT id FROM whatever", router=make(names)) == ["notes", "tmp-1"]


@MAKERS
async def test_a_router_may_ask_all(make: Callable[[Any], Any]) -> None:
    """None from a router asks all collections."""
    assert sorted(await asked("SELECT id FROM whatever", router=make(None))) == NAMES


@MAKERS
@pytest.mark.parametrize("sql", ["SELECT id FROM x", "SELECT id FROM x USING EMBEDDING (VECTOR [1.0, 2.0])"])
async def test_an_empty_route(make: Callable[[Any], Any], sql: str) -> None:
    """An empty route asks nobody, and the answer has no rows."""
    provider = spy()
    result = await connect_async(provider, router=make([])).execute(sql)
    assert result.rows == []
    assert result.complete
    assert not provider.calls


async def test_a_router_sees_the_bound_statement() -> None:
    """A router is given the parsed statement, its parameters already values."""
    seen: list[ast.Query] = []
    await asked("SELECT id FROM x WHERE tenant = :t", {"t": "a"}, router=lambda query: seen.append(query) or ["notes"])
    (query,) = seen
    assert isinstance(query.where, ast.ComparisonPredicate)
    assert query.where.value == ast.Literal("a")


@pytest.mark.parametrize(
    "names", ["notes", 5, {"notes": 1}, [5], [None], ["notes", b"tmp-1"], iter(["notes"])], ids=plain_id
)
@MAKERS
async def test_garbage_of_routers(make: Callable[[Any], Any], names: Any) -> None:
    """A router that returns anything but names is refused in words."""
    with pytest.raises(ChromaSQLRoutingError, match="a router must return names or None: "):
        await asked("SELECT id FROM x", router=make(names))


@pytest.mark.parametrize(
    "fault", [ValueError("broken"), KeyError("tenant"), StopIteration(), TimeoutError(), TypeError()]
)
async def test_faults_of_routers(fault: Exception) -> None:
    """
    Whatever a router raises is the cause of a routing error.

    asyncio carries no StopIteration from a thread, and makes a TimeoutError anew; the kind of the fault is kept.
    """

    def route(query: ast.Query) -> Any:
        raise fault

    with pytest.raises(ChromaSQLRoutingError, match="the router failed: ") as caught:
        await asked("SELECT id FROM x", router=route)
    cause = caught.value.__cause__
    assert cause is fault or (cause is not None and cause.__cause__ is fault) or isinstance(fault, TimeoutError)
    assert isinstance(cause, RuntimeError if isinstance(fault, StopIteration) else type(fault))


async def test_a_router_that_refuses() -> None:
    """A refusal by a router reaches the caller as it is, and shows its place in the statement."""

    def route(query: ast.Query) -> Any:
        assert query.where is not None
        raise ChromaSQLRoutingError("tenant must be one of yours", span=query.where.span)

    with pytest.raises(ChromaSQLRoutingError, match="tenant must be one of yours") as caught:
        await asked("SELECT id FROM x WHERE tenant = 'b'", router=route)
    assert "^^^^^^^^^^^^" in str(caught.value)


@pytest.mark.parametrize("router", [5, "notes", object()])
def test_what_is_no_router(router: Any) -> None:
    """What routes nothing is refused when the database is opened."""
    with pytest.raises(ChromaSQLPlanningError, match="must be a function or have route"):
        connect_async(MemoryProvider({}), router=router)


async def test_routed_names_that_do_not_exist() -> None:
    """A collection that a router names and that does not exist is a failure like any other."""
    result = await connect_async(spy(), router=StaticRouter(["notes", "nowhere"])).execute("SELECT id FROM x")
    assert len(result) == 1
    assert [outcome.collection for outcome in result.failures] == ["nowhere"]
    with pytest.raises(ChromaSQLExecutionError, match="nowhere: LookupError"):
        await connect_async(spy(), router=StaticRouter(["nowhere"])).execute("SELECT id FROM x")


@pytest.mark.parametrize("sql", ["SHOW COLLECTIONS", "DESCRIBE notes"])
async def test_only_selects_are_routed(sql: str) -> None:
    """SHOW and DESCRIBE go past the router."""
    assert len(await connect_async(spy(), router=raises(ValueError("not asked"))).execute(sql)) > 0


# What is no statement


@pytest.mark.parametrize("statement", [None, 5, b"SELECT id FROM notes", ["SELECT id FROM notes"]])
async def test_what_is_no_statement(statement: Any) -> None:
    """What is neither text nor tree is refused in words."""
    with pytest.raises(ChromaSQLPlanningError, match="a statement is text, or the tree that parse returns"):
        await asked(statement)


@pytest.mark.parametrize("sql", ["", "SELECT", "DROP TABLE notes", "SELECT id FROM notes; SELECT id FROM notes"])
async def test_bad_text_sends_nothing(sql: str) -> None:
    """A statement that does not parse is refused before anyone is asked."""
    provider = spy()
    with pytest.raises(ChromaSQLError):
        await connect_async(provider).execute(sql)
    assert not provider.calls


def fail(_: Any) -> list[str]:
    raise OSError("no table")


@pytest.mark.parametrize(
    ("sql", "router", "code"),
    [
        ("SELECT id FROM nowhere", None, "unknown-collection"),
        ("DESCRIBE nowhere", None, "unknown-collection"),
        ("SELECT id FROM nowhere-*", None, "no-collection"),
        ("SELECT id FROM notes EXCEPT (notes)", None, "no-collection"),
        ("SELECT id FROM notes", fail, "router-failed"),
        ("SELECT id FROM notes", lambda _: 5, "invalid-router"),
        ("SELECT id FROM notes", PatternRouter("{tenant}", fallback_to_all=False), "router-refused"),
    ],
)
async def test_codes(sql: str, router: Any, code: str) -> None:
    """Each way in which a statement leads to no collection has a code that stays when the words change."""
    with pytest.raises(ChromaSQLRoutingError) as caught:
        await connect_async(spy(), router=router).execute(sql)

    assert caught.value.code == caught.value.to_dict()["code"] == code


async def test_the_code_of_a_failed_listing() -> None:
    """A provider that cannot list its collections makes an execution error with a code of its own."""
    provider = Spy(MemoryProvider({}), {("", "list"): raises(ValueError("broken"))})
    with pytest.raises(ChromaSQLExecutionError) as caught:
        await connect_async(provider).execute("SELECT id FROM *")

    assert caught.value.code == "listing-failed"
