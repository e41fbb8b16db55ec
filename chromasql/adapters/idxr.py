"""An adapter for clients that hold several collections and a query config, such as idxr's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from chromasql.adapters.names import is_collection_name
from chromasql.errors import ChromaSQLExecutionError, ChromaSQLPlanningError

__all__ = ["AsyncMultiCollectionAdapter"]


class AsyncMultiCollectionAdapter:
    """
    An `AsyncCollectionProvider` over idxr's ``AsyncMultiCollectionQueryClient``, or a client like it.

    The client opens the collections, with its embedding function, and its query config names them, in
    ``model_to_collections`` and ``collection_to_models``. It must be connected when a statement runs; the caller
    closes it.

    A client like it has ``get_collection(name)``, a coroutine function, and ``query_config``; either may have a
    leading underscore. Raises `ChromaSQLPlanningError` for any other object.
    """

    def __init__(self, client: Any) -> None:
        self._client = client
        self._open = _attribute(client, "get_collection")
        _attribute(client, "query_config")

    async def get_collection(self, name: str) -> Any:
        """Return the collection, by the client's own method."""
        self._config()
        if not is_collection_name(name):
            raise LookupError(f"collection {name} does not exist")
        return await self._open(name)

    async def list_collection_names(self) -> Sequence[str]:
        """Return the names in the client's query config, in its order."""
        config = self._config()
        placed = config.get("model_to_collections", {}).values()
        names = [
            *config.get("collection_to_models", {}),
            *(name for placement in placed for name in placement["collections"]),
        ]
        return list(dict.fromkeys(names))

    def forget_collection(self, name: str) -> None:
        """Drop the client's handle, so that the next call reopens the collection."""
        getattr(self._client, "_collection_cache", {}).pop(name, None)

    def _config(self) -> Mapping[str, Any]:
        config: Mapping[str, Any] | None = _attribute(self._client, "query_config")
        # idxr keeps its config when it closes, but not its connection.
        if config is None or getattr(self._client, "_client", config) is None:
            raise ChromaSQLExecutionError(
                f"the {type(self._client).__name__} is not connected; await its connect() first, "
                "or open it with 'async with'",
                code="not-connected",
            )
        return config


def _attribute(client: Any, name: str) -> Any:
    for spelling in (name, f"_{name}"):
        if hasattr(client, spelling):
            return getattr(client, spelling)
    raise ChromaSQLPlanningError(
        f"{type(client).__name__} has no {name}, so it is not a multi-collection client; "
        "SimpleAsyncClientAdapter takes a client of chromadb",
        code="invalid-provider",
    )
