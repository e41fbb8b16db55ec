"""The pieces of a statement to nodes of the tree: one method for each rule of the grammar."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from chromasql import ast
from chromasql._source import Span
from chromasql.errors import ChromaSQLParseError, near_names
from chromasql.grammar import RESERVED
from chromasql.parser.arguments import (
    bare_word_as_string,
    check_positive,
    check_string,
    check_vector,
    check_whole,
    named_arguments,
    single_value,
)
from chromasql.parser.literals import read_name, read_number, read_parameter, read_string
from chromasql.parser.syntax_errors import (
    AGGREGATES,
    BM25_ARGUMENTS,
    KNN_ARGUMENTS,
    NO_QUERY,
    reserved_word_message,
    span_of,
    unknown_function_message,
)

if TYPE_CHECKING:
    from lark import Token

__all__ = ["Builder"]

_FUNCTIONS = {
    "ABS": "ABS",
    "COALESCE": "COALESCE",
    "EXP": "EXP",
    "GREATEST": "MAX",
    "LEAST": "MIN",
    "LN": "LOG",
    "LOG": "LOG",
    "MAX": "MAX",
    "MIN": "MIN",
}


_UNARY_FUNCTIONS = frozenset({"ABS", "EXP", "LOG"})


_RRF_ARGUMENTS = ("k", "weights", "normalize", "default", "require_all")


_DOCUMENT = ast.Field("document")


_TEXT_TESTS = (ast.ContainsPredicate, ast.LikePredicate, ast.RegexPredicate)


class _Clause(NamedTuple):
    """Some fields of a Query, and the keyword that brought them."""

    keyword: str
    span: Span
    fields: dict[str, Any]


class _Part(NamedTuple):
    text: str
    span: Span


class _Sources(NamedTuple):
    included: tuple[ast.Source, ...]
    excluded: tuple[ast.Source, ...]
    span: Span


def _nodes(parts: Iterable[Any]) -> tuple[Any, ...]:
    return tuple(part for part in parts if isinstance(part, ast.Node))


class Builder:
    """
    One method for each rule; each builds one node.

    Lark calls a method while it reads the text, with the span of the rule and every token and node in it:
    keywords and punctuation are there too, under names that begin with an underscore.
    """

    # Statements

    def script(self, _at: Span, *parts: Any) -> tuple[ast.Statement, ...]:
        return _nodes(parts)

    def explain(self, span: Span, _explain: Token, *rest: Any) -> ast.Query:
        query: ast.Query = rest[-1]
        return dataclasses.replace(query, explain="ANALYZE" if len(rest) > 1 else "PLAN", span=span)

    def show_collections(self, span: Span, _show: Token, _collections: Token, *clauses: _Clause) -> ast.ShowCollections:
        return ast.ShowCollections(span=span, **_fields(clauses))

    def like_names(self, span: Span, _like: Token, pattern: ast.Value) -> _Clause:
        return _Clause("LIKE", span, {"like": check_string(pattern, "LIKE")})

    def describe(self, span: Span, _describe: Token, source: ast.Source) -> ast.Describe:
        if source.is_pattern:
            raise ChromaSQLParseError("DESCRIBE takes one collection, not a pattern", span=source.span)
        return ast.Describe(source, span=span)

    def select(self, span: Span, _select: Token, *parts: Any) -> ast.Query:
        *distinct, projection, _from, sources = [part for part in parts if not isinstance(part, _Clause)]
        clauses = [part for part in parts if isinstance(part, _Clause)]
        fields = _fields(clauses)
        if "embedding" in fields and "rank" in fields:
            second = [clause for clause in clauses if clause.keyword in ("USING EMBEDDING", "RANK BY")][1]
            raise ChromaSQLParseError(
                "USING EMBEDDING and RANK BY in one statement; USING EMBEDDING (TEXT 'q') is RANK BY KNN('q')",
                span=second.span,
            )
        if distinct:
            projection = dataclasses.replace(projection, distinct=True)
        return ast.Query(projection, sources.included, excluded=sources.excluded, span=span, **fields)

    # Projection and sources

    def projection(self, span: Span, *parts: Any) -> ast.Projection:
        return ast.Projection(tuple(parts[::2]), span=span)

    def star(self, span: Span, _star: Token, *excluded: Any) -> ast.Star:
        return ast.Star(tuple(each for each in excluded if isinstance(each, ast.Field)), span=span)

    def item(self, span: Span, operand: ast.Operand, _as: Token | None, alias: Token | None) -> ast.ProjectionItem:
        return ast.ProjectionItem(operand, None if alias is None else read_name(alias), span=span)

    def aggregate(self, span: Span, function: Token, *inside: Any) -> ast.Aggregate:
        name = function.upper()
        if name not in AGGREGATES:
            raise ChromaSQLParseError(unknown_function_message(function), span=span_of(function))
        distinct = any(getattr(part, "type", None) == "DISTINCT" for part in inside)
        fields = [part for part in inside if isinstance(part, ast.Field)]
        star = any(part is not None and getattr(part, "value", None) == "*" for part in inside)
        if not fields and not star:
            raise ChromaSQLParseError(f"{name} of what? Write COUNT(*) or {name}(field)", span=span)
        if star and name != "COUNT":
            raise ChromaSQLParseError(f"{name}(*) has no meaning; write {name}(field)", span=span)
        return ast.Aggregate(name, fields[0] if fields else None, distinct, span=span)

    def sources(self, span: Span, *parts: Any) -> _Sources:
        at = next((index for index, part in enumerate(parts) if getattr(part, "type", None) == "EXCEPT"), len(parts))
        included = tuple(part for part in parts[:at] if isinstance(part, ast.Source))
        excluded = tuple(part for part in parts[at:] if isinstance(part, ast.Source))
        return _Sources(included, excluded, span)

    def source(self, span: Span, source: ast.Source, _as: Token | None, alias: Token | None) -> ast.Source:
        return source if alias is None else dataclasses.replace(source, alias=read_name(alias), span=span)

    def source_name(self, span: Span, token: Token) -> ast.Source:
        if token.type == "PARAM":
            return ast.Source(ast.Parameter(read_parameter(token), span=span), span=span)
        return ast.Source(read_name(token), quoted=token.type != "SOURCE", span=span)

    # Embeddings

    def using_batch(self, span: Span, _using: Token, _embedding: Token, _batch: Token, *items: Any) -> _Clause:
        return _Clause("USING EMBEDDING", span, {"embedding": ast.EmbeddingBatch(_nodes(items), span=span)})

    def using_one(
        self,
        span: Span,
        _using: Token,
        _embedding: Token,
        _open: Token,
        embedding: ast.Embedding,
        _close: Token,
    ) -> _Clause:
        return _Clause("USING EMBEDDING", span, {"embedding": embedding})

    def embedding_text(
        self, span: Span, _keyword: Token, text: ast.Value, _model: Token | None, model: ast.Value | None
    ) -> ast.EmbeddingText:
        return ast.EmbeddingText(text, model, span=span)

    def embedding_vector(
        self, span: Span, _vector: Token, values: ast.Array | ast.SparseVector | ast.Parameter
    ) -> ast.EmbeddingVector:
        return ast.EmbeddingVector(check_vector(values), span=span)

    # Rank expressions

    def rank(self, span: Span, _rank: Token, _by: Token, expression: ast.RankExpr) -> _Clause:
        return _Clause("RANK BY", span, {"rank": expression})

    def binary(self, span: Span, left: ast.RankExpr, operator: Token, right: ast.RankExpr) -> ast.Binary:
        return ast.Binary(str(operator), left, right, span=span)

    def unary(self, span: Span, operator: Token, operand: ast.RankExpr) -> ast.Unary:
        return ast.Unary(str(operator), operand, span=span)

    def number(self, span: Span, token: Token) -> ast.Number:
        return ast.Number(ast.Literal(read_number(token), span=span), span=span)

    def number_parameter(self, span: Span, parameter: ast.Parameter) -> ast.Number:
        return ast.Number(parameter, span=span)

    def grouped(self, _at: Span, _open: Token, inner: Any, _close: Token) -> Any:
        return inner

    def call(self, span: Span, function: Token, _open: Token, *parts: Any) -> ast.Call:
        name = _FUNCTIONS.get(function.upper())
        if name is None:
            known = (*_FUNCTIONS, "KNN", "BM25", "RRF")
            hint = near_names(function, known) or f"; it has {', '.join(sorted(known))}"
            raise ChromaSQLParseError(f"RANK BY has no function {function}{hint}", span=span_of(function))
        arguments = _nodes(parts)
        if name in _UNARY_FUNCTIONS and len(arguments) > 1:
            raise ChromaSQLParseError(f"{function.upper()} takes one argument", span=arguments[1].span)
        return ast.Call(name, arguments, span=span)

    def knn_positional(self, span: Span, _knn: Token, _open: Token, query: Any, *rest: Any) -> ast.Knn:
        found = named_arguments((part for part in rest if isinstance(part, ast.Argument)), KNN_ARGUMENTS, "KNN")
        if "query" in found:
            raise ChromaSQLParseError("KNN has its query twice", span=found["query"].span)
        return self._knn(span, query, found)

    def knn_named(self, span: Span, _knn: Token, _open: Token, *rest: Any) -> ast.Knn:
        found = named_arguments((part for part in rest if isinstance(part, ast.Argument)), KNN_ARGUMENTS, "KNN")
        if "query" not in found:
            raise ChromaSQLParseError(NO_QUERY, span=span)
        return self._knn(span, found["query"].value, found)

    def _knn(self, span: Span, query: Any, found: dict[str, ast.Argument]) -> ast.Knn:
        if isinstance(query, ast.Literal):
            query = ast.EmbeddingText(check_string(query, "KNN"), span=query.span)
        elif isinstance(query, ast.Array | ast.SparseVector):
            query = ast.EmbeddingVector(check_vector(query), span=query.span)
        elif isinstance(query, ast.Field):
            raise ChromaSQLParseError(f"KNN takes the query first: KNN('words', key = {query.name})", span=query.span)
        key = found["key"].value if "key" in found else None
        if isinstance(key, ast.Array | ast.SparseVector):
            raise ChromaSQLParseError("key takes the name of a field", span=key.span)
        return ast.Knn(
            query,
            key=key if isinstance(key, ast.Field) or key is None else check_string(key, "key"),
            limit=check_positive(single_value(found, "limit"), "limit"),
            default=single_value(found, "default"),
            return_rank=single_value(found, "return_rank"),
            span=span,
        )

    def bm25(self, span: Span, _bm25: Token, _open: Token, query: ast.Value, *rest: Any) -> ast.Bm25:
        found = named_arguments((part for part in rest if isinstance(part, ast.Argument)), BM25_ARGUMENTS, "BM25")
        check_positive(single_value(found, "limit"), "limit")
        return ast.Bm25(query, span=span, **{name: single_value(found, name) for name in BM25_ARGUMENTS})

    def rrf(self, span: Span, _rrf: Token, *parts: Any) -> ast.Rrf:
        found = named_arguments((part for part in parts if isinstance(part, ast.Argument)), _RRF_ARGUMENTS, "RRF")
        ranks = tuple(part for part in parts if isinstance(part, ast.Node) and not isinstance(part, ast.Argument))
        weights = found["weights"].value if "weights" in found else None
        if not (weights is None or isinstance(weights, ast.Array | ast.Parameter)):
            raise ChromaSQLParseError("weights takes a list of numbers, one for each rank", span=weights.span)
        if isinstance(weights, ast.Array) and len(weights.items) != len(ranks):
            raise ChromaSQLParseError(
                f"weights takes one number for each rank: {len(ranks)}, not {len(weights.items)}", span=weights.span
            )
        plain = {name: single_value(found, name) for name in _RRF_ARGUMENTS if name != "weights"}
        return ast.Rrf(ranks, weights=weights, span=span, **plain)  # type: ignore[arg-type]

    # Predicates

    def where(self, span: Span, _where: Token, predicate: ast.Predicate) -> _Clause:
        return _Clause("WHERE", span, {"where": predicate})

    def having(self, span: Span, _having: Token, predicate: ast.Predicate) -> _Clause:
        return _Clause("HAVING", span, {"having": predicate})

    def where_document(self, span: Span, _keyword: Token, predicate: ast.Predicate) -> _Clause:
        return _Clause("WHERE_DOCUMENT", span, {"where_document": predicate})

    def disjunction(self, span: Span, *parts: Any) -> ast.Predicate:
        return _joined("OR", parts[::2], span)

    def conjunction(self, span: Span, *parts: Any) -> ast.Predicate:
        return _joined("AND", parts[::2], span)

    def negation(self, span: Span, _not: Token, predicate: ast.Predicate) -> ast.NotPredicate:
        return ast.NotPredicate(predicate, span=span)

    def document_negation(self, span: Span, _not: Token, predicate: ast.Predicate) -> ast.Predicate:
        """Read ``NOT CONTAINS 'x'``, where the field is left out, as ``document NOT CONTAINS 'x'``."""
        if isinstance(predicate, _TEXT_TESTS) and not predicate.negated:
            return dataclasses.replace(predicate, negated=True, span=span)
        return ast.NotPredicate(predicate, span=span)

    def comparison(
        self, span: Span, operand: ast.Operand, operator: Token, value: ast.Value
    ) -> ast.ComparisonPredicate:
        written = {"==": "=", "<>": "!="}.get(str(operator), str(operator))
        return ast.ComparisonPredicate(operand, written, value, span=span)

    def membership(
        self,
        span: Span,
        operand: ast.Operand,
        negated: Token | None,
        _in: Token,
        values: ast.Array | ast.Parameter,
    ) -> ast.InPredicate:
        return ast.InPredicate(operand, values, negated is not None, span=span)

    def between(
        self,
        span: Span,
        operand: ast.Operand,
        negated: Token | None,
        _between: Token,
        low: ast.Value,
        _and: Token,
        high: ast.Value,
    ) -> ast.BetweenPredicate:
        return ast.BetweenPredicate(operand, low, high, negated is not None, span=span)

    def is_null(
        self, span: Span, operand: ast.Operand, _is: Token, negated: Token | None, _null: Token
    ) -> ast.IsNullPredicate:
        return ast.IsNullPredicate(operand, negated is not None, span=span)

    def is_distinct(
        self,
        span: Span,
        operand: ast.Operand,
        _is: Token,
        negated: Token | None,
        _distinct: Token,
        _from: Token,
        value: ast.Value,
    ) -> ast.IsDistinctPredicate:
        return ast.IsDistinctPredicate(operand, value, negated is not None, span=span)

    def text_test(self, span: Span, operand: ast.Operand, test: Any) -> ast.Predicate:
        predicate: ast.Predicate = dataclasses.replace(test, operand=operand, span=span)
        return predicate

    def not_text_test(self, span: Span, operand: ast.Operand, _not: Token, test: Any) -> ast.Predicate:
        predicate: ast.Predicate = dataclasses.replace(test, operand=operand, negated=True, span=span)
        return predicate

    def contains_one(self, span: Span, _contains: Token, value: ast.Value) -> ast.ContainsPredicate:
        return ast.ContainsPredicate(_DOCUMENT, value, span=span)

    def contains_many(
        self, span: Span, _contains: Token, quantifier: Token, values: ast.Array | ast.Parameter
    ) -> ast.ContainsPredicate:
        return ast.ContainsPredicate(_DOCUMENT, values, quantifier=quantifier.upper(), span=span)

    def like(self, span: Span, operator: Token, pattern: ast.Value) -> ast.LikePredicate:
        ignore_case = operator.upper() == "ILIKE"
        return ast.LikePredicate(_DOCUMENT, pattern, ignore_case=ignore_case, span=span)

    def regex(self, span: Span, _regex: Token, pattern: ast.Value) -> ast.RegexPredicate:
        return ast.RegexPredicate(_DOCUMENT, pattern, span=span)

    def document_test(self, _at: Span, test: ast.Predicate) -> ast.Predicate:
        return test

    def named_document_test(self, span: Span, name: Token, test: ast.Predicate) -> ast.Predicate:
        return self.text_test(span, _document(name), test)

    def named_not_document_test(self, span: Span, name: Token, _not: Token, test: ast.Predicate) -> ast.Predicate:
        return self.not_text_test(span, _document(name), _not, test)

    # Other clauses

    def similarity(self, span: Span, _similarity: Token, space: Token) -> _Clause:
        return _Clause("SIMILARITY", span, {"similarity": space.upper()})

    def topk(self, span: Span, _topk: Token, count: ast.Value) -> _Clause:
        return _Clause("TOPK", span, {"topk": check_whole(count, "TOPK")})

    def limit(self, span: Span, _limit: Token, count: ast.Value) -> _Clause:
        return _Clause("LIMIT", span, {"limit": check_whole(count, "LIMIT")})

    def offset(self, span: Span, _offset: Token, count: ast.Value) -> _Clause:
        return _Clause("OFFSET", span, {"offset": check_whole(count, "OFFSET")})

    def threshold(self, span: Span, _with: Token, _score: Token, _threshold: Token, bound: ast.Value) -> _Clause:
        return _Clause("WITH SCORE THRESHOLD", span, {"score_threshold": bound})

    def group(self, span: Span, _group: Token, _by: Token, *parts: Any) -> _Clause:
        keys = tuple(part for part in parts if isinstance(part, ast.Field))
        keep = next((part for part in parts if isinstance(part, ast.Keep)), None)
        return _Clause("GROUP BY", span, {"group_by": ast.GroupBy(keys, keep, span=span)})

    def keep(self, span: Span, _keep: Token, count: ast.Value, *parts: Any) -> ast.Keep:
        items = tuple(part for part in parts if isinstance(part, ast.OrderItem))
        return ast.Keep(check_whole(count, "KEEP"), items, span=span)

    def order(self, span: Span, _order: Token, _by: Token, *parts: Any) -> _Clause:
        return _Clause("ORDER BY", span, {"order_by": tuple(parts[::2])})

    def order_item(
        self,
        span: Span,
        operand: ast.Operand,
        direction: Token | None,
        _nulls: Token | None,
        where: Token | None,
    ) -> ast.OrderItem:
        return ast.OrderItem(
            operand,
            "ASC" if direction is None else direction.upper(),
            None if where is None else where.upper(),
            span=span,
        )

    def rerank(self, span: Span, _rerank: Token, _by: Token, strategy: Token, *parts: Any) -> _Clause:
        arguments = tuple(bare_word_as_string(part) for part in parts if isinstance(part, ast.Argument))
        named_arguments(arguments, [argument.name for argument in arguments], "RERANK BY")
        return _Clause("RERANK BY", span, {"rerank": ast.Rerank(strategy.upper(), arguments, span=span)})

    def options(self, span: Span, _with: Token, _open: Token, *parts: Any) -> _Clause:
        arguments = tuple(bare_word_as_string(part) for part in parts if isinstance(part, ast.Argument))
        named_arguments(arguments, [argument.name for argument in arguments], "WITH")
        return _Clause("WITH", span, {"options": arguments})

    def arg(self, span: Span, name: Token, _equals: Token, value: Any) -> ast.Argument:
        return ast.Argument(name.lower(), value, span=span)

    # Names and values

    def path(self, span: Span, root: Token, *steps: _Part) -> ast.Field:
        if root.type == "NAME" and root.upper() in RESERVED:
            raise ChromaSQLParseError(reserved_word_message(root), span=span_of(root))
        parts = (read_name(root), *(step.text for step in steps))
        head = parts[0].lower()
        if head == "metadata":
            return ast.Field("metadata", parts[1:], span=span)
        if head in ast.SYSTEM_COLUMNS and len(parts) == 1:
            return ast.Field(head, span=span)
        return ast.Field("metadata", parts, bare=True, span=span)

    def path_step(self, span: Span, _mark: Token, token: Token, *_close: Token) -> _Part:
        name = read_string(token) if token.type == "STRING" else read_name(token)
        if not name:
            raise ChromaSQLParseError("the name of a metadata key is empty", span=span)
        return _Part(name, span)

    def value_list(self, span: Span, *parts: Any) -> ast.Array:
        return ast.Array(_nodes(parts), span=span)

    def array(self, span: Span, *parts: Any) -> ast.Array:
        return self.value_list(span, *parts)

    def sparse(self, span: Span, *parts: Any) -> ast.SparseVector:
        tokens = [part for part in parts if isinstance(part, ast.Node) or part.type == "NUMBER"]
        items = []
        for index, weight in zip(tokens[::2], tokens[1::2], strict=True):
            position = read_number(index)
            if not isinstance(position, int):
                raise ChromaSQLParseError("an index of a sparse vector is a whole number", span=span_of(index))
            items.append((position, weight))
        return ast.SparseVector(tuple(items), span=span)

    def string_literal(self, span: Span, token: Token) -> ast.Literal:
        return ast.Literal(read_string(token), span=span)

    def signed_number(self, span: Span, sign: Token | None, token: Token) -> ast.Literal:
        return ast.Literal(read_number(token, sign), span=span)

    def true(self, span: Span, _token: Token) -> ast.Literal:
        return ast.Literal(value=True, span=span)

    def false(self, span: Span, _token: Token) -> ast.Literal:
        return ast.Literal(value=False, span=span)

    def null(self, span: Span, _token: Token) -> ast.Literal:
        return ast.Literal(None, span=span)

    def parameter(self, span: Span, token: Token) -> ast.Parameter:
        return ast.Parameter(read_parameter(token), span=span)


def _document(name: Token) -> ast.Field:
    if name.upper() == "WHERE_DOCUMENT":
        raise ChromaSQLParseError(
            "WHERE_DOCUMENT is written once: WHERE_DOCUMENT CONTAINS 'a' OR CONTAINS 'b'", span=span_of(name)
        )
    if name.lower() != "document":
        raise ChromaSQLParseError(
            f"WHERE_DOCUMENT is about the document alone; test {name} in WHERE", span=span_of(name)
        )
    return ast.Field("document", span=span_of(name))


def _joined(operator: str, parts: Sequence[ast.Predicate], span: Span) -> ast.Predicate:
    """Join predicates into one node, flattening those that the same operator joins already."""
    if len(parts) == 1:
        return parts[0]
    flat: list[ast.Predicate] = []
    for part in parts:
        same = isinstance(part, ast.BooleanPredicate) and part.operator == operator
        flat.extend(part.predicates if same else (part,))  # type: ignore[union-attr]
    return ast.BooleanPredicate(operator, tuple(flat), span=span)


def _fields(clauses: Iterable[_Clause]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    seen: set[str] = set()
    for clause in clauses:
        if clause.keyword in seen:
            combine = "; combine with AND" if clause.keyword in ("WHERE", "WHERE_DOCUMENT", "HAVING") else ""
            raise ChromaSQLParseError(f"{clause.keyword} is given twice{combine}", span=clause.span)
        seen.add(clause.keyword)
        fields.update(clause.fields)
    return fields
