"""Text to ast: one builder method for each rule of the grammar."""

from __future__ import annotations

import dataclasses
import math
import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from chromasql import ast
from chromasql._source import Span
from chromasql.complaint import (
    AGGREGATES,
    BM25_ARGUMENTS,
    KNN_ARGUMENTS,
    NO_QUERY,
    Complaint,
    no_function,
    reserved_word,
    span_of,
)
from chromasql.errors import ChromaSQLParseError, near_names
from chromasql.grammar import RESERVED, load_grammar

if TYPE_CHECKING:
    from lark import Lark, Token

__all__ = ["MAX_DEPTH", "MAX_LENGTH", "parse", "parse_script"]

MAX_DEPTH = 100
"""How deep predicates and rank expressions may nest."""

MAX_LENGTH = 1_000_000
"""How many characters a statement may have; long lists belong in a parameter."""

_KEPT_LENGTH = 10_000
"""How long a text may be for its tree to be kept."""

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


def parse(text: str) -> ast.Statement:
    """
    Parse one statement, with or without a closing semicolon.

    Raises `ChromaSQLParseError`, which draws the line with a caret. The result is frozen; a text
    parsed before is not parsed again.
    """
    statements = parse_script(text)
    if len(statements) > 1:
        raise ChromaSQLParseError(
            "more than one statement; parse_script and execute_many take several",
            source=text,
            span=statements[1].span,
        )
    return statements[0]


def parse_script(text: str) -> ast.Script:
    """Parse one or more statements separated by semicolons; see `parse`."""
    if not isinstance(text, str):
        raise ChromaSQLParseError(f"a statement is a str, not {type(text).__name__}")
    if len(text) > MAX_LENGTH:
        raise ChromaSQLParseError(
            f"the statement has {len(text)} characters, more than {MAX_LENGTH}; give long lists as parameters"
        )
    return _kept(text) if len(text) <= _KEPT_LENGTH else _read(text)


def _read(text: str) -> ast.Script:
    from lark.exceptions import UnexpectedCharacters, UnexpectedToken

    try:
        text.encode()
        statements: tuple[ast.Statement, ...] = _parser().parse(text)  # type: ignore[assignment]
        return tuple(_finished(statement, text) for statement in statements)
    except UnicodeEncodeError as error:
        raise ChromaSQLParseError(
            "half of a surrogate pair is no character", source=text, span=Span(error.start, error.start + 1)
        ) from None
    except (UnexpectedCharacters, UnexpectedToken) as error:
        message, span = Complaint(text, error, _parser()).explain()
        raise ChromaSQLParseError(message, source=text, span=span) from None
    except ChromaSQLParseError as error:
        error.source = text
        raise


_kept = lru_cache(maxsize=512)(_read)


@cache
def _parser() -> Lark:
    return load_grammar(_Spanning(_Builder()))


class _Spanning:
    """Lets Lark call a builder's methods with the span of the rule, then all that the rule matched."""

    def __init__(self, builder: _Builder) -> None:
        self._builder = builder

    def __getattr__(self, rule: str) -> Callable[[list[Any]], Any]:
        method = getattr(self._builder, rule)

        def build(children: list[Any]) -> Any:
            first, last = children[0], children[-1]
            if first is None or last is None:
                present = [child for child in children if child is not None]
                first, last = present[0], present[-1]
            start = first.start_pos if isinstance(first, str) else first.span[0]  # type: ignore[attr-defined]
            end = last.end_pos if isinstance(last, str) else last.span[1]  # type: ignore[attr-defined]
            return method(Span(start, end), *children)

        return build


class _Clause(NamedTuple):
    """Some fields of a Query, and the keyword that brought them."""

    keyword: str
    span: Span
    fields: dict[str, Any]


class _Part(NamedTuple):
    text: str
    span: Span


def _nodes(parts: Iterable[Any]) -> tuple[Any, ...]:
    return tuple(part for part in parts if isinstance(part, ast.Node))


