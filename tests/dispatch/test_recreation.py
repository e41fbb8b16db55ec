"""A collection that is deleted and created again, alike, while a statement runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from chromasql import ChromaSQLExecutionError, MemoryProvider, connect
from chromasql.adapters.memory import MemoryCollection

COUNT = 12_000


def records(generation: str) -> list[dict[str, Any]]:
    return [
        {"id": f"r{number:05d}", "embedding": [float(number)], "document": f"{generation} {number}"}
        for number in range(COUNT)
    ]


class Stale(MemoryCollection):
    """A handle that no longer works after its first answer: the collection was recreated then."""

    def __init__(self, recreate: Callable[[], None]) -> None:
        super().__init__("docs", records("old"))
        self._recreate = recreate
        self._answers = 0

    async def _once(self, method: str, arguments: dict[str, Any]) -> Any:
        self._answers += 1
        if self._answers > 1:
            raise LookupError("collection does not exist")
        answer = await getattr(super(), method)(**arguments)
        self._recreate()
        return answer

    async def get(self, **arguments: Any) -> Any:
        return await self._once("get", arguments)

    async def query(self, **arguments: Any) -> Any:
        return await self._once("query", arguments)


class Recreating(MemoryProvider):
    """A provider whose collection is another one, of the same space and dimension, once it was read."""

    def __init__(self) -> None:
        super().__init__({})
        self._current: Any = Stale(self._recreate)

    def _recreate(self) -> None:
        self._current = MemoryCollection("docs", records("new"))

    async def get_collection(self, name: str) -> Any:
        return self._current

    async def list_collection_names(self) -> list[str]:
        return ["docs"]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT id, document FROM docs",
        "SELECT id, document FROM docs USING EMBEDDING (VECTOR [0]) TOPK 300 LIMIT 300",
        "SELECT id, document FROM docs ORDER BY document LIMIT 5",
    ],
)
def test_rows_of_one_answer_come_from_one_collection(sql: str) -> None:
    """The statement starts again on the new collection; it failed before, with old distances beside new documents."""
    with connect(Recreating()) as db:
        result = db.execute(sql)

    assert {row["document"].split()[0] for row in result} <= {"new"} or {
        row["document"].split()[0] for row in result
    } == {"old"}
    assert result.complete


def test_a_stream_over_a_recreated_collection_is_an_error() -> None:
    """A stream whose rows are out already cannot start again, so it ends with an error; it went on before."""
    with connect(Recreating()) as db, pytest.raises(ChromaSQLExecutionError, match="recreated") as caught:
        list(db.stream("SELECT id, document FROM docs"))

    assert caught.value.code == "collection-changed"
