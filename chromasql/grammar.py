"""The language: ``grammar.lark``, compiled once and lazily, and the spoken names of its terminals."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lark import Lark, Token

__all__ = ["CLAUSE_KEYWORDS", "RESERVED", "compile_grammar", "grammar_text", "keywords", "spoken"]

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

_SPOKEN = {
    "$END": "the end of the statement",
    "BACKQUOTED": "a `quoted` name",
    "COMMA": "','",
    "COMPARISON": "a comparison (= != < <= > >=)",
    "DOUBLE_QUOTED": 'a "quoted" name',
    "NAME": "a name",
    "NUMBER": "a number",
    "PARAM": "a parameter",
    "SOURCE": "a collection name",
    "STRING": "a string",
}


class _WholeWords:
    """Lark's hook after the lexer; it changes nothing but makes NAME known in every state."""

    always_accept = ("NAME",)

    def process(self, stream: Iterator[Token]) -> Iterator[Token]:
        return stream


@cache
def grammar_text() -> str:
    """Return the source of the grammar."""
    return resources.files("chromasql").joinpath("grammar.lark").read_text("utf-8")


def compile_grammar(transformer: Any = None, *, strict: bool = False) -> Lark:
    """
    Compile the grammar to an LALR(1) parser.

    ``transformer`` builds the nodes while the text is read; ``strict`` makes every collision an error
    (for tests; it needs ``interegular``).
    """
    from lark import Lark

    return Lark(
        grammar_text(),
        parser="lalr",
        start="script",
        keep_all_tokens=True,
        maybe_placeholders=True,
        transformer=transformer,
        postlex=_WholeWords(),
        strict=strict,
    )


@cache
def keywords() -> frozenset[str]:
    """Return every keyword of the language, in capitals."""
    lines = (line.partition(":") for line in grammar_text().splitlines())
    return frozenset(name for name, _, rest in lines if rest.strip() == f'"{name}"i')


def spoken(terminals: Collection[str], patterns: dict[str, str]) -> list[str]:
    """
    Name terminals in words, keywords first, without repeats.

    ``patterns`` gives the literal text of the terminals that are no keywords (``"*"`` for STAR).
    """
    known = keywords()
    words = sorted(name for name in terminals if name in known)
    others = sorted(
        _SPOKEN.get(name, f"'{patterns[name]}'" if name in patterns else name.lower())
        for name in terminals
        if name not in known
    )
    return list(dict.fromkeys(words + others))
