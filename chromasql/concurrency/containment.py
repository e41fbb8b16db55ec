"""What is raised by code that we call, where it must not end a thread or an event loop of ours."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["AbortError", "OwnThread", "contained"]


class OwnThread(threading.Thread):
    """A thread of this package: the private event loop, or a worker for blocking calls."""


class AbortError(RuntimeError):
    """
    A call raised what is not an `Exception`: SystemExit, KeyboardInterrupt, or a panic of an extension module.

    It is the ``__cause__``.
    """

    def __init__(self, raised: BaseException) -> None:
        text = str(raised)
        super().__init__(f"{type(raised).__name__} was raised{': ' if text else ''}{text}")

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (str(self),)


def _rebuild(message: str) -> AbortError:
    error = AbortError.__new__(AbortError)
    error.args = (message,)
    return error


@contextmanager
def contained() -> Iterator[None]:
    """
    Turn panics into `AbortError`, and on a thread of ours SystemExit and KeyboardInterrupt as well.

    On a caller's thread these two mean the application, so they pass; so do CancelledError and GeneratorExit anywhere.
    """
    try:
        yield
    except (Exception, asyncio.CancelledError, GeneratorExit):
        raise
    except (SystemExit, KeyboardInterrupt) as error:
        if not isinstance(threading.current_thread(), OwnThread):
            raise
        raise AbortError(error) from error
    except BaseException as error:
        raise AbortError(error) from error
