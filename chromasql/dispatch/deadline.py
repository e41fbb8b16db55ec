"""The time that a statement has."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

__all__ = ["Deadline"]


@dataclass(frozen=True, slots=True)
class Deadline:
    """
    A moment on the clock of the running event loop, ``seconds`` after the statement began; both None for no limit.

    It stays when a statement is run again, so a second run does not get the time a second time.
    """

    seconds: float | None = None
    ends: float | None = None

    @classmethod
    def after(cls, seconds: float | None, began: float | None = None) -> Deadline:
        """Return the deadline so many seconds after the statement ``began`` (None: now); None for no limit."""
        if seconds is None:
            return cls()
        return cls(seconds, (asyncio.get_running_loop().time() if began is None else began) + seconds)

    def remaining(self) -> float | None:
        """Return the seconds that are left, at least 0, or None without a limit."""
        return None if self.ends is None else max(0.0, self.ends - asyncio.get_running_loop().time())

    def has_time(self, seconds: float) -> bool:
        """Tell whether more than so many seconds are left."""
        remaining = self.remaining()
        return remaining is None or seconds < remaining

    def timeout(self, share: float = 1.0) -> asyncio.Timeout:
        """Return a context that ends with the deadline, or after a share of the time until then."""
        remaining = self.remaining()
        return asyncio.timeout(None if remaining is None else remaining * share)
