"""A provider may lack every optional member, and none that is required."""

from __future__ import annotations

from typing import Any

import pytest

from chromasql import ChromaSQLPlanningError, MemoryProvider, Scope, ServersProvider
from chromasql.multi_collection import Engine, EngineOptions
from chromasql.multi_collection.provider import Provider


def test_optional_members() -> None:
    """A member that the provider has is found, one that it lacks is None."""
    memory = MemoryProvider({"docs": []})
    servers = ServersProvider({"eu": memory})

    assert Provider.of(memory).source is memory
    assert Provider.of(memory).kept_collection is Provider.of(memory).listings is Provider.of(memory).server_of is None
    assert Provider.of(servers).listings == servers.listings
    assert Provider.of(servers).server_of is servers.server_of
    assert Provider.of(servers).max_concurrency == servers.max_concurrency


class OnlyOpens:
    async def get_collection(self, name: str) -> Any:
        raise LookupError(name)


def test_required_members() -> None:
    """What lacks a method of a provider is refused by naming the method."""
    with pytest.raises(
        ChromaSQLPlanningError, match="must have list_collection_names, and OnlyOpens has not"
    ) as caught:
        Provider.of(OnlyOpens())  # type: ignore[arg-type]

    assert caught.value.code == "invalid-provider"


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"router": 5}, "invalid-router"),
        ({"max_concurrency": 0}, "invalid-argument"),
        ({"max_per_collection": True}, "invalid-argument"),
        ({"scope": None}, "invalid-scope"),
    ],
)
def test_options_that_cannot_be_meant(options: dict[str, Any], code: str) -> None:
    """A wrong option is refused when the options are made, with a code of its own."""
    with pytest.raises(ChromaSQLPlanningError) as caught:
        EngineOptions(**options)

    assert caught.value.code == code


async def test_a_scoped_engine_shares_what_is_not_scoped() -> None:
    """An engine within a scope has plans of its own, and shares limits of calls and vectors with the first."""
    engine = Engine(MemoryProvider({"docs": [{"id": "a", "embedding": [1.0]}], "other": []}))
    scoped = engine.scoped(Scope(collections=["docs"]))

    assert scoped._shared is engine._shared
    assert [row["name"] for row in (await engine.execute("SHOW COLLECTIONS")).rows] == ["docs", "other"]
    assert [row["name"] for row in (await scoped.execute("SHOW COLLECTIONS")).rows] == ["docs"]
    assert len(scoped._plans) == len(engine._plans) == 1
