"""Starting afresh in the child of a fork, where no thread but the one that forked exists."""

from __future__ import annotations

import os
from typing import Any, Protocol, TypeVar
from weakref import WeakSet

__all__ = ["leak", "reset_in_child"]


class _Resettable(Protocol):
    def after_fork(self) -> None: ...


AnyResettable = TypeVar("AnyResettable", bound=_Resettable)


_living: WeakSet[Any] = WeakSet()


def reset_in_child(holder: AnyResettable) -> AnyResettable:
    """
    Call ``holder.after_fork()`` in every process that is forked while the holder lives, and return the holder.

    It has to replace locks, which a thread that is gone may hold, and to forget threads and event loops, without
    touching what the parent still uses: an epoll instance, for one, is shared with it.
    """
    _living.add(holder)
    return holder


def leak(value: Any) -> None:
    """
    Keep an object for ever, beyond the end of the interpreter.

    For what cannot be freed in the child of a fork: chromadb's Rust waits there for threads that do not exist.
    """
    import ctypes

    ctypes.pythonapi.Py_IncRef(ctypes.py_object(value))


def _reset_all() -> None:
    for holder in list(_living):
        holder.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset_all)
