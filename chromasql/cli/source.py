"""Where a command finds its database: a folder or a server."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from chromasql.database import Database

__all__ = ["TOKEN_VARIABLE", "Source"]

TOKEN_VARIABLE = "CHROMASQL_TOKEN"  # noqa: S105 - a name, not a token
"""The environment variable with the token; what is typed, every user of the machine can see."""


@dataclass(frozen=True, slots=True)
class Source:
    """What the options of a command say about the database; ``timeout`` is in seconds for a statement."""

    path: Path | None = None
    url: str | None = None
    token: str | None = field(default=None, repr=False)
    headers: Mapping[str, str] | None = field(default=None, repr=False)
    tenant: str | None = None
    database: str | None = None
    timeout: float | None = None

    def __post_init__(self) -> None:
        if (self.path is None) == (self.url is None):
            raise typer.BadParameter("say where the database is: either --path DIR or --url URL")
        if self.url is not None and not self.url.lower().startswith(("http://", "https://")):
            raise typer.BadParameter(f"an address starts with http:// or https://, and {self.url!r} does not")
        if self.url is None and (self.token or self.headers or self.tenant or self.database):
            raise typer.BadParameter("--token, --header, --tenant and --database go with --url")

    def open(self) -> Database:
        """Open the database; raise `chromasql.ChromaSQLError` where that cannot be."""
        import chromasql
        from chromasql.cli.demo import embedding  # noqa: F401 - so that the demo's collections answer TEXT

        settings = chromasql.Settings(timeout=self.timeout)
        if self.url is None:
            return chromasql.connect(self.path, settings=settings)
        return chromasql.connect(
            self.url,
            settings=settings,
            token=self.token or os.environ.get(TOKEN_VARIABLE),
            headers=self.headers or None,
            tenant=self.tenant,
            database=self.database,
        )
