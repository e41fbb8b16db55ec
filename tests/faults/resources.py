"""What a process holds, to show that it holds no more than before."""

from __future__ import annotations

import gc
import threading
import time
from dataclasses import dataclass
from pathlib import Path

_PATIENCE = 30.0


@dataclass(frozen=True)
class Held:
    """What a process holds."""

    threads: int
    files: int

    @classmethod
    def now(cls) -> Held:
        """Count threads, and files with sockets and pipes among them."""
        return cls(threading.active_count(), sum(1 for _ in Path("/dev/fd").iterdir()))

    def within(self, other: Held) -> bool:
        """Tell whether there is no more of either than there."""
        return self.threads <= other.threads and self.files <= other.files


def settled(bound: Held) -> Held:
    """Return what is held once it is within the bound, or after a while; the proxies hang up a little after the client."""
    ends = time.monotonic() + _PATIENCE
    while not (held := Held.now()).within(bound) and time.monotonic() < ends:
        gc.collect()
        time.sleep(0.02)
    return held
