"""
Hybrid search on real text: does fusing meaning and words find more than either alone?

It asks the demo's data, the docstrings of the standard library, with labelled queries: each is a function's summary in
other words, or its name half remembered, and should find that function. Run it as a program to print the table and
to write it into the documentation::

    python tests/benchmarks/hybrid.py --write
"""

from __future__ import annotations

import argparse
import json
import platform
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import chromasql
from chromasql.cli.demo.corpus import read_standard_library
from chromasql.cli.demo.embedding import WordLlamaEmbeddingFunction
from chromasql.cli.demo.store import build_store

QUERIES = Path(__file__).with_name("data") / "hybrid_queries.json"
PAGE = Path(__file__).parents[2] / "docs" / "hybrid.md"
DEPTH = 10

RANKS = {
    "meaning": "KNN(:q)",
    "words": "BM25(:q)",
    "hybrid": "RRF(KNN(:q), BM25(:q))",
}
"""The rankings that are compared."""

_TABLE = re.compile(r"(?<=<!-- table -->\n).*?(?=<!-- end -->)", re.DOTALL)


@dataclass(frozen=True)
class Labelled:
    """A query, the id that it should find, and its kind: ``reworded`` or ``name``."""

    query: str
    id: str
    kind: str


@dataclass(frozen=True)
class Quality:
    """What share of the queries found its text among the first ten, and the mean of 1 / place (0 where not found)."""

    recall: float
    mrr: float


def read_queries() -> list[Labelled]:
    """Read the labelled queries."""
    return [Labelled(**each) for each in json.loads(QUERIES.read_text("utf-8"))]


def found_at(database: chromasql.Database, rank: str, labelled: Labelled) -> int | None:
    """Return the place, from 1, at which a ranking finds the text of a query, or None."""
    sql = f"SELECT id FROM stdlib-* RANK BY {rank} LIMIT {DEPTH}"
    ids = [row["id"] for row in database.execute(sql, {"q": labelled.query})]
    return ids.index(labelled.id) + 1 if labelled.id in ids else None


def quality(places: Sequence[int | None]) -> Quality:
    """Return the quality of a ranking from the places at which it found each text."""
    found = [place for place in places if place is not None]
    return Quality(len(found) / len(places), sum(1 / place for place in found) / len(places))


def measure(database: chromasql.Database, queries: Sequence[Labelled]) -> dict[str, dict[str, Quality]]:
    """Return the quality of each ranking for each kind of query, and for all."""
    places = {
        name: {labelled: found_at(database, rank, labelled) for labelled in queries} for name, rank in RANKS.items()
    }
    kinds = {kind: [each for each in queries if each.kind == kind] for kind in ("reworded", "name")}
    return {
        name: {kind: quality([of_query[each] for each in chosen]) for kind, chosen in {**kinds, "all": queries}.items()}
        for name, of_query in places.items()
    }


def table(measured: Mapping[str, Mapping[str, Quality]]) -> Iterator[str]:
    """Write the qualities as a table."""
    yield "| ranking | reworded: recall@10 | MRR | name: recall@10 | MRR | all: recall@10 | MRR |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for name, of_kind in measured.items():
        cells = " | ".join(f"{each.recall:.2f} | {each.mrr:.2f}" for each in of_kind.values())
        yield f"| {name}: `{RANKS[name]}` | {cells} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help=f"write the table into {PAGE.name}")
    chosen = parser.parse_args()
    queries = read_queries()
    texts = list(read_standard_library())
    missing = sorted({each.id for each in queries} - {text.id for text in texts})
    if missing:
        raise SystemExit(f"this Python has no text of {', '.join(missing)}")
    with tempfile.TemporaryDirectory() as folder:
        build_store(Path(folder), texts)
        embed = WordLlamaEmbeddingFunction()
        with chromasql.connect(folder, embed_fn=lambda text, _model: embed([text])[0].tolist()) as database:
            lines = "\n".join(table(measure(database, queries)))
    print(f"Python {platform.python_version()}, {len(texts)} texts, {len(queries)} queries\n\n{lines}")
    if chosen.write:
        written = f"\nPython {platform.python_version()}, {len(texts):,} texts, {len(queries)} queries:\n\n{lines}\n\n"
        PAGE.write_text(_TABLE.sub(written, PAGE.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    main()
