"""
How much of one collection its index finds: recall against brute force, records that it misses, settings that it uses.

Chroma says none of this. What is not told by an answer is concluded from several: two searches that differ although the
setting in force would make them the same prove that another one is in force.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from chromasql.concurrency.threads import run_blocking
from chromasql.dispatch.call import CallFailed
from chromasql.operators.recall import NearestKeeper, recall_at, spaces_that_fit
from chromasql.plan import ChromaRequest, Filter
from chromasql.retrieval.collection_reader import CollectionReader
from chromasql.retrieval.scan import request_arguments, scan

__all__ = ["IndexFacts", "RecallRequest", "measure_index"]

_PAGE = 2_000
"""How many vectors are in memory at once."""


_QUERIES = 20
"""How many vectors one request asks about."""


_TRAVERSALS = 3
"""How many searches for everything are made, each from the place where another vector leads."""


_PROBES = (5, 10, 20, 50, 100, 200, 400, 800)
"""The lengths of the answers whose beginnings are compared to find the ef_search in force."""


_PROBING_QUERIES = 40


_CONFIRMED = 50
"""How many records that nothing reaches are looked for by their id alone."""


_ENOUGH = 0.99
_WIDEST = 1_600


@dataclass(frozen=True, slots=True)
class RecallRequest:
    """
    What is measured: recall at ``k`` for ``samples`` records that satisfy the filter, drawn by ``seed``.

    ``page`` is the most records that a request returns. Where ``exhaustive`` is False the collection does not return
    long answers, so that what only these can tell stays unknown. ``on_progress`` is called with how many records were
    measured and how many there are.
    """

    filter: Filter
    k: int
    samples: int
    page: int
    exhaustive: bool
    on_progress: Callable[[int, int], None]
    seed: int = 7


@dataclass(frozen=True, slots=True)
class IndexFacts:
    """
    What was found; a number that cannot be known is None.

    ``recalls`` has the recall of each sampled record, and ``wider`` the mean recall by how many records were requested,
    which is what an ``ef_search`` of that number would find. ``unreachable`` come in no search, by their vector or by
    their id; ``not_indexed`` have no vector in the index that answers, and ``deleted`` are ids that it returns though
    ``get`` has no such record. ``spaces`` are those that fit the distances of the index. ``ef_search_below`` proves
    that the setting in force is smaller than that.
    """

    records: int
    recalls: tuple[float, ...] = ()
    wider: tuple[tuple[int, float], ...] = ()
    unreachable: tuple[str, ...] | None = None
    not_indexed: tuple[str, ...] = ()
    deleted: tuple[str, ...] | None = None
    spaces: tuple[str, ...] = ()
    ef_search_below: int | None = None


async def measure_index(reader: CollectionReader, request: RecallRequest) -> IndexFacts:
    """Measure one collection, which is open; raise `chromasql.dispatch.call.CallFailed` where a call fails."""
    return await _Measurement(reader, request).run()


class _Measurement:
    """The steps of measuring one collection, and what they share."""

    def __init__(self, reader: CollectionReader, request: RecallRequest) -> None:
        self._reader = reader
        self._request = request
        self._lost: dict[str, None] = {}  # in order, as the report names the first

    async def run(self) -> IndexFacts:
        request = self._request
        ids = [row.id async for rows in scan(self._reader, request.filter, (), page=request.page) for row in rows]
        if not ids:
            return IndexFacts(0)
        # Drawn from sorted ids, so that the sample depends on the records alone.
        drawn = random.Random(request.seed).sample(sorted(ids), min(request.samples, len(ids)))  # noqa: S311
        samples, vectors = await self._vectors(drawn)
        if not samples:
            return IndexFacts(len(ids), not_indexed=tuple(ids))
        reached = await self._traverse(vectors) if request.exhaustive else None
        spaces = await self._spaces(samples[0], vectors[0])
        space = self._reader.handle.space or "l2"
        if spaces and space not in spaces:
            space = spaces[0]
        keeper = await self._brute_force(NearestKeeper(space, vectors, samples, request.k), ids, reached)
        truth = [keeper.nearest(index) for index in range(len(samples))]
        search = partial(self._recalls, ids, samples, vectors, space, truth)
        recalls = await search(request.k + 1)
        facts = IndexFacts(
            len(ids),
            tuple(recalls),
            tuple([(width, found) async for width, found in self._wider(search, _mean(recalls), len(ids))]),
            spaces=tuple(spaces),
            ef_search_below=await self._ef_search_below(vectors) if request.exhaustive else None,
        )
        if reached is None:
            return dataclasses.replace(facts, not_indexed=tuple(self._lost))
        known = set(ids)
        unreachable = await self._unreachable([row_id for row_id in ids if row_id not in reached])
        deleted = None
        if not request.filter.restricts:
            deleted = await self._deleted([row_id for row_id in reached if row_id not in known])
        return dataclasses.replace(facts, unreachable=unreachable, not_indexed=tuple(self._lost), deleted=deleted)

    # The vectors of records

    async def _vectors(self, ids: Sequence[str]) -> tuple[list[str], Any]:
        """Return ids and vectors of records; those that the index does not have are left out and noted."""
        if not ids:
            return [], []
        try:
            answer = await self._reader.get(ids=list(ids), include=["embeddings"])
        except CallFailed as failed:
            if not is_unknown_to_index(failed):
                raise
            if len(ids) == 1:
                self._lost[ids[0]] = None
                return [], []
            middle = len(ids) // 2
            halves = [await self._vectors(ids[:middle]), await self._vectors(ids[middle:])]
            return [row_id for own, _ in halves for row_id in own], [row for _, rows in halves for row in rows]
        return list(answer["ids"]), answer["embeddings"]

    async def _brute_force(
        self, keeper: NearestKeeper, ids: Sequence[str], reached: Mapping[str, None] | None
    ) -> NearestKeeper:
        """Measure every record, those that the index did not reach apart, as one of them fails the page it is on."""
        suspects = [] if reached is None else [row_id for row_id in ids if row_id not in reached]
        trusted = ids if reached is None else [row_id for row_id in ids if row_id in reached]
        size, done = min(_PAGE, self._request.page), 0
        for group in (trusted, suspects):
            for start in range(0, len(group), size):
                part = group[start : start + size]
                found, vectors = await self._vectors(part)
                if found:
                    await run_blocking(keeper.add, found, vectors)
                done += len(part)
                self._request.on_progress(done, len(ids))
        return keeper

    # Searches

    async def _search(
        self, vectors: Sequence[Any], count: int, request: ChromaRequest | None = None
    ) -> list[dict[str, float]]:
        """Return for each vector the ids and distances that the index returns."""
        found: list[dict[str, float]] = []
        for start in range(0, len(vectors), _QUERIES):
            answer = await self._reader.query(
                query_embeddings=[list(map(float, vector)) for vector in vectors[start : start + _QUERIES]],
                n_results=count,
                **({} if request is None else request_arguments(request)),
                include=["distances"],
            )
            found += [dict(zip(*pair, strict=True)) for pair in zip(answer["ids"], answer["distances"], strict=True)]
        return found

    async def _matching(self, ids: Sequence[str], vectors: Sequence[Any], count: int) -> list[dict[str, float]]:
        """Return what the index finds among the records that satisfy the filter."""
        filter_, page = self._request.filter, self._request.page
        if not filter_.restricts:
            return await self._search(vectors, count)
        if filter_.residual is None and len(filter_.requests) == 1:
            try:
                return await self._search(vectors, count, filter_.requests[0])
            except CallFailed as failed:
                if not is_unknown_to_index(failed):
                    raise
        known = [row_id for row_id in ids if row_id not in self._lost]
        found: list[dict[str, float]] = [{} for _ in vectors]
        for start in range(0, len(known), page):
            part = ChromaRequest(ids=tuple(known[start : start + page]))
            for hits, more in zip(found, await self._search(vectors, count, part), strict=True):
                hits.update(more)
        return [dict(sorted(hits.items(), key=lambda pair: pair[1])[:count]) for hits in found]

    async def _recalls(
        self,
        ids: Sequence[str],
        samples: Sequence[str],
        vectors: Sequence[Any],
        space: str,
        truth: Sequence[Mapping[str, float]],
        count: int,
    ) -> list[float]:
        """Return the recall of each sample where so many records are requested, of which it is one itself."""
        lists = await self._matching(ids, vectors, count)
        return [
            recall_at(space, nearest, _first(self._request.k, own, hits))
            for own, nearest, hits in zip(samples, truth, lists, strict=True)
        ]

    async def _wider(
        self, search: Callable[[int], Any], recall: float, records: int
    ) -> AsyncIterator[tuple[int, float]]:
        """Yield the recall of wider searches, until one finds nearly everything or is as wide as is sensible."""
        if not self._request.exhaustive:
            return
        width = 2 * max(self._ef_search or 100, self._request.k)
        while recall < _ENOUGH and width <= min(_WIDEST, records):
            recall = _mean(await search(width))
            yield width, recall
            width *= 2

    # What the index misses

    async def _traverse(self, vectors: Sequence[Any]) -> dict[str, None]:
        """Return every id that the index returns where more is requested than there is."""
        total = await self._reader.count()
        reached: dict[str, None] = {}
        for vector in vectors[:_TRAVERSALS]:
            # One more for each record that another process may have deleted.
            (found,) = await self._search([vector], 2 * total + 1_000)
            reached.update(dict.fromkeys(found))
        return reached

    async def _unreachable(self, suspects: Sequence[str]) -> tuple[str, ...]:
        """
        Return the records that neither a search by their own vector returns nor one among their id alone.

        The second kind walks the whole graph. Where it confirms the first ones, it is not made for all others, as the
        searches for everything have walked the graph before.
        """
        missing: list[str] = []
        confirmed = 0
        for start in range(0, len(suspects), _PAGE):
            part = [row_id for row_id in suspects[start : start + _PAGE] if row_id not in self._lost]
            ids, vectors = await self._vectors(part)
            by_vector = await self._search(vectors, self._request.k)
            for row_id, vector, found in zip(ids, vectors, by_vector, strict=True):
                if row_id in found:
                    continue
                if len(missing) == confirmed < _CONFIRMED:
                    if (await self._search([vector], 1, ChromaRequest(ids=(row_id,))))[0]:
                        continue
                    confirmed += 1
                missing.append(row_id)
        return tuple(missing)

    async def _deleted(self, unknown: Sequence[str]) -> tuple[str, ...]:
        """Return those of the ids that `get` does not have either, a moment later."""
        found: set[str] = set()
        for start in range(0, len(unknown), self._request.page):
            answer = await self._reader.get(ids=list(unknown[start : start + self._request.page]), include=[])
            found.update(answer["ids"])
        return tuple(row_id for row_id in unknown if row_id not in found)

    # The settings in force

    @property
    def _ef_search(self) -> int | None:
        return settings_of(self._reader.handle.collection).get("ef_search")

    async def _spaces(self, sample: str, vector: Any) -> list[str]:
        """Return the spaces that fit the distances of the sample's neighbours."""
        (hits,) = await self._search([vector], min(20, self._request.page))
        ids, vectors = await self._vectors([row_id for row_id in hits if row_id != sample])
        return spaces_that_fit(vector, vectors, [hits[row_id] for row_id in ids]) if ids else []

    async def _ef_search_below(self, vectors: Any) -> int | None:
        """
        Return a number that the ef_search in force is proved to be below, where that contradicts the one shown.

        Up to ef_search every answer is the beginning of any longer one, beyond it each is another search. The queries
        lie halfway between records, as the first neighbour of a record itself proves nothing.
        """
        shown = self._ef_search
        if shown is None or len(vectors) < 2:
            return None
        import numpy as np

        rows = np.asarray(vectors, np.float32)[: _PROBING_QUERIES + 1]
        halfway = ((rows[1:] + rows[:-1]) / 2).tolist()
        sizes = [size for size in _PROBES if size < shown]
        if not sizes:
            return None
        first = await self._search(halfway, sizes[0])
        for size in (*sizes[1:], shown):
            longer = await self._search(halfway, size)
            if any(not _begins(short, long) for short, long in zip(first, longer, strict=True)):
                return size
        return None


def settings_of(collection: Any) -> Mapping[str, Any]:
    """Return the settings of the index that a collection shows, or nothing."""
    configuration = getattr(collection, "configuration_json", None)
    found = [configuration.get(name) for name in ("hnsw", "spann")] if isinstance(configuration, Mapping) else []
    return next((settings for settings in found if isinstance(settings, Mapping)), {})


def is_unknown_to_index(failed: CallFailed) -> bool:
    """Tell whether Chroma failed because its vector side lacks a record that its metadata side has."""
    return "finding id" in str(failed.cause)


def _begins(short: Mapping[str, float], long: Mapping[str, float]) -> bool:
    """Whether an answer is the beginning of a longer one, whichever of equally far records they hold."""
    return list(short.values()) == list(long.values())[: len(short)]


def _first(count: int, own: str, hits: Mapping[str, float]) -> dict[str, float]:
    return dict([pair for pair in hits.items() if pair[0] != own][:count])


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
