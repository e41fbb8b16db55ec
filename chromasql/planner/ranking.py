"""USING EMBEDDING and RANK BY: the leaves to search and the expression over them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from chromasql import ast
from chromasql._source import Span
from chromasql.errors import ChromaSQLPlanningError
from chromasql.operators.values import result_type
from chromasql.operators.words import split_words
from chromasql.plan import (
    EMBEDDING_KEY,
    Bm25Leaf,
    Bm25Weights,
    KnnLeaf,
    Leaf,
    Ranking,
    SparseQuery,
    TextQuery,
    VectorQuery,
)
from chromasql.plan.expressions import (
    RRF_K,
    Arithmetic,
    ComputedValue,
    Constant,
    Expression,
    Fusion,
    LeafValue,
    MetadataValue,
    ScalarFunction,
)
from chromasql.plan.values import Computed, Unvarying, columns_in
from chromasql.planner.aggregation import Reads
from chromasql.planner.numbers import count_of, flag_of, literal, number_of
from chromasql.planner.rank_arithmetic import RANK_FUNCTIONS, UNARY_FUNCTIONS, is_arithmetic, without_groups
from chromasql.planner.values import find_named_function

__all__ = ["MAX_CANDIDATES", "RankingPlanner"]

MAX_CANDIDATES = 1_000_000
"""The most candidates that a leaf may ask for."""


_LARGEST = 3.4028234663852886e38
"""The largest number of single precision."""


@dataclass(frozen=True, slots=True)
class _InFusion:
    """What an RRF sets for the leaves inside it."""

    default: float | None
    optional: bool


class RankingPlanner:
    """
    Plans the rankings of one statement.

    ``num_candidates`` gives the number of candidates of a leaf that does not say, from whether that leaf is a KNN and
    the whole rank. ``names`` checks what is read of the records.
    """

    def __init__(self, num_candidates: Callable[[bool], int], names: Reads) -> None:
        self._num_candidates = num_candidates
        self._names = names
        self._leaves: list[Leaf] = []

    def plan_embedding(self, embedding: ast.Embedding | ast.EmbeddingBatch) -> tuple[Ranking, ...]:
        """Plan USING EMBEDDING: one ranking for each of its items."""
        items = embedding.items if isinstance(embedding, ast.EmbeddingBatch) else (embedding,)
        limit = self._checked_num_candidates(self._num_candidates(True), embedding.span)
        rankings = []
        for item in items:
            query = _query(item)
            if isinstance(query, SparseQuery):
                raise ChromaSQLPlanningError(
                    "USING EMBEDDING takes a dense vector; rank by RANK BY KNN({..}, key = name)",
                    code="invalid-argument",
                    span=item.span,
                )
            rankings.append(Ranking((KnnLeaf(query, limit),)))
        return tuple(rankings)

    def plan_rank(self, rank: ast.Expression) -> Ranking:
        """Plan RANK BY."""
        self._leaves = []
        rank = without_groups(rank)
        whole = isinstance(rank, ast.Knn)
        score = self._expression(rank, None, whole=whole)
        if not self._leaves:
            raise ChromaSQLPlanningError(
                "RANK BY needs a KNN or a BM25 to find its candidates; ORDER BY sorts by metadata",
                code="not-allowed-here",
                span=rank.span,
            )
        return Ranking(tuple(self._leaves), score)

    def _expression(self, rank: ast.Expression, fusion: _InFusion | None, *, whole: bool = False) -> Expression:
        """Plan a node of RANK BY, inside ``fusion`` if it is an argument of RRF; ``whole`` if it is all of RANK BY."""
        match rank:
            case ast.Literal(str()):
                raise ChromaSQLPlanningError(
                    "a string is not a rank expression; write KNN('words') or BM25('words')",
                    code="invalid-argument",
                    span=rank.span,
                )
            case ast.Literal(bool() | None) | ast.Parameter():
                number_of(rank, "RANK BY")
                return self._computed(rank)
            case ast.Literal():
                number = number_of(rank, "RANK BY")
                assert number is not None
                return Constant(number)
            case ast.Field():
                return self._metadata(rank)
            case ast.Unary("+", operand):
                return self._expression(operand, fusion)
            case ast.Unary(_, operand):
                return Arithmetic("*", Constant(-1), self._expression(operand, fusion))
            case ast.Binary(("+" | "-" | "*" | "/") as operator, left, right) if is_arithmetic(rank):
                return Arithmetic(operator, self._expression(left, fusion), self._expression(right, fusion))
            case ast.Call(function, arguments) if function in RANK_FUNCTIONS and is_arithmetic(rank):
                self._check_arguments(rank)
                parts = tuple(self._expression(part, fusion) for part in arguments)
                return ScalarFunction(RANK_FUNCTIONS[function], parts)
            case ast.Knn():
                return self._add(self._knn(rank, whole=whole), rank, fusion)
            case ast.Bm25():
                return self._add(self._bm25(rank), rank, fusion)
            case ast.Rrf():
                return self._rrf(rank)
            case _:
                return self._computed(rank)

    @staticmethod
    def _check_arguments(call: ast.Call) -> None:
        if not call.arguments or (RANK_FUNCTIONS[call.function] in UNARY_FUNCTIONS and len(call.arguments) > 1):
            raise ChromaSQLPlanningError(
                f"{call.function} takes one argument",
                code="invalid-argument",
                span=call.arguments[1].span if call.arguments else call.span,
            )

    def _computed(self, rank: ast.Expression) -> Expression:
        """Plan what is computed from the record alone, in any function of the language."""
        search = next((node for node in ast.walk(rank) if isinstance(node, ast.Knn | ast.Bm25 | ast.Rrf)), None)
        if search is not None:
            if isinstance(rank, ast.Call):
                find_named_function(rank, (*RANK_FUNCTIONS, "BM25", "KNN", "RRF"))
            raise ChromaSQLPlanningError(
                f"a search can enter + - * / and {', '.join(sorted(RANK_FUNCTIONS))}, not this expression",
                code="not-allowed-here",
                span=rank.span,
            )
        found = self._names.read(rank)
        if not isinstance(found, Computed):
            return self._metadata(rank)  # type: ignore[arg-type]
        if any(column.part in ("distance", "score") for column in columns_in(found)):
            raise ChromaSQLPlanningError(
                "RANK BY makes the score, so it cannot read distance or score",
                code="not-allowed-here",
                span=rank.span,
            )
        match found.expression:
            case Unvarying(bool() | int() | float() as value):
                return Constant(float(value))
            case Unvarying():
                raise ChromaSQLPlanningError("RANK BY takes numbers", code="invalid-argument", span=rank.span)
        if result_type(found.expression) in ("text", "date", "timestamp", "list"):
            raise ChromaSQLPlanningError(
                f"RANK BY takes numbers, and {found} is not one", code="invalid-argument", span=rank.span
            )
        return ComputedValue(found)

    def _metadata(self, field: ast.Field) -> MetadataValue:
        column = self._names.column(field)
        if column.key is None:
            raise ChromaSQLPlanningError(
                f"RANK BY reads only metadata keys; for a key named {column.part} write metadata.{column.part}",
                code="not-allowed-here",
                span=field.span,
            )
        return MetadataValue(column.key)

    # Leaves

    def _add(self, leaf: Leaf, node: ast.Knn | ast.Bm25, fusion: _InFusion | None) -> LeafValue:
        default = number_of(node.default, "default")
        return_rank = flag_of(node.return_rank, "return_rank")
        optional = default is not None
        if fusion is not None:
            if return_rank is False:
                assert node.return_rank is not None
                raise ChromaSQLPlanningError(
                    "return_rank = FALSE is not allowed inside RRF, which fuses ranks",
                    code="not-allowed-here",
                    span=node.return_rank.span,
                )
            return_rank = True
            default = fusion.default if default is None else default
            optional = fusion.optional or default is not None
        self._leaves.append(
            dataclasses.replace(leaf, default=default, return_rank=bool(return_rank), optional=optional)
        )
        return LeafValue(len(self._leaves) - 1)

    def _knn(self, knn: ast.Knn, *, whole: bool) -> KnnLeaf:
        if isinstance(knn.query, ast.Parameter):
            literal(knn.query)
            raise ChromaSQLPlanningError("KNN takes a text or a vector", code="invalid-argument", span=knn.query.span)
        query = _query(knn.query)
        key = _key(knn.key)
        if key != EMBEDDING_KEY:
            self._names.column(ast.Field("metadata", (key,), span=knn.span))
        if isinstance(query, VectorQuery) and key != EMBEDDING_KEY:
            raise ChromaSQLPlanningError(
                f"a dense vector is compared with embedding alone; for {key} give a sparse vector, {{1: 0.5}}",
                code="invalid-argument",
                span=knn.span,
            )
        if isinstance(query, SparseQuery) and key == EMBEDDING_KEY:
            raise ChromaSQLPlanningError(
                "a sparse vector needs the key of a sparse index: key = name", code="invalid-argument", span=knn.span
            )
        return KnnLeaf(query, self._limit(knn.limit, knn.span, whole=whole), key=key)

    def _bm25(self, bm25: ast.Bm25) -> Bm25Leaf:
        text = literal(bm25.query)
        if not isinstance(text, str):
            raise ChromaSQLPlanningError("BM25 takes a string", code="invalid-argument", span=bm25.query.span)
        self._names.column(ast.Field("document", span=bm25.span))
        k1, b = number_of(bm25.k1, "k1"), number_of(bm25.b, "b")
        if k1 is not None and k1 < 0:
            raise ChromaSQLPlanningError("k1 takes a number of at least 0", code="invalid-argument", span=bm25.span)
        if b is not None and not 0 <= b <= 1:
            raise ChromaSQLPlanningError("b takes a number from 0 to 1", code="invalid-argument", span=bm25.span)
        return Bm25Leaf(
            text,
            tuple(dict.fromkeys(split_words(text))),
            self._limit(bm25.limit, bm25.span, whole=False),
            weights=Bm25Weights(1.2 if k1 is None else k1, 0.75 if b is None else b),
            statistics=_statistics(bm25.statistics),
        )

    def _limit(self, limit: ast.Value | None, span: Span, *, whole: bool) -> int:
        count = count_of(limit, "limit", least=1)
        return self._checked_num_candidates(self._num_candidates(whole) if count is None else count, span)

    @staticmethod
    def _checked_num_candidates(count: int, span: Span) -> int:
        if count > MAX_CANDIDATES:
            raise ChromaSQLPlanningError(
                f"{count} candidates are more than {MAX_CANDIDATES}", code="invalid-argument", span=span
            )
        return count

    # Fusion

    def _rrf(self, rrf: ast.Rrf) -> Fusion:
        k = number_of(rrf.k, "k")
        if k is not None and k <= 0:
            assert rrf.k is not None
            raise ChromaSQLPlanningError("k takes a number above 0", code="invalid-argument", span=rrf.k.span)
        require_all = flag_of(rrf.require_all, "require_all") or False
        default = number_of(rrf.default, "default")
        if require_all and default is not None:
            raise ChromaSQLPlanningError(
                "require_all and default exclude each other", code="not-allowed-here", span=rrf.span
            )
        inside = _InFusion(default, optional=not require_all)
        weights = self._weights(rrf)
        return Fusion(tuple(self._expression(rank, inside) for rank in rrf.ranks), weights, RRF_K if k is None else k)

    @staticmethod
    def _weights(rrf: ast.Rrf) -> tuple[float, ...]:
        if isinstance(rrf.weights, ast.Parameter):
            literal(rrf.weights)
        items = rrf.weights.items if isinstance(rrf.weights, ast.Array) else ()
        weights = [number_of(item, "weights") or 0.0 for item in items] or [1.0] * len(rrf.ranks)
        if len(weights) != len(rrf.ranks):
            raise ChromaSQLPlanningError(
                f"RRF has {len(rrf.ranks)} ranks and {len(weights)} weights", code="invalid-argument", span=rrf.span
            )
        if min(weights) < 0:
            raise ChromaSQLPlanningError("weights cannot be below 0", code="invalid-argument", span=rrf.span)
        total = sum(weights)
        if total == 0:
            raise ChromaSQLPlanningError("RRF needs a weight above 0", code="invalid-argument", span=rrf.span)
        if not flag_of(rrf.normalize, "normalize"):
            return tuple(weights)
        return tuple(weight / total for weight in weights)


def _statistics(value: ast.Value | None) -> Literal["filtered", "all"]:
    """Return over which documents BM25 counts."""
    if value is None:
        return "filtered"
    given = literal(value)
    if not isinstance(given, str) or given.upper() != "ALL":
        raise ChromaSQLPlanningError(
            "statistics takes ALL; without it BM25 counts the documents that satisfy WHERE",
            code="invalid-argument",
            span=value.span,
        )
    return "all"


def _key(key: ast.Field | ast.Value | None) -> str:
    match key:
        case None:
            return EMBEDDING_KEY
        case ast.Field():
            name = key.key or key.root
        case value:
            given = literal(value)
            if not isinstance(given, str):
                raise ChromaSQLPlanningError("key takes the name of a field", code="invalid-argument", span=value.span)
            name = given
    return EMBEDDING_KEY if name in ("embedding", EMBEDDING_KEY) else name


def _query(item: ast.Embedding) -> TextQuery | VectorQuery | SparseQuery:
    """Return what a KNN searches for, with every component of a vector checked."""
    match item:
        case ast.EmbeddingText(text, model):
            words, name = literal(text), None if model is None else literal(model)
            if not isinstance(words, str):
                raise ChromaSQLPlanningError("TEXT takes a string", code="invalid-argument", span=text.span)
            if name is not None and not isinstance(name, str):
                raise ChromaSQLPlanningError("MODEL takes a string", code="invalid-argument", span=item.span)
            return TextQuery(words, name)
        case ast.EmbeddingVector(ast.DenseVector(values)):
            return VectorQuery(values)
        case ast.EmbeddingVector(ast.Array(items)):
            return VectorQuery(tuple(_component(part) for part in items))
        case ast.EmbeddingVector(ast.SparseVector(items)):
            weights = {index: _component(weight) for index, weight in items}
            if len(weights) != len(items):
                raise ChromaSQLPlanningError(
                    "the sparse vector has the same index twice", code="invalid-argument", span=item.span
                )
            ordered = sorted(weights)
            return SparseQuery(tuple(ordered), tuple(weights[index] for index in ordered))
        case _:
            assert isinstance(item.values, ast.Parameter)
            literal(item.values)
            raise AssertionError(item)


def _component(value: ast.Expression) -> float:
    number = number_of(value, "a vector")
    assert number is not None
    if abs(number) > _LARGEST:
        raise ChromaSQLPlanningError(
            f"a vector takes numbers of at most {_LARGEST:.2g}", code="invalid-argument", span=value.span
        )
    return float(number)
