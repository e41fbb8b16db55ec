"""Conditions, rank expressions, requests and other parts of a plan, in words."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, assert_never

from chromasql.plan import (
    AggregateCall,
    And,
    Bm25Leaf,
    ChromaRequest,
    Comparison,
    Condition,
    Holds,
    KnnLeaf,
    Leaf,
    Or,
    OrderKey,
    Output,
    SparseQuery,
    TextQuery,
    VectorQuery,
)
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

__all__ = [
    "explain_call",
    "explain_condition",
    "explain_leaf",
    "explain_order",
    "explain_output",
    "explain_request",
    "explain_score",
    "plural",
    "shortened_json",
]

_MAX_WIDTH = 160


def plural(count: int, one: str, many: str | None = None) -> str:
    """Return a number with its noun: ``1 call``, ``2 calls``."""
    return f"{count} {one if count == 1 else many or one + 's'}"


def shortened_json(value: Any) -> str:
    """Return a value as JSON, cut after 160 characters."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _MAX_WIDTH else f"{text[:_MAX_WIDTH]}.. ({len(text)} characters)"


def explain_output(output: Output) -> str:
    """Write a column of SELECT."""
    source = str(output.column)
    without = f" without {', '.join(output.without)}" if output.without else ""
    if output.only is not None:
        without += f" limited to {', '.join(output.only) or 'no key'}"
    same = source in (output.name, f"metadata.{output.name}")
    return output.name + without if same else f"{source} AS {output.name}{without}"


def explain_request(request: ChromaRequest) -> str:
    """Write what one request restricts records by, in Chroma's own form."""
    parts: dict[str, Any] = {"ids": request.ids, "where": request.where, "where_document": request.where_document}
    sent = [f"{name} {shortened_json(value)}" for name, value in parts.items() if value is not None]
    return ", ".join(sent) or "nothing"


def explain_condition(condition: Condition) -> str:
    """Write a condition as SQL would."""
    match condition:
        case And(parts):
            return " AND ".join(_bracketed(part) for part in parts)
        case Or(parts):
            return " OR ".join(_bracketed(part) for part in parts)
        case Holds(_, text):
            return text
        case Comparison() as test:
            operand = "" if test.operator.endswith("null") else f" {shortened_json(test.operand)}"
            operator = "IS DISTINCT FROM" if test.operator == "is distinct" else test.operator.upper()
            return f"{test.column} {operator}{operand}"


def _bracketed(part: Condition) -> str:
    text = explain_condition(part)
    return f"({text})" if isinstance(part, And | Or) else text


def explain_score(expression: Expression) -> str:
    """Write a rank expression; ``leaf0`` is the first leaf of the ranking."""
    match expression:
        case Constant(value):
            return f"{value:g}"
        case LeafValue(leaf):
            return f"leaf{leaf}"
        case MetadataValue(key):
            return f"metadata.{key}"
        case ComputedValue(value):
            return str(value)
        case Arithmetic(operator, left, right):
            return f"({explain_score(left)} {operator} {explain_score(right)})"
        case ScalarFunction(name, arguments):
            return f"{name}({', '.join(map(explain_score, arguments))})"
        case Fusion(ranks, weights, k):
            terms = [
                f"{weight:g} / ({k:g} + {explain_score(rank)})" for weight, rank in zip(weights, ranks, strict=True)
            ]
            return f"-({' + '.join(terms)})"
        case _:
            assert_never(expression)


def explain_leaf(leaf: Leaf, per_collection: int | None) -> str:
    """Write what one leaf searches for, how many records it returns, and what it adds to the rank expression."""
    value = "rank" if leaf.return_rank else "distance" if isinstance(leaf, KnnLeaf) else "score"
    share = "" if per_collection is None else f", {per_collection} from each collection"
    absent = ""
    if leaf.default is not None:
        absent = f"; counts a record that it does not find as {leaf.default:g}"
    elif leaf.optional:
        absent = "; adds nothing for a record that it does not find"
    return f"{_wanted(leaf)}, the best {leaf.limit} of all{share}; returns the {value}{absent}"


def _wanted(leaf: Leaf) -> str:
    if isinstance(leaf, Bm25Leaf):
        k1, b = leaf.weights.k1, leaf.weights.b
        return f"documents with {' or '.join(leaf.words) or 'no word'}, by BM25 (k1 = {k1:g}, b = {b:g})"
    match leaf.query:
        case TextQuery(text, model):
            by = "" if model is None else f" by {model}"
            return f"nearest to the text {shortened_json(text)}, embedded once{by}"
        case VectorQuery(values):
            return f"nearest to a vector of {plural(len(values), 'dimension')}"
        case SparseQuery(indices):
            return f"nearest to a sparse vector of {plural(len(indices), 'weight')} in {leaf.key}"
        case _:
            assert_never(leaf.query)


def explain_order(keys: Sequence[OrderKey]) -> str:
    """Write the keys of an order as SQL would."""
    return ", ".join(
        f"{key.column} {'DESC' if key.descending else 'ASC'} NULLS {'FIRST' if key.nulls_first else 'LAST'}"
        for key in keys
    )


def explain_call(call: AggregateCall) -> str:
    """Write an aggregate as SQL would."""
    inner = "*" if call.column is None else ", ".join(map(str, (call.column, *call.others)))
    where = "" if call.where is None else f" FILTER (WHERE {call.where})"
    return f"{call.function}({'DISTINCT ' if call.distinct else ''}{inner}){where}"
