"""What is wanted of one collection by a search for nearest neighbours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from chromasql.operators.row import Row
from chromasql.plan import Filter
from chromasql.plan.dialect import LOCAL
from chromasql.retrieval.scan import parts_with_checked

__all__ = ["KnnRequest", "MatchCount"]


@dataclass(slots=True)
class MatchCount:
    """How many records an index returned where it was asked for more than are wanted, and whether rows are missing."""

    count: int = 0
    unfinished: bool = False

    def see(self, returned: int, *, unfinished: bool) -> None:
        """Add what one request of a filter returned."""
        self.count += returned
        self.unfinished = self.unfinished or unfinished


@dataclass(frozen=True, slots=True)
class KnnRequest:
    """
    What is wanted of one collection: for each vector the ``wanted`` nearest records, with ``parts``.

    ``method`` is how candidates are found (`chromasql.plan.QueryPlan`), ``space`` the distance function of the
    collection (l2, cosine or ip), ``page`` the maximum of records that one request returns. ``matching`` are the rows
    that satisfy the filter, by id and with their parts, where they are known. ``known_few`` says that
    these are few. ``probe`` is how many records the index is asked for at least, and ``matches`` counts those that it
    has; where these are fewer, what it misses and their parts are left to the caller.
    """

    filter: Filter
    method: str
    wanted: int
    parts: tuple[str, ...]
    space: str
    page: int = LOCAL.page
    matching: Mapping[str, Row] | None = None
    known_few: bool = False
    probe: int = 0
    matches: MatchCount | None = None

    @property
    def fetched(self) -> tuple[str, ...]:
        """The parts to fetch: those wanted and those that the residual reads."""
        return parts_with_checked(self.parts, self.filter.residual)
