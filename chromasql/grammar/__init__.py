"""The language: ``grammar.lark``, the parser tables that are generated from it, and the names of its terminals."""

from __future__ import annotations

import hashlib
import json
import operator
import re
from typing import TYPE_CHECKING, Any

from chromasql import _publish
from chromasql.grammar.post_lexer import MAX_BRACKETS, MAX_PARAMETERS, PostLexer
from chromasql.grammar.terminal_names import describe_terminals
from chromasql.grammar.words import CLAUSE_KEYWORDS, RESERVED, grammar_text, keywords, read_file, terminal_pattern

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
    "terminal_pattern",
]


def fingerprint() -> dict[str, str]:
    """Return what the tables depend on: a hash of the grammar, and the version of Lark without its patch level."""
    import lark

    return {
        "grammar": hashlib.sha256(grammar_text().encode()).hexdigest(),
        "lark": ".".join(lark.__version__.split(".")[:2]),
    }


def load_grammar(transformer: Any = None) -> Lark:
    """
    Return the LALR(1) parser from ``tables.json``, which is much faster than compiling the grammar.

    ``transformer`` builds the nodes while the text is read. If the tables are of another grammar or another version
    of Lark, the grammar is compiled.
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
    loaded = Lark.load({"data": data, "memo": _numbered(memo)})
    _pass_through(loaded)
    return loaded


def _pass_through(lark: Lark) -> None:
    """Let a rule that only hands its one part on do so at no cost; an expression is handed on eight times."""
    from lark.grammar import Rule

    callbacks = lark.parser.parser.parser.callbacks
    for rule in list(callbacks):
        if not isinstance(rule, Rule) or rule.alias or not rule.options.expand1 or len(rule.expansion) != 1:
            continue
        if not rule.expansion[0].is_term:
            callbacks[rule] = _FIRST


_FIRST = operator.itemgetter(0)


def _numbered(table: dict[str, Any]) -> dict[int, Any]:
    """Return the table with numbers as keys, which JSON does not have."""
    return {int(key): value for key, value in table.items()}


def compile_grammar(transformer: Any = None, *, strict: bool = False) -> Lark:
    """
    Compile the grammar to an LALR(1) parser.

    ``transformer`` builds the nodes while the text is read. ``strict`` makes every collision of terminals an error; it
    is for tests and needs the package ``interegular``.
    """
    from lark import Lark

    return Lark(
        grammar_text(),
        parser="lalr",
        start="script",
        keep_all_tokens=True,
        maybe_placeholders=True,
        # Without ASCII, the long s and the Kelvin sign match letters of keywords when case is ignored.
        g_regex_flags=re.ASCII,
        transformer=transformer,
        postlex=PostLexer(),
        strict=strict,
    )


_publish(__name__)
