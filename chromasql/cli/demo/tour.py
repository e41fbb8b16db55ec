"""The statements that the demo shows, each asking the texts in another way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from chromasql.cli.demo.corpus import PACKAGES, collection_of

if TYPE_CHECKING:
    from chromasql.result import ExecutionResult

__all__ = ["STOPS", "Stop", "run_tour"]


@dataclass(frozen=True, slots=True)
class Stop:
    """One statement and what it shows; a routed one lets a router choose the collections by ``package``."""

    title: str
    sql: str
    routed: bool = False


STOPS = (
    Stop(
        "By meaning: one question to every collection",
        """\
SELECT id, distance, document
FROM stdlib-*
USING EMBEDDING (TEXT 'wait for several tasks to finish')
TOPK 5""",
    ),
    Stop(
        "Routed: WHERE names the packages, so a router asks only the collections that hold them",
        """\
SELECT id, distance, document
FROM *
USING EMBEDDING (TEXT 'turn an object into text and back')
WHERE package IN ('csv', 'json', 'pickle')
TOPK 5""",
        routed=True,
    ),
    Stop(
        "By metadata alone: the functions with the most parameters",
        """\
SELECT id, parameters, lines
FROM stdlib-*
WHERE kind = 'function' AND parameters >= 10
ORDER BY parameters DESC, lines DESC
LIMIT 5""",
    ),
    Stop(
        "Everything at once: meaning, metadata and the words of the document",
        """\
SELECT id, kind, distance, document
FROM stdlib-*
USING EMBEDDING (TEXT 'count how often each element occurs')
WHERE kind != 'module' AND module NOT LIKE '%test%'
WHERE_DOCUMENT CONTAINS 'iterable' AND NOT CONTAINS 'deprecated'
TOPK 5""",
    ),
    Stop(
        "Hybrid: meaning and words, fused by reciprocal rank",
        """\
SELECT id, score, document
FROM stdlib-*
RANK BY RRF(KNN('compare two texts line by line'), BM25('diff differences lines'))
LIMIT 5""",
    ),
    Stop(
        "Grouped: the best text of each package, and the best of those",
        """\
SELECT package, id, score
FROM stdlib-*
RANK BY KNN('open a file and read its lines', limit = 200)
GROUP BY package KEEP 1
LIMIT 5""",
    ),
    Stop(
        "Diverse: near the question, but not near each other (maximal marginal relevance)",
        """\
SELECT id, distance, document
FROM stdlib-*
RANK BY KNN('stop a running task or thread')
RERANK BY MMR(lambda = 0.5)
LIMIT 5""",
    ),
    Stop(
        "Two wordings of one question, the lists of all collections fused by reciprocal rank",
        """\
SELECT id, score, document
FROM stdlib-text, stdlib-files, stdlib-archives
USING EMBEDDING BATCH (TEXT 'compare two texts line by line', TEXT 'show the differences between files')
TOPK 20
LIMIT 5
WITH (merge = RRF)""",
    ),
    Stop(
        "Counted over all collections: the packages with the most examples",
        """\
SELECT package, COUNT(*) AS texts, AVG(lines) AS mean_lines
FROM stdlib-* EXCEPT (stdlib-gui)
WHERE has_example = TRUE
GROUP BY package
ORDER BY texts DESC
LIMIT 5""",
    ),
    Stop(
        "EXPLAIN: what would be sent, and what would be checked here",
        """\
EXPLAIN SELECT id, distance
FROM stdlib-*
USING EMBEDDING (TEXT 'parse a date')
WHERE kind != 'module' AND (parameters < 3 OR has_example = TRUE)
TOPK 5""",
    ),
)
"""The statements, in the order in which they are shown."""


def run_tour(folder: Path) -> Iterator[tuple[Stop, ExecutionResult]]:
    """Run each statement on the demo's folder and yield it with its result."""
    import chromasql
    from chromasql.adapters import MetadataFieldRouter
    from chromasql.cli.demo import embedding  # noqa: F401 - importing it lets chromadb know the embedding function

    places = {package: {"collections": [collection_of(package)]} for package in PACKAGES}
    router = MetadataFieldRouter({"model_to_collections": places}, "package")
    with (
        chromasql.connect(str(folder)) as everywhere,
        chromasql.connect(str(folder), router=router) as routed,
    ):
        for stop in STOPS:
            database = routed if stop.routed else everywhere
            yield stop, database.execute(stop.sql)
