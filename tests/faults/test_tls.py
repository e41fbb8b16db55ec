"""A real Chroma behind https: its certificate is verified, and trusted where the caller says so."""

from __future__ import annotations

import os
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chromasql import ChromaSQLExecutionError, ChromaSQLPlanningError, MemoryProvider, connect, connect_async
from tests.support.proxy import Proxy
from tests.support.servers import ChromaServer

SQL = "SELECT id FROM {} ORDER BY id"


@pytest.fixture
def proxy(chroma_server: ChromaServer, tls: ssl.SSLContext) -> Iterator[Proxy]:
    """Give https before a real Chroma, which speaks none."""
    with Proxy(chroma_server.port, tls).running() as proxy:
        yield proxy


@pytest.fixture
def name(chroma_server: ChromaServer, unique_name: Any) -> str:
    """Give a collection of two records, made without TLS."""
    program = (
        "import sys, chromadb\n"
        "client = chromadb.HttpClient(host=sys.argv[1], port=int(sys.argv[2]))\n"
        "made = client.create_collection(sys.argv[3], embedding_function=None)\n"
        "made.add(ids=['a', 'b'], embeddings=[[0.0], [1.0]])\n"
    )
    name = str(unique_name())
    arguments = (chroma_server.host, str(chroma_server.port), name)
    subprocess.run([sys.executable, "-c", program, *arguments], check=True)
    return name


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
@pytest.mark.parametrize("source", [None, "*"], ids=["by name", "by pattern"])
def test_untrusted(proxy: Proxy, name: str, host: str, source: str | None) -> None:
    """A certificate that nobody trusts ends the statement, with the way out and without a second attempt or a secret sent."""
    address = f"https://{host}:{proxy.port}"
    with (
        connect(address, token="secret") as database,
        pytest.raises(
            ChromaSQLExecutionError, match=r"(?s)certificate verify failed.*pass a context that trusts"
        ) as caught,
    ):
        database.execute(SQL.format(source or name))

    assert proxy.requests == []
    assert all(outcome.retries == 0 for outcome in caught.value.outcomes)


async def test_trusted_by_a_context(proxy: Proxy, name: str, certificate: tuple[Path, Path]) -> None:
    """With a context that trusts the certificate, or with no check at all, there is an answer, from async code and not."""
    rows = [{"id": "a"}, {"id": "b"}]
    trusting = ssl.create_default_context(cafile=str(certificate[0]))
    for choice in (trusting, False):
        async with connect_async(proxy.url, ssl=choice) as database:
            assert (await database.execute(SQL.format(name))).rows == rows
    with connect(proxy.url, ssl=trusting) as blocking:
        assert blocking.execute(SQL.format(name)).rows == rows


def test_trusted_by_the_environment(proxy: Proxy, name: str, certificate: tuple[Path, Path]) -> None:
    """SSL_CERT_FILE names what a process trusts."""
    program = (
        f"import chromasql\nwith chromasql.connect({proxy.url!r}) as db: print(db.execute({SQL.format(name)!r}).rows)"
    )
    environment = os.environ | {"SSL_CERT_FILE": str(certificate[0])}
    done = subprocess.run([sys.executable, "-c", program], env=environment, check=True, capture_output=True, text=True)
    assert done.stdout == "[{'id': 'a'}, {'id': 'b'}]\n"


def test_only_with_an_address() -> None:
    """What has connections of its own takes no ``ssl``."""
    with pytest.raises(ChromaSQLPlanningError, match="ssl goes with an http:// address"):
        connect(MemoryProvider({}), ssl=True)
