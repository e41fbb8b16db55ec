"""The blocking face: the async engine on an event loop of its own, in a thread."""

from __future__ import annotations

import atexit
import threading
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from anyio.from_thread import BlockingPortal

__all__ = ["run_in_portal"]

T = TypeVar("T")


_lock = threading.Lock()


_stack = ExitStack()


_portal: BlockingPortal | None = None


def run_in_portal(function: Callable[..., Awaitable[T]], *args: Any) -> T:
    """
    Run a coroutine function on the package's private event loop and wait for what it returns.

    It works where an event loop is running already, as in a notebook, since the private one has a thread of its own.
    A caller that is interrupted while it waits cancels what it waits for.
    """
    future = _open_portal().start_task_soon(function, *args)
    try:
        return future.result()
    finally:
        future.cancel()


def _open_portal() -> BlockingPortal:
    from anyio.from_thread import start_blocking_portal

    global _portal  # noqa: PLW0603 - one loop for the process, made when it is first needed
    with _lock:
        if _portal is None:
            _portal = _stack.enter_context(start_blocking_portal("asyncio"))
            atexit.register(_stack.close)
        return _portal
