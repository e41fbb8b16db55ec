"""Running several tasks so that none outlives the statement."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any

__all__ = ["cancel_all", "run_all"]


async def run_all(workers: Iterable[Coroutine[Any, Any, None]], seconds: float | None) -> None:
    """Run workers until all have ended, one has raised (which is raised here) or the time is up; then none runs on."""
    tasks = [asyncio.ensure_future(worker) for worker in workers]
    running: Iterable[asyncio.Future[None]] = tasks
    try:
        done, running = await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_EXCEPTION)
    finally:
        if running:
            await cancel_all(running)
    errors = [task.exception() for task in tasks if task in done]
    first = next((error for error in errors if error is not None), None)
    if first is not None:
        raise first


async def cancel_all(tasks: Iterable[asyncio.Future[Any]]) -> None:
    """Cancel those tasks that still run and wait until they have ended, so that none outlives the statement."""
    tasks = list(tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
