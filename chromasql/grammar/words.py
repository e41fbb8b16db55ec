"""The words of the language: its keywords, those that are reserved, and the source that names them."""

from __future__ import annotations

from functools import cache
from pathlib import Path

__all__ = ["CLAUSE_KEYWORDS", "RESERVED", "grammar_text", "keywords", "read_file"]

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
"""What may follow FROM and its collections, spelled out."""


RESERVED = frozenset(
    {phrase.split()[0] for phrase in CLAUSE_KEYWORDS}
    | {"AND", "BETWEEN", "CONTAINS", "EXCEPT", "FROM", "ILIKE", "IN", "IS", "KEEP"}
    | {"LIKE", "NOT", "OR", "REGEX", "SELECT"}
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
