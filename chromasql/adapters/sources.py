"""Whatever a caller has, as a provider of collections."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chromasql.adapters.clients import FolderProvider, SimpleAsyncClientAdapter
from chromasql.adapters.http import HttpProvider
from chromasql.errors import ChromaSQLPlanningError

__all__ = ["open_source"]


def open_source(source: Any, at_address: Mapping[str, Any] | None = None) -> tuple[Any, bool]:
    """
    Return the provider for a source, and whether it was opened here and so is to be closed here.

    A source is an ``http://`` or ``https://`` address, which ``at_address`` goes with, a folder, a client of chromadb
    or a provider.
    """
    if isinstance(source, str) and source.lower().startswith(("http://", "https://")):
        return HttpProvider(source, **(at_address or {})), True
    if at_address:
        raise ChromaSQLPlanningError(
            f"{', '.join(at_address)} goes with an http:// address; set it on the client instead"
        )
    if isinstance(source, str | Path):
        return FolderProvider(source), True
    if inspect.iscoroutine(source):
        source.close()
        raise ChromaSQLPlanningError("the source is a coroutine; await it first: await chromadb.AsyncHttpClient(..)")
    if hasattr(source, "get_collection"):
        if hasattr(source, "list_collection_names"):
            return source, False
        if hasattr(source, "list_collections"):
            return SimpleAsyncClientAdapter(source), False
    raise ChromaSQLPlanningError(
        f"cannot open a {type(source).__name__}; give an http:// address, a folder, a chromadb client or a provider"
    )
