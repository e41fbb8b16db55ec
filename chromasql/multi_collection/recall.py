"""``measure_recall(..)``: how much of each collection its index finds, and what to do about it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from chromasql.adapters.folder_log import operations_behind
from chromasql.concurrency.threads import run_blocking
from chromasql.dispatch.open_collection import CollectionHandle
from chromasql.errors import ChromaSQLPlanningError, Failure
from chromasql.executor.state import StatementContext
from chromasql.multi_collection.engine import Engine
from chromasql.plan import QueryPlan
from chromasql.plan.dialect import LOCAL
from chromasql.retrieval.recall import IndexFacts, RecallRequest, measure_index, settings_of

__all__ = ["CollectionRecall", "RecallOptions", "RecallProgress", "RecallReport", "measure"]

_GOOD = 0.95
_NAMED = 5


@dataclass(frozen=True, slots=True)
class RecallProgress:
    """How far a measurement is: in ``collection``, ``done`` of its ``records`` are measured."""

    collection: str
    done: int
    records: int


@dataclass(frozen=True, slots=True)
class CollectionRecall:
    """
    What was measured in one collection.

    A number is None where this kind of Chroma does not let it be known, or where there is no record to measure.

    Attributes
    ----------
    collection
        Its name.
    records
        How many records satisfy the filter.
    samples
        For how many of them neighbours were looked for.
    recall
        The mean share of the k nearest other records that the index found, from 0 to 1; None without samples.
    worst
        The same of the worst sample.
    unreachable
        How many records come in no search, neither by their own vector nor by their id.
    not_indexed
        How many records ``get`` returns whose vectors the index does not have.
    deleted
        How many ids the index returns that ``get`` no longer has; None with a filter, too.
    space, space_shown
        The distance function that the distances agree with, and that which the configuration shows.
    ef_search
        The setting that the configuration shows.
    ef_search_below
        The setting in force is proved to be smaller than this; None where nothing contradicts ``ef_search``.
    behind
        How many writes the stored graph does not have, so that each opening applies them again. Only for a folder.
    wider
        Recall by the number of records requested, as far as it was tried: what an ``ef_search`` of that number finds.
    examples
        The first ids of records that are unreachable, not indexed or deleted.
    advice
        What to do, in sentences; empty where all is well.
    """

    collection: str
    records: int
    samples: int
    recall: float | None
    worst: float | None
    unreachable: int | None
    not_indexed: int
    deleted: int | None
    space: str | None
    space_shown: str | None
    ef_search: int | None
    ef_search_below: int | None
    behind: int | None
    wider: Mapping[int, float]
    examples: tuple[str, ...]
    advice: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RecallReport:
    """What was measured in each collection, in their order; ``failures`` are those that could not be measured."""

    k: int
    collections: tuple[CollectionRecall, ...]
    failures: tuple[Failure, ...] = ()

    @property
    def recall(self) -> float | None:
        """The lowest recall of a collection, or None where none was measured."""
        return min((one.recall for one in self.collections if one.recall is not None), default=None)

    @property
    def rows(self) -> list[dict[str, Any]]:
        """A row for each collection."""
        return [dataclasses.asdict(one) for one in self.collections]

    def to_json(self) -> str:
        """Return the report as JSON, for a monitor."""
        return json.dumps(
            {
                "k": self.k,
                "recall": self.recall,
                "collections": self.rows,
                "failures": [str(failure) for failure in self.failures],
            },
            ensure_ascii=False,
        )


@dataclass(frozen=True, slots=True)
class RecallOptions:
    """The numbers of a measurement; raises `ChromaSQLPlanningError` for one that is not a whole number from 1 on."""

    k: int = 10
    samples: int = 100
    on_progress: Callable[[RecallProgress], None] = lambda _: None

    def __post_init__(self) -> None:
        for name, value in {"k": self.k, "samples": self.samples}.items():
            if type(value) is not int or value < 1:
                raise ChromaSQLPlanningError(
                    f"{name} must be a whole number of at least 1, not {value!r}", code="invalid-argument"
                )


async def measure(engine: Engine, source: str, sql_filter: str | None, options: RecallOptions) -> RecallReport:
    """Measure the collections of a FROM clause, one after the other, so that memory holds one page of one of them."""
    where = "" if sql_filter is None else f" WHERE {sql_filter}"

    async def run(context: StatementContext) -> RecallReport:
        plan = context.plan
        if options.k >= plan.page:
            raise ChromaSQLPlanningError(
                f"k must be below {plan.page}, the most records that this Chroma returns", code="invalid-argument"
            )
        found = []
        for handle in context.handles:
            found += await context.dispatcher.fan_out("rank", [handle], lambda handle: _one(context, handle, options))
        context.dispatcher.ledger.require_some()
        failures = context.dispatcher.ledger.failures()
        return RecallReport(options.k, tuple(one for _, one in found), tuple(failures))

    return await engine.inspect(f"SELECT id FROM {source}{where}", run)  # noqa: S608 - both are SQL of the caller


async def _one(context: StatementContext, handle: CollectionHandle, options: RecallOptions) -> CollectionRecall:
    plan: QueryPlan = context.plan
    reader = context.reader(handle, "rank")
    await reader.open()
    request = RecallRequest(
        plan.filter,
        options.k,
        options.samples,
        plan.page,
        exhaustive=plan.dialect == LOCAL.name,
        on_progress=lambda done, records: options.on_progress(RecallProgress(handle.name, done, records)),
    )
    facts = await measure_index(reader, request)
    reader.count_rows(facts.records)
    return _reported(handle, facts, await run_blocking(operations_behind, handle.collection))


def _reported(handle: CollectionHandle, facts: IndexFacts, behind: int | None) -> CollectionRecall:
    settings = settings_of(handle.collection)
    missed = (*(facts.unreachable or ()), *facts.not_indexed, *(facts.deleted or ()))
    report = CollectionRecall(
        handle.name,
        facts.records,
        len(facts.recalls),
        round(sum(facts.recalls) / len(facts.recalls), 6) if facts.recalls else None,
        min(facts.recalls, default=None),
        None if facts.unreachable is None else len(facts.unreachable),
        len(facts.not_indexed),
        None if facts.deleted is None else len(facts.deleted),
        handle.space if not facts.spaces or handle.space in facts.spaces else facts.spaces[0],
        handle.space,
        settings.get("ef_search"),
        facts.ef_search_below,
        behind,
        {width: round(recall, 6) for width, recall in facts.wider},
        missed[:_NAMED],
        (),
    )
    return dataclasses.replace(report, advice=tuple(_advice(report)))


def _advice(report: CollectionRecall) -> Iterator[str]:
    if report.not_indexed or report.deleted:
        yield (
            f"{report.not_indexed} records are in get and not in the index, and {report.deleted or 0} are in the index "
            "and not in get: another process writes to this folder; open it again, and let one process, such as a "
            "server, do the writing"
        )
    if report.ef_search_below is not None:
        yield (
            f"ef_search is shown as {report.ef_search}, and the one in force is below {report.ef_search_below}: "
            "open the folder again, or restart the server"
        )
    if report.recall is not None and report.recall < _GOOD:
        enough = next((width for width, recall in report.wider.items() if recall >= _GOOD), None)
        best = max(report.wider.items(), key=lambda item: item[1], default=(None, 0.0))
        if enough is not None:
            yield (
                f"recall is {report.recall:.3f}; it is {report.wider[enough]:.3f} with ef_search = {enough}: "
                f'collection.modify(configuration={{"hnsw": {{"ef_search": {enough}}}}}), then open it again'
            )
        elif best[0] is not None:
            yield (
                f"recall is {report.recall:.3f}, and {best[1]:.3f} with ef_search = {best[0]}: copy the records into a "
                "collection with more max_neighbors and a larger ef_construction"
            )
    if report.unreachable:
        yield (
            f"{report.unreachable} records come in no search: ask WITH (exact = TRUE), or copy the records into a new "
            "collection with more max_neighbors"
        )
    if report.space != report.space_shown:
        yield f"the configuration shows {report.space_shown}, and the distances are those of {report.space}"
    if report.behind is not None and report.behind >= report.records > 0 and (report.recall or 0) < 1:
        yield (
            "no graph is stored yet, so each opening builds another and answers may change: from sync_threshold "
            "records on (1,000 if you do not set it) it is stored"
        )
