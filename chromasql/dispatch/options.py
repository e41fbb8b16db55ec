"""What the calls of a statement depend on: where collections come from, and what is done when they fail."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

__all__ = ["CollectionSource", "DispatchOptions"]


@dataclass(frozen=True, slots=True)
class CollectionSource:
    """
    How collections are opened; None stands for what a provider does not have.

    Attributes
    ----------
    get_collection : callable
        Opens a collection by name; the result may be awaitable.
    kept_collection : callable, optional
        Returns a collection that is open already, or None.
    forget_collection : callable, optional
        Drops a collection that is open, so that it is opened again next time.
    missing : callable, optional
        Makes the error for a collection that does not exist. An error of ChromaSQL ends the statement; any other is the
        failure of that one collection; for None, the failure is what ``get_collection`` raised.
    """

    get_collection: Callable[[str], Any]
    kept_collection: Callable[[str], Any] | None = None
    forget_collection: Callable[[str], Any] | None = None
    missing: Callable[[str], Awaitable[Exception | None]] | None = None


@dataclass(frozen=True, slots=True)
class DispatchOptions:
    """
    The limits of one statement.

    Attributes
    ----------
    concurrency : int
        The maximum of collections in which a step runs at once.
    timeout : float, optional
        Seconds for the whole statement, from the moment at which it began.
    began : float, optional
        That moment on the clock of the running event loop. Default: when its dispatcher is made.
    on_error : str
        ``skip`` goes on without a collection that fails, ``fail`` ends the statement.
    retries : int
        How often a call is made again after a failure that may pass.
    collection_timeout : float, optional
        Seconds for each collection, over all steps.
    min_success : int or float, optional
        How many of the collections used have to succeed: an int is their number, a float their share.
    keep_raw : bool
        Whether the responses are kept for the result.
    """

    concurrency: int = 8
    timeout: float | None = None
    on_error: str = "skip"
    retries: int = 0
    collection_timeout: float | None = None
    min_success: float | None = None
    keep_raw: bool = False
    began: float | None = None