class _Sources(NamedTuple):
    included: tuple[ast.Source, ...]
    excluded: tuple[ast.Source, ...]
    span: Span


# Tokens to values

_ESCAPES = {
    "\n": "",
    "\\": "\\",
    "'": "'",
    '"': '"',
    "a": "\a",
    "b": "\b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "v": "\v",
}
_ESCAPE = re.compile(r"\\(N\{[^}]*\}|U[0-9a-fA-F]{8}|u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|[0-7]{1,3}|[\s\S])|''|\"\"")


def _string(token: Token) -> str:
    """Return what a string token stands for: Python's escapes, a doubled quote, or r'..' as it is."""
    text = str(token)
    if text[0] in "rR":
        return text[2:-1]
    quote, body = text[0], text[1:-1]
    if "\\" not in body:
        return body.replace(quote * 2, quote)

    def unescaped(match: re.Match[str]) -> str:
        escape = match[1]
        if escape is None:
            return quote if match[0][0] == quote else match[0]
        if escape in _ESCAPES:
            return _ESCAPES[escape]
        if escape[0] in "01234567":
            return chr(int(escape, 8))
        if escape[0] not in "NUux":
            return match[0]
        try:
            value = unicodedata.lookup(escape[2:-1]) if escape[0] == "N" else chr(int(escape[1:], 16))
            value.encode()
        except (KeyError, ValueError, OverflowError):
            at = (token.start_pos or 0) + 1
            raise ChromaSQLParseError(
                f"{match[0]} is no character; write \\\\ for a backslash, or r'..' for a raw string",
                span=Span(at + match.start(), at + match.end()),
            ) from None
        return value

    return _ESCAPE.sub(unescaped, body)


def _number(token: Token, sign: Token | None = None) -> int | float:
    text = str(token)
    try:
        value = int(text) if text.isdigit() else float(text)
    except ValueError:  # Python limits the digits of an int
        value = math.inf
    if value == math.inf:
        raise ChromaSQLParseError("the number is too large", span=span_of(token))
    return -value if sign is not None and sign == "-" else value


def _name(token: Token) -> str:
    """Return a name without its quotes."""
    text = str(token)
    if text[0] not in '`"':
        return text
    name = text[1:-1].replace(text[0] * 2, text[0])
    if not name:
        raise ChromaSQLParseError("a quoted name is empty", span=span_of(token))
    return name


def _parameter_key(token: Token) -> str | int:
    text = str(token)
    if text == "?":
        return 0  # numbered once the whole statement is known
    key = text[1:]
    if not key.isdigit():
        return key
    if int(key) == 0:
        raise ChromaSQLParseError("positions of parameters count from $1", span=span_of(token))
    return int(key)


# What the builder checks


def _arguments(arguments: Iterable[ast.Argument], known: Sequence[str], where: str) -> dict[str, ast.Argument]:
    found: dict[str, ast.Argument] = {}
    for argument in arguments:
        if argument.name not in known:
            hint = near_names(argument.name, known) or f"; it takes {', '.join(known)}"
            raise ChromaSQLParseError(
                f"{where} has no argument {argument.name}{hint}",
                span=argument.span,
            )
        if argument.name in found:
            raise ChromaSQLParseError(f"{where} has {argument.name} twice", span=argument.span)
        found[argument.name] = argument
    return found


def _plain(found: dict[str, ast.Argument], name: str) -> ast.Value | None:
    """Return an argument that must be a single value."""
    argument = found.get(name)
    if argument is None:
        return None
    if not isinstance(argument.value, ast.Literal | ast.Parameter):
        raise ChromaSQLParseError(f"{name} takes a single value", span=argument.value.span)
    return argument.value


def _positive(value: ast.Value | None, what: str) -> ast.Value | None:
    if isinstance(value, ast.Literal) and (type(value.value) is not int or value.value < 1):
        raise ChromaSQLParseError(f"{what} takes a whole number of at least 1", span=value.span)
    return value


