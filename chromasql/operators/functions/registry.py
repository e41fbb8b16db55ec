"""What a function of the language is, and the bound on the size of what it makes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from chromasql.errors import ChromaSQLExecutionError

__all__ = ["MAX_SIZE", "Function", "ResultType", "check_size", "too_large"]

MAX_SIZE = 1_000_000
"""The most characters of a text, bits of a whole number or elements of a list that a function makes."""


ResultType: TypeAlias = Literal["any", "boolean", "date", "interval", "list", "number", "text", "timestamp"]
"""What a function returns, as far as it is known without its arguments."""


@dataclass(frozen=True, slots=True)
class Function:
    """
    One function of one row.

    ``apply`` takes the values of the arguments; a ``strict`` function is NULL where one of them is, without a call. It
    returns None (NULL) for a value of a kind that it does not take. ``least`` and ``most`` are the numbers of its
    arguments (``most`` None: any number). ``moments`` are the positions of arguments that are read as dates or times,
    ``constants`` those that must not depend on the row. ``example`` is a call and what it gives, for the reference.
    """

    name: str
    apply: Callable[..., Any]
    least: int = 1
    most: int | None = 1
    result: ResultType = "any"
    strict: bool = True
    moments: tuple[int, ...] = ()
    constants: tuple[int, ...] = ()
    doc: str = ""
    example: str = ""
    group: str = ""
    blocking: bool = False


def too_large(what: str) -> ChromaSQLExecutionError:
    """Return the error for a value above `MAX_SIZE`."""
    return ChromaSQLExecutionError(
        f"{what} would make a value of more than {MAX_SIZE:,} characters, bits or elements", code="value-too-large"
    )


def check_size(size: int, what: str) -> None:
    """Refuse to make a value of so many characters, bits or elements."""
    if size > MAX_SIZE:
        raise too_large(what)
