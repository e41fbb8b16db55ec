"""How the time of parsing grows with the length of a statement, for statements of several shapes."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping
from statistics import median
from typing import Any

LENGTHS = (1_000, 3_000, 10_000, 30_000, 100_000)
"""In characters."""

_TIMES = 5
_HEAD = "SELECT id FROM docs WHERE "
_DEPTH = 100


def measure() -> dict[str, dict[str, float]]:
    """Return the microseconds per character by shape and length; no text is parsed twice, as the parser keeps trees."""
    from chromasql import parse

    parse(f"{_HEAD}a = 1")
    return {
        name: {str(length): _per_character(parse, shape, length) for length in LENGTHS}
        for name, shape in SHAPES.items()
    }


def _per_character(parse: Callable[[str], Any], shape: Callable[[int], str], length: int) -> float:
    samples = []
    for number in range(_TIMES):
        text = f"{shape(length)} LIMIT {number}"
        gc.collect()
        started = time.perf_counter()
        parse(text)
        samples.append((time.perf_counter() - started) / len(text))
    return median(samples) * 1e6


def _repeated(part: str, joint: str, length: int) -> str:
    """Repeat a part until there are so many characters, not fewer than once."""
    count = max(1, (length - len(_HEAD)) // (len(part) + len(joint)))
    return joint.join([part] * count)


def _nested(length: int) -> str:
    """Nest brackets as deep as predicates may be, and begin again side by side."""
    deep = "(a = 1 OR b = 2 AND " * (_DEPTH // 2 - 2) + "c = 3" + ")" * (_DEPTH // 2 - 2)
    if length < len(deep):
        levels = length // 21
        deep = "(a = 1 OR b = 2 AND " * levels + "c = 3" + ")" * levels
    return _HEAD + _repeated(deep, " AND ", length)


SHAPES: Mapping[str, Callable[[int], str]] = {
    "AND chain": lambda length: _HEAD + _repeated("year = 2024", " AND ", length),
    "IN list": lambda length: f"{_HEAD}year IN ({_repeated('2024', ', ', length)})",
    "nested brackets": _nested,
    "one long string": lambda length: f"{_HEAD}title = '{'x' * (length - len(_HEAD))}'",
    "comments": lambda length: f"{_HEAD}a = 1 {_repeated('/* a comment */', ' ', length)}",
}
"""Makes a statement of about so many characters."""
