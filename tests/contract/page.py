"""Read and write docs/chroma.md: its headings, and the table with a column per release of Chroma."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "chroma.md"
_HEADING = re.compile(r"### (?P<title>.+)")
_TABLE = re.compile(r"(?<=<!-- versions -->\n).*?(?=<!-- /versions -->)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Behaviour:
    """A heading of the page: its number of line, what it says, its anchor, and its test."""

    line: int
    title: str

    @property
    def anchor(self) -> str:
        """The anchor that MkDocs gives the heading."""
        kept = re.sub(r"[^\w\s-]", "", self.title).strip().lower()
        return re.sub(r"[-\s]+", "-", kept)

    @property
    def test(self) -> str:
        """The name of the function that proves it."""
        return "test_" + self.anchor.replace("-", "_")


@cache
def read_behaviours() -> tuple[Behaviour, ...]:
    """Return what the page says that Chroma does, in its order."""
    lines = PAGE.read_text("utf-8").splitlines()
    found = ((number, _HEADING.fullmatch(line)) for number, line in enumerate(lines, 1))
    return tuple(Behaviour(number, match["title"]) for number, match in found if match)


def read_columns() -> dict[str, dict[str, str]]:
    """Return the columns of the table: for each version, what it says of each anchor."""
    table = _TABLE.search(PAGE.read_text("utf-8"))
    if table is None:
        raise ValueError(f"{PAGE} has no table between <!-- versions --> and <!-- /versions -->")
    rows = [[cell.strip() for cell in row.strip("|").split("|")] for row in table[0].strip().splitlines()]
    if not rows:
        return {}
    (_, *versions), _, *body = rows
    columns: dict[str, dict[str, str]] = {version: {} for version in versions}
    for first, *cells in body:
        anchor = first.rpartition("#")[2].rstrip(")")
        for version, cell in zip(versions, cells, strict=True):
            columns[version][anchor] = cell
    return columns


def write_columns(columns: Mapping[str, Mapping[str, str]]) -> None:
    """Write the table anew, a row for each behaviour and a column for each version, the oldest first."""
    versions = sorted(columns, key=lambda version: [int(number) for number in version.split(".")])
    rows = [["behaviour", *versions], ["---", *(":---:" for _ in versions)]]
    rows += [
        [f"[{known.title}](#{known.anchor})", *(columns[version].get(known.anchor, "") for version in versions)]
        for known in read_behaviours()
    ]
    table = "".join(f"| {' | '.join(row)} |\n" for row in rows)
    text = PAGE.read_text("utf-8")
    PAGE.write_text(_TABLE.sub(lambda _: f"\n{table}\n", text, count=1), "utf-8")
