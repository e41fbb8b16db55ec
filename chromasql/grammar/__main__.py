"""
Write ``tables.json``, the tables of the parser, from ``grammar.lark``.

Run it after a change of the grammar: ``python -m chromasql.grammar``.
"""

import json
from pathlib import Path
from typing import Any

from lark.grammar import Rule
from lark.lexer import TerminalDef

import chromasql.grammar

FILE = Path(chromasql.grammar.__file__).with_name("tables.json")


def make_tables() -> str:
    """Return the tables as JSON, the same text on every run."""
    data, memo = chromasql.grammar.compile_grammar().memo_serialize([TerminalDef, Rule])
    for name in ("transformer", "postlex"):
        data["options"].pop(name, None)
    data["parser"]["parser"] = renumbered(data["parser"]["parser"])
    made_from = chromasql.grammar.fingerprint()
    return json.dumps({"made_from": made_from, "data": data, "memo": memo}, separators=(",", ":")) + "\n"


def renumbered(tables: dict[str, Any]) -> dict[str, Any]:
    """Return tables with symbols numbered by name and states breadth first; Lark's numbers differ from run to run."""
    names, states = tables["tokens"], tables["states"]
    symbols = {name: number for number, name in enumerate(sorted(names.values()))}
    actions = {
        state: dict(sorted((symbols[names[token]], action) for token, action in row.items()))
        for state, row in states.items()
    }
    (start,) = tables["start_states"].values()
    found = {start: 0}
    for state in (order := [start]):
        for kind, target in actions[state].values():
            if kind == 0 and target not in found:
                found[target] = len(found)
                order.append(target)
    return tables | {
        "tokens": {number: name for name, number in symbols.items()},
        "states": {
            found[state]: {
                symbol: [kind, found[target] if kind == 0 else target]
                for symbol, (kind, target) in actions[state].items()
            }
            for state in order
        },
        "start_states": {rule: found[state] for rule, state in tables["start_states"].items()},
        "end_states": {rule: found[state] for rule, state in tables["end_states"].items()},
    }


if __name__ == "__main__":
    FILE.write_text(make_tables(), "utf-8")
