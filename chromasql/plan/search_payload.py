"""
A plan as a payload of Chroma's Search API (``collection.search``): pure functions.

`search_payload` is what a statement stands for there. `whole_payload` and `leaf_payload` are what is sent: all of a
statement over one collection, or one leaf of it, whose lists are then fused here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, assert_never

from chromasql.plan.columns import Column
from chromasql.plan.conditions import ALWAYS, CHROMA_OPERATORS, And, Comparison, Condition, Holds, Or
from chromasql.plan.expressions import (
    Arithmetic,
    ComputedValue,
    Constant,
    Expression,
    Fusion,
    LeafValue,
    MetadataValue,
    ScalarFunction,
)
from chromasql.plan.rankings import Bm25Leaf, KnnLeaf, Leaf, Ranking, SparseQuery, TextQuery, VectorQuery
from chromasql.plan.statements import Keep, QueryPlan
from chromasql.plan.values import Read, columns_in

__all__ = [
    "ABSENT_RANK",
    "MAX_KNN",
    "MAX_PAYLOADS",
    "MAX_RESULTS",
    "URI_KEY",
    "NotExpressible",
    "leaf_payload",
    "query_of",
    "search_payload",
    "whole_payload",
]

ABSENT_RANK = 1e9
"""The rank that stands for *not returned* in a fusion: Chroma has no union, and 1 / (60 + 1e9) is negligible."""


URI_KEY = "chroma:uri"
"""The metadata key under which the Search API gives what ``get`` calls the uri."""


MAX_KNN = 5


MAX_PAYLOADS = 5


MAX_RESULTS = 300
"""Quotas of Chroma Cloud: KNN leaves in a rank, payloads in a call, results of a payload."""


class NotExpressible(Exception):  # noqa: N818 - it never leaves the engine
    """The Search API cannot express a part of the statement."""


def search_payload(plan: QueryPlan) -> dict[str, Any] | list[dict[str, Any]]:
    """
    Return the payload that a statement stands for, or a list of them for a batch; texts are still to be embedded.

    Numbers of a filter are as written, where what is sent asks for both of Chroma's number types. Raises
    `NotExpressible` where the Search API cannot say it.
    """
    filter_ = None if plan.condition == ALWAYS else where_of(plan.condition)
    rankings: Sequence[Ranking | None] = plan.rankings or (None,)
    payloads = [_payload(plan, ranking, filter_, None) for ranking in rankings]
    return payloads if plan.batch else payloads[0]


def whole_payload(
    plan: QueryPlan, filter_: dict[str, Any] | None, queries: dict[KnnLeaf, Any], parts: Sequence[str]
) -> dict[str, Any]:
    """
    Return the payload for a whole ranked statement over one collection; ``parts`` are fetched besides the score.

    It asks for one row more on either side of the page, which shows whether a tie was cut.
    """
    assert plan.limit is not None
    ranking = plan.rankings[0]
    payload = _payload(plan, ranking, filter_, queries)
    if ranking.is_plain and plan.keep is None:
        payload["rank"]["$knn"]["limit"] = min(ranking.leaves[0].limit + 1, MAX_RESULTS)
    before = min(plan.offset, 1)
    payload["limit"] = {"offset": plan.offset - before, "limit": before + plan.limit + 1}
    payload["select"] = {"keys": ["#score", *(f"#{part}" for part in parts)]}
    return payload


def leaf_payload(
    leaf: KnnLeaf, filter_: dict[str, Any] | None, query: Any, count: int, parts: Sequence[str]
) -> dict[str, Any]:
    """Return the payload for the ``count`` best records of one leaf."""
    return {
        "filter": filter_,
        "rank": {"$knn": {"query": query, "key": leaf.key, "limit": count}},
        "group_by": {},
        "limit": {"offset": 0, "limit": count},
        "select": {"keys": ["#score", *(f"#{part}" for part in parts)]},
    }


def _payload(
    plan: QueryPlan, ranking: Ranking | None, filter_: dict[str, Any] | None, queries: dict[KnnLeaf, Any] | None
) -> dict[str, Any]:
    limit: dict[str, Any] = {"offset": plan.offset}
    if plan.limit is not None:
        limit["limit"] = plan.limit
    return {
        "filter": filter_,
        "rank": None if ranking is None else _rank(ranking.score, ranking.leaves, queries),
        "group_by": {} if plan.keep is None else _group_by(plan.keep, ranking),
        "limit": limit,
        "select": {"keys": _selected(plan)},
    }


def _selected(plan: QueryPlan) -> list[str]:
    columns = {column for output in plan.outputs for column in columns_in(output.column)}
    return sorted({key for column in columns if (key := _selected_key(column)) is not None})


def _selected_key(column: Column) -> str | None:
    if column.key is not None:
        return column.key
    if column.part in ("distance", "score"):
        return "#score"
    if column.part == "uri":
        return URI_KEY
    return None if column.part in ("id", "_collection") else f"#{column.part}"


# Filters

# A record without the key passes "$ne", which is what IS DISTINCT FROM means.
_SEARCH_OPERATORS = {**CHROMA_OPERATORS, "is distinct": "$ne"}


def where_of(condition: Condition) -> dict[str, Any]:
    """Return a condition in the operators of the Search API, or raise `NotExpressible`."""
    match condition:
        case And(parts) if parts:
            return {"$and": [where_of(part) for part in parts]}
        case Or(parts) if parts:
            return {"$or": [where_of(part) for part in parts]}
        case Holds(_, text):
            raise NotExpressible(text)
        case Comparison(column, operator, operand):
            key = column.key if column.key is not None else f"#{column.part}"
            if operator not in _SEARCH_OPERATORS or column.part == "_collection":
                raise NotExpressible(f"{column} {operator}")
            if operator in ("<", "<=", ">", ">=") and isinstance(operand, str | bool):
                raise NotExpressible(f"the order of {operand!r}")
            return {key: {_SEARCH_OPERATORS[operator]: list(operand) if isinstance(operand, tuple) else operand}}
        case _:
            raise NotExpressible("a condition that is never true")


# Ranks


def _rank(expression: Expression, leaves: Sequence[Leaf], queries: dict[KnnLeaf, Any] | None) -> dict[str, Any]:
    """Return an expression in the form of ``rank``; raise `NotExpressible` where the Search API has no operator."""
    match expression:
        case Constant(value):
            return {"$val": value}
        case LeafValue(index):
            return _knn(leaves[index], queries)
        case MetadataValue(key):
            raise NotExpressible(f"metadata.{key} in a rank expression")
        case ComputedValue(value):
            raise NotExpressible(str(value))
        case Arithmetic(("+" | "*") as operator, left, right):
            word = "$sum" if operator == "+" else "$mul"
            return {word: [*_terms(word, left, leaves, queries), *_terms(word, right, leaves, queries)]}
        case Arithmetic(operator, left, right):
            sides = {"left": _rank(left, leaves, queries), "right": _rank(right, leaves, queries)}
            return {"$sub" if operator == "-" else "$div": sides}
        case ScalarFunction(("MIN" | "MAX") as name, arguments):
            word = f"${name.lower()}"
            return {word: [term for item in arguments for term in _terms(word, item, leaves, queries)]}
        case ScalarFunction(("ABS" | "EXP" | "LOG") as name, (argument,)):
            return {f"${name.lower()}": _rank(argument, leaves, queries)}
        case ScalarFunction(name):
            raise NotExpressible(name)
        case Fusion():
            return _fusion(expression, leaves, queries)
        case _:
            assert_never(expression)


def _terms(
    word: str, expression: Expression, leaves: Sequence[Leaf], queries: dict[KnnLeaf, Any] | None
) -> list[dict[str, Any]]:
    """Flatten a term of the same operator, as Chroma's own builder does."""
    rank = _rank(expression, leaves, queries)
    nested: list[dict[str, Any]] | None = rank.get(word)
    return [rank] if nested is None else nested


