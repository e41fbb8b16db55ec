"""The language: ``grammar.lark``, its tables made beforehand, and the spoken names of its terminals."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chromasql._source import Span
from chromasql.errors import ChromaSQLParseError

if TYPE_CHECKING:
    from lark import Lark, Token

__all__ = [
    "CLAUSE_KEYWORDS",
    "MAX_BRACKETS",
    "MAX_PARAMETERS",
    "RESERVED",
    "compile_grammar",
    "fingerprint",
    "grammar_text",
    "keywords",
    "load_grammar",
    "spoken",
]

MAX_BRACKETS = 200
"""How many brackets may be open at once, of any kind."""

MAX_PARAMETERS = 10_000
"""How many places for parameters a statement may have; a parameter may be a whole list."""

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
    "COMPARISON": "a comparison",
    "DOUBLE_QUOTED": 'a "quoted" name',
    "NAME": "a name",
    "NUMBER": "a number",
    "PARAM": "a parameter",
    "SOURCE": "a collection",
    "STRING": "a string",
}

_PHRASES = (
    (
        {"KNN", "BM25", "RRF", "LPAR", "PLUS", "MINUS", "NUMBER", "PARAM", "NAME", "BACKQUOTED"},
        "a rank expression",
    ),
    ({"STRING", "NUMBER", "PLUS", "MINUS", "TRUE", "FALSE", "NULL", "PARAM"}, "a value"),
    ({phrase.split()[0] for phrase in CLAUSE_KEYWORDS}, "a clause"),
    ({"COMPARISON", "IN", "BETWEEN", "IS", "NOT", "CONTAINS", "LIKE", "ILIKE", "REGEX"}, "a comparison"),
    ({"NOT", "CONTAINS", "LIKE", "ILIKE", "REGEX"}, "a test of the document"),
    ({"CONTAINS", "LIKE", "ILIKE", "REGEX"}, "a test of the document"),
    ({"PLUS", "MINUS", "TIMES", "SLASH"}, "an operator"),
    ({"NUMBER", "PLUS", "MINUS"}, "a number"),
    ({"SOURCE", "BACKQUOTED", "DOUBLE_QUOTED"}, "a collection"),
    ({"NAME", "BACKQUOTED", "DOUBLE_QUOTED"}, "a name"),
    ({"NAME", "BACKQUOTED"}, "a name"),
)
"""What terminals are together, the longest first: nobody wants to read them one by one."""

_PATH_STEPS = frozenset({"DOT", "LSQB"})
_OPENING = frozenset({"LPAR", "LSQB", "LBRACE"})
_CLOSING = frozenset({"RPAR", "RSQB", "RBRACE"})


class _AfterLexer:
    """
    Lark's hook after the lexer: makes NAME known in every state, and bounds the open brackets and the parameters.

    Without the first bound, ``((a AND b) AND c)`` over and over would cost the square of its length. The second one
    refuses a list that was spelled out value by value before it is read to its end.
    """

    always_accept = ("NAME",)

    def process(self, stream: Iterator[Token]) -> Iterator[Token]:
        depth = parameters = 0
        for token in stream:
            if token.type in _OPENING:
                depth += 1
                if depth > MAX_BRACKETS:
                    at = token.start_pos or 0
                    raise ChromaSQLParseError(f"more than {MAX_BRACKETS} brackets are open here", span=Span(at, at + 1))
            elif token.type in _CLOSING:
                depth -= 1
            elif token.type == "PARAM":
                parameters += 1
                if parameters > MAX_PARAMETERS:
                    raise ChromaSQLParseError(
                        f"more than {MAX_PARAMETERS} parameters; give a list as one, as in IN :ids",
                        span=Span(token.start_pos or 0, token.end_pos or 0),
                    )
            elif token.type == "SEMICOLON":
                parameters = 0
            yield token


def _read(name: str) -> str:
    return Path(__file__).with_name(name).read_text("utf-8")


@cache
def grammar_text() -> str:
    """Return the source of the grammar."""
    return _read("grammar.lark")


def fingerprint() -> dict[str, str]:
    """Say what tables depend on: the grammar, and the version of Lark without its patch level."""
    import lark

    return {
        "grammar": hashlib.sha256(grammar_text().encode()).hexdigest(),
        "lark": ".".join(lark.__version__.split(".")[:2]),
    }


def load_grammar(transformer: Any = None) -> Lark:
    """
    Return the LALR(1) parser from the tables in ``grammar.json``, much sooner than by compiling.

    ``transformer`` builds the nodes while the text is read. Tables of another grammar or another version
    of Lark are left alone: then the grammar is compiled.
    """
    from lark import Lark

    from chromasql.lexer import FastLexer

    tables = json.loads(_read("grammar.json"))
    if tables["made_from"] != fingerprint():
        return compile_grammar(transformer)
    data, memo = tables["data"], tables["memo"]
    plugins = {"ContextualLexer": FastLexer}
    data["options"] |= {"transformer": transformer, "postlex": _AfterLexer(), "_plugins": plugins}
    parser = data["parser"]["parser"]
    parser["states"] = _numbered(parser["states"])
    return Lark.load({"data": data, "memo": _numbered(memo)})


def _numbered(table: dict[str, Any]) -> dict[int, Any]:
    """Turn the keys into numbers again, which JSON cannot have."""
    return {int(key): value for key, value in table.items()}


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
        # Without ASCII, "ignore case" takes the long s and the Kelvin sign for letters of keywords.
        g_regex_flags=re.ASCII,
        transformer=transformer,
        postlex=_AfterLexer(),
        strict=strict,
    )


@cache
def keywords() -> frozenset[str]:
    """Return every keyword of the language, in capitals."""
    lines = (line.partition(":") for line in grammar_text().splitlines())
    return frozenset(name for name, _, rest in lines if rest.strip() == f'"{name}"i')


def spoken(terminals: Collection[str], patterns: dict[str, str]) -> list[str]:
    """
    Name terminals in words, those that belong together in one phrase, keywords first, without repeats.

    ``patterns`` gives the literal text of the terminals that are no keywords (``"*"`` for STAR).
    """
    left = set(terminals)
    if left - _PATH_STEPS:
        left -= _PATH_STEPS
    phrases = []
    for together, phrase in _PHRASES:
        if together <= left:
            left -= together
            phrases.append(phrase)
    known = keywords()
    words = sorted(name for name in left if name in known)
    others = sorted(
        _SPOKEN.get(name, f"'{patterns[name]}'" if name in patterns else name.lower())
        for name in left
        if name not in known
    )
    return list(dict.fromkeys(phrases + words + others))
