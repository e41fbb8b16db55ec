"""
Dates and times: ISO 8601 texts, read as moments in UTC.

A text with a date alone is its midnight, and one without a zone is in UTC. What is no date is NULL. A moment is an
aware datetime inside an expression; what leaves it is text again: ``2024-05-01`` for a date, and for a moment
``2024-05-01T08:30:00+00:00``.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from chromasql.ast import is_number
from chromasql.operators.functions.registry import Function
from chromasql.plan.values import Interval

__all__ = ["DATES", "UNITS", "parse_interval", "read_moment", "shown_moment"]

UNITS = ("year", "quarter", "month", "week", "day", "hour", "minute", "second")
"""What DATE_TRUNC and DATE_DIFF take."""


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


_DATE = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d.*)?\Z|\d{8}(?:T\d.*)?\Z")


def read_moment(value: Any) -> datetime | None:
    """Return the moment that a text stands for, or None where it is not a date."""
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str) or not _DATE.match(value):
        return None
    try:
        moment = datetime.fromisoformat(value)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def shown_moment(value: Any, *, date: bool) -> Any:
    """Return a moment as text; anything else as it is."""
    if not isinstance(value, datetime):
        return value
    return value.date().isoformat() if date else value.isoformat()


_AMOUNT = re.compile(
    r"\s*([+-]?\d+(?:\.\d+)?)\s*(years?|months?|weeks?|days?|hours?|minutes?|seconds?|milliseconds?)\s*,?",
    re.IGNORECASE,
)


_MICROSECONDS = {"hour": 3_600_000_000, "minute": 60_000_000, "second": 1_000_000, "millisecond": 1_000}


def parse_interval(text: str) -> Interval | None:
    """Return the interval of ``'1 month 3 days'``, or None where it is not one."""
    months = days = microseconds = 0
    index = 0
    while index < len(text):
        found = _AMOUNT.match(text, index)
        if found is None:
            return None
        amount, unit = float(found[1]), found[2].lower().removesuffix("s")
        if unit in _MICROSECONDS:
            microseconds += round(amount * _MICROSECONDS[unit])
        elif amount != int(amount):
            return None
        elif unit in ("year", "month"):
            months += int(amount) * (12 if unit == "year" else 1)
        else:
            days += int(amount) * (7 if unit == "week" else 1)
        index = found.end()
    return Interval(months, days, microseconds) if text.strip() else None


def _add(moment: Any, interval: Any) -> Any:
    return _moved(moment, interval, 1)


def _subtract(moment: Any, interval: Any) -> Any:
    return _moved(moment, interval, -1)


def _moved(moment: datetime, interval: Interval, sign: int) -> datetime | None:
    """Move by months first (to the last day of a shorter month), then by days and time."""
    try:
        month = moment.year * 12 + moment.month - 1 + sign * interval.months
        year, number = divmod(month, 12)
        day = min(moment.day, calendar.monthrange(year, number + 1)[1])
        rest = timedelta(days=interval.days, microseconds=interval.microseconds)
        return moment.replace(year=year, month=number + 1, day=day) + sign * rest
    except (ValueError, OverflowError):
        return None


def _date(moment: Any) -> Any:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


def _unit(value: Any) -> str | None:
    """Return the name of a unit in the singular."""
    if not isinstance(value, str):
        return None
    name = value.lower()
    return name.removesuffix("s") if name.removesuffix("s") in _PARTS else name


def _truncated(unit: Any, moment: Any) -> Any:
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    match _unit(unit):
        case "year":
            return midnight.replace(month=1, day=1)
        case "quarter":
            return midnight.replace(month=(moment.month - 1) // 3 * 3 + 1, day=1)
        case "month":
            return midnight.replace(day=1)
        case "week":
            try:
                return midnight - timedelta(days=midnight.weekday())
            except OverflowError:
                return None
        case "day":
            return midnight
        case "hour":
            return moment.replace(minute=0, second=0, microsecond=0)
        case "minute":
            return moment.replace(second=0, microsecond=0)
        case "second":
            return moment.replace(microsecond=0)
        case _:
            return None


_PARTS: dict[str, Callable[[datetime], int | float]] = {
    "year": lambda moment: moment.year,
    "quarter": lambda moment: (moment.month - 1) // 3 + 1,
    "month": lambda moment: moment.month,
    "week": lambda moment: moment.isocalendar().week,
    "day": lambda moment: moment.day,
    "hour": lambda moment: moment.hour,
    "minute": lambda moment: moment.minute,
    "second": lambda moment: moment.second,
    "dow": lambda moment: moment.isoweekday() % 7,
    "isodow": lambda moment: moment.isoweekday(),
    "doy": lambda moment: moment.timetuple().tm_yday,
    "isoyear": lambda moment: moment.isocalendar().year,
    "millisecond": lambda moment: moment.second * 1000 + moment.microsecond // 1000,
    "microsecond": lambda moment: moment.second * 1_000_000 + moment.microsecond,
    "epoch": lambda moment: (moment - _EPOCH).total_seconds(),
}


def _part(unit: Any, moment: Any) -> Any:
    read = _PARTS.get(_unit(unit) or "")
    return None if read is None else read(moment)


def _difference(unit: Any, start: Any, end: Any) -> Any:
    """Count the bounds of a unit between two moments, as DuckDB does."""
    match name := _unit(unit):
        case "year" | "quarter" | "month":
            months = (end.year - start.year) * 12 + end.month - start.month
            quarters = (end.year - start.year) * 4 + (end.month - 1) // 3 - (start.month - 1) // 3
            return {"year": end.year - start.year, "quarter": quarters, "month": months}[name]
        case "week" | "day" | "hour" | "minute" | "second":
            first, last = _truncated(name, start), _truncated(name, end)
            if first is None or last is None:
                return None
            size = {"week": 604_800, "day": 86_400, "hour": 3_600, "minute": 60, "second": 1}[name]
            return (last - first) // timedelta(seconds=size)
        case _:
            return None


def _of_epoch(seconds: Any) -> Any:
    if not is_number(seconds):
        return None
    try:
        return _EPOCH + timedelta(seconds=seconds)
    except (OverflowError, ValueError):
        return None


def _read_part(name: str) -> Callable[[Any], Any]:
    return _PARTS[name]


DATES = (
    Function("moment", read_moment, result="timestamp"),
    Function("add interval", _add, 2, 2, "timestamp", moments=(0,)),
    Function("subtract interval", _subtract, 2, 2, "timestamp", moments=(0,)),
    Function(
        "DATE",
        _date,
        result="date",
        moments=(0,),
        doc="The day, in UTC.",
        example="DATE('2024-05-01T23:30:00-02:00') = '2024-05-02'",
    ),
    Function(
        "TIMESTAMP",
        lambda moment: moment,
        result="timestamp",
        moments=(0,),
        doc="The moment, in UTC.",
        example="TIMESTAMP('2024-05-01') = '2024-05-01T00:00:00+00:00'",
    ),
    Function(
        "DATE_TRUNC",
        _truncated,
        2,
        2,
        "timestamp",
        moments=(1,),
        constants=(0,),
        doc=f"The start of its {', '.join(UNITS)}.",
        example="DATE(DATE_TRUNC('month', '2024-05-17')) = '2024-05-01'",
    ),
    Function(
        "DATE_PART",
        _part,
        2,
        2,
        "number",
        moments=(1,),
        constants=(0,),
        doc=f"A part as a number: {', '.join(_PARTS)}. EXTRACT(year FROM x) is the same.",
        example="DATE_PART('year', '2024-05-17') = 2024",
    ),
    Function(
        "DATE_DIFF",
        _difference,
        3,
        3,
        "number",
        moments=(1, 2),
        constants=(0,),
        doc="How many bounds of a unit lie from the first to the second.",
        example="DATE_DIFF('day', '2024-05-01', '2024-05-17') = 16",
    ),
    *(
        Function(
            name.upper(),
            _read_part(name),
            result="number",
            moments=(0,),
            doc=f"The {name} as a number.",
            example=f"{name.upper()}('2024-05-17T08:30:15') = {value}",
        )
        for name, value in (
            ("year", 2024),
            ("quarter", 2),
            ("month", 5),
            ("week", 20),
            ("day", 17),
            ("hour", 8),
            ("minute", 30),
            ("second", 15),
        )
    ),
    Function(
        "TO_TIMESTAMP",
        _of_epoch,
        result="timestamp",
        doc="The moment so many seconds after the start of 1970.",
        example="DATE(TO_TIMESTAMP(86400)) = '1970-01-02'",
    ),
    Function(
        "EPOCH",
        _read_part("epoch"),
        result="number",
        moments=(0,),
        doc="Seconds since the start of 1970.",
        example="EPOCH('1970-01-02') = 86400",
    ),
)
