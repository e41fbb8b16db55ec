"""Pages of ``get`` while others write, and servers that page wrongly."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chromasql import ChromaSQLExecutionError, MemoryProvider, connect
from chromasql.adapters.memory import MemoryCollection

PAGE = 10_000


class Written(MemoryCollection):
    """A collection in which ``write`` changes something after each page."""

    def __init__(self, count: int, write: Callable[[dict[str, Any]], None]) -> None:
        super().__init__("docs", [{"id": f"r{number:06d}", "metadata": {"n": number}} for number in range(count)])
        self._write = write

    async def get(self, **arguments: Any) -> Any:
        answer = await super().get(**arguments)
        self._write(self._records)
        return answer


def ids_of(collection: Any, sql: str = "SELECT id FROM docs") -> list[str]:
    with connect(MemoryProvider({"docs": collection})) as db:
        return [row["id"] for row in db.execute(sql)]


def test_records_that_stay_are_returned_though_others_go() -> None:
    """Deleting records that were read loses no other one; it failed before, when the next page skipped as many."""

    def delete(records: dict[str, Any]) -> None:
        for number in range(500):
            records.pop(f"r{number:06d}", None)

    found = ids_of(Written(25_000, delete))

    assert found == [f"r{number:06d}" for number in range(25_000)]


def test_a_stream_returns_what_its_caller_does_not_delete() -> None:
    """Deleting what a stream has returned, batch by batch, empties the collection; it failed before at half."""
    collection = MemoryCollection("mail", [{"id": f"m{number:04d}"} for number in range(5_000)])
    batch: list[str] = []
    with connect(MemoryProvider({"mail": collection})) as db:
        for row in db.stream("SELECT id FROM mail"):
            batch.append(row["id"])
            if len(batch) == 100:
                for row_id in batch:
                    del collection._records[row_id]
                batch.clear()

    assert not collection._records


@st.composite
def writes(draw: st.DrawFn) -> list[tuple[str, int]]:
    """Draw what a writer does between pages: delete, add or update the record of a number."""
    return draw(st.lists(st.tuples(st.sampled_from(["delete", "add", "update"]), st.integers(0, 99)), max_size=400))


@given(writes(), st.integers(0, 40), st.sampled_from(["", "WHERE n >= 0", "WHERE n >= 0 OR id = 'r000001'"]))
def test_untouched_records_come_once_whoever_writes(schedule: list[tuple[str, int]], pace: int, where: str) -> None:
    """Every record that nobody touches is returned once, whatever others add, update and delete between pages."""
    touched = {f"r{number * 30:06d}" for _, number in schedule}
    left = iter(schedule)

    def write(records: dict[str, Any]) -> None:
        for _, (kind, number) in zip(range(pace), left, strict=False):
            row_id = f"r{number * 30:06d}"
            if kind == "delete":
                records.pop(row_id, None)
            elif kind == "update" and row_id in records:
                records[row_id] = {**records[row_id], "metadata": {"n": number, "new": True}}
            elif kind == "add" and row_id not in records:
                records[row_id] = {**next(iter(records.values())), "id": row_id, "metadata": {"n": number}}

    # A stream has pages of 1,000 records, so there are four of them, between which the writer comes.
    with connect(MemoryProvider({"docs": Written(3_500, write)})) as db:
        found = [row["id"] for row in db.stream(f"SELECT id FROM docs {where}")]
    untouched = {f"r{number:06d}" for number in range(3_500)} - touched

    assert len(found) == len(set(found))
    assert untouched <= set(found)


@given(st.lists(st.integers(0, 99), max_size=200), st.integers(1, 40), st.booleans())
def test_streams_and_aggregates_see_untouched_records_once(numbers: list[int], pace: int, anew: bool) -> None:
    """A stream and a sum over a filter of two requests see every untouched record once while others go and come."""
    touched = {number * 120 for number in numbers}
    left = iter(numbers)

    def write(records: dict[str, Any]) -> None:
        for _, number in zip(range(pace), left, strict=False):
            record = records.pop(f"r{number * 120:06d}", None)
            if anew and record is not None:
                records[record["id"]] = record

    with connect(MemoryProvider({"docs": Written(12_000, write)})) as db:
        streamed = [row["n"] for row in db.stream("SELECT n FROM docs WHERE n >= 0 OR id = 'r000001'")]
    assert len(streamed) == len(set(streamed))
    assert set(range(12_000)) - touched <= set(streamed)

    left = iter(numbers)
    groups = "SELECT n, COUNT(*) AS times FROM docs WHERE n >= 0 OR id = 'r000001' GROUP BY n"
    with connect(MemoryProvider({"docs": Written(12_000, write)})) as db:
        times = {row["n"]: row["times"] for row in db.execute(groups)}
    assert set(times.values()) == {1}
    assert set(range(12_000)) - touched <= times.keys()


class Deaf:
    """A collection whose server ignores the offset."""

    name, metadata, configuration_json = "docs", None, {"hnsw": {"space": "l2"}}

    async def get(self, limit: int, **_: Any) -> Any:
        return {"ids": [f"r{number}" for number in range(limit)]}

    async def query(self, n_results: int, **_: Any) -> Any:
        return {"ids": [[f"r{number}" for number in range(n_results)]], "distances": [[1.0] * n_results]}

    async def count(self) -> int:
        return 3


class Endless(Deaf):
    """A collection whose server makes up a record for every offset."""

    async def get(self, limit: int, offset: int = 0, **_: Any) -> Any:
        return {"ids": [f"r{offset + number}" for number in range(limit)]}


class One:
    def __init__(self, collection: Any) -> None:
        self._collection = collection

    async def get_collection(self, _: str) -> Any:
        return self._collection

    async def list_collection_names(self) -> list[str]:
        return ["docs"]


@pytest.mark.parametrize(("collection", "message"), [(Deaf(), "the same records"), (Endless(), "many more than")])
def test_a_scan_ends_whatever_the_server_says(collection: Any, message: str) -> None:
    """A server that repeats its pages, or has no end, ends the statement with an error; it went on for ever before."""
    with connect(One(collection)) as db, pytest.raises(ChromaSQLExecutionError, match=message):
        db.execute("SELECT id FROM docs", timeout=60)


def test_a_tie_does_not_grow_beyond_the_collection() -> None:
    """Records that are equally far are asked for up to the count; before, four times as many again and again."""
    asked = []

    class Tied(Deaf):
        async def query(self, n_results: int, **arguments: Any) -> Any:
            asked.append(n_results)
            return await super().query(n_results, **arguments)

    with connect(One(Tied())) as db:
        db.execute("SELECT id FROM docs USING EMBEDDING (VECTOR [1.0]) LIMIT 5", timeout=60)

    assert max(asked) <= 11
