"""Every predicate of the language, generated, gives on real Chroma what SQL's three-valued logic says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import chromadb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import chromasql
from tests.support.oracle.statements import Statement, agree, answer, same_set
from tests.support.stores import filled
from tests.support.strategies.records import MOST_COLLECTIONS, Data, datasets, filters, rankings

STATEMENTS = 4
"""How many statements are asked of the same records."""

pytestmark = [pytest.mark.timeout(7200), pytest.mark.no_cover]
relaxed = settings(suppress_health_check=list(HealthCheck))
fewer = settings(relaxed, max_examples=settings.default.max_examples // 2)
over_http = settings(relaxed, max_examples=settings.default.max_examples // 5)
names = [f"predicates-{at}" for at in range(MOST_COLLECTIONS)]


@pytest.fixture(scope="module")
def client() -> Any:
    return chromadb.EphemeralClient()


@pytest.fixture(scope="module")
def server_client(chroma_server) -> Any:
    return chromadb.HttpClient(
        chroma_server.host, chroma_server.port, settings=chromadb.Settings(anonymized_telemetry=False)
    )


@pytest.fixture(scope="module")
def server_database(chroma_server) -> Iterator[chromasql.Database]:
    with chromasql.connect(chroma_server.url) as database:
        yield database


Ask = Callable[[str, Any], chromasql.ExecutionResult]


def check_filter(ask: Ask, data: Data, statement: Statement) -> None:
    sql, params = statement.sql([collection.name for collection in data.collections])

    (expected,) = answer(statement, data.collections)
    assert same_set(ask(sql, params).rows, expected), sql


def check_ranking(ask: Ask, data: Data, statement: Statement) -> None:
    sql, params = statement.sql([collection.name for collection in data.collections])
    expected = answer(statement, data.collections)
    got = ask(sql, params).results

    assert len(got) == len(expected)
    assert all(agree(*lists, tolerance=1e-6) for lists in zip(got, expected, strict=True)), sql


@relaxed
@given(st.data())
def test_filters_embedded(client, draws):
    """WHERE keeps exactly the records for which the predicate is true, however they are spread over collections."""
    data = draws.draw(datasets(names))
    with filled(client, data.collections):
        for _ in range(STATEMENTS):
            check_filter(chromasql.connect(client).execute, data, draws.draw(filters(data)))


@fewer
@given(st.data())
def test_rankings_embedded(client, draws):
    """A ranked statement ranks exactly the records for which its predicate is true."""
    data = draws.draw(datasets(names))
    with filled(client, data.collections):
        for _ in range(STATEMENTS):
            check_ranking(chromasql.connect(client).execute, data, draws.draw(rankings(data)))


@over_http
@given(st.data())
def test_server(server_client, server_database, draws):
    """A server gives the same answers as an embedded Chroma, filtered and ranked."""
    data = draws.draw(datasets(names))
    with filled(server_client, data.collections):
        for _ in range(STATEMENTS // 2):
            check_filter(server_database.execute, data, draws.draw(filters(data)))
            check_ranking(server_database.execute, data, draws.draw(rankings(data)))
