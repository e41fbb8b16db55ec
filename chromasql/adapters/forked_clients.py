"""
Clients of chromadb in the child of a fork: Chroma's threads do not exist there, and connections are the parent's.

chromadb has no public way to forget what was open, so this reaches into its table of systems.
"""

# ruff: noqa: SLF001

from __future__ import annotations

import sys
import threading
from typing import Any

from chromasql.concurrency.forks import leak, reset_in_child
from chromasql.errors import ChromaSQLPlanningError

__all__ = ["is_inherited", "opening", "reopen_client"]


class _Inherited:
    """The blocking systems of chromadb that were open before a fork; a system is what clients of one source share."""

    def __init__(self) -> None:
        self.opening = threading.Lock()
        self.systems: list[Any] = []

    def after_fork(self) -> None:
        """
        Take the embedded systems of the parent out of chromadb's table, so that opening a folder opens it anew.

        Whatever is asked of them here hangs, and so does freeing them.
        """
        self.opening = threading.Lock()
        module = sys.modules.get("chromadb.api.shared_system_client")
        if module is None:
            return
        shared = module.SharedSystemClient
        shared._refcount_lock = threading.Lock()
        for identifier, system in list(shared._identifier_to_system.items()):
            if str(system.settings.chroma_api_impl).endswith("AsyncFastAPI"):
                continue
            leak(system)
            self.systems.append(system)
            if _is_embedded(system.settings):
                shared._identifier_to_system.pop(identifier, None)
                shared._identifier_to_refcount.pop(identifier, None)


_inherited = reset_in_child(_Inherited())


def opening() -> threading.Lock:
    """Return the lock of this process for opening chromadb's folders, which two threads must not do at once."""
    return _inherited.opening


def is_inherited(client: Any) -> bool:
    """
    Tell whether a client of chromadb was made before this process was forked, and does not work here.

    An async client does, as it has connections of its own for each event loop.
    """
    system = getattr(getattr(client, "_server", None), "_system", None)
    return any(system is known for known in _inherited.systems)


def reopen_client(client: Any) -> Any:
    """
    Return a new client with the settings of one that is inherited; this may block.

    Raises `ChromaSQLPlanningError` for one of Chroma in memory, whose records are those of the parent.
    """
    settings = client.get_settings()
    if _is_embedded(settings) and not settings.is_persistent:
        raise ChromaSQLPlanningError(
            "a client of Chroma in memory does not work in the child of a fork, where its threads do not exist; "
            "make it in the child, or use a folder or a server",
            code="invalid-provider",
        )
    from chromadb.api.client import Client

    with opening():
        return Client(tenant=client.tenant, database=client.database, settings=settings)


def _is_embedded(settings: Any) -> bool:
    return not str(settings.chroma_api_impl).endswith("FastAPI")
