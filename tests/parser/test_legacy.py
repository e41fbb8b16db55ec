"""Statements of ChromaSQL 1.8.0 parse, and mean clause for clause what they meant there."""

import pytest
from hypothesis import HealthCheck, given, settings

from chromasql.parser import parse
from tests.parser.legacy import meaning, statements

A = ["metadata", "a"]
DOCUMENT = ["document"]

REPRESENTATIVE = [
    ("SELECT * FROM docs", {"select": "*", "collection": "docs"}),
    ("select id from docs;", {"select": [[["id"], None]], "collection": "docs"}),
    (
        "EXPLAIN SELECT ID, Document, embedding, metadata, distance AS d, metadata.a.b AS limit FROM order AS select",
        {
            "explain": True,
            "select": [
                [["id"], None],
                [["document"], None],
                [["embedding"], None],
                [["metadata"], None],
                [["distance"], "d"],
                [["metadata", "a", "b"], "limit"],
            ],
            "collection": "order",
            "alias": "select",
        },
    ),
    (
        "SELECT id FROM docs USING EMBEDDING (TEXT \"it's\" MODEL 'm') SIMILARITY l2 TOPK 5",
        {"embedding": ["text", "it's", "m"], "similarity": "L2", "topk": 5},
    ),
    ("SELECT id FROM docs USING EMBEDDING (VECTOR [1, -.5, +2e-1])", {"embedding": ["vector", [1, -0.5, 0.2]]}),
    (
        "SELECT id FROM docs USING EMBEDDING BATCH (TEXT 'a', VECTOR [1], TEXT 'b' MODEL 'm')",
        {"embedding": ["batch", [["text", "a", None], ["vector", [1]], ["text", "b", "m"]]]},
    ),
    (
        "SELECT id FROM docs WHERE metadata.a = 1 OR metadata.a != 'x' AND metadata.a >= TRUE",
        {"where": ["OR", ["=", A, 1], ["AND", ["!=", A, "x"], [">=", A, True]]]},
    ),
    (
        "SELECT id FROM docs WHERE (metadata.a = 1 OR metadata.a = 2) AND (metadata.a < 3 AND id > 'x')",
        {"where": ["AND", ["OR", ["=", A, 1], ["=", A, 2]], ["<", A, 3], [">", ["id"], "x"]]},
    ),
    (
        "SELECT id FROM docs WHERE id IN ('a', 'b') AND metadata.a NOT IN (1, 2.0, NULL, FALSE)",
        {"where": ["AND", ["IN", ["id"], ["a", "b"]], ["NOT IN", A, [1, 2.0, None, False]]]},
    ),
    (
        "SELECT id FROM docs WHERE metadata.a BETWEEN 1 AND 2 AND metadata.a LIKE '%x_%' AND metadata.a NOT LIKE 'y'",
        {"where": ["AND", ["BETWEEN", A, 1, 2], ["LIKE", A, "%x_%"], ["NOT LIKE", A, "y"]]},
    ),
    (
        "SELECT id FROM docs WHERE metadata.a CONTAINS 5 AND metadata.a NOT CONTAINS NULL",
        {"where": ["AND", ["CONTAINS", A, 5], ["NOT CONTAINS", A, None]]},
    ),
    (
        r"SELECT id FROM docs WHERE document REGEX '\bx\d' AND document NOT REGEX '\\bx'",
        {"where": ["AND", ["REGEX", DOCUMENT, "\bx\\d"], ["NOT REGEX", DOCUMENT, "\\bx"]]},
    ),
    (
        "SELECT id FROM docs WHERE_DOCUMENT (CONTAINS 'a' OR document LIKE 'b') AND NOT CONTAINS 'c'",
        {
            "where_document": [
                "AND",
                ["OR", ["CONTAINS", DOCUMENT, "a"], ["LIKE", DOCUMENT, "b"]],
                ["NOT CONTAINS", DOCUMENT, "c"],
            ]
        },
    ),
    (
        "SELECT id FROM docs WHERE_DOCUMENT document NOT REGEX 'a' OR NOT LIKE 'b' OR NOT REGEX 'c' OR REGEX 'd'",
        {
            "where_document": [
                "OR",
                ["NOT REGEX", DOCUMENT, "a"],
                ["NOT LIKE", DOCUMENT, "b"],
                ["NOT REGEX", DOCUMENT, "c"],
                ["REGEX", DOCUMENT, "d"],
            ]
        },
    ),
    (
        "SELECT id FROM docs ORDER BY distance, id DESC, metadata.limit asc LIMIT +10 OFFSET 007",
        {
            "order": [[["distance"], "ASC"], [["id"], "DESC"], [["metadata", "limit"], "ASC"]],
            "limit": 10,
            "offset": 7,
        },
    ),
    ("SELECT id FROM docs RERANK BY MMR", {"rerank": {}}),
    (
        "SELECT id FROM docs RERANK BY mmr(lambda = 0.3, candidates = 60) WITH SCORE THRESHOLD -1",
        {"rerank": {"lambda": 0.3, "candidates": 60}, "threshold": -1},
    ),
    (
        "SELECT id FROM docs USING EMBEDDING(TEXT'a')WHERE metadata.a='x'AND metadata.b<1SIMILARITY IP TOPK 3LIMIT 2;",
        {
            "embedding": ["text", "a", None],
            "where": ["AND", ["=", A, "x"], ["<", ["metadata", "b"], 1]],
            "similarity": "IP",
            "topk": 3,
            "limit": 2,
        },
    ),
]


@pytest.mark.parametrize(("text", "clauses"), REPRESENTATIVE)
def test_representative_statements(text, clauses):
    """Each clause of 1.8.0 means what it meant."""
    expected = {"select": [[["id"], None]], "collection": "docs"} | clauses
    assert repr(sorted(meaning(parse(text)).items())) == repr(sorted(expected.items()))


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(statements())
def test_any_statement(statement):
    """A statement in the grammar of 1.8.0 parses, and its tree says what was written, to the types of values."""
    text, expected = statement
    assert repr(sorted(meaning(parse(text)).items())) == repr(sorted(expected.items()))
