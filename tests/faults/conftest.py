"""One fleet of real servers for all tests here."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults import fleet as fleets


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[fleets.Fleet]:
    """Start three servers behind proxies, once."""
    with fleets.running(tmp_path_factory.mktemp("fleet")) as fleet:
        yield fleet


@pytest.fixture
def fleet(servers: fleets.Fleet) -> fleets.Fleet:
    """Give the fleet without faults."""
    servers.suffers({})
    return servers