def _whole(value: ast.Value, what: str) -> ast.Value:
    if isinstance(value, ast.Literal) and type(value.value) is not int:
        raise ChromaSQLParseError(f"{what} takes a whole number", span=value.span)
    return value


def _text(value: ast.Value, what: str) -> ast.Value:
    if isinstance(value, ast.Literal) and not isinstance(value.value, str):
        raise ChromaSQLParseError(f"{what} takes a string", span=value.span)
    return value


class _Builder:
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
        return _Clause("LIKE", span, {"like": _text(pattern, "LIKE")})

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
        return ast.ProjectionItem(operand, None if alias is None else _name(alias), span=span)

    def aggregate(self, span: Span, function: Token, *inside: Any) -> ast.Aggregate:
        name = function.upper()
        if name not in AGGREGATES:
            raise ChromaSQLParseError(no_function(function), span=span_of(function))
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
        return source if alias is None else dataclasses.replace(source, alias=_name(alias), span=span)

    def source_name(self, span: Span, token: Token) -> ast.Source:
        if token.type == "PARAM":
            return ast.Source(ast.Parameter(_parameter_key(token), span=span), span=span)
        return ast.Source(_name(token), quoted=token.type != "SOURCE", span=span)

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
        return ast.EmbeddingVector(_vector_of(values), span=span)

    # Rank expressions

    def rank(self, span: Span, _rank: Token, _by: Token, expression: ast.RankExpr) -> _Clause:
        return _Clause("RANK BY", span, {"rank": expression})

    def binary(self, span: Span, left: ast.RankExpr, operator: Token, right: ast.RankExpr) -> ast.Binary:
        return ast.Binary(str(operator), left, right, span=span)

    def unary(self, span: Span, operator: Token, operand: ast.RankExpr) -> ast.Unary:
        return ast.Unary(str(operator), operand, span=span)

    def number(self, span: Span, token: Token) -> ast.Number:
        return ast.Number(ast.Literal(_number(token), span=span), span=span)

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
        found = _arguments((part for part in rest if isinstance(part, ast.Argument)), KNN_ARGUMENTS, "KNN")
        if "query" in found:
            raise ChromaSQLParseError("KNN has its query twice", span=found["query"].span)
        return self._knn(span, query, found)

    def knn_named(self, span: Span, _knn: Token, _open: Token, *rest: Any) -> ast.Knn:
        found = _arguments((part for part in rest if isinstance(part, ast.Argument)), KNN_ARGUMENTS, "KNN")
        if "query" not in found:
            raise ChromaSQLParseError(NO_QUERY, span=span)
        return self._knn(span, found["query"].value, found)

    def _knn(self, span: Span, query: Any, found: dict[str, ast.Argument]) -> ast.Knn:
        if isinstance(query, ast.Literal):
            query = ast.EmbeddingText(_text(query, "KNN"), span=query.span)
        elif isinstance(query, ast.Array | ast.SparseVector):
            query = ast.EmbeddingVector(_vector_of(query), span=query.span)
        elif isinstance(query, ast.Field):
            raise ChromaSQLParseError(f"KNN takes the query first: KNN('words', key = {query.name})", span=query.span)
        key = found["key"].value if "key" in found else None
        if isinstance(key, ast.Array | ast.SparseVector):
            raise ChromaSQLParseError("key takes the name of a field", span=key.span)
        return ast.Knn(
            query,
            key=key if isinstance(key, ast.Field) or key is None else _text(key, "key"),
            limit=_positive(_plain(found, "limit"), "limit"),
            default=_plain(found, "default"),
            return_rank=_plain(found, "return_rank"),
            span=span,
        )

    def bm25(self, span: Span, _bm25: Token, _open: Token, query: ast.Value, *rest: Any) -> ast.Bm25:
        found = _arguments((part for part in rest if isinstance(part, ast.Argument)), BM25_ARGUMENTS, "BM25")
        _positive(_plain(found, "limit"), "limit")
        return ast.Bm25(query, span=span, **{name: _plain(found, name) for name in BM25_ARGUMENTS})

    def rrf(self, span: Span, _rrf: Token, *parts: Any) -> ast.Rrf:
        found = _arguments((part for part in parts if isinstance(part, ast.Argument)), _RRF_ARGUMENTS, "RRF")
        ranks = tuple(part for part in parts if isinstance(part, ast.Node) and not isinstance(part, ast.Argument))
        weights = found["weights"].value if "weights" in found else None
        if not (weights is None or isinstance(weights, ast.Array | ast.Parameter)):
            raise ChromaSQLParseError("weights takes a list of numbers, one for each rank", span=weights.span)
        if isinstance(weights, ast.Array) and len(weights.items) != len(ranks):
            raise ChromaSQLParseError(
                f"weights takes one number for each rank: {len(ranks)}, not {len(weights.items)}", span=weights.span
            )
        plain = {name: _plain(found, name) for name in _RRF_ARGUMENTS if name != "weights"}
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
        return _Clause("TOPK", span, {"topk": _whole(count, "TOPK")})

    def limit(self, span: Span, _limit: Token, count: ast.Value) -> _Clause:
        return _Clause("LIMIT", span, {"limit": _whole(count, "LIMIT")})

    def offset(self, span: Span, _offset: Token, count: ast.Value) -> _Clause:
        return _Clause("OFFSET", span, {"offset": _whole(count, "OFFSET")})

    def threshold(self, span: Span, _with: Token, _score: Token, _threshold: Token, bound: ast.Value) -> _Clause:
        return _Clause("WITH SCORE THRESHOLD", span, {"score_threshold": bound})

    def group(self, span: Span, _group: Token, _by: Token, *parts: Any) -> _Clause:
        keys = tuple(part for part in parts if isinstance(part, ast.Field))
        keep = next((part for part in parts if isinstance(part, ast.Keep)), None)
        return _Clause("GROUP BY", span, {"group_by": ast.GroupBy(keys, keep, span=span)})

    def keep(self, span: Span, _keep: Token, count: ast.Value, *parts: Any) -> ast.Keep:
        items = tuple(part for part in parts if isinstance(part, ast.OrderItem))
        return ast.Keep(_whole(count, "KEEP"), items, span=span)

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
        arguments = tuple(_worded(part) for part in parts if isinstance(part, ast.Argument))
        _arguments(arguments, [argument.name for argument in arguments], "RERANK BY")
        return _Clause("RERANK BY", span, {"rerank": ast.Rerank(strategy.upper(), arguments, span=span)})

    def options(self, span: Span, _with: Token, _open: Token, *parts: Any) -> _Clause:
        arguments = tuple(_worded(part) for part in parts if isinstance(part, ast.Argument))
        _arguments(arguments, [argument.name for argument in arguments], "WITH")
        return _Clause("WITH", span, {"options": arguments})

    def arg(self, span: Span, name: Token, _equals: Token, value: Any) -> ast.Argument:
        return ast.Argument(name.lower(), value, span=span)

    # Names and values

    def path(self, span: Span, root: Token, *steps: _Part) -> ast.Field:
        if root.type == "NAME" and root.upper() in RESERVED:
            raise ChromaSQLParseError(reserved_word(root), span=span_of(root))
        parts = (_name(root), *(step.text for step in steps))
        head = parts[0].lower()
        if head == "metadata":
            return ast.Field("metadata", parts[1:], span=span)
        if head in ast.SYSTEM_COLUMNS and len(parts) == 1:
            return ast.Field(head, span=span)
        return ast.Field("metadata", parts, bare=True, span=span)

    def path_step(self, span: Span, _mark: Token, token: Token, *_close: Token) -> _Part:
        name = _string(token) if token.type == "STRING" else _name(token)
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
            position = _number(index)
            if not isinstance(position, int):
                raise ChromaSQLParseError("an index of a sparse vector is a whole number", span=span_of(index))
            items.append((position, weight))
        return ast.SparseVector(tuple(items), span=span)

    def string_literal(self, span: Span, token: Token) -> ast.Literal:
        return ast.Literal(_string(token), span=span)

    def signed_number(self, span: Span, sign: Token | None, token: Token) -> ast.Literal:
        return ast.Literal(_number(token, sign), span=span)

    def true(self, span: Span, _token: Token) -> ast.Literal:
        return ast.Literal(value=True, span=span)

    def false(self, span: Span, _token: Token) -> ast.Literal:
        return ast.Literal(value=False, span=span)

    def null(self, span: Span, _token: Token) -> ast.Literal:
        return ast.Literal(None, span=span)

    def parameter(self, span: Span, token: Token) -> ast.Parameter:
        return ast.Parameter(_parameter_key(token), span=span)


