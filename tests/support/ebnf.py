"""
The rules of ``grammar.lark`` as EBNF (ISO 14977), for the page on the language.

``x?`` becomes ``[ x ]`` and ``x*`` ``{ x }``; the names of nodes go, a keyword stands in quotes, and so does a terminal
that is one fixed text. Terminals that are patterns keep their names.
"""

import re
import textwrap

from chromasql.grammar import grammar_text, keywords

_WIDTH = 90
_TOKEN = re.compile(r'"[^"]*"|->\s*\w+|\w+|[()\[\]|*?]')
_RULE = re.compile(r"^\??(\w+):((?:.*\n(?:[ \t]+.*\n)*))", re.MULTILINE)
_FIXED = re.compile(r'^([A-Z_0-9]+): ("[^"]*")$', re.MULTILINE)


def pattern_terminals() -> list[str]:
    """Return the names of the terminals that rules use and that are not a fixed text."""
    return sorted(set(re.findall(r"\b[A-Z][A-Z_0-9]+\b", re.sub(r'"[^"]*"', "", make_ebnf()))))


def make_ebnf() -> str:
    """Return all rules, in the order of the grammar, under the headings that stand in its comments."""
    rules, terminals = grammar_text().split("// Terminals.")
    fixed = dict(_FIXED.findall(terminals)) | dict(_FIXED.findall(rules))
    rules = _FIXED.sub("", rules)
    blocks = re.split(r"\n\n// (.+)\n\n", "\n\n// Statements\n\n" + rules.partition("\n\n")[2])
    return "\n".join(
        f"(* {heading} *)\n\n" + "".join(_rule(*found.groups(), fixed) for found in _RULE.finditer(block + "\n"))
        for heading, block in zip(blocks[1::2], blocks[2::2], strict=True)
    )


def _rule(name: str, body: str, fixed: dict[str, str]) -> str:
    tokens = [token for token in _TOKEN.findall(body) if not token.startswith("->")]
    lines = _alternatives(tokens, fixed)
    assert not tokens, (name, tokens)
    indent = " " * (len(name) + 1)
    whole = " | ".join(lines)
    if len(whole) <= _WIDTH or not any(" " in line for line in lines):
        lines = [whole]
    wrapped = ("\n".join(textwrap.wrap(line, _WIDTH, subsequent_indent=f"{indent}  ")) for line in lines)
    return f"{name} = " + f"\n{indent}| ".join(wrapped) + " ;\n"


def _alternatives(tokens: list[str], fixed: dict[str, str]) -> list[str]:
    found = [_sequence(tokens, fixed)]
    while tokens and tokens[0] == "|":
        tokens.pop(0)
        found.append(_sequence(tokens, fixed))
    return found


def _sequence(tokens: list[str], fixed: dict[str, str]) -> str:
    parts = []
    while tokens and tokens[0] not in "|)]":
        parts.append(_repeated(tokens, fixed))
    return " ".join(parts)


def _repeated(tokens: list[str], fixed: dict[str, str]) -> str:
    token = tokens.pop(0)
    if token in "([":
        inner = " | ".join(_alternatives(tokens, fixed))
        closing = tokens.pop(0)
        group = f"{token} {inner} {closing}"
    else:
        inner = group = f'"{token}"' if token in keywords() else fixed.get(token, token)
    if tokens and tokens[0] in "*?":
        return f"{{ {inner} }}" if tokens.pop(0) == "*" else f"[ {inner} ]"
    return group
