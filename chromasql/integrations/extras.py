"""What is said where an optional library is missing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["needs_extra"]


@contextmanager
def needs_extra(extra: str, what: str) -> Iterator[None]:
    """Import an optional library in the block; where that fails, raise `ImportError` with the line for pip."""
    try:
        yield
    except ImportError as error:
        raise ImportError(
            f"{what} cannot be imported ({error}); install it: pip install 'chromasql[{extra}]'", name=error.name
        ) from error
