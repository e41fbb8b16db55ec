"""
A program: read statements as JSON, print what parsing each takes, cold and repeated, in seconds; null where it is refused.

It imports whichever ``chromasql`` comes first on the path, so it can measure an older one.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

from chromasql import parse, parser

_TIMES = 9
_REPEATED = 200


def _forget() -> None:
    """Let no text be known; the older package keeps none."""
    kept = getattr(parser, "_kept", None)
    if kept is not None:
        kept.clear()


def _seconds(sql: str, times: int, before: Callable[[], Any]) -> float:
    samples = []
    for _ in range(times):
        before()
        started = time.perf_counter()
        parse(sql)
        samples.append(time.perf_counter() - started)
    return median(samples)


def _both(sql: str) -> dict[str, float] | None:
    try:
        parse(sql)
    except Exception:
        return None
    return {"cold": _seconds(sql, _TIMES, _forget), "repeated": _seconds(sql, _REPEATED, lambda: None)}


print(json.dumps([_both(sql) for sql in json.load(sys.stdin)]))
