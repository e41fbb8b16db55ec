"""Three real servers behind proxies, twelve collections, and what statements over them must answer."""

from __future__ import annotations

import dataclasses
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import chromadb

import tests.support.oracle.ranks as ranked
import tests.support.oracle.statements as oracle
from chromasql import HttpProvider, ServersProvider, Settings, connect_async
from chromasql.database import AsyncDatabase
from tests.support.oracle.predicates import And, Column, Compare, Filter
from tests.support.oracle.statements import OrderItem
from tests.support.oracle.values import Collection, Record
from tests.support.proxy import Proxy, Schedule, always_pass
from tests.support.servers import ChromaServer

SERVERS = ("a", "b", "c")
NAMES = tuple(f"{server}.docs-{number}" for server in SERVERS for number in range(4))
"""The collections in the order of FROM, which is also that of their names."""

_RECORDS = 12
_WORDS = ("rain", "snow", "warm", "light", "tent", "coat", "boot", "map")
_VECTOR = (0.5, -0.25, 1.0)


@dataclass
class Fleet:
    """The proxies of the servers, by name."""

    proxies: dict[str, Proxy]

    @asynccontextmanager
    async def database(self, settings: Settings | None = None, **options: Any) -> AsyncIterator[AsyncDatabase]:
        """Connect to all servers, by providers with these options, for as long as the block runs."""
        async with AsyncExitStack() as stack:
            parts = {
                name: await stack.enter_async_context(HttpProvider(proxy.url, **options))
                for name, proxy in self.proxies.items()
            }
            yield connect_async(ServersProvider(parts), settings=settings)

    def suffers(self, schedules: dict[str, Schedule]) -> None:
        """Give each server its schedule of faults; one that is not named has none."""
        for name, proxy in self.proxies.items():
            proxy.before = None
            proxy.requests = []
            proxy.schedule = schedules.get(name, always_pass)


@contextmanager
def running(folder: Path) -> Iterator[Fleet]:
    """Start the servers, fill them, and put a proxy before each."""
    with ExitStack() as stack:
        proxies = {}
        for server in SERVERS:
            _fill(folder / server / "db", server)
            chroma = ChromaServer(folder / server).start()
            stack.callback(chroma.kill)
            proxies[server] = stack.enter_context(Proxy(chroma.port).running())
        yield Fleet(proxies)


def _fill(path: Path, server: str) -> None:
    client = chromadb.PersistentClient(path)
    for collection in RECORDS:
        if collection.name.startswith(f"{server}."):
            made = client.create_collection(collection.name.partition(".")[2], embedding_function=None)
            made.add(
                ids=[record.id for record in collection.records],
                embeddings=[list(record.vector) for record in collection.records],
                documents=[record.document for record in collection.records],
                metadatas=[record.metadata for record in collection.records],
            )
    client.close()


def _make(name: str) -> Collection:
    rng = random.Random(name)
    return Collection(
        name,
        tuple(
            Record(
                f"{name[0]}{name[-1]}-{number:02}",
                tuple(rng.randint(-64, 64) / 32 for _ in _VECTOR),
                " ".join(rng.choices(_WORDS, k=rng.randint(2, 9))),
                {"n": rng.randint(0, 20), "boost": rng.randint(0, 8) / 8}
                | ({"lang": rng.choice(["en", "fr", "de"])} if rng.random() < 0.8 else {}),
            )
            for number in range(_RECORDS)
        ),
    )


RECORDS = tuple(map(_make, NAMES))


# Statements


@dataclass(frozen=True)
class Case:
    """
    A statement and its oracle.

    ``problem(rows, answered, failed)`` says what is wrong with rows, or returns None, where the collections ``answered``
    gave their candidates and those of them in ``failed`` were lost afterwards, when parts of their rows were fetched. A
    page is fetched in several steps where rows are lost, so of these some rows may be there and others missing.
    """

    name: str
    sql: str
    problem: Callable[[list[dict[str, Any]], frozenset[str], frozenset[str]], str | None] = field(repr=False)


def _chosen(names: frozenset[str]) -> list[Collection]:
    return [each for each in RECORDS if each.name in names]


def _ranked(
    statement: ranked.Statement, rows: list[dict[str, Any]], answered: frozenset[str], failed: frozenset[str]
) -> str | None:
    shown = {row["id"] for row in rows}
    candidates = statement.ranked(_chosen(answered), "l2")
    left = [each for each in candidates if each[0].collection not in failed or each[0].record.id in shown]
    return ranked.disagreement(statement, left, rows, scale=10.0) or _misread(rows)


def _scanned(
    statement: oracle.Statement, rows: list[dict[str, Any]], answered: frozenset[str], failed: frozenset[str]
) -> str | None:
    shown = {row["id"] for row in rows}
    collections = _chosen(answered)
    assert statement.limit is not None
    if statement.order:
        ordered = oracle.answer(dataclasses.replace(statement, limit=None), collections)[0]
        left = [row for row in ordered if row["_collection"] not in failed or row["id"] in shown]
        expected = left[: statement.limit]
        return None if oracle.agree(rows, expected) else f"{rows}, not {expected}"
    # The order is free, so any rows will do that match; fewer than asked for only where rows were lost.
    matching = oracle.matching(statement, collections)
    if len(shown) < len(rows) or any(row not in matching for row in rows):
        return f"{rows} are not all among {matching}"
    enough = len(rows) == min(statement.limit, len(matching)) or bool(failed)
    return None if enough else f"{len(rows)} rows, where {len(matching)} match"


