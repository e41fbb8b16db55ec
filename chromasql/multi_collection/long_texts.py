"""Reading and planning long texts: on a thread, so that the loop goes on, and within the timeout of the statement."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from chromasql import ast
from chromasql.concurrency.threads import run_user_code
from chromasql.errors import ChromaSQLPlanningError, ChromaSQLTimeoutError
from chromasql.parser import parse
from chromasql.planner import Settings

__all__ = ["parse_in_time", "run_in_time"]

T = TypeVar("T")


_LONG_TEXT = 4_000
"""From how many characters on a statement is parsed and planned on a thread: about 20 ms of work."""


async def run_in_time(work: Callable[[], T], length: int, settings: Settings) -> T:
    """Parse or plan a text of this length: on a thread and within the timeout where that may take long."""
    if length <= _LONG_TEXT:
        return work()
    limit = asyncio.timeout(settings.timeout)
    try:
        async with limit:
            planned: T = await run_user_code(work)
            return planned
    except TimeoutError:
        if not limit.expired():
            raise
        raise ChromaSQLTimeoutError(
            f"timed out after {settings.timeout:g} s (statement timeout) while the statement of {length} characters "
            "was read; shorten it, or pass long lists as parameters",
            code="timeout",
        ) from None


async def parse_in_time(statement: str | ast.Statement, settings: Settings) -> ast.Statement:
    """Return the tree of a statement, which may be one already."""
    length = len(statement) if isinstance(statement, str) else 0
    return await run_in_time(partial(_parsed, statement), length, settings)


def _parsed(statement: str | ast.Statement) -> ast.Statement:
    if isinstance(statement, str):
        return parse(statement)
    if not isinstance(statement, ast.Statement):
        raise ChromaSQLPlanningError(
            f"a statement is text, or the tree that parse returns, not {type(statement).__name__}",
            code="invalid-argument",
        )
    return statement
