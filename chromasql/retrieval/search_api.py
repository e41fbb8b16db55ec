"""
Ranking by ``collection.search``, where a Chroma has it: a statement in one payload, or its leaves in one call.

Chroma breaks ties by record order and we by id, so what it cuts is looked at one row beyond the cut. What cannot be
seen from outside is left to it: which of several equally near records enter the candidates of a KNN inside an
expression, in which order such records take their ranks there, and which of them a group keeps.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Mapping, Sequence
from typing import Any

from chromasql.errors import ChromaSQLExecutionError
from chromasql.operators.aggregate import keep_groups
from chromasql.operators.predicate import compile_condition
from chromasql.operators.row import Row
from chromasql.operators.sort import score_order_key
from chromasql.plan import EMBEDDING_KEY, ChromaRequest, KnnLeaf, QueryPlan
from chromasql.plan.search_payload import MAX_PAYLOADS, MAX_RESULTS, URI_KEY, leaf_payload, whole_payload
from chromasql.retrieval.knn import best_rows
from chromasql.retrieval.scan import Ask, MakeRow, checked_parts, plain_vector

__all__ = ["search_knn", "search_whole"]

_GROWTH = 4


_COLUMNS = {"document": "documents", "embedding": "embeddings", "metadata": "metadatas"}


async def search_whole(
    ask: Ask, plan: QueryPlan, queries: Mapping[KnnLeaf, Any], parts: Sequence[str], make: MakeRow
) -> list[Row] | None:
    """
    Return the page of a statement over one collection, or None where the answer cannot be trusted.

    That is so where the filter let a record through that the statement does not want, as it may have displaced others;
    where a tie was cut; where a score is not finite; and where Chroma, to which 1 and 1.0 are two groups, kept more of
    a group than the statement does.
    """
    assert plan.limit is not None
    ranking = plan.rankings[0]
    wanted = _fetched(plan, parts)
    payload = whole_payload(plan, _where(plan.filter.requests[0]), dict(queries), _sent(wanted))
    answer = await ask("search", searches=[payload], **_level(plan))
    rows = _rows(answer, 0, wanted, make)
    begin = min(plan.offset, 1)
    end = begin + plan.limit
    if ranking.is_plain and plan.keep is None:
        end = min(end, begin + max(0, ranking.leaves[0].limit - plan.offset))
    page = rows[begin:end]
    if any(row.score is None for row in rows) or _is_cut(rows, begin) or _is_cut(rows, end):
        return None
    if plan.filter.residual is not None and not all(map(compile_condition(plan.filter.residual), page)):
        return None
    if plan.keep is not None and len(keep_groups(page, plan.keep)) < len(page):
        return None
    for row in page:
        row.distance = row.score if ranking.is_plain else None
    return sorted(page, key=score_order_key)


def _is_cut(rows: Sequence[Row], at: int) -> bool:
    """Tell whether the rows before and after a cut have the same score, rounding apart."""
    if not 0 < at < len(rows):
        return False
    before, after = rows[at - 1].score, rows[at].score
    return before is not None and after is not None and math.isclose(before, after, rel_tol=1e-6)


async def search_knn(
    ask: Ask, plan: QueryPlan, leaves: Mapping[KnnLeaf, Any], make: MakeRow
) -> dict[KnnLeaf, Sequence[Row]]:
    """
    Return the best rows of leaves in one collection, best first; ``leaves`` gives their queries.

    A dense leaf is left out where the most that a payload returns holds too few records that satisfy the filter; it
    can be searched by ``query``. A sparse one cannot, and then raises `ChromaSQLExecutionError`.
    """
    parts = _fetched(plan, plan.materialization.with_candidates)
    passes = None if plan.filter.residual is None else compile_condition(plan.filter.residual)
    where = _where(plan.filter.requests[0])
    wanted = {leaf: plan.per_collection or leaf.limit for leaf in leaves}
    counts = {leaf: min(count + 1, MAX_RESULTS) for leaf, count in wanted.items()}
    found: dict[KnnLeaf, Sequence[Row]] = {}
    pending = list(leaves)
    while pending:
        batch, pending = pending[:MAX_PAYLOADS], pending[MAX_PAYLOADS:]
        payloads = [leaf_payload(leaf, where, leaves[leaf], counts[leaf], _sent(parts)) for leaf in batch]
        answer = await ask("search", searches=payloads, **_level(plan))
        for at, leaf in enumerate(batch):
            rows = _rows(answer, at, parts, make)
            kept = rows if passes is None else [row for row in rows if passes(row)]
            if len(rows) < counts[leaf] or _is_settled(kept, wanted[leaf]):
                found[leaf] = best_rows(kept, wanted[leaf])
            elif counts[leaf] < MAX_RESULTS:
                counts[leaf] = min(counts[leaf] * _GROWTH, MAX_RESULTS)
                pending.append(leaf)
            elif len(kept) >= wanted[leaf]:
                found[leaf] = best_rows(kept, wanted[leaf])
            elif leaf.key != EMBEDDING_KEY:
                raise ChromaSQLExecutionError(
                    f"of the {MAX_RESULTS} records nearest by {leaf.key} only {len(kept)} satisfy WHERE, and Chroma "
                    f"returns no more; lower the candidates ({wanted[leaf]}) or loosen WHERE"
                )
    return found


def _is_settled(rows: Sequence[Row], wanted: int) -> bool:
    """Tell whether the best rows are known: there is one beyond them that is farther than the last of them."""
    return len(rows) > wanted and rows[-1].distance != rows[wanted - 1].distance


def _fetched(plan: QueryPlan, parts: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*parts, *checked_parts(plan.filter))))


def _sent(parts: Sequence[str]) -> tuple[str, ...]:
    """Return the parts to select: the uri comes with the metadata."""
    return tuple(dict.fromkeys("metadata" if part == "uri" else part for part in parts))


def _where(request: ChromaRequest) -> dict[str, Any] | None:
    """Return both filters of a request as one."""
    if request.where_document is None:
        return request.where
    document = _of_document(request.where_document)
    return document if request.where is None else {"$and": [request.where, document]}


def _of_document(where: Mapping[str, Any]) -> dict[str, Any]:
    ((operator, operand),) = where.items()
    if operator in ("$and", "$or"):
        return {operator: [_of_document(each) for each in operand]}
    return {"#document": {operator: operand}}


def _level(plan: QueryPlan) -> dict[str, str]:
    return {} if plan.read_level is None else {"read_level": plan.read_level}


def _rows(answer: Mapping[str, Any], at: int, parts: Sequence[str], make: MakeRow) -> list[Row]:
    rows = [make(each) for each in answer["ids"][at]]
    for row, score in zip(rows, answer["scores"][at], strict=True):
        row.distance = row.score = None if score is None else array("f", [score])[0]
    for part in parts:
        for row, value in zip(rows, _values(answer, at, part) or [None] * len(rows), strict=True):
            setattr(row, part, value)
    return rows


def _values(answer: Mapping[str, Any], at: int, part: str) -> Sequence[Any] | None:
    """Return a part of all rows of a payload, or None where no row has it."""
    column = answer.get(_COLUMNS["metadata" if part == "uri" else part])
    values: Sequence[Any] | None = None if column is None else column[at]
    if values is None:
        return None
    match part:
        case "embedding":
            return [plain_vector(value) for value in values]
        case "uri":
            return [None if value is None else value.get(URI_KEY) for value in values]
        case "metadata":
            return [None if value is None else _shown(value) for value in values]
        case _:
            return values


def _shown(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what Chroma keeps to itself, which the Search API does not hide."""
    return {key: value for key, value in metadata.items() if not key.startswith("chroma:")}
