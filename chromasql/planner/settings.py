"""What the caller sets for a statement, and the options of ``WITH (..)`` that may say otherwise."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from chromasql import ast
from chromasql.errors import ChromaSQLPlanningError, near_names
from chromasql.planner.ranking import MAX_CANDIDATES

__all__ = ["OPTIONS", "Settings", "with_options"]

OPTIONS = ("exact", "merge", "on_error", "per_collection", "read_level", "timeout", "total")
"""The names of the options."""


_CALLERS_OWN = ("collection_timeout", "min_success", "retries")


_READ_LEVELS = ("index_and_wal", "index_only", "index_and_bounded_wal")


_TAKES = {
    "collection_timeout": "a number of seconds above 0",
    "exact": "TRUE or FALSE",
    "merge": "SCORE (also called distance) or RRF",
    "min_success": "a whole number from 1 on, or a share above 0 and up to 1.0",
    "on_error": "SKIP or FAIL",
    "per_collection": f"a whole number from 1 to {MAX_CANDIDATES}",
    "read_level": "INDEX_AND_WAL, INDEX_ONLY or INDEX_AND_BOUNDED_WAL",
    "retries": "a whole number from 0 on",
    "timeout": "a number of seconds above 0",
    "total": "TRUE or FALSE",
}


@dataclass(frozen=True, slots=True)
class Settings:
    """
    What the caller sets for a statement that does not say otherwise in ``WITH (..)``.

    ``merge`` is ``distance`` or ``rrf``; ``on_error`` is ``skip`` or ``fail``; ``timeout`` is in seconds for the
    whole statement; ``total`` asks for the number of rows without LIMIT and OFFSET; ``per_collection`` is the number of
    candidates that each collection returns; ``read_level`` is passed to a Chroma that has read levels. ``exact``
    measures every record that satisfies WHERE instead of asking the index; None leaves it to the planner, and False
    always asks the index. ``fixed`` names those of these that the statement may not change.

    No statement changes the rest. ``retries`` is how often a call is repeated after a transient failure: a connection
    refused or reset, and HTTP's 429, 502, 503 and 504. ``collection_timeout`` is in seconds for each collection.
    ``min_success`` is how many collections have to answer: an int is a number of collections, a float above 0 and up to
    1.0 a fraction of them. With fewer there is no partial answer; a number above that of the collections means all.
    ``clock`` is what NOW() reads, once for a statement: an aware datetime; by default that of the system.

    Raises `ChromaSQLPlanningError` for a value outside these ranges, and for a name in ``fixed`` that is not an option.
    """

    merge: str = "distance"
    on_error: str = "skip"
    timeout: float | None = None
    per_collection: int | None = None
    read_level: str | None = None
    exact: bool | None = None
    total: bool = False
    fixed: frozenset[str] = frozenset()
    retries: int = 2
    collection_timeout: float | None = None
    min_success: float | None = None
    clock: Callable[[], datetime] | None = None

    def __post_init__(self) -> None:
        for name in (*OPTIONS, *_CALLERS_OWN):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, _checked(name, value))
        for name in self.fixed:
            if name not in OPTIONS:
                raise ChromaSQLPlanningError(_unknown(name), code="unknown-option")


def with_options(settings: Settings, options: Iterable[ast.Argument]) -> dict[str, Any]:
    """Return the value of each option: the statement's where it may say, otherwise the caller's."""
    values = {name: getattr(settings, name) for name in OPTIONS}
    for argument in options:
        if argument.name not in OPTIONS:
            raise ChromaSQLPlanningError(_unknown(argument.name), code="unknown-option", span=argument.span)
        if argument.name in settings.fixed:
            raise ChromaSQLPlanningError(
                f"{argument.name} is fixed by the application and no statement may set it",
                code="scope-denied",
                span=argument.span,
            )
        if not isinstance(argument.value, ast.Literal):
            raise ChromaSQLPlanningError(
                f"{argument.name} takes {_TAKES[argument.name]}", code="invalid-option", span=argument.value.span
            )
        try:
            values[argument.name] = _checked(argument.name, argument.value.value)
        except ChromaSQLPlanningError as error:
            error.span = argument.value.span
            raise
    return values


def _unknown(name: str) -> str:
    return f"there is no option {name}{near_names(name, OPTIONS) or '; the options are ' + ', '.join(OPTIONS)}"


def _checked(name: str, value: Any) -> Any:
    """Return the value of an option in its canonical form, or raise for one that the option does not take."""
    word = value.lower() if isinstance(value, str) else value
    match name, word:
        case "merge", "score" | "distance":
            return "distance"
        case "merge", "rrf":
            return word
        case "exact", bool():
            return word
        case "on_error", "skip" | "fail":
            return word
        case "read_level", str() if word in _READ_LEVELS:
            return word
        case "per_collection", int() if not isinstance(word, bool) and 1 <= word <= MAX_CANDIDATES:
            return word
        case "retries", int() if not isinstance(word, bool) and word >= 0:
            return word
        case "min_success", int() if not isinstance(word, bool) and word >= 1:
            return word
        case "min_success", float() if 0 < word <= 1:
            return word
        case "total", bool():
            return word
        case "timeout" | "collection_timeout", int() | float() if not isinstance(word, bool) and (
            0 < word <= ast.MAX_NUMBER
        ):
            return float(word)
        case _:
            raise ChromaSQLPlanningError(f"{name} takes {_TAKES[name]}, not {value!r}", code="invalid-option")
