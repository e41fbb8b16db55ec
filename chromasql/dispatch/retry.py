"""Which failures may pass when a call is made again, and how long to wait before it is."""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar

from chromasql.concurrency.containment import contained
from chromasql.errors import ChromaSQLExecutionError

if TYPE_CHECKING:
    from tenacity import RetryCallState

__all__ = ["LONGEST_WAIT", "call_with_retry", "is_transient", "retry_after"]

T = TypeVar("T")


LONGEST_WAIT = 30.0
"""In seconds: a server that asks to wait longer has failed, as far as a statement is concerned."""


_FIRST_WAIT = 0.1


_LONGEST_STEP = 5.0


_TRANSIENT_STATUS = frozenset({429, 502, 503, 504})


def is_transient(error: BaseException) -> bool:
    """
    Tell whether a call that failed so may succeed when it is made again.

    An exception with an attribute ``is_transient`` decides that itself. Otherwise it may for HTTP's 429, 502, 503 and
    504, a connection that is refused, reset or closed in the middle of an answer, and chromadb's rate limit. An error
    of ChromaSQL that another exception caused is judged by its cause.
    """
    error = _origin(error)
    own = getattr(error, "is_transient", None)
    if isinstance(own, bool):
        return own
    status = _status(error)
    if status is not None:
        return status in _TRANSIENT_STATUS
    if isinstance(error, ConnectionError) or type(error).__name__ == "RateLimitError":
        return True
    # chromadb's clients let these through; where httpx is not loaded, the error cannot be one of them.
    httpx = sys.modules.get("httpx")
    if httpx is not None and isinstance(error, httpx.NetworkError | httpx.RemoteProtocolError):
        return True
    return type(error).__name__ == "ChromaError" and str(error).startswith("Too many requests")


def retry_after(error: BaseException) -> float | None:
    """Return the number of seconds that the server asked to wait, or None where it did not."""
    error = _origin(error)
    own = getattr(error, "retry_after", None)
    if isinstance(own, int | float):
        return float(own)
    response = _response(error)
    try:
        return None if response is None else max(0.0, float(response.headers["Retry-After"]))
    except (KeyError, ValueError):
        return None


def _origin(error: BaseException) -> BaseException:
    return error.__cause__ if isinstance(error, ChromaSQLExecutionError) and error.__cause__ is not None else error


def _status(error: BaseException) -> int | None:
    own = getattr(error, "status", None)
    if isinstance(own, int):
        return own
    response = _response(error)
    return None if response is None else int(response.status_code)


def _response(error: BaseException) -> Any:
    """Return httpx's response; chromadb raises a bare Exception while it handles the error that has it."""
    httpx = sys.modules.get("httpx")
    if httpx is not None:
        for candidate in (error, error.__context__):
            if isinstance(candidate, httpx.HTTPStatusError):
                return candidate.response
    return None


async def call_with_retry(
    call: Callable[[], Awaitable[T]],
    *,
    retries: int,
    has_time: Callable[[float], bool] = lambda _: True,
    on_retry: Callable[[], None] = lambda: None,
) -> T:
    """
    Await a call, and retry it after a failure that may pass, with exponential back-off and jitter.

    Parameters
    ----------
    call : callable
        Makes the call.
    retries : int
        The maximum of further attempts.
    has_time : callable
        Tells whether more than so many seconds are left; without them the failure stands.
    on_retry : callable
        Called before each attempt but the first.

    Returns
    -------
    T
        What the call returned.

    Raises
    ------
    Exception
        The last failure, where it will not pass, no attempt is left, or the server asks to wait longer than
        `LONGEST_WAIT`. A panic of an extension module is one as well; see `contained`.
    """
    try:
        with contained():
            return await call()
    except Exception as error:
        if retries == 0 or not is_transient(error):
            raise
        first = error
    # Imported only now: that costs more than a whole call that succeeds.
    from tenacity import AsyncRetrying, retry_if_exception

    attempts = 0

    async def attempt() -> T:
        nonlocal attempts
        attempts += 1
        if attempts == 1:
            raise first
        on_retry()
        with contained():
            return await call()

    def stop(state: RetryCallState) -> bool:
        wait = state.upcoming_sleep
        return state.attempt_number > retries or wait > LONGEST_WAIT or not has_time(wait)

    return await AsyncRetrying(
        retry=retry_if_exception(is_transient), wait=_wait, stop=stop, sleep=asyncio.sleep, reraise=True
    )(attempt)


def _wait(state: RetryCallState) -> float:
    """Return the seconds before the next attempt: doubled each time, and half as much again by chance."""
    assert state.outcome is not None
    error = state.outcome.exception()
    assert error is not None
    step = min(_FIRST_WAIT * 2.0 ** (state.attempt_number - 1), _LONGEST_STEP)
    # Callers that were refused together must not return together; the randomness is not used for security.
    return max(retry_after(error) or 0.0, step) + step * random.uniform(0, 0.5)  # noqa: S311
