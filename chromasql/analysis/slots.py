"""
What may stand in one place of a statement.

One table for both ways in: the parser checks what is written out, `bind_parameters` what comes as a parameter.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from chromasql import ast

__all__ = ["COLLECTION_NAME", "COUNT", "KNN_QUERY", "NUMBER", "VALUE", "Slot", "slot_of"]


@dataclass(frozen=True, slots=True)
class Slot:
    """
    What may stand in one place of a statement.

    ``what`` completes the sentence "it takes ..". ``fits`` checks a single value, and is None where only a list may
    stand. ``items`` is the slot of the items of a list, and None where no list may stand. ``sparse`` says whether
    a sparse vector may stand there.
    """

    what: str
    fits: Callable[[ast.Scalar], bool] | None = None
    items: Slot | None = None
    sparse: bool = False


def _is_text(value: ast.Scalar) -> bool:
    return isinstance(value, str)


VALUE = Slot("a string, a number, a boolean or None", fits=lambda _: True)


COLLECTION_NAME = Slot("the name of a collection", fits=lambda value: isinstance(value, str) and value != "")


NUMBER = Slot("a number", fits=ast.is_number)


COUNT = Slot("a whole number of at least 0", fits=lambda value: ast.is_whole_number(value) and value >= 0)


KNN_QUERY = Slot("a text or a vector: a list of numbers or {index: weight}", fits=_is_text, items=NUMBER, sparse=True)


_TEXT = Slot("a string", fits=_is_text)


_WHOLE = Slot("a whole number", fits=ast.is_whole_number)


_FLAG = Slot("TRUE or FALSE", fits=lambda value: isinstance(value, bool))


_POSITIVE_COUNT = Slot("a whole number of at least 1", fits=lambda value: ast.is_whole_number(value) and value >= 1)


_NOT_NEGATIVE = Slot("a number of at least 0", fits=lambda value: ast.is_number(value) and value >= 0)


_POSITIVE = Slot("a number above 0", fits=lambda value: ast.is_number(value) and value > 0)


_SHARE = Slot("a number from 0 to 1", fits=lambda value: ast.is_number(value) and 0 <= value <= 1)


_STATISTICS = Slot("ALL", fits=lambda value: isinstance(value, str) and value.upper() == "ALL")


_LIST = Slot("a list of values", items=VALUE)


_VECTOR = Slot("a vector: a list of numbers or {index: weight}", items=NUMBER, sparse=True)


_ARGUMENT = Slot("a value, a list or {index: weight}", fits=lambda _: True, items=VALUE, sparse=True)


# Version 1.8.0 parses LIMIT -1 and TOPK 0, so the range of these clauses is a matter of planning.
_SLOTS: dict[tuple[type[ast.Node], str], Slot] = {
    (ast.Argument, "value"): _ARGUMENT,
    (ast.Bm25, "b"): _SHARE,
    (ast.Bm25, "default"): NUMBER,
    (ast.Bm25, "k1"): _NOT_NEGATIVE,
    (ast.Bm25, "limit"): _POSITIVE_COUNT,
    (ast.Bm25, "query"): _TEXT,
    (ast.Bm25, "return_rank"): _FLAG,
    (ast.Bm25, "statistics"): _STATISTICS,
    (ast.EmbeddingText, "model"): _TEXT,
    (ast.EmbeddingText, "text"): _TEXT,
    (ast.EmbeddingVector, "values"): _VECTOR,
    (ast.InPredicate, "values"): _LIST,
    (ast.Keep, "count"): _POSITIVE_COUNT,
    (ast.Knn, "default"): NUMBER,
    (ast.Knn, "key"): _TEXT,
    (ast.Knn, "limit"): _POSITIVE_COUNT,
    (ast.Knn, "query"): KNN_QUERY,
    (ast.Knn, "return_rank"): _FLAG,
    (ast.LikePredicate, "escape"): _TEXT,
    (ast.LikePredicate, "pattern"): _TEXT,
    (ast.Query, "limit"): _WHOLE,
    (ast.Query, "offset"): _WHOLE,
    (ast.Query, "score_threshold"): NUMBER,
    (ast.Query, "topk"): _WHOLE,
    (ast.RegexPredicate, "pattern"): _TEXT,
    (ast.Rrf, "default"): NUMBER,
    (ast.Rrf, "k"): _POSITIVE,
    (ast.Rrf, "normalize"): _FLAG,
    (ast.Rrf, "require_all"): _FLAG,
    (ast.Rrf, "weights"): Slot("a list of numbers of at least 0", items=_NOT_NEGATIVE),
    (ast.ShowCollections, "like"): _TEXT,
    (ast.ShowCollections, "limit"): _WHOLE,
    (ast.ShowCollections, "offset"): _WHOLE,
    (ast.Source, "name"): COLLECTION_NAME,
    (ast.SparseVector, "items"): NUMBER,
}


def slot_of(kind: type[ast.Node], name: str, *, quantified: bool = False) -> Slot:
    """
    Return what may stand in a field of a class of nodes; where the table says nothing, that is any single value.

    ``quantified`` is for CONTAINS ANY and ALL, which take a list where CONTAINS takes a value.
    """
    return _LIST if quantified else _SLOTS.get((kind, name), VALUE)
