"""``db.keyword_index``: building, refreshing and looking at the keyword index of a database."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from chromasql.concurrency.portal import run_in_portal
from chromasql.errors import ChromaSQLPlanningError
from chromasql.keyword_index import KeywordIndex, KeywordIndexStatus
from chromasql.retrieval.indexed_keywords import build_segment, collection_id, refresh_segment

if TYPE_CHECKING:
    from chromasql.dispatch.open_collection import CollectionHandle
    from chromasql.executor.state import StatementContext
    from chromasql.multi_collection.engine import Engine

__all__ = ["AsyncKeywordIndexControl", "KeywordIndexControl", "KeywordIndexProgress"]


@dataclass(frozen=True, slots=True)
class KeywordIndexProgress:
    """How far the index of ``collection`` is: ``records`` of it are read."""

    collection: str
    records: int


OnProgress: TypeAlias = Callable[[KeywordIndexProgress], None]
"""What is called after each page of records."""


Work: TypeAlias = "Callable[[StatementContext, CollectionHandle], Awaitable[KeywordIndexStatus]]"
"""What is done with each collection."""


class AsyncKeywordIndexControl:
    """The keyword index of an `chromasql.AsyncDatabase`; ``source`` is what FROM takes, such as ``docs-*``."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def build(self, source: str = "*", *, on_progress: OnProgress | None = None) -> list[KeywordIndexStatus]:
        """
        Read every document of some collections and index its words anew, whatever was known.

        ``on_progress`` is called after each page of records. Returns the status of each collection. Raises
        `ChromaSQLPlanningError` where the database has no index or a scope, and `ChromaSQLExecutionError` where a
        collection cannot be read or the folder not be written.
        """
        return await self._each(source, partial(self._made, build_segment, on_progress))

    async def refresh(self, source: str = "*", *, on_progress: OnProgress | None = None) -> list[KeywordIndexStatus]:
        """Compare the ids of the records, and read the documents of new ones alone; as `build` otherwise."""
        return await self._each(source, partial(self._made, refresh_segment, on_progress))

    async def status(self, source: str = "*") -> list[KeywordIndexStatus]:
        """Return what the index has of some collections, without reading their records; raises as `build`."""

        async def status_of(context: StatementContext, handle: CollectionHandle) -> KeywordIndexStatus:
            return self._index.status_of(handle.name, collection_id(context.reader(handle, "scan")))

        return await self._each(source, status_of)

    @property
    def _index(self) -> KeywordIndex:
        index = self._engine.keyword_index
        if index is None:
            raise ChromaSQLPlanningError(
                "the database has no keyword index; connect(.., keyword_index='folder') gives it one",
                code="no-keyword-index",
            )
        return index

    async def _made(
        self,
        make: Callable[..., Awaitable[Any]],
        on_progress: OnProgress | None,
        context: StatementContext,
        handle: CollectionHandle,
    ) -> KeywordIndexStatus:
        reader = context.reader(handle, "scan")
        told = None if on_progress is None else (lambda done: on_progress(KeywordIndexProgress(handle.name, done)))
        await make(reader, self._index, context.plan.page, told)
        return self._index.status_of(handle.name, collection_id(reader))

    async def _each(self, source: str, work: Work) -> list[KeywordIndexStatus]:
        """Do something with every collection of a source, one call of ``work`` for each."""
        self._index  # noqa: B018 - raises where there is none
        if self._engine.is_scoped:
            raise ChromaSQLPlanningError(
                "within a scope the keyword index cannot be built; do so with the database without a scope",
                code="not-allowed-here",
            )

        async def run(context: StatementContext) -> list[KeywordIndexStatus]:
            opened = await context.dispatcher.open_all(context.handles)
            answers = await context.dispatcher.fan_out("scan", opened, partial(work, context))
            return [status for _, status in answers]

        statuses: list[KeywordIndexStatus] = await self._engine.inspect(
            f"SELECT id FROM {source} WITH (on_error = FAIL)",  # noqa: S608 - it is parsed as any statement
            run,
        )
        return statuses


class KeywordIndexControl:
    """The blocking face of `AsyncKeywordIndexControl`."""

    def __init__(self, control: AsyncKeywordIndexControl) -> None:
        self._control = control

    def build(self, source: str = "*", *, on_progress: OnProgress | None = None) -> list[KeywordIndexStatus]:
        """Index every document anew; see `AsyncKeywordIndexControl.build`."""
        return run_in_portal(partial(self._control.build, source, on_progress=on_progress))

    def refresh(self, source: str = "*", *, on_progress: OnProgress | None = None) -> list[KeywordIndexStatus]:
        """Index the documents of new records; see `AsyncKeywordIndexControl.refresh`."""
        return run_in_portal(partial(self._control.refresh, source, on_progress=on_progress))

    def status(self, source: str = "*") -> list[KeywordIndexStatus]:
        """Return what is indexed; see `AsyncKeywordIndexControl.status`."""
        return run_in_portal(partial(self._control.status, source))
