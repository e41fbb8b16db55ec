"""The language: ``grammar.lark``, its tables made beforehand, and the spoken names of its terminals."""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING, Any

from chromasql.grammar.post_lexer import MAX_BRACKETS, MAX_PARAMETERS, PostLexer
from chromasql.grammar.terminal_names import describe_terminals
from chromasql.grammar.words import CLAUSE_KEYWORDS, RESERVED, grammar_text, keywords, read_file

if TYPE_CHECKING:
    from lark import Lark

__all__ = [
    "CLAUSE_KEYWORDS",
    "MAX_BRACKETS",
    "MAX_PARAMETERS",
    "RESERVED",
    "compile_grammar",
    "describe_terminals",
    "fingerprint",
    "grammar_text",
    "keywords",
    "load_grammar",
]


def fingerprint() -> dict[str, str]:
    """Say what tables depend on: the grammar, and the version of Lark without its patch level."""
    import lark

    return {
        "grammar": hashlib.sha256(grammar_text().encode()).hexdigest(),
        "lark": ".".join(lark.__version__.split(".")[:2]),
    }


def load_grammar(transformer: Any = None) -> Lark:
    """
    Return the LALR(1) parser from the tables in ``tables.json``, much sooner than by compiling.

    ``transformer`` builds the nodes while the text is read. Tables of another grammar or another version
    of Lark are left alone: then the grammar is compiled.
    """
    from lark import Lark

    from chromasql.grammar.lexer import FastLexer

    tables = json.loads(read_file("tables.json"))
    if tables["made_from"] != fingerprint():
        return compile_grammar(transformer)
    data, memo = tables["data"], tables["memo"]
    plugins = {"ContextualLexer": FastLexer}
    data["options"] |= {"transformer": transformer, "postlex": PostLexer(), "_plugins": plugins}
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
        postlex=PostLexer(),
        strict=strict,
    )
