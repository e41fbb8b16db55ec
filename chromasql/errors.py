"""
Every exception of ChromaSQL, as a tree.

::

    ChromaSQLError                   the base: catch this to catch them all
    +-- ChromaSQLParseError          the text is not a statement
    +-- ChromaSQLPlanningError       the statement cannot be planned: meaning, parameters, options
    |   +-- ChromaSQLRoutingError    no collection, an unknown one, or a router that refused
    +-- ChromaSQLExecutionError      Chroma, an embedder or a router failed while the plan ran
        +-- ChromaSQLTimeoutError    the deadline passed first

Every one of them pickles, and none lets another library's exception reach the caller bare: what was
caught stands in ``__cause__``.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from chromasql._source import Position, Span, draw_caret, locate

__all__ = [
    "ChromaSQLError",
    "ChromaSQLExecutionError",
    "ChromaSQLParseError",
    "ChromaSQLPlanningError",
    "ChromaSQLRoutingError",
    "ChromaSQLTimeoutError",
    "Failure",
    "describe_exception",
    "near_names",
]

_MOST_NAMES = 5


class ChromaSQLError(Exception):
    """
    What every error of ChromaSQL is.

    ``message`` is the sentence alone; ``str()`` adds the line of the statement and a caret where ``source`` and
    ``span`` are known.
    """

    def __init__(self, message: str, *, source: str | None = None, span: Span | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.source = source
        self.span = span

    @property
    def position(self) -> Position | None:
        """Line and column of the span, counted from 1, or None where the error is not about the text."""
        if self.source is None or self.span is None:
            return None
        return locate(self.source, self.span.start)

    def located_in(self, source: str) -> ChromaSQLError:
        """Give the error its statement, unless it has one, and return it."""
        if self.source is None:
            self.source = source
        return self

    def __str__(self) -> str:
        if self.source is None or self.span is None:
            return self.message
        return f"{self.message}\n{draw_caret(self.source, self.span)}"

    def __reduce__(self) -> tuple[Any, ...]:
        return (_rebuild, (type(self), self.message), self.__dict__)


def _rebuild(kind: type[ChromaSQLError], message: str) -> ChromaSQLError:
    error = kind.__new__(kind, message)
    error.args = (message,)
    return error


class ChromaSQLParseError(ChromaSQLError):
    """The text is not a ChromaSQL statement."""


class ChromaSQLPlanningError(ChromaSQLError):
    """The statement reads well but cannot be planned: a clause, a value, a parameter or an option is wrong."""


class ChromaSQLRoutingError(ChromaSQLPlanningError):
    """The statement leads to no collection, to one that does not exist, or a router refused it."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why one collection (or the embedder) gave nothing, as plain data."""

    collection: str | None
    kind: str
    message: str

    def __str__(self) -> str:
        where = f"{self.collection}: " if self.collection is not None else ""
        return f"{where}{self.kind}: {self.message}"


class ChromaSQLExecutionError(ChromaSQLError):
    """
    The plan could not be carried out.

    ``failures`` holds each cause as data, with the collection's name; ``__cause__`` is the first exception.
    ``outcomes`` holds a `chromasql.Outcome` for each collection of the statement, where it came so far.
    """

    def __init__(
        self,
        message: str,
        *,
        failures: Sequence[Failure] = (),
        outcomes: Sequence[Any] = (),
        source: str | None = None,
        span: Span | None = None,
    ) -> None:
        super().__init__(message, source=source, span=span)
        self.failures = tuple(failures)
        self.outcomes = tuple(outcomes)

    def __str__(self) -> str:
        shown = [f"\n  {failure}" for failure in self.failures[:_MOST_NAMES]]
        more = len(self.failures) - _MOST_NAMES
        if more > 0:
            shown.append(f"\n  and {more} more")
        return super().__str__() + "".join(shown)


class ChromaSQLTimeoutError(ChromaSQLExecutionError):
    """The deadline of the statement passed before there was an answer."""


def describe_exception(error: BaseException) -> str:
    """Say in one line what went wrong; some exceptions of HTTP libraries have no text at all."""
    text = " ".join(str(error).split())
    return text or type(error).__name__


def near_names(name: str, known: Iterable[str]) -> str:
    """Return '; did you mean a, b?' for up to five known names like this one, or an empty string."""
    by_fold = {each.casefold(): each for each in known}
    near = difflib.get_close_matches(name.casefold(), by_fold, n=_MOST_NAMES, cutoff=0.6)
    return f"; did you mean {', '.join(by_fold[each] for each in near)}?" if near else ""
