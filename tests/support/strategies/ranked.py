"""Random records and ranked statements, and the places that hold the records: local Chroma and the distributed double."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from math import isfinite
from typing import Any

from hypothesis import strategies as st

import chromasql
from tests.support.distributed import DistributedCollection, DistributedProvider
from tests.support.distributed import Record as CloudRecord
from tests.support.oracle.predicates import Filter
from tests.support.oracle.ranks import Bm25, Function, Keep, Knn, Metadata, Number, Operation, Rrf, Statement
from tests.support.oracle.values import Collection, Record
from tests.support.strategies.conditions import conditions, metadatas

WORDS = ("red", "Red", "fox", "foxes", "blue", "d'or", "été", "x")
KEYS = ("a", "b")


# Data


@dataclass(frozen=True)
class Data:
    collections: tuple[Collection, ...]
    space: str
    queries: tuple[tuple[float, ...], ...]


@st.composite
def datasets(draw: st.DrawFn, *, most: int = 5) -> Data:
    """
    Draw records in one or several collections.

    One collection is filled in the order of the ids, so that Chroma's ties, by record order, are ours, by id.
    """
    space = draw(st.sampled_from(["l2", "ip", "cosine"]))
    width = draw(st.integers(2, 3))
    # Small whole vectors have exact distances and many ties; cosines are told apart instead.
    source = random.Random(draw(st.integers(0, 10**6)))
    vectors = (
        st.builds(lambda: tuple(round(source.gauss(0, 1), 3) for _ in range(width)))
        if space == "cosine"
        else st.tuples(*[st.integers(-3, 3).map(float)] * width)
    )
    numbers = st.sampled_from([0, 1, 1.0, 2, 2.5, -1, -3, "3", True])
    documents = st.one_of(st.none(), st.just(""), st.lists(st.sampled_from(WORDS), max_size=6).map(" ".join))
    records = st.builds(
        lambda at, vector, document, metadata, number: Record(
            f"r{at}",
            vector,
            document,
            metadata if number is None else {**metadata, "n": number},
        ),
        st.integers(0, 60),
        vectors,
        documents,
        metadatas(KEYS),
        st.one_of(st.none(), numbers),
    )
    count = draw(st.sampled_from([1, most]))
    parts: list[dict[str, Record]] = [{} for _ in range(count)]
    for record in draw(st.lists(records, max_size=30)):
        parts[draw(st.integers(0, count - 1))].setdefault(record.id, record)
    inserted = [sorted(part.values(), key=lambda each: each.id) if count == 1 else part.values() for part in parts]
    collections = tuple(Collection(f"search-{at}", tuple(part)) for at, part in enumerate(inserted))
    return Data(collections, space, tuple(draw(st.lists(vectors, min_size=2, max_size=3))))


@contextmanager
def local(client: Any, data: Data) -> Iterator[chromasql.Database]:
    """Have the records in embedded Chroma for a while."""
    made = []
    try:
        for each in data.collections:
            collection = client.create_collection(
                each.name,
                embedding_function=None,
                configuration={"hnsw": {"space": data.space}},
            )
            made.append(collection)
            if each.records:
                collection.add(
                    ids=[record.id for record in each.records],
                    embeddings=[list(record.vector) for record in each.records],
                    documents=[record.document for record in each.records],
                    metadatas=[record.metadata or None for record in each.records],
                )
        yield chromasql.connect(client, dialect="local")
    finally:
        for collection in made:
            # Deleting a collection alone leaves its array metadata behind in Chroma 1.5.9.
            if collection.count():
                collection.delete(ids=collection.get(include=[])["ids"])
            client.delete_collection(collection.name)


def cloud(data: Data, *, compacted: bool = True) -> DistributedProvider:
    """Give the records in a distributed Chroma."""
    return DistributedProvider(
        *(
            DistributedCollection(
                each.name,
                [CloudRecord(one.id, one.vector, one.document, one.values) for one in each.records],
                space=data.space,
                compacted=compacted,
            )
            for each in data.collections
        ),
    )


# Statements


@st.composite
def filters(draw: st.DrawFn) -> Filter:
    """Draw a WHERE over metadata, ids, documents and numbers that distributed Chroma reads in a way of its own."""
    condition = draw(conditions(KEYS))
    forms = [Filter(condition.sql, lambda record: condition.truth(record.values) is True)]
    word = draw(st.sampled_from(["re", "red", "ox", "été", " "]))
    forms.append(Filter(f"document CONTAINS '{word}'", lambda one: one.document is not None and word in one.document))
    forms.append(
        Filter(f"document NOT CONTAINS '{word}'", lambda one: one.document is not None and word not in one.document),
    )
    forms.append(Filter("document REGEX 'x*'", lambda one: one.document is not None))
    forms.append(Filter(r"document REGEX r'\bfox'", lambda one: "fox" in (one.document or "")))
    forms.append(
        Filter(r"document NOT REGEX r'\bx*\b'", lambda one: one.document is not None and not one.document.strip()),
    )
    bound = draw(st.sampled_from([-2, -1, 0, 1.5, 2]))
    operator = draw(st.sampled_from(["<", "<=", ">", ">=", "="]))
    forms.append(Filter(f"n {operator} {bound}", lambda one: _compared(one.values.get("n"), operator, bound)))
    ids = tuple(f"r{draw(st.integers(0, 60))}" for _ in range(draw(st.integers(1, 12))))
    forms.append(Filter(f"id IN ({', '.join(map(repr, ids))})", lambda one: one.id in ids))
    forms.append(Filter(f"id NOT IN ({', '.join(map(repr, ids))})", lambda one: one.id not in ids))
    first, second = draw(st.sampled_from(forms)), draw(st.sampled_from(forms))
    match draw(st.sampled_from(["one", "one", "and", "or"])):
        case "and":
            return Filter(f"({first.sql}) AND ({second.sql})", lambda one: first.truth(one) and second.truth(one))
        case "or":
            return Filter(f"({first.sql}) OR ({second.sql})", lambda one: first.truth(one) or second.truth(one))
        case _:
            return first


def _compared(value: Any, operator: str, bound: float) -> bool:
    if type(value) not in (int, float):
        return False
    return {
        "<": value < bound,
        "<=": value <= bound,
        ">": value > bound,
        ">=": value >= bound,
        "=": value == bound,
    }[operator]


limits = st.one_of(st.none(), st.none(), st.integers(1, 12))


@st.composite
def knn(draw: st.DrawFn, data: Data, *, fused: bool = False) -> Knn:
    return Knn(
        draw(st.sampled_from(data.queries)),
        limit=draw(limits),
        default=draw(st.sampled_from([None, None, 5.0, 1000.0])),
        return_rank=None if fused else draw(st.sampled_from([None, None, True, False])),
    )


@st.composite
def bm25(draw: st.DrawFn, *, fused: bool = False) -> Bm25:
    return Bm25(
        " ".join(draw(st.lists(st.sampled_from(WORDS), max_size=3))),
        limit=draw(limits),
        default=draw(st.sampled_from([None, None, 0.0])),
        return_rank=None if fused else draw(st.sampled_from([None, True])),
        k1=draw(st.sampled_from([1.2, 0.0, 2.0])),
        b=draw(st.sampled_from([0.75, 0.0, 1.0])),
    )


@st.composite
def fusions(draw: st.DrawFn, data: Data, *, pushed: bool) -> Rrf:
    leaf = knn(data, fused=True) if pushed else st.one_of(knn(data, fused=True), bm25(fused=True))
    ranks = tuple(draw(st.lists(leaf, min_size=1, max_size=2 if pushed else 3)))
    weights = st.lists(st.sampled_from([0.5, 1.0, 2.0, 3.0]), min_size=len(ranks), max_size=len(ranks)).map(tuple)
    require_all = draw(st.booleans())
    return Rrf(
        ranks,
        k=draw(st.sampled_from([None, 1, 60, 20.5])),
        weights=draw(st.one_of(st.none(), weights)),
        normalize=draw(st.booleans()),
        default=None if require_all else draw(st.sampled_from([None, None, 50.0])),
        require_all=require_all,
    )


@st.composite
def expressions(draw: st.DrawFn, data: Data, *, pushed: bool) -> Any:
    """Draw a rank expression that has a leaf; with ``pushed`` one that the Search API can mostly compute."""
    leaves = [knn(data), knn(data), fusions(data, pushed=pushed)] + ([] if pushed else [bm25()])
    numbers = st.sampled_from([0, 0.5, -1, 2, 10]).map(Number)
    others = numbers if pushed else st.one_of(numbers, st.just(Metadata("n")))
    operators = "+-*" if pushed else "+-*/"
    binary, unary = ("MIN", "MAX") if pushed else ("MIN", "MAX", "LEAST", "GREATEST", "COALESCE"), ("ABS", "EXP", "LOG")
    found = draw(st.one_of(*leaves))
    for _ in range(draw(st.integers(0, 3))):
        other = draw(st.one_of(others, *leaves))
        form = draw(st.sampled_from(["operation", "operation", "function", "unary"]))
        left, right = (found, other) if draw(st.booleans()) else (other, found)
        if form == "operation":
            found = Operation(draw(st.sampled_from(operators)), left, right)
        elif form == "function":
            found = Function(draw(st.sampled_from(binary)), (left, right))
        else:
            found = Function(draw(st.sampled_from(unary[:1] if pushed else unary)), (found,))
    return found


@st.composite
def keeps(draw: st.DrawFn) -> Keep:
    columns = st.sampled_from(["score", "n", "a"])
    return Keep(
        tuple(draw(st.lists(st.sampled_from(["a", "b", "n", "_collection"]), min_size=1, max_size=2, unique=True))),
        draw(st.integers(1, 3)),
        tuple(draw(st.lists(st.tuples(columns, st.booleans()), max_size=2))),
    )


@st.composite
def statements(draw: st.DrawFn, data: Data) -> tuple[Statement, list[Any]]:
    """Draw a statement and return it with all that it ranks."""
    pushed = draw(st.booleans())
    statement = Statement(
        draw(expressions(data, pushed=pushed)),
        where=draw(st.one_of(st.none(), filters())),
        keep=draw(st.one_of(st.none(), st.none(), keeps())),
        limit=draw(st.one_of(st.none(), st.integers(1, 8))) if not pushed else draw(st.integers(1, 8)),
        offset=draw(st.sampled_from([0, 0, 1, 4])),
        shown=draw(st.sampled_from([(), ("document", "metadata"), ("metadata.n",)])),
    )
    ranked = statement.ranked(data.collections, data.space)
    if draw(st.integers(0, 3)) == 0:
        scores = sorted({score for _, score in ranked if score is not None and isfinite(score)} | {0.0})
        between = [(low + high) / 2 for low, high in pairwise(scores) if high - low > 1e-3]
        statement = replace(statement, threshold=draw(st.sampled_from([*between, scores[0] - 1, scores[-1] + 1])))
    return statement, ranked
