"""``chromasql mcp``: what language models are served, and how."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from typing import Annotated

import typer

from chromasql.cli.connection import Connection
from chromasql.planner.scope import Scope

__all__ = ["HTTP_TOKEN_VARIABLE", "ModelServer"]

HTTP_TOKEN_VARIABLE = "CHROMASQL_HTTP_TOKEN"  # noqa: S105 - a name, not a token
"""The environment variable with the token that clients of the server over HTTP send."""


@dataclass(frozen=True, slots=True)
class ModelServer:
    """What the options of the command say about the server; each field is an option."""

    collections: Annotated[
        list[str] | None,
        typer.Option(
            "--collections", metavar="PATTERN", help="Collections that exist for models, as in docs-*. Repeatable."
        ),
    ] = None
    fields: Annotated[
        list[str] | None,
        typer.Option("--fields", metavar="NAME", help="Columns and metadata keys that models may name. Repeatable."),
    ] = None
    where: Annotated[
        str | None, typer.Option("--where", metavar="PREDICATE", help="What every record has to satisfy.")
    ] = None
    max_limit: Annotated[int, typer.Option("--max-limit", min=1, help="The most rows of an answer.")] = 50
    max_timeout: Annotated[
        float, typer.Option("--max-timeout", metavar="SECONDS", help="The most time of a statement.")
    ] = 10.0
    max_cell: Annotated[
        int, typer.Option("--max-cell", min=1, help="The most characters of a value; the rest is cut off, and counted.")
    ] = 2_000
    max_bytes: Annotated[
        int,
        typer.Option("--max-bytes", min=1, help="The most bytes of an answer; further rows are left out, and counted."),
    ] = 100_000
    http: Annotated[
        str | None,
        typer.Option("--http", metavar="HOST:PORT", help="Serve at http://HOST:PORT/mcp instead of standard input."),
    ] = None
    http_token: Annotated[
        str | None,
        typer.Option(
            "--http-token",
            help=f"What clients send as bearer token; needed beyond this machine. Default: ${HTTP_TOKEN_VARIABLE}.",
        ),
    ] = field(default=None, repr=False)

    def serve(self, connection: Connection) -> None:
        """Serve until the client leaves, or Ctrl-C; raise `chromasql.ChromaSQLError` where that cannot begin."""
        try:
            from chromasql.integrations.mcp import build_server
            from chromasql.integrations.mcp.serving import check_address, serve_http
        except ImportError as error:
            print(error, file=sys.stderr)
            raise typer.Exit(1) from None
        token = self.http_token or os.environ.get(HTTP_TOKEN_VARIABLE)
        if self.http is None and self.http_token is not None:
            raise typer.BadParameter("--http-token goes with --http")
        address = None if self.http is None else check_address(self.http, token)
        scope = Scope(
            self.collections or None,
            self.fields or None,
            self.where,
            max_limit=self.max_limit,
            max_timeout=self.max_timeout,
        )
        with connection.open() as database:
            server = build_server(database, scope=scope, max_cell=self.max_cell, max_bytes=self.max_bytes)
            if address is None:
                server.run("stdio")
            else:
                print(f"serving at http://{self.http}/mcp", file=sys.stderr)
                serve_http(server, *address, token)
