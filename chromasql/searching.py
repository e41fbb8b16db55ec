"""Ranking by ``collection.search``, where a Chroma has it: a statement in one payload, or its leaves in one call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from chromasql.nearest import best_rows
from chromasql.plan import KnnLeaf, Piece, QueryPlan
from chromasql.predicate import compile_condition
from chromasql.rows import Row
from chromasql.scan import Ask, MakeRow, checked_parts, plain_vector
from chromasql.search import MAX_PAYLOADS, MAX_RESULTS, leaf_payload, whole_payload

__all__ = ["search_knn", "search_whole"]

_GROWTH = 4
_COLUMNS = {"document": "documents", "embedding": "embeddings", "metadata": "metadatas"}


async def search_whole(
    ask: Ask, plan: QueryPlan, queries: Mapping[KnnLeaf, Any], parts: Sequence[str], make: MakeRow
) -> list[Row] | None:
    """
    Return the page of a statement over one collection, or None where the answer cannot be trusted.

    That is so where the filter let a record through that the statement does not want: it may have displaced others.
    """
    fetched = _fetched(plan, parts)
    payload = whole_payload(plan, _where(plan.filter.pieces[0]), dict(queries), fetched)
    answer = await ask("search", searches=[payload], **_level(plan))
    rows = _rows(answer, 0, fetched, make)
    passes = None if plan.filter.residual is None else compile_condition(plan.filter.residual)
    if passes is not None and not all(map(passes, rows)):
        return None
    plain = plan.rankings[0].is_plain
    for row in rows:
        row.distance = row.score if plain else None
    return rows


async def search_knn(
    ask: Ask, plan: QueryPlan, leaves: Mapping[KnnLeaf, Any], make: MakeRow
) -> dict[KnnLeaf, Sequence[Row]]:
    """Return the best rows of each leaf in one collection, best first; ``leaves`` gives their queries."""
    parts = _fetched(plan, plan.fetch.first)
    passes = None if plan.filter.residual is None else compile_condition(plan.filter.residual)
    wanted = {leaf: plan.per_collection or leaf.limit for leaf in leaves}
    counts = {leaf: min(count + 1, MAX_RESULTS) for leaf, count in wanted.items()}
    found: dict[KnnLeaf, Sequence[Row]] = {}
    pending = list(leaves)
    while pending:
        asked, pending = pending, []
        for at in range(0, len(asked), MAX_PAYLOADS):
            batch = asked[at : at + MAX_PAYLOADS]
            where = _where(plan.filter.pieces[0])
            payloads = [leaf_payload(leaf, where, leaves[leaf], counts[leaf], parts) for leaf in batch]
            answer = await ask("search", searches=payloads, **_level(plan))
            for place, leaf in enumerate(batch):
                rows = _rows(answer, place, parts, make)
                ended = len(rows) < counts[leaf]
                kept = rows if passes is None else [row for row in rows if passes(row)]
                found[leaf] = best_rows(kept, wanted[leaf])
                if len(kept) < wanted[leaf] and not ended and counts[leaf] < MAX_RESULTS:
                    counts[leaf] = min(counts[leaf] * _GROWTH, MAX_RESULTS)
                    pending.append(leaf)
    return found


def _fetched(plan: QueryPlan, parts: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(part for part in (*parts, *checked_parts(plan.filter)) if part in _COLUMNS))


def _where(piece: Piece) -> dict[str, Any] | None:
    return piece.where


def _level(plan: QueryPlan) -> dict[str, str]:
    return {} if plan.read_level is None else {"read_level": plan.read_level}


def _rows(answer: Mapping[str, Any], at: int, parts: Sequence[str], make: MakeRow) -> list[Row]:
    rows = [make(each) for each in answer["ids"][at]]
    for row, score in zip(rows, answer["scores"][at], strict=True):
        row.distance = row.score = score
    for part in parts:
        values = (answer.get(_COLUMNS[part]) or {at: None})[at] or [None] * len(rows)
        for row, value in zip(rows, values, strict=True):
            setattr(row, part, _shown(part, value))
    return rows


def _shown(part: str, value: Any) -> Any:
    if part == "embedding":
        return plain_vector(value)
    if part == "metadata" and value is not None:
        # The Search API does not hide what Chroma keeps to itself.
        return {key: each for key, each in value.items() if not key.startswith("chroma:")}
    return value