def _counted(rows: list[dict[str, Any]], answered: frozenset[str], failed: frozenset[str]) -> str | None:
    records = [record for each in _chosen(answered - failed) for record in each.records]
    langs = Counter(record.metadata.get("lang") for record in records)
    sums = {lang: sum(one.metadata["n"] for one in records if one.metadata.get("lang") == lang) for lang in langs}
    expected = [
        {"lang": lang, "records": langs[lang], "total": sums[lang]}
        for lang in sorted(langs, key=lambda lang: lang or "~")
    ]
    return None if rows == expected else f"{rows}, not {expected}"


def _totalled(rows: list[dict[str, Any]], answered: frozenset[str], failed: frozenset[str]) -> str | None:
    expected = [{"records": len(answered - failed) * _RECORDS}]
    return None if rows == expected else f"{rows}, not {expected}"


def _misread(rows: list[dict[str, Any]]) -> str | None:
    """Say which row shows what its record does not hold."""
    known = {(each.name, one.id): one for each in RECORDS for one in each.records}
    for row in rows:
        record = known[row["_collection"], row["id"]]
        if row.get("document", record.document) != record.document or row.get("n", 0) != (
            record.metadata["n"] if "n" in row else 0
        ):
            return f"{row} is not {record}"
    return None


def _rank(name: str, rank: Any, **options: Any) -> Case:
    statement = ranked.Statement(rank, **options)
    return Case(name, statement.sql(NAMES), partial(_ranked, statement))


def _scan(name: str, statement: oracle.Statement) -> Case:
    sql, params = statement.sql(NAMES)
    assert not params
    return Case(name, sql, partial(_scanned, statement))


_ID, _COLLECTION, _DOCUMENT = (Column(part) for part in ("id", "_collection", "document"))
_N, _LANG = (Column("metadata", key, key, bare=True) for key in ("n", "lang"))
_KNN = ranked.Knn(vector=_VECTOR)

CASES: Sequence[Case] = (
    _rank("nearest", _KNN, limit=10),
    _rank("nearest with documents", _KNN, limit=40, shown=("document", "n")),
    _rank("filtered nearest", _KNN, where=Filter("n < 12", lambda one: one.metadata["n"] < 12), limit=15),
    _rank("arithmetic", ranked.Operation("+", _KNN, ranked.Metadata("boost")), limit=10, shown=("document",)),
    _rank("words", ranked.Bm25(text="warm tent"), limit=10, shown=("document",)),
    _rank("fusion", ranked.Rrf((_KNN, ranked.Bm25(text="rain coat"))), limit=12, shown=("document",)),
    _rank("groups", _KNN, keep=ranked.Keep(("_collection",), 2), limit=30),
    _scan(
        "filter",
        oracle.Statement(
            (_ID, _COLLECTION, _DOCUMENT), And((Compare(_N, ">", 5), Compare(_LANG, "!=", "fr"))), limit=30
        ),
    ),
    _scan(
        "order",
        oracle.Statement(
            (_ID, _COLLECTION, _DOCUMENT, _N), Compare(_N, "<", 15), order=(OrderItem(_N, descending=True),), limit=25
        ),
    ),
    Case(
        "aggregates",
        f"SELECT lang, COUNT(*) AS records, SUM(n) AS total FROM {', '.join(NAMES)} GROUP BY lang ORDER BY lang",
        _counted,
    ),
    Case("count", "SELECT COUNT(*) AS records FROM *", _totalled),
)


def all_told(case: Case, outcomes: Sequence[Any]) -> bool:
    """
    Whether the outcomes of a statement are those of all collections, each once and in the order of FROM.

    Where a pattern needed the list of a server that could not be had, ``b.*`` stands before the others for what is there.
    Where that ended the statement nothing else is known: there is an outcome for the list of each server.
    """
    names = tuple(outcome.collection for outcome in outcomes)
    if "FROM *" in case.sql and names == tuple(f"{server}.*" for server in SERVERS):
        return any(outcome.error is not None for outcome in outcomes)
    lost = {outcome.collection for outcome in outcomes if outcome.status != "ok"}
    unlisted = tuple(f"{server}.*" for server in SERVERS if "FROM *" in case.sql and f"{server}.*" in lost)
    return names == (*unlisted, *(name for name in NAMES if f"{name.partition('.')[0]}.*" not in unlisted))


def problem_of(case: Case, result: Any) -> str | None:
    """
    Say what is wrong with a result, or return None.

    A collection that failed after it gave candidates was asked to fetch, which its steps tell.
    """
    if not all_told(case, result.outcomes):
        return f"outcomes of {[outcome.collection for outcome in result.outcomes]}"
    failed = frozenset(outcome.collection for outcome in result.failures)
    ok = frozenset(outcome.collection for outcome in result.outcomes if outcome.status == "ok")
    lost = frozenset(
        outcome.collection for outcome in result.failures if any(step.step == "fetch" for step in outcome.steps)
    )
    if result.complete is not (not failed):
        return f"complete is {result.complete}, where {set(failed)} failed"
    return case.problem(result.rows, ok | lost, lost)
