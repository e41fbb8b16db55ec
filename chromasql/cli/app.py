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
from chromasql.cli.arguments import parse_headers, parse_parameters, read_statement
from chromasql.cli.rendering import Format, guarded_output, print_table, render, shorten
from chromasql.cli.source import TOKEN_VARIABLE, Source
from chromasql.errors import ChromaSQLError
from chromasql.parser import parse
from chromasql.plan import QueryPlan

if TYPE_CHECKING:
    from chromasql.cli.demo.tour import Stop
    from chromasql.result import ExecutionResult

__all__ = ["app"]

_FAILED = 1


_PARTIAL = 3


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


_Path = Annotated[
    Path | None,
    typer.Option("--path", metavar="DIR", exists=True, file_okay=False, help="Folder of an embedded Chroma database."),
]


_Url = Annotated[str | None, typer.Option("--url", metavar="URL", help="Address of a Chroma server.")]


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


_Token = Annotated[
    str | None,
    typer.Option("--token", help=f"Sent as X-Chroma-Token; ${TOKEN_VARIABLE} is, if there is none."),
]


_Headers = Annotated[
    list[str] | None,
    typer.Option("--header", metavar="'NAME: VALUE'", help="HTTP header to send. Repeatable."),
]


_Tenant = Annotated[str | None, typer.Option("--tenant", help="Tenant, if not Chroma's default.")]


_Database = Annotated[str | None, typer.Option("--database", help="Database, if not Chroma's default.")]


_Timeout = Annotated[float | None, typer.Option("--timeout", metavar="SECONDS", help="Time for the whole statement.")]


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
    names the collections that are missing).
    """  # noqa: D301 - \b keeps the lines of the examples apart


@app.command()
def query(
    sql: _Statement,
    *,
    path: _Path = None,
    url: _Url = None,
    parameters: _Parameters = None,
    form: _Format = Format.TABLE,
    token: _Token = None,
    headers: _Headers = None,
    tenant: _Tenant = None,
    database: _Database = None,
    timeout: _Timeout = None,
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
    source = Source(path, url, token, parse_headers(headers or ()), tenant, database, timeout)
    _run(source, read_statement(sql), form, parse_parameters(parameters or ()))


@app.command()
def explain(
    sql: _Statement,
    *,
    path: _Path = None,
    url: _Url = None,
    parameters: _Parameters = None,
    token: _Token = None,
    headers: _Headers = None,
    tenant: _Tenant = None,
    database: _Database = None,
    timeout: _Timeout = None,
) -> None:
    """
    Show how a SELECT would be run.

    The plan says what is sent to which collections, and what is done here.

    \b
    Example:
      chromasql explain "SELECT id FROM * WHERE lines > 100" --path chromasql-demo
    """  # noqa: D301
    source = Source(path, url, token, parse_headers(headers or ()), tenant, database, timeout)
    values = parse_parameters(parameters or ())
    with _errors_told():
        statement = parse(read_statement(sql))
    if not isinstance(statement, ast.Query):
        raise typer.BadParameter("only a SELECT can be explained")
    _run(source, dataclasses.replace(statement, explain=statement.explain or "PLAN"), Format.TABLE, values)


@app.command()
def collections(
    *,
    path: _Path = None,
    url: _Url = None,
    form: _Format = Format.TABLE,
    token: _Token = None,
    headers: _Headers = None,
    tenant: _Tenant = None,
    database: _Database = None,
    timeout: _Timeout = None,
) -> None:
    """
    List the collections.

    \b
    Example:
      chromasql collections --path chromasql-demo
    """  # noqa: D301
    source = Source(path, url, token, parse_headers(headers or ()), tenant, database, timeout)
    _run(source, "SHOW COLLECTIONS", form)


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

    with _errors_told():
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
    asked = [outcome.collection for outcome in result.outcomes if outcome.status != "skipped"]
    print(f"\n{number}. {stop.title}\n")
    print(stop.sql, end="\n\n")
    if result.explanation is None:
        names = ", ".join(asked) if len(asked) <= 4 else f"{', '.join(asked[:3])}, .."
        print(f"{len(asked)} collections asked ({names}), {result.milliseconds:.0f} ms\n")
    short = tuple([{name: shorten(value) for name, value in row.items()} for row in rows] for rows in result.results)
    _print_result(dataclasses.replace(result, results=short), Format.TABLE)


def _run(source: Source, statement: str | ast.Statement, form: Format, parameters: Any = None) -> None:
    """Run one statement, print what it gives and exit as it went."""
    with _errors_told(), source.open() as database:
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
def _errors_told() -> Iterator[None]:
    """Print an error of ours, with its caret, and exit."""
    try:
        yield
    except ChromaSQLError as error:
        print(f"{type(error).__name__.removeprefix('ChromaSQL')}: {error}", file=sys.stderr)
        raise typer.Exit(_FAILED) from None
