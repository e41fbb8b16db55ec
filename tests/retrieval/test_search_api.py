"""What a statement stands for in the Search API, and that a real Chroma takes what is sent."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import chromadb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import chromasql
from chromasql import ChromaSQLParseError, ChromaSQLPlanningError, build_plan, parse, parse_script
from chromasql.concurrency.portal import run_in_portal
from chromasql.plan.search_payload import NotExpressible, search_payload
from tests.support.distributed import DistributedCollection, DistributedProvider
from tests.support.examples import EXAMPLES
from tests.support.strategies.ranked import cloud, datasets, statements

KNOWN = [example for example in EXAMPLES["accept"] if "search" in example]
NOT_IMPLEMENTED = 501
WIDTHS = (2, 3)

pytestmark = pytest.mark.timeout(7200)
relaxed = settings(suppress_health_check=list(HealthCheck))


def same(expected: Any, got: Any) -> bool:
    """Compare a payload with an example, where ``*`` is any whole number above 0."""
    if expected == "*":
        return type(got) is int and got > 0
    match expected, got:
        case dict(), dict():
            return expected.keys() == got.keys() and all(same(expected[key], got[key]) for key in expected)
        case list(), list():
            return len(expected) == len(got) and all(map(same, expected, got))
        case _:
            return isinstance(expected, bool) is isinstance(got, bool) and bool(expected == got)


def payloads_of(example: dict[str, Any]) -> list[Any]:
    """Return the payload of each statement of an example."""
    return [search_payload(build_plan(statement, example.get("params"))) for statement in parse_script(example["sql"])]


@pytest.fixture(autouse=True)
def strategies_of_the_examples(rerankers) -> None:
    rerankers.clear()
    for name in ("MMR", "CROSS_ENCODER"):
        chromasql.register_reranker(name, lambda request: [0.0] * len(request.rows))


@pytest.mark.parametrize("example", KNOWN, ids=[example["name"] for example in KNOWN])
def test_examples(example):
    """A statement of the reference stands for the payload that is printed beside it."""
    expected = example["search"] if isinstance(example["search"], list) else [example["search"]]
    payloads = payloads_of(example)

    assert len(payloads) == len(expected)
    assert all(
        same(value, payload[key])
        for keys, payload in zip(expected, payloads, strict=True)
        for key, value in keys.items()
    ), payloads


def test_batch():
    """A batch of rankings stands for a list of payloads, one for each."""
    plan = build_plan(parse("SELECT id FROM a USING EMBEDDING BATCH (VECTOR [1, 2], VECTOR [3, 4]) TOPK 3"))

    payloads = search_payload(plan)

    assert [payload["rank"]["$knn"]["query"] for payload in payloads] == [[1, 2], [3, 4]]


def test_uri():
    """The uri is selected under the key that Chroma keeps it in, as it has no name of its own there."""
    plan = build_plan(parse("SELECT uri FROM a"))

    assert search_payload(plan)["select"] == {"keys": ["chroma:uri"]}


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT id FROM a WHERE title IS NULL",
        "SELECT id FROM a WHERE title LIKE 'x%'",
        "SELECT id FROM a WHERE title < 'x'",
        "SELECT id FROM a WHERE _collection = 'a'",
        "SELECT id FROM a WHERE x = 1 AND x IN :none",
        "SELECT id FROM a RANK BY BM25('x')",
        "SELECT id FROM a RANK BY KNN([1]) + metadata.x",
        "SELECT id FROM a RANK BY COALESCE(KNN([1]), 2)",
        "SELECT id FROM a RANK BY KNN([1]) GROUP BY _collection KEEP 1",
        "SELECT id FROM a RANK BY KNN([1]) GROUP BY x KEEP 1 BY y, z DESC",
        "SELECT id FROM a RANK BY KNN([1]) GROUP BY x KEEP 1 BY document",
        "SELECT id FROM a RANK BY -KNN([1]) GROUP BY x KEEP 1 BY distance",
        "SELECT id FROM a GROUP BY x KEEP 1",
    ],
)
def test_inexpressible(sql):
    """What the Search API has no words for is said to be so, and not left out."""
    plan = build_plan(parse(sql), {"none": []} if ":none" in sql else None)

    with pytest.raises(NotExpressible):
        search_payload(plan)


def test_keep_by_distance():
    """The distance of the only KNN is the score, where it is the whole rank."""
    plan = build_plan(parse("SELECT id FROM a RANK BY KNN([1]) GROUP BY x KEEP 1 BY distance"))

    assert search_payload(plan)["group_by"]["aggregate"] == {"$min_k": {"keys": ["#score"], "k": 1}}


@pytest.mark.parametrize(
    "rank",
    [
        "KNN([1e39])",
        "KNN([1]) + 1" + "0" * 400,
        "RRF(KNN([1]), k = 0)",
        "RRF(KNN([1]), weights = [-1])",
        "RRF(KNN([1]), weights = [0], normalize = TRUE)",
        "BM25('x', k1 = -1)",
        "BM25('x', b = 1.5)",
    ],
)
def test_numbers(rank):
    """A number that ranks nothing is refused where it stands."""
    with pytest.raises((ChromaSQLParseError, ChromaSQLPlanningError)) as caught:
        build_plan(parse(f"SELECT id FROM a RANK BY {rank}"))

    assert caught.value.span is not None


# A real server


class Server:
    """The collections of a real server, which checks a payload before it says that it cannot search."""

    def __init__(self, url: str, client: Any) -> None:
        self.provider = chromasql.HttpProvider(url)
        self.client = client

    async def check_search(self, name: str, searches: Any, read_level: str | None = None) -> None:
        """Raise unless the server takes the payloads, to say in the end that it cannot search."""
        error = await self._refusal(name, searches, read_level)
        assert error.status == NOT_IMPLEMENTED, f"{error}: {searches}"

    async def check_sparse(self, name: str, searches: Any) -> None:
        """Raise unless all that the server lacks is the sparse index, which no single node has."""
        error = await self._refusal(name, searches, None)
        assert "with type 'SparseVector' because indexing is disabled" in str(error), f"{error}: {searches}"

    async def _refusal(self, name: str, searches: Any, read_level: str | None) -> Any:
        collection = await self.provider.get_collection(name)
        with pytest.raises(chromasql.ChromaSQLError) as caught:
            await collection.search(searches, read_level)
        return caught.value


@pytest.fixture(scope="module")
def server(chroma_server) -> Iterator[Server]:
    """Give a server that has a collection for each width of vector."""
    client = chromadb.HttpClient(
        chroma_server.host,
        chroma_server.port,
        settings=chromadb.Settings(anonymized_telemetry=False),
    )
    for width in WIDTHS:
        made = client.create_collection(f"wide-{width}", embedding_function=None)
        made.add(ids=["one"], embeddings=[[1.0] * width], documents=["a fox"], metadatas=[{"a": 1}])
    server = Server(chroma_server.url, client)
    yield server
    run_in_portal(server.provider.close)
    for width in WIDTHS:
        client.delete_collection(f"wide-{width}")


DENSE = [0.25, 0.5]
SPARSE = {"#type": "sparse_vector", "indices": [1, 5], "values": [0.5, 0.25]}


def embedded(value: Any, *, sparse: bool) -> Any:
    """Return a payload in which each text is a vector: what is sent, once it is embedded."""
    match value:
        case {"query": _, "key": str(key)}:
            is_sparse = sparse and key != "#embedding"
            return {**value, "query": SPARSE if is_sparse else DENSE, "key": key if is_sparse else "#embedding"}
        case dict():
            return {key: embedded(each, sparse=sparse) for key, each in value.items()}
        case list():
            return [embedded(each, sparse=sparse) for each in value]
        case _:
            return value


def test_examples_on_a_server(server):
    """A real Chroma takes the payload of every statement of the reference."""
    for example in KNOWN:
        payloads = payloads_of(example)

        run_in_portal(server.check_search, "wide-2", embedded(payloads, sparse=False))
        if "sparse" in example["sql"]:
            run_in_portal(server.check_sparse, "wide-2", embedded(payloads, sparse=True))


class Checked(DistributedCollection):
    """A collection of the double that has each request looked at by a real server first."""

    server: Server
    twin: str

    async def search(self, **arguments: Any) -> Any:
        await self.server.check_search(self.twin, arguments["searches"], arguments.get("read_level"))
        return await super().search(**arguments)

    async def get(self, **arguments: Any) -> Any:
        collection = await self.server.provider.get_collection(self.twin)
        await collection.get(**arguments)
        self.server.client.get_collection(self.twin).get(**arguments)
        return await super().get(**arguments)

    async def query(self, **arguments: Any) -> Any:
        collection = await self.server.provider.get_collection(self.twin)
        await collection.query(**_known_ids(arguments))
        self.server.client.get_collection(self.twin).query(**_known_ids(arguments))
        return await super().query(**arguments)


def _known_ids(arguments: dict[str, Any]) -> dict[str, Any]:
    """Leave out the ids, which single-node Chroma refuses where it does not know them."""
    return {name: value for name, value in arguments.items() if name != "ids"}


def checked(provider: DistributedProvider, server: Server, width: int) -> DistributedProvider:
    """Send what is asked of each collection to one of that many dimensions on the server, too; an empty one has none."""
    for collection in provider.collections.values():
        collection.__class__ = Checked
        collection.server, collection.twin = server, f"wide-{width}"
    return provider


@settings(relaxed, max_examples=max(20, settings.default.max_examples // 3))
@given(st.data())
def test_requests_on_a_server(server, draws):
    """A real Chroma, and chromadb's client before it, takes every request that is made of a distributed one."""
    data = draws.draw(datasets(most=2))
    sources = [each.name for each in data.collections]
    with chromasql.connect(checked(cloud(data), server, len(data.queries[0])), dialect="distributed") as database:
        for _ in range(3):
            statement, _ = draws.draw(statements(data))
            database.execute(statement.sql(sources), explain_rows=draws.draw(st.booleans()))
