"""Doubles for what a real Chroma will not do on command, around collections that are real."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, TypeVar

from chromasql import SimpleAsyncClientAdapter
from chromasql.concurrency.async_collection import awaitable_collection

T = TypeVar("T")
Act = Callable[[], Awaitable[Any]]


def plain_id(value: Any) -> str:
    """Name a value in a test's id, the same in every process: without the address that its repr may hold."""
    return re.sub(r" at 0x[0-9a-f]+", "", repr(value))


def fill(
    client: Any, name: str, count: int = 6, *, dimension: int = 2, space: str = "l2", first: int = 0, **options: Any
) -> Any:
    """
    Create a collection of ``count`` records ``{name}-{n}``, n from ``first``, whose vector is all n.

    The distance of record n from the zero vector is ``dimension * n ** 2`` in l2.
    """
    collection = client.create_collection(
        name, configuration={"hnsw": {"space": space}}, **{"embedding_function": None, **options}
    )
    if count:
        numbers = range(first, first + count)
        collection.add(
            ids=[f"{name}-{n}" for n in numbers],
            embeddings=[[float(n)] * dimension for n in numbers],
            documents=[f"document {n}" for n in numbers],
            metadatas=[{"n": n, "even": n % 2 == 0} for n in numbers],
        )
    return collection


class Spy:
    """
    A provider that notes every call as ``(collection, method)`` and may do something else instead.

    ``instead[collection, method]`` is what it does; the method is ``open``, ``get``, ``query`` or ``count``, and the
    listing of names is ``("", "list")``. ``during`` is awaited around each call of a collection.
    """

    def __init__(self, provider: Any, instead: dict[tuple[str, str], Act] | None = None) -> None:
        self.provider = provider
        self.instead = instead or {}
        self.calls: list[tuple[str, str]] = []
        self.during: Callable[[], Awaitable[None]] | None = None

    @classmethod
    def on(cls, client: Any, instead: dict[tuple[str, str], Act] | None = None) -> Spy:
        """Return one on the collections of a chromadb client."""
        return cls(SimpleAsyncClientAdapter(client), instead)

    def sent(self, *methods: str) -> list[tuple[str, str]]:
        """Return the calls of these methods."""
        return [call for call in self.calls if call[1] in methods]

    async def call(self, name: str, method: str, really: Act) -> Any:
        self.calls.append((name, method))
        if self.during is not None:
            await self.during()
        return await self.instead.get((name, method), really)()

    async def get_collection(self, name: str) -> Any:
        async def opened() -> Any:
            return _Watched(self, name, awaitable_collection(await self.provider.get_collection(name)))

        return await self.call(name, "open", opened)

    async def list_collection_names(self) -> Sequence[str]:
        return await self.call("", "list", self.provider.list_collection_names)

    def forget_collection(self, name: str) -> None:
        self.calls.append((name, "forget"))
        forget = getattr(self.provider, "forget_collection", None)
        if forget is not None:
            forget(name)


class _Watched:
    def __init__(self, spy: Spy, name: str, collection: Any) -> None:
        self._spy = spy
        self._name = name
        self._collection = collection

    def __getattr__(self, name: str) -> Any:
        return getattr(self._collection, name)

    async def get(self, **arguments: Any) -> Any:
        return await self._spy.call(self._name, "get", lambda: self._collection.get(**arguments))

    async def query(self, **arguments: Any) -> Any:
        return await self._spy.call(self._name, "query", lambda: self._collection.query(**arguments))

    async def count(self) -> Any:
        return await self._spy.call(self._name, "count", self._collection.count)


def raises(error: BaseException) -> Act:
    """Return a call that raises."""

    async def act() -> Any:
        raise error

    return act


def answers(value: Any) -> Act:
    """Return a call that answers the same whatever it is asked."""

    async def act() -> Any:
        return value

    return act


class Hang:
    """A call that never ends by itself: ``reached`` is set when it is made, ``cancelled`` when it is cancelled."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.cancelled = False

    async def __call__(self, *_: Any) -> Any:
        self.reached.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise


class _EagerClock(asyncio.SelectorEventLoop):
    """A loop whose clock jumps to the next timer as soon as there is nothing else to do."""

    _jumped = 0.0

    def time(self) -> float:
        return super().time() + self._jumped

    def _run_once(self) -> None:
        due = [timer.when() for timer in self._scheduled if not timer.cancelled()]
        if due and not self._ready:
            self._jumped += max(0.0, min(due) - self.time())
        super()._run_once()


def without_waiting(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that uses no thread and no socket; a deadline passes at once where all else has stopped."""
    with asyncio.Runner(loop_factory=_EagerClock) as runner:
        return runner.run(main)


def others() -> set[asyncio.Task[Any]]:
    """Return the tasks of this loop besides the one that asks."""
    return asyncio.all_tasks() - {asyncio.current_task()}
