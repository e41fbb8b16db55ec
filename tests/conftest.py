"""What tests of several folders share: Hypothesis' profiles, and fixtures of real Chroma."""

from __future__ import annotations

import asyncio
import gc
import os
import shutil
import ssl
import subprocess
import sys
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import settings

from chromasql.operators import rerank
from tests.support.servers import ChromaServer

settings.register_profile("ci", max_examples=60, deadline=None)
settings.register_profile("quick", max_examples=10, deadline=None)
settings.register_profile("nightly", max_examples=5_000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the one flag that writes golden files and outputs in the docs anew."""
    parser.addoption("--update-golden", action="store_true", help="write golden files and outputs in the docs anew")


_SERVER_FIXTURES = {"chroma_server", "start_chroma_server"}


@pytest.fixture(scope="session")
def chroma_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChromaServer]:
    """Give the one server of this test process; share it, and name what you create with `unique_name`."""
    server = ChromaServer(tmp_path_factory.mktemp("chroma")).start()
    yield server
    server.kill()


@pytest.fixture
def start_chroma_server(tmp_path: Path) -> Iterator[Callable[[], ChromaServer]]:
    """Give a function that starts a server of the test's own, for tests that kill it."""
    servers: list[ChromaServer] = []

    def start() -> ChromaServer:
        path = tmp_path / f"chroma-{len(servers)}"
        path.mkdir()
        servers.append(ChromaServer(path).start())
        return servers[-1]

    yield start
    for server in servers:
        server.kill()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Give a certificate for this machine that nobody has signed but itself, and its key."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("makes its certificate with the openssl command")
    folder = tmp_path_factory.mktemp("tls")
    crt, key = folder / "crt.pem", folder / "key.pem"
    subprocess.run(
        [
            *(openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-keyout", str(key), "-out", str(crt)),
            *("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"),
        ],
        check=True,
        capture_output=True,
    )
    return crt, key


@pytest.fixture(scope="session")
def tls(certificate: tuple[Path, Path]) -> ssl.SSLContext:
    """Give what a server needs to show that certificate."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificate)
    return context


@pytest.fixture
def unique_name() -> Callable[..., str]:
    """Give a function that makes a collection name which no other test has."""

    def name(stem: str = "docs") -> str:
        return f"{stem}-{uuid4().hex[:12]}"

    return name


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Any]:
    """Give an embedded Chroma that no other test sees."""
    import chromadb

    client = chromadb.PersistentClient(tmp_path / "chroma")
    yield client
    client.close()


@pytest.fixture
async def open_async_client() -> AsyncIterator[Callable[..., Awaitable[Any]]]:
    """
    Give chromadb's `AsyncHttpClient`, to be awaited in the loop of the test, and close its connections at the end.

    chromadb keeps one pool of connections per loop for all of its async clients, and only that loop can close it.
    """
    import chromadb

    yield chromadb.AsyncHttpClient
    pool = _async_pools().pop(hash(asyncio.get_running_loop()), None)
    if pool is not None:
        await pool.aclose()


@pytest.fixture(autouse=True)
def no_async_pool_is_left() -> Iterator[None]:
    """Fail the test that leaves connections of a loop that ends with it; a later test would fall over them."""
    yield
    pools = _async_pools()
    if not pools:
        return
    # Their sockets go now, so that the warnings about them fail no other test.
    with warnings.catch_warnings(action="ignore", category=ResourceWarning):
        pools.clear()
        gc.collect()
    pytest.fail("an AsyncHttpClient was not closed in its loop; open it with the fixture open_async_client")


@pytest.fixture(autouse=True)
def rerankers(monkeypatch: pytest.MonkeyPatch) -> dict[str, rerank.Strategy]:
    """Give the strategies of RERANK BY, and forget those that the test registers."""
    strategies = dict(rerank._registry)
    monkeypatch.setattr(rerank, "_registry", strategies)
    return strategies


def _async_pools() -> dict[int, Any]:
    """Return chromadb's pools by the hash of their loop, without loading chromadb where nothing did."""
    module = sys.modules.get("chromadb.api.async_fastapi")
    return {} if module is None else module.AsyncFastAPI._clients


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test that starts a server, so that `-m 'not server'` leaves them out."""
    for item in items:
        if not _SERVER_FIXTURES.isdisjoint(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.server)
