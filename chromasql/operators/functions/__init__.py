"""The functions of expressions: one registry for the planner, the evaluator and the reference of the language."""

from __future__ import annotations

from chromasql.operators.functions.dates import DATES, UNITS, parse_interval, read_moment, shown_moment
from chromasql.operators.functions.numbers import NUMBERS
from chromasql.operators.functions.registry import MAX_SIZE, Function
from chromasql.operators.functions.tests import TESTS
from chromasql.operators.functions.texts import TEXTS
from chromasql.operators.functions.values import VALUES

__all__ = [
    "ALIASES",
    "MAX_SIZE",
    "UNITS",
    "Function",
    "find_function",
    "function_names",
    "groups_of_functions",
    "parse_interval",
    "read_moment",
    "shown_moment",
]

_GROUPS = {"Texts": TEXTS, "Numbers": NUMBERS, "Dates and times": DATES, "Values and lists": VALUES}


_FUNCTIONS = {function.name: function for group in (*_GROUPS.values(), TESTS) for function in group}


ALIASES = {
    "CEILING": "CEIL",
    "CHAR_LENGTH": "LENGTH",
    "IFNULL": "COALESCE",
    "INSTR": "STRPOS",
    "LCASE": "LOWER",
    "LEN": "LENGTH",
    "NVL": "COALESCE",
    "POW": "POWER",
    "STARTSWITH": "STARTS_WITH",
    "ENDSWITH": "ENDS_WITH",
    "SUBSTR": "SUBSTRING",
    "UCASE": "UPPER",
}
"""Other names of functions."""


def find_function(name: str) -> Function | None:
    """Return the function of a name in capitals (or of an operator), or None."""
    return _FUNCTIONS.get(ALIASES.get(name, name))


def function_names() -> list[str]:
    """Return the names that a statement can call."""
    return sorted([*(name for name in _FUNCTIONS if name[0].isupper()), *ALIASES])


def groups_of_functions() -> dict[str, list[Function]]:
    """Return the functions that a statement can call, by the heading of the reference."""
    return {
        heading: [function for function in group if function.name[0].isupper()] for heading, group in _GROUPS.items()
    }
