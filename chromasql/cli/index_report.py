"""`chromasql recall`: the measurement, its progress and its report."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from chromasql.cli.connection import Connection
from chromasql.cli.rendering import Format, guarded_output, print_table, render

if TYPE_CHECKING:
    from collections.abc import Callable

    from chromasql.multi_collection.recall import RecallProgress, RecallReport

__all__ = ["Measurement", "print_report"]

_COLUMNS = (
    "collection",
    "records",
    "samples",
    "recall",
    "worst",
    "unreachable",
    "not_indexed",
    "deleted",
    "space",
    "ef_search",
    "ef_search_below",
    "behind",
)


@dataclass(frozen=True, slots=True)
class Measurement:
    """What the options of `chromasql recall` say; each field is an option."""

    k: Annotated[int, typer.Option("--k", min=1, metavar="N", help="How many neighbours count.")] = 10
    samples: Annotated[
        int, typer.Option("--samples", min=1, metavar="N", help="How many records of each collection are searched for.")
    ] = 100
    where: Annotated[
        str | None, typer.Option("--where", metavar="CONDITION", help="Measure among the records that satisfy it.")
    ] = None
    min_recall: Annotated[
        float | None,
        typer.Option("--min-recall", min=0, max=1, metavar="SHARE", help="Exit with 4 where a collection has less."),
    ] = None

    def run(self, connection: Connection, source: str) -> RecallReport:
        """Measure, and show the progress on a terminal; raise `chromasql.ChromaSQLError` where nothing can be."""
        from chromasql.concurrency.portal import run_in_portal
        from chromasql.database import measure_recall

        with connection.open() as database, _shown_progress() as on_progress:
            return run_in_portal(
                partial(
                    measure_recall,
                    database,
                    source,
                    k=self.k,
                    samples=self.samples,
                    sql_filter=self.where,
                    on_progress=on_progress,
                )
            )

    def misses(self, report: RecallReport) -> list[str]:
        """Return the collections whose recall is below the threshold, in words."""
        return [
            f"{one.collection}: recall {one.recall:.3f} is below {self.min_recall:g}"
            for one in report.collections
            if self.min_recall is not None and one.recall is not None and one.recall < self.min_recall
        ]


def print_report(report: RecallReport, form: Format) -> None:
    """Print a table with what to do below it, one JSON object, or rows."""
    with guarded_output():
        if form is Format.JSON:
            print(report.to_json())
            return
        if form is Format.TABLE and sys.stdout.isatty():
            print_table(_COLUMNS, report.rows)
        else:
            names = _COLUMNS if form is Format.TABLE else (*_COLUMNS, "space_shown", "wider", "examples", "advice")
            for line in render(names, [report.rows], form, batch=False):
                print(line)
        if form is Format.TABLE:
            for one in report.collections:
                for sentence in one.advice:
                    print(f"\n{one.collection}: {sentence}")


@contextmanager
def _shown_progress() -> Iterator[Callable[[RecallProgress], None] | None]:
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("", total=None)

        def show(step: RecallProgress) -> None:
            progress.update(task, description=step.collection, completed=step.done, total=step.records)

        yield show
