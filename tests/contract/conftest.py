"""
What the contract tests share. They need chromadb and pytest alone, so that they run against any release of Chroma.

Each test is named after a heading of docs/chroma.md; where it fails, the report names the line of that heading.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import chromadb
import pytest

from tests.contract.page import Behaviour, read_behaviours
from tests.support.servers import ChromaServer

Make = Callable[..., chromadb.Collection]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Where a test of the contract fails, say which line of the page is not right about this Chroma."""
    report = yield
    behaviour = _behaviour_of(item)
    if report.failed and behaviour is not None:
        text = f"chromadb {chromadb.__version__} differs from docs/chroma.md:{behaviour.line}: {behaviour.title}"
        report.sections.append(("the page", text))
    return report


def _behaviour_of(item: pytest.Item) -> Behaviour | None:
    if item.path.parent != Path(__file__).parent:
        return None
    return next((known for known in read_behaviours() if known.test == item.name), None)


@pytest.fixture
def client() -> chromadb.ClientAPI:
    """Give Chroma in memory; all such clients of a process share their collections, so let `make` name them."""
    return chromadb.EphemeralClient()


@pytest.fixture
def make(client: chromadb.ClientAPI) -> Make:
    """Give a function that makes an empty collection in memory, with vectors of the caller."""

    def make(**options: Any) -> chromadb.Collection:
        return client.create_collection(f"c-{uuid4().hex}", embedding_function=None, **options)

    return make


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChromaServer]:
    """Give one `chroma run` for all tests of this folder."""
    server = ChromaServer(tmp_path_factory.mktemp("contract")).start()
    yield server
    server.kill()


@pytest.fixture
def remote(server: ChromaServer) -> Iterator[chromadb.ClientAPI]:
    """Give a client of that server; its own `close` leaves the connections of its two pools open."""
    client = chromadb.HttpClient(host=server.host, port=server.port)
    yield client
    client.close()
    client._server._session.close()
    client._admin_client._server._session.close()


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Callable[[], chromadb.ClientAPI]]:
    """Give a function that opens one folder anew, and closes what was open before."""
    opened: list[Any] = []

    def open_folder() -> chromadb.ClientAPI:
        close()
        opened.append(chromadb.PersistentClient(str(tmp_path / "db")))
        return opened[-1]

    def close() -> None:
        while opened:
            opened.pop().close()

    yield open_folder
    close()
