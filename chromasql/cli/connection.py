"""Where a command finds its database, and the options that say so."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from chromasql.cli.arguments import parse_headers

if TYPE_CHECKING:
    from chromasql.database import Database

__all__ = ["TOKEN_VARIABLE", "Connection", "takes_connection", "takes_options"]

TOKEN_VARIABLE = "CHROMASQL_TOKEN"  # noqa: S105 - a name, not a token
"""The environment variable with the token; every user of the machine can see what is typed."""


@dataclass(frozen=True, slots=True)
class Connection:
    """
    What the options of a command say about the database; each field is an option.

    Raises `typer.BadParameter` for options that do not go together.
    """

    path: Annotated[
        Path | None,
        typer.Option(
            "--path", metavar="DIR", exists=True, file_okay=False, help="Folder of an embedded Chroma database."
        ),
    ] = None
    url: Annotated[str | None, typer.Option("--url", metavar="URL", help="Address of a Chroma server.")] = None
    token: Annotated[
        str | None, typer.Option("--token", help=f"Sent as X-Chroma-Token; default: ${TOKEN_VARIABLE}.")
    ] = field(default=None, repr=False)
    headers: Annotated[
        list[str] | None,
        typer.Option("--header", metavar="'NAME: VALUE'", help="HTTP header to send. Repeatable."),
    ] = field(default=None, repr=False)
    tenant: Annotated[str | None, typer.Option("--tenant", help="Tenant, if not Chroma's default.")] = None
    database: Annotated[str | None, typer.Option("--database", help="Database, if not Chroma's default.")] = None
    timeout: Annotated[
        float | None, typer.Option("--timeout", metavar="SECONDS", help="Time for the whole statement.")
    ] = None
    keyword_index: Annotated[
        Path | None,
        typer.Option("--keyword-index", metavar="DIR", file_okay=False, help="Folder of the keyword index for BM25."),
    ] = None

    def __post_init__(self) -> None:
        if (self.path is None) == (self.url is None):
            raise typer.BadParameter("say where the database is: either --path DIR or --url URL")
        if self.url is not None and not self.url.lower().startswith(("http://", "https://")):
            raise typer.BadParameter(f"an address starts with http:// or https://, and {self.url!r} does not")
        if self.url is None and (self.token or self.headers or self.tenant or self.database):
            raise typer.BadParameter("--token, --header, --tenant and --database go with --url")
        parse_headers(self.headers or ())

    def open(self) -> Database:
        """Open the database; raise `chromasql.ChromaSQLError` where that fails."""
        import chromasql
        from chromasql.cli.demo import embedding  # noqa: F401 - so that the demo's collections answer TEXT

        settings = chromasql.Settings(timeout=self.timeout)
        if self.url is None:
            return chromasql.connect(self.path, settings=settings, keyword_index=self.keyword_index)
        return chromasql.connect(
            self.url,
            settings=settings,
            keyword_index=self.keyword_index,
            token=self.token or os.environ.get(TOKEN_VARIABLE),
            headers=parse_headers(self.headers or ()) or None,
            tenant=self.tenant,
            database=self.database,
        )


def takes_options(*kinds: Any) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """
    Give a command the options of frozen dataclasses, whose fields are options, beside its own parameters.

    An object of each becomes one of its first arguments, in their order.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(command)
        def run(**arguments: Any) -> None:
            made = [
                kind(**{field.name: arguments.pop(field.name) for field in dataclasses.fields(kind)}) for kind in kinds
            ]
            command(*made, **arguments)

        run.__signature__ = inspect.Signature(_parameters(command, kinds))  # type: ignore[attr-defined]
        return run

    return decorate


def takes_connection(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of a `Connection`, which becomes its first argument."""
    return takes_options(Connection)(command)


def _parameters(command: Callable[..., None], kinds: Sequence[Any]) -> Sequence[inspect.Parameter]:
    # The first parameters of the command are the objects themselves.
    own = list(inspect.signature(command, eval_str=True).parameters.values())[len(kinds) :]
    return [*own, *(option for kind in kinds for option in _options_of(kind))]


def _options_of(kind: Any) -> Sequence[inspect.Parameter]:
    hints = get_type_hints(kind, include_extras=True)
    return [
        inspect.Parameter(
            option.name, inspect.Parameter.KEYWORD_ONLY, default=option.default, annotation=hints[option.name]
        )
        for option in dataclasses.fields(kind)
    ]
