"""What a caller may connect to, as a provider of collections."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

from chromasql.adapters.clients import FolderProvider, SimpleAsyncClientAdapter
from chromasql.adapters.http import HttpOptions, HttpProvider
from chromasql.errors import ChromaSQLPlanningError

__all__ = ["open_source"]


def open_source(source: Any, http: HttpOptions | None = None) -> tuple[Any, bool]:
    """
    Return the provider for a source, and whether it is closed with the database.

    What is opened here is, and a provider that says so (``closes_with_database``), which a client is not.

    A source is an ``http://`` or ``https://`` address, a folder, a client of chromadb or a provider. ``http`` is
    for an address only.

    Raises `ChromaSQLPlanningError` for any other source, and `ChromaSQLError` for an address or an option of HTTP that
    is not usable.
    """
    chosen = {} if http is None else http.chosen()
    if isinstance(source, str) and source.lower().startswith(("http://", "https://")):
        return HttpProvider(source, **chosen), True
    if chosen:
        raise ChromaSQLPlanningError(
            f"{', '.join(chosen)} goes with an http:// address; set it on the client instead", code="invalid-argument"
        )
    if isinstance(source, str | Path):
        return FolderProvider(source), True
    if inspect.iscoroutine(source):
        source.close()
        raise ChromaSQLPlanningError(
            "the source is a coroutine; await it first: await chromadb.AsyncHttpClient(..)",
            code="invalid-provider",
        )
    if hasattr(source, "get_collection"):
        if hasattr(source, "list_collection_names"):
            return source, getattr(source, "closes_with_database", False) is True
        if hasattr(source, "list_collections"):
            return SimpleAsyncClientAdapter(source), False
    raise ChromaSQLPlanningError(
        "the source must be an http:// address, a folder, a chromadb client or a provider, "
        f"not {type(source).__name__}",
        code="invalid-provider",
    )
