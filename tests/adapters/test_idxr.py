from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import chromadb
import pytest
from chromadb.errors import NotFoundError
from idxr.vectorize_lib import query_client as idxr

from chromasql.adapters import AsyncMultiCollectionAdapter, MetadataFieldRouter, load_query_config
from chromasql.errors import ChromaSQLExecutionError, ChromaSQLPlanningError
from chromasql.parser import parse
from chromasql.protocols import AsyncCollectionProvider
from chromasql.testing import check_provider

# idxr opens an AsyncHttpClient by itself, and leaves its connections open.
pytestmark = pytest.mark.usefixtures("open_async_client")


@pytest.fixture
def names(unique_name: Callable[..., str]) -> list[str]:
    return [unique_name("tables"), unique_name("fields")]


@pytest.fixture
def config_path(tmp_path: Path, names: list[str]) -> Path:
    """Give a query config as idxr writes it; the second name stands only among the models."""
    path = tmp_path / "query_config.json"
    config = {
        "model_to_collections": {
            "Table": {"collections": [names[0]], "total_documents": 9, "partitions": ["partition_00001"]},
            "Field": {"collections": names, "total_documents": 9, "partitions": ["partition_00001"]},
        },
        "collection_to_models": {names[0]: ["Field", "Table"]},
        "metadata": {"total_collections": 2, "total_models": 2, "generated_at": "2025-10-31T12:00:00"},
    }
    path.write_text(json.dumps(config), "utf-8")
    return path


@pytest.fixture
def client(chroma_server: Any, names: list[str], config_path: Path) -> Any:
    """Give idxr's own client, not yet connected, over collections of a real server."""
    writer = chromadb.HttpClient(host=chroma_server.host, port=chroma_server.port)
    for name in names:
        collection = writer.create_collection(name, embedding_function=None)
        collection.add(
            ids=[f"{name}-{number}" for number in range(9)],
            embeddings=[[float(number), 1.0] for number in range(9)],
            documents=[f"document {number}" for number in range(9)],
            metadatas=[{"model": "Table" if number < 3 and name == names[0] else "Field"} for number in range(9)],
        )
    return idxr.AsyncMultiCollectionQueryClient(config_path, http_host=chroma_server.host, http_port=chroma_server.port)


async def test_idxr_is_a_provider(client: Any, names: list[str]) -> None:
    """Once connected, idxr's client keeps the contract of a provider, with the names of its query config."""
    provider = AsyncMultiCollectionAdapter(client)
    async with client:
        await check_provider(provider)

        assert await provider.list_collection_names() == names
        assert (await (await provider.get_collection(names[1])).get(limit=1))["ids"] == [f"{names[1]}-0"]
        with pytest.raises(NotFoundError):
            await provider.get_collection("no-such-name")
    assert isinstance(provider, AsyncCollectionProvider)


async def test_a_handle_is_kept_until_it_is_forgotten(client: Any, names: list[str]) -> None:
    """The client's handle is used again; once forgotten, a collection that was made anew is found."""
    provider = AsyncMultiCollectionAdapter(client)
    async with client:
        handle = await provider.get_collection(names[0])
        assert await provider.get_collection(names[0]) is handle
        await client._client.delete_collection(names[0])
        anew = await client._client.create_collection(names[0], embedding_function=None)

        with pytest.raises(NotFoundError):
            await (await provider.get_collection(names[0])).count()
        provider.forget_collection(names[0])
        provider.forget_collection("never-opened")

        assert (await provider.get_collection(names[0])).id == anew.id


async def test_a_client_that_is_not_connected(client: Any, names: list[str]) -> None:
    """Before connect and after close the error says what to do, where idxr raises a RuntimeError or AttributeError."""
    provider = AsyncMultiCollectionAdapter(client)

    async def refused() -> None:
        with pytest.raises(ChromaSQLExecutionError, match="AsyncMultiCollectionQueryClient is not connected; await"):
            await provider.list_collection_names()
        with pytest.raises(ChromaSQLExecutionError, match=r"connect\(\) first, or open it with 'async with'"):
            await provider.get_collection(names[0])

    await refused()
    async with client:
        assert await provider.list_collection_names() == names
    await refused()


async def test_the_config_of_idxr_routes(client: Any, config_path: Path, names: list[str]) -> None:
    """The file that idxr writes is a table for the router, and routing by it finds every row."""
    router = MetadataFieldRouter(load_query_config(config_path), ("model",))

    routed = {
        model: router.route(parse(f"SELECT id FROM docs WHERE model = '{model}'")) for model in ("Table", "Field")
    }

    assert routed == {"Table": names[:1], "Field": names}
    async with client:
        provider = AsyncMultiCollectionAdapter(client)
        for model, asked in routed.items():
            for name in names:
                found = await (await provider.get_collection(name)).get(where={"model": model}, include=[])
                assert name in asked or found["ids"] == []


class Like:
    """A client of the same kind with public names and no connection of its own."""

    query_config = {"collection_to_models": {"docs-a": [], "docs-b": []}}

    async def get_collection(self, name: str) -> str:
        """Open nothing."""
        return f"collection {name}"


async def test_a_client_like_it_will_do() -> None:
    """Public names serve as well, and the model half of the config may be missing."""
    provider = AsyncMultiCollectionAdapter(Like())
    provider.forget_collection("docs-a")

    assert await provider.list_collection_names() == ["docs-a", "docs-b"]
    assert await provider.get_collection("docs-a") == "collection docs-a"


@pytest.mark.parametrize("client", [object(), {"query_config": {}}, type("Half", (), {"get_collection": None})()])
def test_any_other_object_is_refused(client: Any) -> None:
    """What cannot open collections or has no query config is refused when the adapter is made."""
    with pytest.raises(
        ChromaSQLPlanningError, match="so it is not a multi-collection client; SimpleAsyncClientAdapter takes"
    ):
        AsyncMultiCollectionAdapter(client)