_DOCUMENT = ast.Field("document")
_TEXT_TESTS = (ast.ContainsPredicate, ast.LikePredicate, ast.RegexPredicate)


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


def _vector_of(
    values: ast.Array | ast.SparseVector | ast.Parameter,
) -> ast.Array | ast.SparseVector | ast.Parameter:
    if isinstance(values, ast.Array):
        if not values.items:
            raise ChromaSQLParseError("a vector needs at least one number", span=values.span)
        for item in values.items:
            if isinstance(item, ast.Literal) and (
                isinstance(item.value, bool) or not isinstance(item.value, int | float)
            ):
                raise ChromaSQLParseError("a vector holds numbers only", span=item.span)
    return values


def _worded(argument: ast.Argument) -> ast.Argument:
    """Read a bare word after WITH or RERANK BY as a string: ``merge = RRF``."""
    value = argument.value
    if isinstance(value, ast.Field):
        return dataclasses.replace(argument, value=ast.Literal(value.name, span=value.span))
    return argument


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


# After the parser


def _finished(statement: ast.Statement, text: str) -> ast.Statement:
    """Check the depth, number ``?`` parameters, resolve aliases: what needs the whole statement."""
    questions: list[ast.Parameter] = []
    qualified: list[ast.Field] = []
    pending: list[tuple[ast.Node, int]] = [(statement, 0)]
    while pending:
        node, depth = pending.pop()
        if depth > MAX_DEPTH:
            raise ChromaSQLParseError(f"nested deeper than {MAX_DEPTH} levels", span=node.span)
        for child in ast.children(node):
            if isinstance(child, ast.Parameter):
                if child.key == 0:
                    questions.append(child)
            elif isinstance(child, ast.Field):
                if child.bare and len(child.path) > 1:
                    qualified.append(child)
            elif not isinstance(child, ast.Literal):
                pending.append((child, depth + 1))
    questions.sort(key=lambda node: node.span)
    changes: dict[int, ast.Node] = {
        id(node): dataclasses.replace(node, key=at) for at, node in enumerate(questions, start=1)
    }
    if isinstance(statement, ast.Query):
        names = {source.alias or source.name for source in statement.sources}
        changes.update((id(node), _unqualified(node, names)) for node in qualified if node.path[0] in names)
    if changes:
        statement = ast.transform(statement, lambda node: changes.get(id(node), node))
    return dataclasses.replace(statement, source_text=text)


def _unqualified(field: ast.Field, names: set[str | ast.Parameter]) -> ast.Field:
    """Read ``d.lang`` as the field ``lang``, where ``d`` is what FROM calls its collection."""
    qualifier, *rest = field.path
    if len(names) > 1:
        raise ChromaSQLParseError(
            f"a field means the same in all collections, so {qualifier} cannot single one out; "
            f"write {'.'.join(rest)}, and filter on _collection if one is meant",
            span=field.span,
        )
    head = rest[0].lower()
    if head == "metadata":
        return dataclasses.replace(field, path=tuple(rest[1:]), bare=False, qualifier=qualifier)
    if head in ast.SYSTEM_COLUMNS and len(rest) == 1:
        return dataclasses.replace(field, root=head, path=(), bare=False, qualifier=qualifier)
    return dataclasses.replace(field, path=tuple(rest), qualifier=qualifier)
