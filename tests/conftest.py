"""What tests of several folders share: Hypothesis' profiles, and fixtures of real Chroma."""

from __future__ import annotations

import asyncio
import gc
import os
import shutil
import signal
import ssl
import subprocess
import sys
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import is_hypothesis_test, settings

from chromasql.operators import rerank
from tests.support.servers import ChromaServer

settings.register_profile("ci", max_examples=60, deadline=None)
settings.register_profile("quick", max_examples=10, deadline=None)
settings.register_profile("nightly", max_examples=5_000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the one flag that writes golden files and outputs in the docs anew."""
    parser.addoption("--update-golden", action="store_true", help="write golden files and outputs in the docs anew")
    parser.addoption("--no-skips", action="store_true", help="fail where a test is skipped, with the reason")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Under ``--no-skips``, make a failure of a test that is skipped: what never runs proves nothing."""
    report = yield
    if report.skipped and item.config.getoption("--no-skips") and not hasattr(report, "wasxfail"):
        report.outcome, report.longrepr = "failed", f"skipped under --no-skips: {report.longrepr[-1]}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Under ``--no-skips``, make a failure of a file or folder that is skipped as a whole, too."""
    report = yield
    if report.skipped and collector.config.getoption("--no-skips"):
        report.outcome, report.longrepr = "failed", f"skipped under --no-skips: {report.longrepr[-1]}"
    return report


_TESTS = Path(__file__).parent
_PURE = {"analysis", "ast", "explain", "grammar", "operators", "parser", "plan", "planner", "test_printer.py"}
_NOT_MEASURED = {"docs", "faults"}
_PROPERTIES_NOT_MEASURED = {"grammar", "parser", "test_printer.py"}
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


@pytest.fixture
def ctrl_c_interrupts() -> Iterator[None]:
    """Let SIGINT interrupt this process and those it spawns, though a shell starts its background jobs deaf to it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


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
    """
    Mark each test by its folder and its fixtures.

    ``server`` needs a server. ``unit`` is a pure module by itself: examples, and no Chroma. ``no_cover`` runs the same
    lines by the hundred, which measuring them would make twice as slow; other tests, of the stage that the lines belong
    to, cover them.
    """
    for item in items:
        if not _SERVER_FIXTURES.isdisjoint(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.server)
        folder = item.path.relative_to(_TESTS).parts[0]
        is_property = is_hypothesis_test(getattr(item, "obj", None))
        if folder in _NOT_MEASURED or (is_property and folder in _PROPERTIES_NOT_MEASURED):
            item.add_marker(pytest.mark.no_cover)
        if folder in _PURE and not item.get_closest_marker("no_cover"):
            item.add_marker(pytest.mark.unit)
    # Measuring that was paused comes back in the thread of the tests alone, not in those that run event loops.
    items.sort(key=lambda item: item.get_closest_marker("no_cover") is not None)
