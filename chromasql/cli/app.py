"""The commands, thin: arguments in, one call, output and exit code."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chromasql import ast
from chromasql.cli.arguments import parse_parameters, read_statement
from chromasql.cli.connection import Connection, takes_connection, takes_options
from chromasql.cli.index_report import Measurement, print_report
from chromasql.cli.model_server import ModelServer
from chromasql.cli.rendering import Format, guarded_output, print_table, render, shorten
from chromasql.cli.word_index import Indexing, print_statuses
from chromasql.errors import ChromaSQLError
from chromasql.parser import parse
from chromasql.plan import QueryPlan

if TYPE_CHECKING:
    from chromasql.cli.demo.tour import Stop
    from chromasql.result import ExecutionResult

__all__ = ["app"]

_FAILED = 1


_PARTIAL = 3


_BELOW = 4


app = typer.Typer(
    name="chromasql",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


_Statement = Annotated[
    str,
    typer.Argument(metavar="SQL", help="The statement, or - to read it from standard input.", show_default=False),
]


_Parameters = Annotated[
    list[str] | None,
    typer.Option(
        "--param",
        "-p",
        metavar="NAME=VALUE",
        help="Value of :NAME, or of the first ? with 1=VALUE; JSON if it reads so, else text. Repeatable.",
    ),
]


_Format = Annotated[Format, typer.Option("--format", "-f", case_sensitive=False, help="How the rows are written.")]


def _print_version(wanted: bool) -> None:
    if wanted:
        with guarded_output():
            print(f"chromasql {metadata.version('chromasql')}")
        raise typer.Exit


@app.callback()
def chromasql(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit."),
    ] = False,
) -> None:
    """
    Query the collections of a Chroma database with SQL.

    \b
    Examples:
      chromasql demo
      chromasql collections --path chromasql-demo
      chromasql query "SELECT id FROM * USING EMBEDDING (TEXT 'open a socket') TOPK 5" --path chromasql-demo
      chromasql query - --url http://localhost:8000 --format json < statement.sql

    Exit codes: 0 all is well, 1 a ChromaSQL error, 2 wrong usage, 3 a partial result (standard error
    names the collections that are missing), 4 a recall below the threshold.
    """  # noqa: D301 - \b keeps the lines of the examples apart


@app.command()
@takes_connection
def query(
    connection: Connection,
    sql: _Statement,
    *,
    parameters: _Parameters = None,
    form: _Format = Format.TABLE,
) -> None:
    """
    Run a statement and print its rows.

    A table is laid out for a terminal; in a pipe it is tab-separated. A batch of rankings is a list of lists
    in JSON, and has a column _item in the other formats.

    \b
    Examples:
      chromasql query "SELECT id, lines FROM stdlib-* WHERE package = :name LIMIT 5" \\
        --path chromasql-demo --param name=json
      chromasql query "SELECT id FROM docs WHERE year IN :years" \\
        --url http://localhost:8000 --param years='[2023, 2024]' --format csv
    """  # noqa: D301
    _run(connection, read_statement(sql), form, parse_parameters(parameters or ()))


@app.command()
@takes_connection
def explain(connection: Connection, sql: _Statement, *, parameters: _Parameters = None) -> None:
    """
    Show how a SELECT would be run.

    The plan says what is sent to which collections, and what is done here.

    \b
    Example:
      chromasql explain "SELECT id FROM * WHERE lines > 100" --path chromasql-demo
    """  # noqa: D301
    values = parse_parameters(parameters or ())
    with _report_errors():
        statement = parse(read_statement(sql))
    if not isinstance(statement, ast.Query):
        raise typer.BadParameter("only a SELECT can be explained")
    _run(connection, dataclasses.replace(statement, explain=statement.explain or "PLAN"), Format.TABLE, values)


@app.command()
@takes_connection
def collections(connection: Connection, *, form: _Format = Format.TABLE) -> None:
    """
    List the collections.

    \b
    Example:
      chromasql collections --path chromasql-demo
    """  # noqa: D301
    _run(connection, "SHOW COLLECTIONS", form)


@app.command()
@takes_options(Connection, Measurement)
def recall(
    connection: Connection,
    measurement: Measurement,
    source: Annotated[
        str, typer.Argument(metavar="COLLECTIONS", help="What stands after FROM: a name, a pattern or a list.")
    ],
    *,
    form: _Format = Format.TABLE,
) -> None:
    """
    Measure how much of each collection its index finds.

    The index is compared with brute force: every vector is read once. The report has the recall, records that no
    search returns, settings that are shown and not in force, and what to do.

    \b
    Examples:
      chromasql recall '*' --path chromasql-demo
      chromasql recall 'docs-*' --url http://localhost:8000 --where "lang = 'en'" --min-recall 0.95 --format json
    """  # noqa: D301
    with _report_errors():
        report = measurement.run(connection, source)
    print_report(report, form)
    missed = measurement.misses(report)
    for line in (*map(str, report.failures), *missed):
        print(line, file=sys.stderr)
    if report.failures:
        raise typer.Exit(_PARTIAL)
    if missed:
        raise typer.Exit(_BELOW)


@app.command()
@takes_options(Connection, Indexing)
def index(
    connection: Connection,
    indexing: Indexing,
    source: Annotated[
        str, typer.Argument(metavar="COLLECTIONS", help="What stands after FROM: a name, a pattern or a list.")
    ],
    *,
    form: _Format = Format.TABLE,
) -> None:
    """
    Build or refresh the keyword index, so that BM25 need not read the documents.

    \b
    Examples:
      chromasql index '*' --path chromasql-demo --keyword-index demo-words
      chromasql index 'docs-*' --url http://localhost:8000 --keyword-index words --refresh
    """  # noqa: D301
    with _report_errors():
        statuses = indexing.run(connection, source)
    print_statuses(statuses, form)


@app.command()
@takes_options(Connection, ModelServer)
def mcp(connection: Connection, server: ModelServer) -> None:
    """
    Serve language models: a read-only server of the Model Context Protocol.

    It speaks over standard input and output, as hosts that start it expect, or over HTTP. What models may reach is
    limited: by --collections, --fields and --where, and by the limits, which have defaults.
    Needs: pip install "chromasql[mcp]"

    \b
    Examples:
      chromasql mcp --path my-chroma --collections 'reports-*'
      chromasql mcp --url http://localhost:8000 --where "lang = 'en'" --max-limit 20
      chromasql mcp --path my-chroma --http 127.0.0.1:8765
    """  # noqa: D301
    with _report_errors():
        server.serve(connection)


@app.command()
def demo(
    path: Annotated[
        Path, typer.Option("--path", metavar="DIR", file_okay=False, help="Folder for the demo's database.")
    ] = Path("chromasql-demo"),
) -> None:
    """
    Fill a database with real texts and ask it questions.

    The texts are the docstrings of Python's standard library. The first run takes some ten seconds, a later
    one uses what is there. It needs no network, but WordLlama: pip install "chromasql[demo]"
    """
    from chromasql.cli.demo.store import is_complete
    from chromasql.cli.demo.tour import run_tour

    with _report_errors():
        if not is_complete(path):
            _build_demo(path)
        for number, (stop, result) in enumerate(run_tour(path), start=1):
            with guarded_output():
                _print_stop(number, stop, result)
    with guarded_output():
        print(f"\nYour turn: chromasql query SQL --path {path}")


def _build_demo(path: Path) -> None:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from chromasql.cli.demo.corpus import read_standard_library
    from chromasql.cli.demo.store import build_store

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("Embedding the standard library's docstrings", total=None)
        build_store(
            path,
            read_standard_library(),
            on_progress=lambda done, total: progress.update(task, completed=done, total=total),
        )


def _print_stop(number: int, stop: Stop, result: ExecutionResult) -> None:
    searched = [outcome.collection for outcome in result.outcomes if outcome.status != "skipped"]
    print(f"\n{number}. {stop.title}\n")
    print(stop.sql, end="\n\n")
    if result.explanation is None:
        names = ", ".join(searched) if len(searched) <= 4 else f"{', '.join(searched[:3])}, .."
        print(f"{len(searched)} collections searched ({names}), {result.milliseconds:.0f} ms\n")
    short = tuple([{name: shorten(value) for name, value in row.items()} for row in rows] for rows in result.results)
    _print_result(dataclasses.replace(result, results=short), Format.TABLE)


def _run(connection: Connection, statement: str | ast.Statement, form: Format, parameters: Any = None) -> None:
    """Run one statement, print its result and exit with the code of its outcome."""
    with _report_errors(), connection.open() as database:
        result = database.execute(statement, parameters)
    with guarded_output():
        _print_result(result, form)
    for warning in result.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    if not result.complete:
        print(
            f"partial result: {len(result.failures)} of {len(result.outcomes)} collections are missing",
            file=sys.stderr,
        )
        for outcome in result.failures:
            print(f"  {outcome.error or f'{outcome.collection}: {outcome.status}'}", file=sys.stderr)
        raise typer.Exit(_PARTIAL)


def _print_result(result: ExecutionResult, form: Format) -> None:
    lists = result.results or (result.rows,)
    batch = _is_batch(result)
    if form is Format.TABLE and result.explanation is not None:
        print(result.explanation)
    elif form is Format.TABLE and sys.stdout.isatty():
        for item, rows in enumerate(lists, start=1):
            if batch:
                print(f"item {item} of {len(lists)}")
            print_table(result.columns, rows)
    else:
        for line in render(result.columns, lists, form, batch=batch):
            print(line)


def _is_batch(result: ExecutionResult) -> bool:
    """Whether there is a list of rows for each item; a batch that is fused gives a single one."""
    return isinstance(result.plan, QueryPlan) and result.plan.batch and result.plan.merge != "rrf"


@contextmanager
def _report_errors() -> Iterator[None]:
    """Print an error of ours, with its caret, and exit."""
    try:
        yield
    except ChromaSQLError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        raise typer.Exit(_FAILED) from None
