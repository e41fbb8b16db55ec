"""
Ranking by ``collection.search``, where a Chroma has it: a statement in one payload, or its leaves in one call.

Chroma breaks ties by record order and we by id, so one row beyond each cut is fetched, which shows whether a tie was
cut. What cannot be seen from outside is left to Chroma: which of several equally near records become candidates of a
KNN inside an expression, in which order such records are ranked there, and which of them a group keeps.
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
from chromasql.retrieval.collection_reader import CollectionReader
from chromasql.retrieval.knn import best_rows
from chromasql.retrieval.scan import parts_with_checked, plain_vector

__all__ = ["search_knn", "search_whole"]

_GROWTH = 4


_COLUMNS = {"document": "documents", "embedding": "embeddings", "metadata": "metadatas"}


async def search_whole(
    reader: CollectionReader, plan: QueryPlan, queries: Mapping[KnnLeaf, Any], parts: Sequence[str]
) -> list[Row] | None:
    """
    Return the page of a statement over one collection, or None where the response cannot be trusted.

    It cannot where the filter let through a record that the statement excludes, as that may have displaced others;
    where a tie was cut; where a score is not finite; and where Chroma, to which 1 and 1.0 are two groups, kept more
    records of a group than the statement does.

    Parameters
    ----------
    reader : CollectionReader
        The collection, open.
    plan : QueryPlan
        The plan of the statement; it has one ranking and a limit.
    queries : Mapping
        The vector of each KNN leaf.
    parts : Sequence of str
        The parts that come with the rows.

    Returns
    -------
    list of Row or None
        The rows of the page, best first.
    """
    assert plan.limit is not None
    ranking = plan.rankings[0]
    wanted = parts_with_checked(parts, plan.filter.residual)
    payload = whole_payload(plan, _where(plan.filter.requests[0]), dict(queries), _sent(wanted))
    answer = await reader.search(searches=[payload], **_read_level(plan))
    rows = _rows(reader, answer, 0, wanted)
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


def _is_cut(rows: Sequence[Row], cut: int) -> bool:
    """Tell whether the rows before and after a cut have the same score, apart from rounding."""
    if not 0 < cut < len(rows):
        return False
    before, after = rows[cut - 1].score, rows[cut].score
    return before is not None and after is not None and math.isclose(before, after, rel_tol=1e-6)


async def search_knn(
    reader: CollectionReader, plan: QueryPlan, queries: Mapping[KnnLeaf, Any]
) -> dict[KnnLeaf, Sequence[Row]]:
    """
    Return the best rows of leaves in one collection, best first; ``queries`` are the vectors of the leaves.

    A dense leaf is left out where too few of the records that a payload can return satisfy the filter: ``query`` can
    search it. A sparse leaf has no other way, so it raises `ChromaSQLExecutionError` then.
    """
    parts = parts_with_checked(plan.materialization.with_candidates, plan.filter.residual)
    passes = None if plan.filter.residual is None else compile_condition(plan.filter.residual)
    where = _where(plan.filter.requests[0])
    wanted = {leaf: plan.per_collection or leaf.limit for leaf in queries}
    counts = {leaf: min(count + 1, MAX_RESULTS) for leaf, count in wanted.items()}
    found: dict[KnnLeaf, Sequence[Row]] = {}
    pending = list(queries)
    while pending:
        batch, pending = pending[:MAX_PAYLOADS], pending[MAX_PAYLOADS:]
        payloads = [leaf_payload(leaf, where, queries[leaf], counts[leaf], _sent(parts)) for leaf in batch]
        answer = await reader.search(searches=payloads, **_read_level(plan))
        for index, leaf in enumerate(batch):
            rows = _rows(reader, answer, index, parts)
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
                    f"returns no more; lower the candidates ({wanted[leaf]}) or loosen WHERE",
                    code="too-few-candidates",
                )
    return found


def _is_settled(rows: Sequence[Row], wanted: int) -> bool:
    """Tell whether the best rows are known: there is one beyond them that is farther than the last of them."""
    return len(rows) > wanted and rows[-1].distance != rows[wanted - 1].distance


def _sent(parts: Sequence[str]) -> tuple[str, ...]:
    """Return the parts to select: the uri comes with the metadata."""
    return tuple(dict.fromkeys("metadata" if part == "uri" else part for part in parts))


def _where(request: ChromaRequest) -> dict[str, Any] | None:
    """Return both filters of a request as one."""
    if request.where_document is None:
        return request.where
    document = _document_filter(request.where_document)
    return document if request.where is None else {"$and": [request.where, document]}


def _document_filter(where: Mapping[str, Any]) -> dict[str, Any]:
    ((operator, operand),) = where.items()
    if operator in ("$and", "$or"):
        return {operator: [_document_filter(part) for part in operand]}
    return {"#document": {operator: operand}}


def _read_level(plan: QueryPlan) -> dict[str, str]:
    return {} if plan.read_level is None else {"read_level": plan.read_level}


def _rows(reader: CollectionReader, answer: Mapping[str, Any], index: int, parts: Sequence[str]) -> list[Row]:
    """Return the rows of one payload of a response."""
    rows = [reader.row(row_id) for row_id in answer["ids"][index]]
    for row, score in zip(rows, answer["scores"][index], strict=True):
        row.distance = row.score = None if score is None else array("f", [score])[0]
    for part in parts:
        for row, value in zip(rows, _values(answer, index, part) or [None] * len(rows), strict=True):
            setattr(row, part, value)
    return rows


def _values(answer: Mapping[str, Any], index: int, part: str) -> Sequence[Any] | None:
    """Return a part of all rows of a payload, or None where no row has it."""
    column = answer.get(_COLUMNS["metadata" if part == "uri" else part])
    values: Sequence[Any] | None = None if column is None else column[index]
    if values is None:
        return None
    match part:
        case "embedding":
            return [plain_vector(value) for value in values]
        case "uri":
            return [None if value is None else value.get(URI_KEY) for value in values]
        case "metadata":
            return [None if value is None else _visible_keys(value) for value in values]
        case _:
            return values


def _visible_keys(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out the keys that Chroma reserves for itself, which the Search API does not hide."""
    return {key: value for key, value in metadata.items() if not key.startswith("chroma:")}