def _fusion(fusion: Fusion, leaves: Sequence[Leaf], queries: dict[KnnLeaf, Any] | None) -> dict[str, Any]:
    terms = []
    for rank, weight in zip(fusion.ranks, fusion.weights, strict=True):
        below = {"$sum": [{"$val": fusion.k}, *_terms("$sum", rank, leaves, queries)]}
        terms.append({"$div": {"left": {"$val": weight}, "right": below}})
    return {"$mul": [{"$val": -1}, terms[0] if len(terms) == 1 else {"$sum": terms}]}


def _knn(leaf: Leaf, queries: dict[KnnLeaf, Any] | None) -> dict[str, Any]:
    if isinstance(leaf, Bm25Leaf):
        raise NotExpressible("BM25")
    knn: dict[str, Any] = {
        "query": query_of(leaf) if queries is None else queries[leaf],
        "key": leaf.key,
        "limit": leaf.limit,
    }
    default = ABSENT_RANK if leaf.default is None and leaf.optional else leaf.default
    if default is not None:
        knn["default"] = default
    if leaf.return_rank:
        knn["return_rank"] = True
    return {"$knn": knn}


def query_of(leaf: KnnLeaf) -> Any:
    """Return the query of a leaf in the form of the Search API; a text is itself."""
    match leaf.query:
        case TextQuery(text):
            return text
        case VectorQuery(values):
            return list(values)
        case SparseQuery(indices, values):
            return {"#type": "sparse_vector", "indices": list(indices), "values": list(values)}
        case _:
            assert_never(leaf.query)


def _group_by(keep: Keep, ranking: Ranking | None) -> dict[str, Any]:
    if ranking is None:
        raise NotExpressible("KEEP without a ranking")
    keys = []
    for column in keep.keys:
        if column.key is None:
            raise NotExpressible(f"GROUP BY {column}")
        keys.append(column.key)
    directions = {key.descending for key in keep.order}
    if len(directions) > 1:
        raise NotExpressible("KEEP in mixed directions")
    by = [_aggregate_key(key.column, ranking) for key in keep.order] or ["#score"]
    word = "$max_k" if directions == {True} else "$min_k"
    return {"keys": keys, "aggregate": {word: {"keys": by, "k": keep.count}}}


def _aggregate_key(column: Read, ranking: Ranking) -> str:
    if column.key is not None:
        return column.key
    if column.part == "score" or (column.part == "distance" and ranking.is_plain):
        return "#score"
    raise NotExpressible(f"KEEP BY {column.part}")
