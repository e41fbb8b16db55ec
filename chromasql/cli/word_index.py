"""`chromasql index`: building the keyword index, its progress and what it holds."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from chromasql.cli.connection import Connection
from chromasql.cli.rendering import Format, guarded_output, print_table, render

if TYPE_CHECKING:
    from collections.abc import Callable

    from chromasql.keyword_index import KeywordIndexStatus
    from chromasql.multi_collection.keywords import KeywordIndexProgress

__all__ = ["Indexing", "print_statuses"]

_COLUMNS = ("collection", "documents", "size")


@dataclass(frozen=True, slots=True)
class Indexing:
    """What the options of `chromasql index` say; each field is an option."""

    refresh: Annotated[
        bool, typer.Option("--refresh", help="Read new documents alone, rather than every document.")
    ] = False

    def run(self, connection: Connection, source: str) -> list[KeywordIndexStatus]:
        """Index, and show the progress on a terminal; raise `chromasql.ChromaSQLError` where that fails."""
        if connection.keyword_index is None:
            raise typer.BadParameter("say where the index is to be kept: --keyword-index DIR")
        with connection.open() as database, _shown_progress() as on_progress:
            index = database.keyword_index
            return (index.refresh if self.refresh else index.build)(source, on_progress=on_progress)


def print_statuses(statuses: list[KeywordIndexStatus], form: Format) -> None:
    """Print a line for each collection."""
    rows = [asdict(status) for status in statuses]
    with guarded_output():
        if form is Format.TABLE and sys.stdout.isatty():
            print_table(_COLUMNS, rows)
            return
        for line in render(_COLUMNS, [rows], form, batch=False):
            print(line)


@contextmanager
def _shown_progress() -> Iterator[Callable[[KeywordIndexProgress], None] | None]:
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}: {task.completed:.0f} records"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("", total=None)

        def show(step: KeywordIndexProgress) -> None:
            progress.update(task, description=step.collection, completed=step.records)

        yield show
