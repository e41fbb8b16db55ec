"""How one collection is read during a step."""

from __future__ import annotations

from collections.abc import Coroutine
from functools import partial
from typing import Any

from chromasql.dispatch.dispatcher import Dispatcher
from chromasql.dispatch.open_collection import CollectionHandle
from chromasql.dispatch.outcomes import StepName
from chromasql.operators.row import Row
from chromasql.plan import PlanWarning

__all__ = ["CollectionReader"]


class CollectionReader:
    """
    Reads one collection for a step: calls go through the dispatcher, and rows know where they are from.

    ``get``, ``query``, ``count`` and ``search`` take and return what the methods of a Chroma collection do. They raise
    `chromasql.dispatch.call.CallFailed` or `chromasql.dispatch.call.HandleChanged`. ``row`` makes a row of an id.
    """

    __slots__ = ("_dispatcher", "_step", "handle", "row")

    def __init__(self, handle: CollectionHandle, dispatcher: Dispatcher, step: StepName) -> None:
        self.handle = handle
        # Called once for each record, so it is a partial rather than a method.
        self.row = partial(Row, handle.name, handle.place)
        self._dispatcher = dispatcher
        self._step = step

    def open(self) -> Coroutine[Any, Any, None]:
        """Open the collection."""
        return self._dispatcher.open(self.handle, self._step)

    def get(self, **arguments: Any) -> Coroutine[Any, Any, Any]:
        """Fetch records by id or by filter."""
        return self._dispatcher.call(self.handle, self._step, "get", **arguments)

    def query(self, **arguments: Any) -> Coroutine[Any, Any, Any]:
        """Fetch the records nearest to vectors."""
        return self._dispatcher.call(self.handle, self._step, "query", **arguments)

    def count(self) -> Coroutine[Any, Any, Any]:
        """Return the number of records."""
        return self._dispatcher.call(self.handle, self._step, "count")

    def search(self, **arguments: Any) -> Coroutine[Any, Any, Any]:
        """Run payloads of the Search API."""
        return self._dispatcher.call(self.handle, self._step, "search", **arguments)

    def report_stale(self, warning: PlanWarning, reason: str) -> None:
        """Record that the index of the collection is behind what was written, with a warning."""
        self._dispatcher.ledger[self.handle.name].stale = reason
        self._dispatcher.ledger.warn(warning)

    def count_rows(self, rows: int) -> None:
        """Count rows that the step found here."""
        self._dispatcher.count_rows(self.handle, self._step, rows)
