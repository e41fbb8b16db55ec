"""What is sent to one server never reaches another, whatever the servers say."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import pytest

from chromasql import ChromaSQLExecutionError, HttpProvider, ServersProvider, connect_async
from chromasql.database import AsyncDatabase
from tests.faults.fleet import CASES, SERVERS, Fleet, problem_of
from tests.support.proxy import Pass, Proxy, Redirect, Schedule, Status

pytestmark = pytest.mark.server


def secrets_of(server: str) -> tuple[str, ...]:
    """Return what only this server may see, as it is in the headers."""
    pair = b64encode(f"user:password-of-{server}".encode()).decode()
    return f"token-of-{server}", f"header-of-{server}", f"Basic {pair}"


@asynccontextmanager
async def connected(fleet: Fleet) -> AsyncIterator[AsyncDatabase]:
    """Connect to the servers with a token, a header and a password for each."""
    async with AsyncExitStack() as stack:
        parts = {}
        for server, proxy in fleet.proxies.items():
            address = proxy.url.replace("//", f"//user:password-of-{server}@")
            provider = HttpProvider(address, token=f"token-of-{server}", headers={"X-Team": f"header-of-{server}"})
            parts[server] = await stack.enter_async_context(provider)
        yield connect_async(ServersProvider(parts))


def seen_by(proxy: Proxy) -> set[str]:
    """Return the values of all headers that came."""
    return {value for request in proxy.requests for value in request.headers.values()}


async def test_each_server_sees_its_own(fleet: Fleet) -> None:
    """Every request, be it a second attempt, carries the credentials of its server, and nothing of the others'."""

    def every_third(server: str) -> Schedule:
        proxy = fleet.proxies[server]
        return lambda _: Status(503) if len(proxy.requests) % 3 == 0 else Pass()

    fleet.suffers({server: every_third(server) for server in SERVERS})
    async with connected(fleet) as database:
        for case in CASES:
            with suppress(ChromaSQLExecutionError):
                await database.execute(case.sql)

    for server, proxy in fleet.proxies.items():
        others = {secret for other in SERVERS if other != server for secret in secrets_of(other)}
        assert len(proxy.requests) > len(CASES)
        assert all(set(secrets_of(server)) <= set(request.headers.values()) for request in proxy.requests)
        assert not seen_by(proxy) & others


@pytest.mark.parametrize("verb", ["collections", "docs-0", "query"])
async def test_redirects(fleet: Fleet, verb: str) -> None:
    """A server that redirects to another, whatever it is asked, is a server that failed; the other hears nothing of it."""
    # Only FROM * asks for the list of the collections.
    case = next(each for each in CASES if ("FROM *" in each.sql) is (verb == "collections"))
    fleet.suffers({"a": lambda request: Redirect(fleet.proxies["b"].url) if request.verb == verb else Pass()})
    async with connected(fleet) as database:
        result = await database.execute(case.sql)

    assert problem_of(case, result) is None
    assert {outcome.collection[0] for outcome in result.failures} == {"a"}
    assert all("redirects are not followed" in str(outcome.error) for outcome in result.failures)
    assert any(request.verb == verb for request in fleet.proxies["a"].requests)
    assert not seen_by(fleet.proxies["b"]) & set(secrets_of("a"))
