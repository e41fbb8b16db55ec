"""A cache that is bounded by the memory it takes, for any number of threads."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

from chromasql.concurrency.forks import reset_in_child

__all__ = ["ByteCache"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class ByteCache(Generic[K, V]):
    """
    The values that were used last, up to ``max_bytes`` in all.

    The caller says how many bytes a value takes, roughly; a value that takes more than half of all is not kept,
    as it would drive out the others.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._values: OrderedDict[K, tuple[V, int]] = OrderedDict()
        self._size = 0
        self.after_fork()
        reset_in_child(self)

    def after_fork(self) -> None:
        """Begin with a lock of its own, as a thread of the parent may hold the other, and without values."""
        self._lock = threading.Lock()
        self._values = OrderedDict()
        self._size = 0

    def __len__(self) -> int:
        """Return the number of values that are kept."""
        return len(self._values)

    @property
    def size(self) -> int:
        """The bytes that the values take, as the caller counts them."""
        return self._size

    def get(self, key: K) -> V | None:
        """Return the value of a key, which is now the one used last, or None."""
        with self._lock:
            entry = self._values.get(key)
            if entry is None:
                return None
            self._values.move_to_end(key)
            return entry[0]

    def keep(self, key: K, value: V, size: int) -> V:
        """Keep a value of so many bytes, let go of those that were used longest ago, and return the value."""
        if size > self._max_bytes // 2:
            return value
        with self._lock:
            _, before = self._values.pop(key, (None, 0))
            self._values[key] = value, size
            self._size += size - before
            while self._size > self._max_bytes:
                _, (_, dropped) = self._values.popitem(last=False)
                self._size -= dropped
        return value

    def clear(self) -> None:
        """Let go of all values."""
        with self._lock:
            self._values.clear()
            self._size = 0
