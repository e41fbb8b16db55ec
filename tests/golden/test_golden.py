"""
Golden cases by stage: one folder per statement under ``tests/golden``.

``query.sql`` is given; ``ast.txt``, ``plan.json``, ``explain.txt`` and ``rows.json``, or ``error.txt``, are what became of it on a
fixed set of records in embedded Chroma. ``pytest --update-golden`` writes them anew.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import chromadb
import pytest

import chromasql
from chromasql import ast
from chromasql.planner import bind_collections, plan_statement
from tests.support.stores import drop

GOLDEN = Path(__file__).parent
CASES = sorted(path.name for path in GOLDEN.iterdir() if path.is_dir() and path.name != "__pycache__")

PAPERS = [
    ("p1", [1.0, 0.0], "an index for a graph", {"topic": "db", "year": 2019, "score": 1, "published": "2019-03-01"}),
    ("p2", [0.9, 0.1], "an old index", {"topic": "db", "year": 2021, "score": 1.5, "published": "2021-01-05"}),
    (
        "p3",
        [0.0, 1.0],
        "learning from graphs",
        {"topic": "ml", "year": 2022, "tags": ["a", "c"], "published": "2022-02-02"},
    ),
    ("p4", [0.5, 0.5], "learning an index", {"topic": "ml", "year": 2020, "tags": ["b"], "published": "2021-07-09"}),
    ("p5", [0.2, 0.8], None, {"topic": "os", "score": 0.5, "body": "long"}),
]
NOTES = [
    ("n1", [0.8, 0.3], "graph paper is out", {"year": 2023}),
    ("n2", [0.1, 0.9], "read about indexes", None),
]


def embed(text: str, model: str | None = None) -> list[float]:
    """Stand in for a model."""
    del model
    return [float(len(text)), 1.0]


@pytest.fixture(scope="module")
def database() -> Iterator[chromasql.Database]:
    """Open a database over the fixed records."""
    client = chromadb.EphemeralClient()
    suffix = f"-{uuid4().hex[:8]}"
    names = []
    for name, records in (("papers", PAPERS), ("notes", NOTES)):
        collection = client.create_collection(name + suffix, embedding_function=None)
        names.append(collection.name)
        for id_, embedding, document, metadata in records:
            collection.add(ids=[id_], embeddings=[embedding], documents=document, metadatas=metadata)
    provider = _Renamed(chromasql.SimpleAsyncClientAdapter(client, names), suffix)
    with chromasql.connect(provider, embed_fn=embed) as opened:
        yield opened
    for name in names:
        drop(client, client.get_collection(name, embedding_function=None))


class _Renamed:
    """A provider that hides the suffix which keeps the names apart from those of other tests."""

    def __init__(self, provider: Any, suffix: str) -> None:
        self._provider = provider
        self._suffix = suffix

    async def get_collection(self, name: str) -> Any:
        """Open a collection."""
        return await self._provider.get_collection(name + self._suffix)

    async def list_collection_names(self) -> list[str]:
        """Name the collections."""
        return [name.removesuffix(self._suffix) for name in await self._provider.list_collection_names()]


def tree(node: Any, depth: int = 0) -> str:
    """Write a tree, a line for each node and field that is not at its default."""
    margin = "  " * depth
    if not isinstance(node, ast.Node):
        return f"{margin}{node!r}\n"
    lines = f"{margin}{type(node).__name__}\n"
    for field in dataclasses.fields(node):
        value = getattr(node, field.name)
        if field.name in ("span", "source_text") or value == field.default:
            continue
        items = value if isinstance(value, tuple) else (value,)
        lines += f"{margin}  {field.name}:\n" + "".join(tree(item, depth + 2) for item in items)
    return lines


def stages(sql: str, database: chromasql.Database) -> dict[str, str]:
    """Return the text of each stage of a statement."""
    found: dict[str, str] = {}
    try:
        statement = chromasql.parse(sql)
        found["ast.txt"] = tree(statement)
        plan = plan_statement(statement)
        if isinstance(plan, chromasql.QueryPlan):
            plan = bind_collections(plan, [str(source.name) for source in statement.sources], "FROM")  # type: ignore[union-attr]
            found["explain.txt"] = chromasql.explain_plan(plan) + "\n"
        found["plan.json"] = json.dumps(chromasql.plan_to_dict(plan), indent=1, ensure_ascii=False) + "\n"
        result = database.execute(statement)
    except chromasql.ChromaSQLError as error:
        found["error.txt"] = f"{type(error).__name__}: {error}\n"
        return found
    answer = {
        "columns": result.columns,
        "results": result.results,
        "warnings": [str(warning) for warning in result.warnings],
        "collections": {outcome.collection: outcome.status for outcome in result.outcomes},
    }
    found["rows.json"] = json.dumps(answer, indent=1, ensure_ascii=False) + "\n"
    return found


@pytest.mark.parametrize("case", CASES)
def test_golden(case: str, database: chromasql.Database, request: pytest.FixtureRequest) -> None:
    """Each stage of the statement is what it was."""
    folder = GOLDEN / case
    found = stages((folder / "query.sql").read_text(), database)
    if request.config.getoption("--update-golden"):
        for path in folder.iterdir():
            if path.name != "query.sql":
                path.unlink()
        for name, text in found.items():
            (folder / name).write_text(text)
    expected = {path.name: path.read_text() for path in folder.iterdir() if path.name != "query.sql"}

    assert found == expected


def test_explain_is_the_same_on_every_run(database: chromasql.Database) -> None:
    """EXPLAIN is a pure function of the statement: two runs print the same text."""
    sql = (GOLDEN / "rank_hybrid" / "query.sql").read_text()

    assert database.execute(f"EXPLAIN {sql}").explanation == database.execute(f"EXPLAIN {sql}").explanation


def test_plans_survive_json() -> None:
    """A plan as a dict is what JSON makes of it."""
    plan = chromasql.plan_to_dict(chromasql.build_plan(chromasql.parse("SELECT id FROM a WHERE b = 1 AND c != 'x'")))

    assert json.loads(json.dumps(plan)) == plan


def test_explain_analyze_adds_what_happened(database: chromasql.Database) -> None:
    """EXPLAIN ANALYZE runs the statement: below the plan stand calls, rows and times by collection and step."""
    result = database.execute("EXPLAIN ANALYZE SELECT id FROM papers, notes USING EMBEDDING (TEXT 'a') TOPK 2")
    text = result.explanation or ""

    assert text.startswith("Project: id\n")
    assert "route: 2 collections, by FROM: papers, notes\n" in text
    assert "ran: 2 rows in" in text
    assert "embedding: " in text
    assert "1 call" in text
    for name, rows in (("papers", 2), ("notes", 2)):
        assert f"  {name}: ok\n" in text
        outcome = next(each for each in result.outcomes if each.collection == name)
        steps = {step.step: step for step in outcome.steps}
        assert steps["rank"].calls == 1
        assert steps["rank"].rows == rows
