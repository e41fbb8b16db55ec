"""Contenders in turn, so that whatever slows the machine slows all of them."""

from __future__ import annotations

import cProfile
import gc
import inspect
import pstats
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

Contender = Callable[[], Any]

_FEWEST = 5


@dataclass(frozen=True)
class Cost:
    """The medians of what one call took: wall time, and CPU of this process with all its threads; in milliseconds."""

    wall: float
    cpu: float
    runs: int = 1


async def call(contender: Contender) -> Any:
    """Call a contender, be it a plain function or a coroutine function."""
    value = contender()
    return await value if inspect.isawaitable(value) else value


async def alternate(
    contenders: Mapping[str, Contender], rounds: int, *, warm_up: int = 2, seconds: float = 20.0
) -> dict[str, Cost]:
    """
    Run the contenders in turn, A B A B, and return what each cost.

    After so many ``seconds`` no other round begins, if there were five.
    """
    ends = time.perf_counter() + seconds
    samples: dict[str, list[Cost]] = {name: [] for name in contenders}
    for number in range(warm_up + rounds):
        if number >= warm_up + _FEWEST and time.perf_counter() > ends:
            break
        for name, contender in contenders.items():
            gc.collect()
            wall, cpu = time.perf_counter(), time.process_time()
            await call(contender)
            spent = Cost((time.perf_counter() - wall) * 1000, (time.process_time() - cpu) * 1000)
            if number >= warm_up:
                samples[name].append(spent)
    return {
        name: Cost(median(each.wall for each in costs), median(each.cpu for each in costs), len(costs))
        for name, costs in samples.items()
    }


async def profile(contender: Callable[[], Awaitable[Any]], times: int = 20, lines: int = 12) -> list[dict[str, Any]]:
    """Return the functions in which most time is spent themselves, in milliseconds per call of the contender."""
    await contender()
    profiler = cProfile.Profile()
    profiler.enable()
    for _ in range(times):
        await contender()
    profiler.disable()
    entries = pstats.Stats(profiler).stats.items()  # type: ignore[attr-defined]
    total = sum(own for _, (_, _, own, _, _) in entries)
    ordered = sorted(entries, key=lambda entry: -entry[1][2])[:lines]
    return [
        {
            "function": f"{name} ({_module(path)})",
            "calls": calls / times,
            "ms": own / times * 1000,
            "share": own / total,
        }
        for (path, _, name), (_, calls, own, _, _) in ordered
    ]


def _module(path: str) -> str:
    if path == "~":
        return "built in"
    parts = Path(path).with_suffix("").parts
    start = max(
        (at + 1 for at, part in enumerate(parts) if part in ("site-packages", "python3.11", "main")), default=-2
    )
    return ".".join(parts[start:])
