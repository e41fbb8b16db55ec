"""
Every exception of ChromaSQL, as a tree.

::

    ChromaSQLError                   the base: catch this to catch them all
    +-- ChromaSQLParseError          the text is not a statement
    +-- ChromaSQLPlanningError       the statement cannot be planned: meaning, parameters, options
    |   +-- ChromaSQLRoutingError    no collection, an unknown one, or a router that refused
    +-- ChromaSQLExecutionError      Chroma, an embedder or a router failed while the plan ran
        +-- ChromaSQLTimeoutError    the deadline passed first

All of them can be pickled. No exception of another library reaches the caller: the original is in ``__cause__``.
"""

from __future__ import annotations

import dataclasses
import difflib
import heapq
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

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
    "errors_located_in",
    "near_names",
]

_MAX_NAMES = 5


_FEW_NAMES = 3


# Bounds on the work of finding names that are like a misspelt one.
_COMPARED_NAMES = 50
_LONGEST_NAME = 512
_SLIPS = 2


class ChromaSQLError(Exception):
    """
    The base of every error of ChromaSQL.

    ``code`` is a stable name for the kind of error, such as ``unknown-column``; docs/errors.md lists them all.
    ``message`` is the sentence alone; ``str()`` adds the line of the statement and a caret if ``source`` and
    ``span`` are known.
    """

    default_code: ClassVar[str] = "error"

    def __init__(
        self, message: str, *, code: str | None = None, source: str | None = None, span: Span | None = None
    ) -> None:
        super().__init__(message)
        self.code = self.default_code if code is None else code
        self.message = message
        self.source = source
        self.span = span

    @property
    def position(self) -> Position | None:
        """Line and column of the span, counted from 1, or None if the error is not about a place in the text."""
        if self.source is None or self.span is None:
            return None
        return locate(self.source, self.span.start)

    def located_in(self, source: str | None) -> ChromaSQLError:
        """Set the text of the statement that ``span`` refers to, unless it is set, and return the error."""
        if self.source is None:
            self.source = source
        return self

    def to_dict(self) -> dict[str, Any]:
        """
        Return the error as plain data that JSON can hold.

        ``code`` and ``message`` are always there. ``line`` and ``column`` (counted from 1) and ``excerpt`` (the line of
        the statement with a caret under the place) are there where the error is about a place in the text.
        """
        described: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.source is not None and self.span is not None:
            line, column = locate(self.source, self.span.start)
            described |= {"line": line, "column": column, "excerpt": draw_caret(self.source, self.span)}
        return described

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

    default_code = "syntax-error"


class ChromaSQLPlanningError(ChromaSQLError):
    """The statement is well formed but cannot be planned: a clause, a value, a parameter or an option is wrong."""

    default_code = "invalid-statement"


class ChromaSQLRoutingError(ChromaSQLPlanningError):
    """The statement matches no collection or names one that does not exist, or a router refused it."""

    default_code = "routing-failed"


@dataclass(frozen=True, slots=True)
class Failure:
    """Why one collection (or the embedder, with ``collection`` None) returned nothing, as plain data."""

    collection: str | None
    kind: str
    message: str

    @classmethod
    def of(cls, error: BaseException, collection: str | None = None) -> Failure:
        """Return an exception as data: the name of its class and its text on one line."""
        return cls(collection, type(error).__name__, describe_exception(error))

    def __str__(self) -> str:
        where = f"{self.collection}: " if self.collection is not None else ""
        return f"{where}{self.kind}: {self.message}"


class ChromaSQLExecutionError(ChromaSQLError):
    """
    The plan could not be carried out.

    ``failures`` holds each cause as data, with the collection's name; ``__cause__`` is the first exception.
    ``outcomes`` holds a `chromasql.Outcome` for each collection of the statement, or nothing if none was called yet.
    """

    default_code = "execution-failed"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        failures: Sequence[Failure] = (),
        outcomes: Sequence[Any] = (),
        source: str | None = None,
        span: Span | None = None,
    ) -> None:
        super().__init__(message, code=code, source=source, span=span)
        self.failures = tuple(failures)
        self.outcomes = tuple(outcomes)

    def to_dict(self) -> dict[str, Any]:
        """
        Return the error as plain data, with ``failures`` as a list of dicts.

        ``collection`` is the name of the collection that failed, if it was a single one.
        """
        described = super().to_dict()
        names = {failure.collection for failure in self.failures if failure.collection is not None}
        if len(names) == 1:
            described["collection"] = names.pop()
        described["failures"] = [dataclasses.asdict(failure) for failure in self.failures]
        return described

    def __str__(self) -> str:
        collections: dict[tuple[str, str], list[str | None]] = {}
        for failure in self.failures:
            collections.setdefault((failure.kind, failure.message), []).append(failure.collection)
        # What fails in the same words, as on a server that is down, is said once for all its collections.
        shown = [
            f"\n  {Failure(_joined_names(names), kind, message)}"
            for (kind, message), names in list(collections.items())[:_MAX_NAMES]
        ]
        more = len(self.failures) - sum(map(len, list(collections.values())[:_MAX_NAMES]))
        if more > 0:
            shown.append(f"\n  and {more} more")
        return super().__str__() + "".join(shown)


def _joined_names(names: Sequence[str | None]) -> str | None:
    """Return the first names, and the number of all where there are more."""
    known = [name for name in names if name is not None]
    if not known:
        return None
    if len(known) == 1:
        return known[0]
    rest = ", .." if len(known) > _FEW_NAMES else ""
    return f"{len(known)} collections ({', '.join(known[:_FEW_NAMES])}{rest})"


class ChromaSQLTimeoutError(ChromaSQLExecutionError):
    """The deadline of the statement passed before there was an answer."""

    default_code = "timeout"


@contextmanager
def errors_located_in(source: str | None) -> Iterator[None]:
    """
    Set the text of the statement on an error of ours that leaves the block, unless it has one.

    The code inside sets spans only. This stands where a statement enters a stage, once per stage.
    """
    try:
        yield
    except ChromaSQLError as error:
        error.located_in(source)
        raise


def describe_exception(error: BaseException) -> str:
    """Return one line about an exception: its text, or its type where it has no text, as in some HTTP libraries."""
    text = " ".join(str(error).split())
    return text or type(error).__name__


def near_names(name: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """
    Return "; did you mean a, b?" for up to five known names like this one, or an empty string.

    ``cutoff`` is the least likeness, from 0 to 1, as `difflib.SequenceMatcher` measures it.
    """
    folded = name.casefold()[:_LONGEST_NAME]
    originals = {original.casefold(): original for original in known}
    compared: Iterable[str] = originals
    if len(originals) > _COMPARED_NAMES:
        # Comparing costs the product of the lengths, so of many names only those that begin most alike are compared.
        near_length = (other for other in originals if abs(len(other) - len(folded)) <= _SLIPS)
        compared = heapq.nlargest(_COMPARED_NAMES, near_length, key=lambda other: _common_start(other, folded))
    near = difflib.get_close_matches(folded, compared, n=_MAX_NAMES, cutoff=cutoff)
    return f"; did you mean {', '.join(originals[other] for other in near)}?" if near else ""


def _common_start(left: str, right: str) -> int:
    """Return how many characters two names begin with alike."""
    return next((index for index, (one, other) in enumerate(zip(left, right, strict=False)) if one != other), len(left))
