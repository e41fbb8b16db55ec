"""Plan to words: EXPLAIN, a pure function of the plan and the same text on every run."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Sequence
from typing import Any, assert_never

from chromasql.plan import (
    AggregateCall,
    And,
    Bm25Leaf,
    ChromaRequest,
    Condition,
    KnnLeaf,
    Leaf,
    Or,
    OrderKey,
    Output,
    QueryPlan,
    SparseQuery,
    TextQuery,
    VectorQuery,
)
from chromasql.plan.expressions import (
    Arithmetic,
    Constant,
    Expression,
    Fusion,
    LeafValue,
    MetadataValue,
    ScalarFunction,
)
from chromasql.plan.serialize import plan_to_dict
from chromasql.result import ExecutionResult

__all__ = ["analyzed", "explain_condition", "explain_plan", "explain_run", "explain_score", "explained", "plan_to_dict"]


def analyzed(result: ExecutionResult) -> ExecutionResult:
    """Return the result of EXPLAIN ANALYZE for what the statement gave."""
    assert isinstance(result.plan, QueryPlan)
    text = explain_run(result)
    rows = [{"plan": line} for line in text.splitlines()]
    return dataclasses.replace(result, rows=rows, columns=("plan",), results=(rows,), explanation=text)


def explained(plan: QueryPlan) -> ExecutionResult:
    """Return the result of EXPLAIN: nothing is run."""
    text = explain_plan(plan)
    rows = [{"plan": line} for line in text.splitlines()]
    return ExecutionResult(
        rows, columns=("plan",), results=(rows,), warnings=plan.warnings, plan=plan, explanation=text
    )


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
    yield from _groups(plan)
    yield from _page(plan)
    yield from _fetch(plan)
    timeout = "" if plan.timeout is None else f", within {plan.timeout:g} s"
    if plan.read_level is not None:
        passed = "passed to Chroma" if plan.search != "no" else "of no effect, as this Chroma always reads everything"
        yield f"  read level: {plan.read_level}, {passed}"
    missing = "ends the statement" if plan.on_error == "fail" else "is skipped and reported"
    yield f"  on error: a collection that fails {missing}{timeout}"
    for warning in plan.warnings:
        yield f"  warning: {warning.message}"


def explain_run(result: ExecutionResult) -> str:
    """Describe a plan that was run: what each collection was sent at each step, what came of it, and the time."""
    assert isinstance(result.plan, QueryPlan)
    return "\n".join([*_lines(result.plan), *_run_lines(result)])


def _run_lines(result: ExecutionResult) -> Iterator[str]:
    timings = result.timings
    # How often and how much a collection had to be read tells of what a scope hides.
    hidden = isinstance(result.plan, QueryPlan) and result.plan.view is not None
    yield f"ran: {len(result.rows)} rows in {timings.total:.1f} ms"
    yield f"  waiting for Chroma: {timings.waiting:.1f} ms"
    yield f"  embedding: {timings.embedding:.1f} ms, {_many(timings.embedding_calls, 'call')}"
    yield f"  ChromaSQL itself: {timings.own:.1f} ms"
    for outcome in result.outcomes:
        retries = f", {_many(outcome.retries, 'retry', 'retries')}" if outcome.retries else ""
        yield f"  {outcome.collection}: {outcome.status}{retries}"
        if outcome.error is not None:
            yield f"    {outcome.error.kind}: {outcome.error.message}"
        for step in outcome.steps:
            size = "" if step.bytes is None or hidden else f", {step.bytes} bytes"
            calls = "" if hidden else f"{_many(step.calls, 'call')}, "
            yield f"    {step.step}: {calls}{_many(step.rows, 'row')}, {step.milliseconds:.1f} ms{size}"


def _many(count: int, one: str, more: str | None = None) -> str:
    return f"{count} {one if count == 1 else more or one + 's'}"


def _output(output: Output) -> str:
    source = str(output.column)
    without = f" without {', '.join(output.without)}" if output.without else ""
    if output.only is not None:
        without += f" of {', '.join(output.only) or 'no key'}"
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
    if not found.requests:
        yield "  filter: no record can satisfy it, so nothing is asked"
        return
    yield "  filter:"
    for at, request in enumerate(found.requests, start=1):
        which = f" {at} of {len(found.requests)}" if len(found.requests) > 1 else ""
        yield f"    sent to Chroma{which}: {_request(request)}"
    if found.residual is None:
        yield "    re-checked here: nothing, Chroma's answer is exact"
    else:
        yield f"    re-checked here: {explain_condition(found.residual)}"


def _request(request: ChromaRequest) -> str:
    parts: dict[str, Any] = {"ids": request.ids, "where": request.where, "where_document": request.where_document}
    sent = [f"{name} {_json(value)}" for name, value in parts.items() if value is not None]
    return ", ".join(sent) or "nothing"


_HOW = {
    "whole": "Chroma's Search API, which ranks the whole statement in one payload",
    "leaves": "Chroma's Search API, a payload for each leaf; the lists are fused here",
    "query": "the index, restricted by the filter",
    "widen": "the index, asked for more until enough pass the re-check, since nothing selective can be sent",
    "resolve": "the ids that satisfy the filter are looked up first, as it is selective; the index ranks those",
}


def _ranking(plan: QueryPlan) -> Iterator[str]:
    for at, ranking in enumerate(plan.rankings):
        many = f" {at + 1} of {len(plan.rankings)}" if plan.batch else ""
        yield f"  rank{many}: {explain_score(ranking.score)}"
        for number, leaf in enumerate(ranking.leaves):
            yield f"    leaf{number}: {_leaf(leaf, plan)}"
    yield f"    candidates of KNN: from {_HOW[plan.search if plan.search != 'no' else plan.candidates]}"
    if plan.space is not None:
        yield f"    space: {plan.space}, or the statement is refused"


def _leaf(leaf: Leaf, plan: QueryPlan) -> str:
    gives = "its rank" if leaf.return_rank else "its distance" if isinstance(leaf, KnnLeaf) else "its score"
    each = "" if plan.per_collection is None else f", {plan.per_collection} of each collection"
    absent = ""
    if leaf.default is not None:
        absent = f"; a record that it lacks counts as {leaf.default:g}"
    elif leaf.optional:
        absent = "; a record that it lacks gets nothing for it"
    return f"{_wanted(leaf)}, the best {leaf.limit} of all{each}; gives {gives}{absent}"


def _wanted(leaf: Leaf) -> str:
    if isinstance(leaf, Bm25Leaf):
        return f"documents with {' or '.join(leaf.words) or 'no word'}, by BM25 (k1 = {leaf.k1:g}, b = {leaf.b:g})"
    match leaf.query:
        case TextQuery(text, model):
            by = "" if model is None else f" by {model}"
            return f"nearest to the text {_short(json.dumps(text, ensure_ascii=False))}, embedded once{by}"
        case VectorQuery(values):
            return f"nearest to a vector of {len(values)}"
        case SparseQuery(indices):
            return f"nearest to a sparse vector of {len(indices)} in {leaf.key}"
        case _:
            assert_never(leaf.query)


def explain_score(expression: Expression) -> str:
    """Write a rank expression; ``leaf0`` is the first leaf of the ranking."""
    match expression:
        case Constant(value):
            return f"{value:g}"
        case LeafValue(leaf):
            return f"leaf{leaf}"
        case MetadataValue(key):
            return f"metadata.{key}"
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


def _merge(plan: QueryPlan) -> Iterator[str]:
    if plan.merge == "rrf":
        yield "  merge: by reciprocal rank fusion of the collections' lists, -sum 1 / (60 + rank); one row per id"
    else:
        yield "  merge: by score over all collections; ties by id, then by collection"
    if plan.batch and plan.merge != "rrf":
        yield f"    {len(plan.rankings)} result lists, one per ranking"
    if plan.threshold is not None:
        yield f"  threshold: score <= {plan.threshold:g}"


def _groups(plan: QueryPlan) -> Iterator[str]:
    if plan.keep is not None:
        by = f" by {_order_keys(plan.keep.order)}" if plan.keep.order else ""
        yield f"  keep: {plan.keep.count} of each {', '.join(map(str, plan.keep.keys))}{by}"
    if plan.aggregation is not None:
        keys = ", ".join(map(str, plan.aggregation.keys)) or "all rows"
        calls = ", ".join(map(_call, plan.aggregation.calls)) or "nothing"
        yield f"  group: by {keys}, computing {calls}"
        if plan.aggregation.having is not None:
            yield f"    having {explain_condition(plan.aggregation.having)}"
    if plan.distinct:
        yield "  distinct: equal rows once"
    if plan.rerank is not None:
        arguments = "".join(f", {name} = {_json(value)}" for name, value in plan.rerank.arguments.items())
        yield f"  rerank: {plan.rerank.strategy} of the best {plan.rerank.candidates}{arguments}"


def _call(call: AggregateCall) -> str:
    inner = "*" if call.column is None else str(call.column)
    return f"{call.function}({'DISTINCT ' if call.distinct else ''}{inner})"


def _scan(plan: QueryPlan) -> Iterator[str]:
    if plan.order or plan.keep is not None or plan.aggregation is not None or plan.needed is None:
        yield "  scan: every matching record, all collections at once, in pages"
    else:
        yield f"  scan: collections in turn, in record order, until there are {plan.needed} rows"


def _page(plan: QueryPlan) -> Iterator[str]:
    if plan.order:
        yield f"  order: {_order_keys(plan.order)}; ties by id, then by collection"
    if plan.limit is not None or plan.offset:
        limit = "all" if plan.limit is None else str(plan.limit)
        yield f"  page: {limit} rows from row {plan.offset}"


def _order_keys(keys: Sequence[OrderKey]) -> str:
    return ", ".join(
        f"{key.column} {'DESC' if key.descending else 'ASC'} NULLS {'FIRST' if key.nulls_first else 'LAST'}"
        for key in keys
    )


def _fetch(plan: QueryPlan) -> Iterator[str]:
    fetch = plan.fetch
    yield f"  fetch: {fetch.reason}"
    for when, parts in (
        ("with the candidates", fetch.first),
        ("before the rank expression", fetch.score),
        ("before the order", fetch.order),
        ("for the page", fetch.last),
    ):
        if parts:
            yield f"    {when}: {', '.join(parts)}"


def explain_condition(condition: Condition) -> str:
    """Write a condition as SQL would."""
    match condition:
        case And(parts):
            return " AND ".join(_bracketed(part) for part in parts)
        case Or(parts):
            return " OR ".join(_bracketed(part) for part in parts)
        case test:
            operand = "" if test.operator.endswith("null") else f" {_json(test.operand)}"
            operator = "IS DISTINCT FROM" if test.operator == "is distinct" else test.operator.upper()
            return f"{test.column} {operator}{operand}"


def _bracketed(part: Condition) -> str:
    text = explain_condition(part)
    return f"({text})" if isinstance(part, And | Or) else text


def _json(value: Any) -> str:
    return _short(json.dumps(value, ensure_ascii=False))


def _short(text: str) -> str:
    return text if len(text) <= _WIDEST else f"{text[:_WIDEST]}.. ({len(text)} characters)"
