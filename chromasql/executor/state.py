"""What every step of a statement needs, and what ranking hands to the page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from chromasql.dispatch.dispatcher import Dispatcher
from chromasql.dispatch.open_collection import CollectionHandle
from chromasql.dispatch.outcomes import StepName
from chromasql.keyword_index import KeywordIndex
from chromasql.operators.row import Row
from chromasql.plan import QueryPlan, Ranking
from chromasql.retrieval.collection_reader import CollectionReader
from chromasql.retrieval.embedding import VectorCache

__all__ = ["DEFAULT_OPTIONS", "SHARE", "Candidates", "Cut", "Page", "RunOptions", "StatementContext"]

SHARE = 0.5
"""The part of the time left that a step may take when others follow: late collections must not cost the others."""


@dataclass(frozen=True, slots=True)
class RunOptions:
    """
    What the caller of a plan chooses.

    Attributes
    ----------
    embed_fn : callable, optional
        Embeds texts; see `chromasql.protocols.EmbedFunction`. Default: the embedding function of each collection.
    cache : VectorCache, optional
        The vectors of texts that were embedded before.
    explain_rows : bool
        Whether each row of a ranked statement has ``_explain``: its score, and rank and distance in each leaf.
    keyword_index : KeywordIndex, optional
        Where BM25 finds the words of documents. Default: it reads them.
    """

    embed_fn: Callable[..., Any] | None = None
    cache: VectorCache | None = None
    explain_rows: bool = False
    keyword_index: KeywordIndex | None = None


DEFAULT_OPTIONS = RunOptions()
"""The embedding functions of the collections, no known vectors, no explained rows."""


@dataclass(frozen=True, slots=True)
class StatementContext:
    """
    One run of a SELECT. It never changes: what happens is in the ledger of the dispatcher, warnings included.

    ``handles`` are the collections of the plan, in its order.
    """

    plan: QueryPlan
    dispatcher: Dispatcher
    options: RunOptions
    handles: tuple[CollectionHandle, ...]

    @classmethod
    def of(cls, plan: QueryPlan, dispatcher: Dispatcher, options: RunOptions) -> StatementContext:
        """Return the context of a plan that is bound to collections, and register these in the ledger."""
        assert plan.collections is not None
        dispatcher.ledger.register(plan.collections)
        handles = tuple(CollectionHandle(name, place) for place, name in enumerate(plan.collections))
        return cls(plan, dispatcher, options, handles)

    def reader(self, handle: CollectionHandle, step: StepName) -> CollectionReader:
        """Return what reads a collection during a step."""
        return CollectionReader(handle, self.dispatcher, step)

    @property
    def share_before_fetch(self) -> float:
        """The part of the time left that a step may take: not all of it where parts are fetched after it."""
        fetch = self.plan.materialization
        return SHARE if fetch.for_scoring or fetch.for_ordering or fetch.for_page else 1.0


@dataclass(frozen=True, slots=True)
class Candidates:
    """
    Rows from which the page is still to be cut.

    With a ``ranking`` they are best first, and ``vector`` is the query of the KNN that is the whole rank, if there is
    one and it is the same in all collections. ``full`` says that a search returned as many candidates as it may, so
    there may be more. ``total`` is how many there are, where that is more than the rows.
    """

    rows: list[Row]
    ranking: Ranking | None = None
    vector: list[float] | None = None
    total: int | None = None
    full: bool = False


@dataclass(frozen=True, slots=True)
class Cut:
    """The rows of the page, and how many there were before LIMIT and OFFSET cut it, where that is known."""

    rows: list[Row]
    total: int | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """The rows of the page, which Chroma itself has cut."""

    rows: list[Row]
