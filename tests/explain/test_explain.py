"""EXPLAIN: the tree of operators that is printed, from plans alone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import chromasql
from chromasql.explain import OPERATOR_NAMES, explain_plan
from chromasql.planner import bind_collections

GOLDEN = Path(__file__).parents[1] / "golden"


def explain(sql: str, *names: str) -> list[str]:
    """Return the lines of EXPLAIN, for the collections named or before they are known."""
    plan = chromasql.build_plan(chromasql.parse(sql))
    return explain_plan(bind_collections(plan, names, "FROM") if names else plan).splitlines()


def operators(lines: list[str]) -> list[str]:
    """Return the names of the operators, root first, each after as many dots as it is levels deep."""
    found = (re.match(r"( *)([A-Z]\w*)", line) for line in lines)
    return ["." * (len(match[1]) // 2) + match[2] for match in found if match]


def test_every_operator_is_printed_and_no_other() -> None:
    """The golden cases print each name of OPERATOR_NAMES, and no line of theirs begins with another capital word."""
    lines = [line for path in GOLDEN.glob("*/explain.txt") for line in path.read_text("utf-8").splitlines()]

    assert {name.lstrip(".") for name in operators(lines)} == set(OPERATOR_NAMES)


@pytest.mark.parametrize(
    ("clauses", "tree"),
    [
        ("WHERE a = 1", "Project .Merge ..Scan"),
        ("WHERE a LIKE 'x%' ORDER BY a LIMIT 2", "Project .Limit ..Sort ...Merge ....Filter .....Scan"),
        ("USING EMBEDDING (VECTOR [1]) WHERE a != 1", "Project .Merge ..Filter ...KnnSearch"),
        (
            "USING EMBEDDING (VECTOR [1]) WHERE a = 1 AND b LIKE 'x%' TOPK 100",
            "Project .Merge ..KnnSearch ...Filter ....Scan",
        ),
        ("RANK BY RRF(KNN([1]), BM25('x'))", "Project .Fuse ..Merge ...KnnSearch ...KeywordSearch"),
        ("RANK BY RRF(KNN([1]), BM25('x')) WITH (merge = RRF)", "Project .Merge ..Fuse ...KnnSearch ...KeywordSearch"),
        ("RANK BY KNN([1]) GROUP BY a KEEP 1 LIMIT 3", "Project .Limit ..GroupLimit ...Merge ....KnnSearch"),
        (
            "RANK BY KNN([1]) RERANK BY MMR ORDER BY a LIMIT 3",
            "Project .Sort ..Limit ...Rerank ....Merge .....KnnSearch",
        ),
    ],
)
def test_an_operator_stands_above_those_whose_rows_it_takes(clauses: str, tree: str) -> None:
    """The tree has the order of the steps: what runs last is the root, and what runs in each collection is below Merge."""
    assert operators(explain(f"SELECT id FROM docs {clauses}", "docs")) == tree.split()


def test_what_comes_late_is_an_operator() -> None:
    """Parts that are fetched for a step are a Materialize right below it, with the parts and the step."""
    lines = explain("SELECT id, document FROM docs RANK BY KNN([1], limit = 1000) LIMIT 2", "docs")

    assert lines[2] == "  Materialize (for the page): document"


def test_collections_are_counted_and_the_first_are_named() -> None:
    """The route gives the number of collections and at most eight names, and says so where they are not known yet."""
    names = [f"c{number}" for number in range(10)]
    route = next(line for line in explain("SELECT id FROM docs", *names) if "route:" in line)

    assert route == "    route: 10 collections, by FROM: c0, c1, c2, c3, c4, c5, c6, c7 and 2 more"
    assert "    route: the collection given" in explain("SELECT id FROM docs")


def test_long_values_are_cut_with_their_length() -> None:
    """A value of more than 160 characters is cut, and the line says how long it was."""
    lines = explain(f"SELECT id FROM docs WHERE a = '{'x' * 500}'", "docs")

    assert max(map(len, lines)) < 250
    assert any(re.search(r"x\.\. \(\d+ characters\)$", line) for line in lines)
