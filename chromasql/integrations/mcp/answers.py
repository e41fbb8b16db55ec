"""
A result as a language model reads it: JSON that every host understands, of a bounded size, which says what it left out.

JSON has no NaN and no infinity, and the numbers of hosts in JavaScript are exact up to 2^53 only.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from typing_extensions import TypedDict

from chromasql.plan import PlanWarning, QueryPlan
from chromasql.result import ExecutionResult

__all__ = ["Answer", "AnswerLimits", "Truncated", "answer_of", "compact"]

_EXACT = 2**53


_LONGEST_VECTOR = 16


_ELLIPSIS = "…"


class Truncated(TypedDict):
    """What an answer leaves out for its size: rows at its end, and the ends of long values."""

    rows: int
    cells: int


class Answer(TypedDict):
    """
    The answer to a statement.

    ``complete`` is false where collections are ``missing``, by name. ``warnings`` are sentences. ``truncated`` is null
    where nothing was left out for its size.
    """

    columns: list[str]
    rows: list[dict[str, Any]]
    complete: bool
    missing: list[str]
    warnings: list[str]
    truncated: Truncated | None


@dataclass(frozen=True, slots=True)
class AnswerLimits:
    """The most characters of one value, and the most bytes of the rows of an answer as JSON."""

    cell: int = 2_000
    bytes: int = 100_000


def answer_of(result: ExecutionResult, limits: AnswerLimits) -> Answer:
    """Return a result as plain data; numbers that JSON lacks are null, and whole numbers beyond 2^53 are text."""
    shortener = _Shortener(limits.cell)
    rows: list[dict[str, Any]] = []
    given = list(_numbered(result))
    room = limits.bytes
    for row in given:
        short: dict[str, Any] = {name: shortener.short(value) for name, value in row.items()}
        room -= len(compact(short).encode()) + 1
        if room < 0:
            break
        rows.append(short)
    left_out = len(given) - len(rows)
    warnings = [f"{warning.code}: {warning.message}" for warning in result.warnings if _applies(warning, result)]
    if shortener.large:
        warnings.append("large-integers: whole numbers beyond 2^53 are text, as JSON numbers are not exact there")
    if left_out:
        warnings.append(
            f"truncated: {left_out} of {len(given)} rows are left out for their size; "
            "select fewer columns, or lower LIMIT"
        )
    columns = ["_item", *result.columns] if _is_batch(result) else list(result.columns)
    return Answer(
        columns=columns,
        rows=rows,
        complete=result.complete,
        missing=[outcome.collection for outcome in result.failures],
        warnings=warnings,
        truncated=Truncated(rows=left_out, cells=shortener.cut) if left_out or shortener.cut else None,
    )


def compact(value: Any) -> str:
    """Return JSON without spaces."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def _applies(warning: PlanWarning, result: ExecutionResult) -> bool:
    """Whether a warning of the plan is about this answer: one that ended before the limit of the scope was not cut."""
    limit = getattr(result.plan, "limit", None)
    return warning.code != "limited" or _is_batch(result) or limit is None or len(result.rows) >= limit


def _is_batch(result: ExecutionResult) -> bool:
    return isinstance(result.plan, QueryPlan) and result.plan.batch and result.plan.merge != "rrf"


def _numbered(result: ExecutionResult) -> Iterable[Mapping[str, Any]]:
    """Yield the rows; those of a batch with the number of their list, counted from 1."""
    if not _is_batch(result) or result.explanation is not None:
        yield from result.rows
        return
    for item, rows in enumerate(result.results, start=1):
        for row in rows:
            yield {"_item": item, **row}


def _sound(text: str) -> str:
    """Return a text that can be sent, which half a surrogate pair cannot."""
    return text.encode("utf-8", "replace").decode()


class _Shortener:
    """Makes values short and fit for JSON, and counts those that it had to cut."""

    def __init__(self, longest: int) -> None:
        self._longest = longest
        self.cut = 0
        self.large = False

    def short(self, value: Any) -> Any:
        match value:
            case None | bool():
                return value
            case int():
                self.large = self.large or abs(value) > _EXACT
                return str(value) if abs(value) > _EXACT else value
            case float():
                return value if math.isfinite(value) else None
            case Mapping():
                return {_sound(str(name)): self.short(item) for name, item in value.items()}
            case Sequence() if not isinstance(value, str):
                return self._short_list(value)
            case _:
                return self._short_text(str(value))

    def _short_text(self, text: str) -> str:
        sound = _sound(text)
        if len(sound) <= self._longest:
            return sound
        self.cut += 1
        return sound[: self._longest - 1] + _ELLIPSIS

    def _short_list(self, values: Sequence[Any]) -> Any:
        if len(values) > _LONGEST_VECTOR and all(isinstance(value, float) for value in values):
            self.cut += 1
            return f"[{len(values)} numbers]"
        items: list[Any] = []
        room = self._longest
        for value in values:
            item = self.short(value)
            room -= len(compact(item)) + 1
            if room < 0:
                self.cut += 1
                return [*items, f"{_ELLIPSIS} {len(values) - len(items)} more"]
            items.append(item)
        return items
