"""The words of the language, read from ``grammar.lark``: its keywords, those that are reserved, and its names."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

__all__ = ["CLAUSE_KEYWORDS", "RESERVED", "grammar_text", "keywords", "read_file", "terminal_pattern"]

CLAUSE_KEYWORDS = (
    "GROUP BY",
    "HAVING",
    "LIMIT",
    "OFFSET",
    "ORDER BY",
    "RANK BY",
    "RERANK BY",
    "SIMILARITY",
    "TOPK",
    "USING EMBEDDING",
    "WHERE",
    "WHERE_DOCUMENT",
    "WITH",
)
"""The clauses after FROM and its collections."""


RESERVED = frozenset(
    {phrase.split()[0] for phrase in CLAUSE_KEYWORDS}
    | {"AND", "BETWEEN", "CONTAINS", "EXCEPT", "FROM", "ILIKE", "IN", "IS", "KEEP"}
    | {"LIKE", "NOT", "OR", "REGEX", "SELECT"}
    | {"FALSE", "NULL", "TRUE"}
)
"""Words that cannot be a bare field: write ``metadata.order`` or quote them in backticks."""


def read_file(name: str) -> str:
    """Return the text of a file beside this module."""
    return Path(__file__).with_name(name).read_text("utf-8")


@cache
def grammar_text() -> str:
    """Return the source of the grammar."""
    return read_file("grammar.lark")


@cache
def keywords() -> frozenset[str]:
    """Return every keyword of the language, in capitals."""
    lines = (line.partition(":") for line in grammar_text().splitlines())
    return frozenset(name for name, _, rest in lines if rest.strip() == f'"{name}"i')


@cache
def terminal_pattern(name: str) -> re.Pattern[str]:
    """Return the regular expression of a terminal such as NAME, which must be a single one in the grammar."""
    found = re.search(rf"^{name}(?:\.\d+)?: /(?P<pattern>.*)/(?P<ignore_case>i?)$", grammar_text(), re.MULTILINE)
    assert found is not None, name
    return re.compile(found["pattern"], re.ASCII | (re.IGNORECASE if found["ignore_case"] else re.NOFLAG))
