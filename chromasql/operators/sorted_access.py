"""
Sorted access: the nearest records of many collections, each asked for no more than the answer needs.

After the threshold algorithm of Fagin, Lotem and Naor, "Optimal aggregation algorithms for middleware" (PODS 2001): a
collection is a source that yields its records in order of distance and can be asked to go on. Its frontier is the last
record that it has shown: what it has not shown comes after that. A row is final where it does not come after the
frontier of any source that could go on, so the first final rows are the first of all. Pure: who asks the collections
is the executor.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, repeat
from typing import TypeAlias, cast

from chromasql.operators.accumulators import group_key
from chromasql.operators.row import HitColumns, Row
from chromasql.operators.values import reader
from chromasql.plan import Keep

__all__ = ["Ask", "Demand", "Found", "Position", "SortedAccess", "first_size"]

Position: TypeAlias = tuple[float, str, int]
"""Where a record stands: its distance, its id and the place of its collection."""


_FREE = 100
"""Up to so many records (``ef_search``) the index looks at anyway, and a longer answer begins with the shorter one."""


_LADDER = (400, 1_600)
"""Larger sizes: never those of LIMIT, so that pages are cut from the same answers. Beyond them all is read."""


_COST_OF_ROW = 0.0067
"""The cost of reading a record, in units of that of a pushed filter over collections of 1,000 records."""


@dataclass(frozen=True, slots=True)
class Ask:
    """What a source is asked for: its ``size`` nearest records (None: all of them), with the filter pushed or not."""

    size: int | None
    pushed: bool


@dataclass(frozen=True, slots=True)
class Found:
    """
    What a source has shown: the ``rows`` that satisfy the filter, in order, of ``read`` records.

    ``frontier`` is the last record of those read; None where there are no others.
    """

    rows: Sequence[Row]
    frontier: Position | None
    read: int


@dataclass(frozen=True, slots=True)
class Demand:
    """
    What is enough.

    ``rows`` in all, None for as many as there are; with ``keep``, so many that it keeps. Rows whose distance is above
    ``threshold`` are not wanted. ``each`` is how many of every source are enough, whatever the others hold.
    """

    rows: int | None
    threshold: float | None = None
    keep: Keep | None = None
    each: int | None = None


def first_size(rows: float, sources: int) -> int:
    """
    Return how many records to ask each of the sources for, where the first ``rows`` of all are wanted.

    Spread evenly, a source holds rows / sources of them, give or take the square root of that: three of these more, and
    one, make a second round rare.
    """
    share = rows / sources
    return math.ceil(share if sources == 1 else min(rows, share + 3 * math.sqrt(share) + 1))


def _on_ladder(size: int) -> int | None:
    """Return the size to ask for where at least ``size`` records are wanted; None for all."""
    if size <= _FREE:
        return max(1, size)
    return next((step for step in _LADDER if size <= step), None)


def _next(size: int) -> int:
    """Return the least size that is a step further than ``size``; beyond the last, all is read."""
    return next((step for step in (_FREE, *_LADDER) if size < step), size + 1)


class SortedAccess:
    """
    The state of one search over many sources.

    ``places`` are the collections. With a ``share``, the part of the records that is expected to satisfy the filter,
    the sources are asked without the filter; it is tested here, until so few pass that pushing it costs less.
    ``residual`` says that a pushed filter has to be looked up first, as Chroma cannot apply all of it, and ``measures``
    that every record that satisfies it is measured.
    """

    def __init__(
        self,
        places: Sequence[int],
        demand: Demand,
        *,
        share: float | None = None,
        residual: bool = False,
        measures: bool = False,
    ) -> None:
        self.rounds = 0
        self.gave_up = False
        """Whether so few records passed the filter here that it is pushed now."""
        self._measures = measures
        self._demand = demand
        self._places = list(places)
        self._residual = residual
        self._share = share
        self._sizes: dict[int, int | None] = {}
        self._found: dict[int, Found] = {}

    @property
    def checks(self) -> bool:
        """Whether the filter is tested here, at present."""
        return self._share is not None

    @property
    def share(self) -> float | None:
        """The part of the records read that satisfied the filter, where it is tested here."""
        return None if self._share is None else (self.kept + 1) / (self.read + 2)

    def first(self) -> dict[int, Ask]:
        """Return what to ask each source for at first."""
        return self._asked(dict.fromkeys(self._places, self._first_size()))

    def _first_size(self) -> int | None:
        demand = self._demand
        if self._measures:
            return None
        if demand.each is not None:
            return self._raw(demand.each)
        if demand.rows is None and demand.threshold is None:
            return None
        return self._raw(first_size(self._wanted(demand.rows or _FREE), len(self._places)))

    def _wanted(self, rows: int) -> float:
        """Return how many records have to be read for so many rows."""
        return rows / self._share if self._share else rows

    def _raw(self, size: int) -> int:
        return math.ceil(size / self._share) if self._demand.each is not None and self._share else size

    def _asked(self, sizes: Mapping[int, int | None]) -> dict[int, Ask]:
        self.rounds += 1
        asks = {}
        for place, size in sizes.items():
            asks[place] = Ask(None if size is None else _on_ladder(size), pushed=self._share is None)
            self._sizes[place] = asks[place].size
        return asks

    def add(self, place: int, found: Found) -> None:
        """Take what a source has shown; it replaces what the source showed before."""
        self._found[place] = found

    def drop(self, place: int) -> None:
        """Go on without a source that failed."""
        if place in self._places:
            self._found.pop(place, None)
            self._places.remove(place)

    def more(self) -> dict[int, Ask]:
        """Return which sources have to go on, and how far; none where there is enough."""
        demand, found = self._demand, self._found
        going_on = [place for place in self._places if found[place].frontier is not None]
        if demand.each is not None:
            short = [place for place in going_on if len(found[place].rows) < demand.each]
            return self._grown({place: demand.each - len(found[place].rows) for place in short})
        if not going_on:
            return {}
        if demand.rows is None and demand.threshold is None:
            return self._asked(dict.fromkeys(going_on))
        missing, last = self._missing()
        if missing == 0:
            return {}
        # What lies after the last row that is wanted need not be known.
        behind = [place for place in going_on if last is None or _frontier(found[place]) < last]
        return self._grown(dict.fromkeys(behind, missing))

    def _missing(self) -> tuple[int, Position | None]:
        """Return how many rows are still to be found, and the position after which no record is wanted, if known."""
        demand = self._demand
        bound = min(frontier for one in self._found.values() if (frontier := one.frontier) is not None)
        limit = None if demand.threshold is None else (demand.threshold, "\U0010ffff", math.inf)
        if limit is not None and bound > limit:
            return 0, None
        if demand.rows is None:
            return _FREE, cast("Position | None", limit)
        kept = 0
        final = 0
        last: Position | None = None
        for position, _ in self._counted():
            kept += 1
            final += position <= bound
            if kept == demand.rows:
                last = position
                break
        if limit is not None and (last is None or limit < last):
            last = cast("Position", limit)
        if kept == demand.rows and final == kept:
            return 0, None
        return demand.rows - final, last

    def _counted(self) -> Iterable[tuple[Position, Row]]:
        """Yield the rows that count towards the demand, in order."""
        keep = self._demand.keep
        entries = ((_position(row), row) for row in self.merged())
        if keep is None:
            return entries
        reads = [reader(key) for key in keep.keys]
        seen: dict[Hashable, int] = {}

        def is_kept(row: Row) -> bool:
            key = tuple(group_key(read(row)) for read in reads)
            seen[key] = seen.get(key, 0) + 1
            return seen[key] <= keep.count

        return (entry for entry in entries if is_kept(entry[1]))

    def _grown(self, missing: Mapping[int, int]) -> dict[int, Ask]:
        """Return larger sizes for sources that lack so many rows, or a change to the pushed filter."""
        if not missing:
            return {}
        if self._share is not None:
            read, kept = self.read, self.kept
            self._share = (kept + 1) / (read + 2)
            wanted = self._demand.rows or self._demand.each or _FREE
            if self.rounds >= 4 or not is_worth_checking(
                self._share, wanted, len(self._places), residual=self._residual
            ):
                self._share, self.gave_up = None, True
                self._found.clear()
                # What is few is read as a whole, by whoever goes on.
                return self._asked(dict.fromkeys(self._places))
        sizes: dict[int, int | None] = {}
        for place, rows in missing.items():
            size = self._sizes[place]
            assert size is not None
            records = rows if self._share is None else math.ceil(rows / self._share)
            spread = 1 if self._demand.each is not None else len(missing)
            step = records if self._share is None or spread == 1 else first_size(records, spread)
            if self._demand.keep is not None and self._demand.each is None:
                # Nobody knows how far the missing groups are: a rare one must not cost a round for every record.
                step = max(step, _next(size) - size)
            sizes[place] = size + max(step, 1)
        return self._asked(sizes)

    @property
    def read(self) -> int:
        """How many records the sources have shown."""
        return sum(found.read for found in self._found.values())

    @property
    def kept(self) -> int:
        """How many of them satisfy the filter."""
        return sum(len(found.rows) for found in self._found.values())

    def merged(self) -> Iterable[Row]:
        """Yield the rows that the sources have shown, in order; a row is made when it is reached."""
        lists = [found.rows for found in self._found.values()]
        if all(isinstance(rows, HitColumns) for rows in lists):
            return _merged_columns(cast("list[HitColumns]", lists))
        return heapq.merge(*lists, key=_position)

    def rows(self) -> list[Row]:
        """Return the rows that were asked for, in order; with ``keep``, all rows up to the last that it keeps."""
        demand = self._demand
        if demand.each is not None or demand.rows is None:
            return [row for row in self.merged() if demand.threshold is None or row.distance <= demand.threshold]  # type: ignore[operator]
        if demand.keep is None:
            return list(islice(self.merged(), demand.rows))
        kept = islice(self._counted(), demand.rows)
        last = max((position for position, _ in kept), default=None)
        return [row for row in self.merged() if last is not None and _position(row) <= last]


def is_worth_checking(share: float, rows: int, sources: int, *, residual: bool) -> bool:
    """
    Tell whether testing a filter here costs less than pushing it into every source.

    ``share`` of the records satisfy it, and the first ``rows`` of those are wanted. Read here are rows / share records,
    each about 10 microseconds. Local Chroma looks a filter up in all collections of the database, for each collection
    anew: about 1.5 microseconds for each record that matches, over collections of 1,000 records (a guess, where the
    number is not known). Where Chroma cannot say the filter, all records have to be read before.
    """
    if residual:
        return share > rows / (1_000 * sources)
    return share > math.sqrt(_COST_OF_ROW * rows) / sources


def _frontier(found: Found) -> Position:
    assert found.frontier is not None
    return found.frontier


def _position(row: Row) -> Position:
    assert row.distance is not None
    return row.distance, row.id, row.place


def _merged_columns(lists: Sequence[HitColumns]) -> Iterable[Row]:
    entries = [
        zip(hits.distances, hits.ids, repeat(hits.place), range(len(hits)), repeat(index), strict=False)
        for index, hits in enumerate(lists)
    ]
    return (lists[index][position] for _, _, _, position, index in heapq.merge(*entries))
