"""What tests of several folders share: Hypothesis' profiles and real Chroma servers."""

from __future__ import annotations

import asyncio
import gc
import os
import shutil
import socket
import ssl
import subprocess
import sys
import urllib.request
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import settings

from chromasql.operators import rerank

settings.register_profile("ci", max_examples=60, deadline=None)
settings.register_profile("quick", max_examples=10, deadline=None)
settings.register_profile("nightly", max_examples=5_000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the one flag that writes golden files and outputs in the docs anew."""
    parser.addoption("--update-golden", action="store_true", help="write golden files and outputs in the docs anew")


_PATIENCE = 600
_SERVER_FIXTURES = {"chroma_server", "start_chroma_server"}


@dataclass
class ChromaServer:
    """A real `chroma run` on a free port of loopback, over one folder; it may be killed and started again."""

    path: Path
    host: str = "127.0.0.1"
    port: int = 0
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        """What a client is given."""
        return f"http://{self.host}:{self.port}"

    @property
    def log(self) -> Path:
        """What the server said."""
        return self.path / "server.log"

    def start(self) -> ChromaServer:
        """Start it and wait until it answers; another process may take the free port first, so try a few."""
        for _ in range(5):
            port = self.port or _find_free_port(self.host)
            if self._launch(port):
                self.port = port
                return self
        pytest.fail(f"chroma run did not start:\n{self.log.read_text()}")

    def kill(self) -> None:
        """End it at once, as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def restart(self) -> ChromaServer:
        """Kill it and start it again on the same port, over the same records."""
        self.kill()
        return self.start()

    def _launch(self, port: int) -> bool:
        command = [
            str(Path(sys.executable).parent / "chroma"),
            "run",
            *("--path", str(self.path / "db")),
            *("--host", self.host),
            *("--port", str(port)),
        ]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                env=os.environ | {"ANONYMIZED_TELEMETRY": "False"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        for _ in range(_PATIENCE):
            if _answers(f"http://{self.host}:{port}/api/v2/heartbeat"):
                return True
            try:
                self._process.wait(timeout=0.1)
            except subprocess.TimeoutExpired:
                continue
            self._process = None
            return False
        self.kill()
        return False


def _find_free_port(host: str) -> int:
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def _answers(url: str) -> bool:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(url, timeout=5) as response:
            return bool(response.status == 200)
    except OSError:
        return False


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
