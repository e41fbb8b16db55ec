"""Plan to words: EXPLAIN, a pure function of the plan and the same text on every run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, assert_never

from chromasql.plan import AllOf, AnyOf, Condition, Output, Piece, QueryPlan, TextQuery, VectorQuery, plan_to_dict

__all__ = ["explain_condition", "explain_plan", "plan_to_dict"]

_MOST_NAMES = 8
_WIDEST = 160


def explain_plan(plan: QueryPlan) -> str:
    """
    Describe a plan as an indented tree: where it goes, what is sent, what is re-checked, merged and shown.

    Vectors and long lists are shortened; `plan_to_dict` has them whole.
    """
    return "\n".join(_lines(plan))


def _lines(plan: QueryPlan) -> Iterator[str]:
    yield "SELECT " + ", ".join(map(_output, plan.outputs))
    yield from _route(plan)
    yield from _filter(plan)
    if plan.rankings:
        yield from _ranking(plan)
        yield from _merge(plan)
    else:
        yield from _scan(plan)
    yield from _page(plan)
    yield from _fetch(plan)
    timeout = "" if plan.timeout is None else f", within {plan.timeout:g} s"
    missing = "ends the statement" if plan.on_error == "fail" else "is skipped and reported"
    yield f"  on error: a collection that fails {missing}{timeout}"
    for warning in plan.warnings:
        yield f"  warning: {warning.message}"


def _output(output: Output) -> str:
    source = str(output.column)
    without = f" without {', '.join(output.without)}" if output.without else ""
    same = source in (output.name, f"metadata.{output.name}")
    return output.name + without if same else f"{source} AS {output.name}{without}"


def _route(plan: QueryPlan) -> Iterator[str]:
    names = plan.collections
    if names is None:
        yield f"  route: {plan.route}"
        return
    shown = ", ".join(names[:_MOST_NAMES]) or "none"
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    yield f"  route: {len(names)} collection{'' if len(names) == 1 else 's'}, by {plan.route}"
    yield f"    {shown}{more}"


def _filter(plan: QueryPlan) -> Iterator[str]:
    found = plan.filter
    if not found.restricts:
        yield "  filter: none"
        return
    if not found.pieces:
        yield "  filter: no record can satisfy it, so nothing is asked"
        return
    yield "  filter:"
    for at, piece in enumerate(found.pieces, start=1):
        which = f" {at} of {len(found.pieces)}" if len(found.pieces) > 1 else ""
        yield f"    sent to Chroma{which}: {_piece(piece)}"
    if found.residual is None:
        yield "    re-checked here: nothing, Chroma's answer is exact"
    else:
        yield f"    re-checked here: {explain_condition(found.residual)}"


def _piece(piece: Piece) -> str:
    parts: dict[str, Any] = {"ids": piece.ids, "where": piece.where, "where_document": piece.where_document}
    sent = [f"{name} {_json(value)}" for name, value in parts.items() if value is not None]
    return ", ".join(sent) or "nothing"


def _ranking(plan: QueryPlan) -> Iterator[str]:
    how = {
        "query": "the index, restricted by the filter",
        "widen": "the index, asked for more until enough pass the re-check, since nothing selective can be sent",
        "resolve": "the ids that satisfy the filter are looked up first, as it is selective; the index ranks those",
    }
    for ranking in plan.rankings:
        match ranking.query:
            case TextQuery(text, model):
                by = "" if model is None else f" by {model}"
                yield f"  rank: nearest to the text {_short(json.dumps(text, ensure_ascii=False))}{by}, embedded once"
            case VectorQuery(values):
                yield f"  rank: nearest to a vector of {len(values)}"
            case _:
                assert_never(ranking.query)
    yield f"    candidates: {plan.per_collection} of each collection, from {how[plan.candidates]}"
    if plan.space is not None:
        yield f"    space: {plan.space}, or the statement is refused"


def _merge(plan: QueryPlan) -> Iterator[str]:
    if plan.merge == "rrf":
        how = "by reciprocal rank fusion, -sum 1 / (60 + rank); one row per id"
    else:
        how = "by distance"
    yield f"  merge: {how}; the best {plan.pool} of all; ties by id, then by collection"
    if plan.batch and plan.merge != "rrf":
        yield f"    {len(plan.rankings)} result lists, one per ranking"
    if plan.threshold is not None:
        yield f"  threshold: score <= {plan.threshold:g}"


def _scan(plan: QueryPlan) -> Iterator[str]:
    if plan.order or plan.needed is None:
        yield "  scan: every matching record, all collections at once, in pages"
    else:
        yield f"  scan: collections in turn, in record order, until there are {plan.needed} rows"


def _page(plan: QueryPlan) -> Iterator[str]:
    if plan.order:
        keys = ", ".join(
            f"{key.column} {'DESC' if key.descending else 'ASC'} NULLS {'FIRST' if key.nulls_first else 'LAST'}"
            for key in plan.order
        )
        yield f"  order: {keys}; ties by id, then by collection"
    if plan.limit is not None or plan.offset:
        limit = "all" if plan.limit is None else str(plan.limit)
        yield f"  page: {limit} rows from row {plan.offset}"


def _fetch(plan: QueryPlan) -> Iterator[str]:
    fetch = plan.fetch
    yield f"  fetch: {fetch.reason}"
    for when, parts in (
        ("with the candidates", fetch.first),
        ("before the order", fetch.order),
        ("for the page", fetch.last),
    ):
        if parts:
            yield f"    {when}: {', '.join(parts)}"


def explain_condition(condition: Condition) -> str:
    """Write a condition as SQL would."""
    match condition:
        case AllOf(parts):
            return " AND ".join(_bracketed(part) for part in parts)
        case AnyOf(parts):
            return " OR ".join(_bracketed(part) for part in parts)
        case test:
            operand = "" if test.operator.endswith("null") else f" {_json(test.operand)}"
            operator = "IS DISTINCT FROM" if test.operator == "is distinct" else test.operator.upper()
            return f"{test.column} {operator}{operand}"


def _bracketed(part: Condition) -> str:
    text = explain_condition(part)
    return f"({text})" if isinstance(part, AllOf | AnyOf) else text


def _json(value: Any) -> str:
    return _short(json.dumps(value, ensure_ascii=False))


def _short(text: str) -> str:
    return text if len(text) <= _WIDEST else f"{text[:_WIDEST]}.. ({len(text)} characters)"
