"""Ast to canonical text: the statement that `chromasql.parser.parse` reads back as the same tree."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeAlias, assert_never

from chromasql import ast
from chromasql.ast.traversal import content_names
from chromasql.errors import ChromaSQLError
from chromasql.grammar import RESERVED, terminal_pattern

__all__ = ["print_script", "print_statement"]

_AMBIGUOUS = RESERVED | {"BM25", "DISTINCT", "KNN", "RRF"}
"""Words that are not read as a field in some of the places where a field may stand."""


_ESCAPES = {"\\": "\\\\", "'": "''", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


_OR, _AND, _NOT = range(3)


_SUM, _PRODUCT, _SIGNED = range(3)


_Test: TypeAlias = (
    ast.ComparisonPredicate
    | ast.InPredicate
    | ast.BetweenPredicate
    | ast.IsNullPredicate
    | ast.IsDistinctPredicate
    | ast.LikePredicate
    | ast.RegexPredicate
    | ast.ContainsPredicate
)


_BINDING = {"+": _SUM, "-": _SUM, "*": _PRODUCT, "/": _PRODUCT}


def print_script(script: ast.Script) -> str:
    """Print statements, one on each line, each with a semicolon at the end; raise what `print_statement` raises."""
    return "\n".join(f"{print_statement(statement)};" for statement in script)


def print_statement(statement: ast.Statement) -> str:
    """
    Print a statement in its canonical form.

    Keywords are in capitals, clauses in a fixed order, brackets and quotes only where they are needed, and all of it
    is on one line (unless a name holds a line break). `chromasql.parse` reads the text back as the same tree. Raises
    `ChromaSQLError` for what the language cannot express, such as an infinite number.
    """
    match statement:
        case ast.Query():
            return " ".join(_query(statement))
        case ast.ShowCollections(like=like, limit=limit, offset=offset):
            clauses = (("LIKE", like), ("LIMIT", limit), ("OFFSET", offset))
            shown = [f"{keyword} {_value(value)}" for keyword, value in clauses if value is not None]
            return " ".join(["SHOW COLLECTIONS", *shown])
        case ast.Describe(collection=source):
            return f"DESCRIBE {_source(source)}"
        case _:
            assert_never(statement)


def _query(query: ast.Query) -> Iterator[str]:
    if query.explain is not None:
        yield "EXPLAIN ANALYZE" if query.explain == "ANALYZE" else "EXPLAIN"
    yield "SELECT DISTINCT" if query.projection.distinct else "SELECT"
    yield _listed(map(_projected, query.projection.items))
    yield f"FROM {_listed(map(_source, query.sources))}"
    if query.excluded:
        yield f"EXCEPT ({_listed(map(_source, query.excluded))})"
    if query.embedding is not None:
        yield f"USING EMBEDDING {_embeddings(query.embedding)}"
    if query.rank is not None:
        yield f"RANK BY {_rank(query.rank)}"
    if query.where is not None:
        yield f"WHERE {_predicate(query.where)}"
    if query.where_document is not None:
        yield f"WHERE_DOCUMENT {_predicate(query.where_document, of_document=True)}"
    if query.similarity is not None:
        yield f"SIMILARITY {query.similarity}"
    if query.topk is not None:
        yield f"TOPK {_value(query.topk)}"
    if query.group_by is not None:
        yield _group(query.group_by)
    if query.having is not None:
        yield f"HAVING {_predicate(query.having)}"
    if query.order_by:
        yield f"ORDER BY {_listed(map(_ordered, query.order_by))}"
    if query.rerank is not None:
        arguments = f"({_listed(map(_argument, query.rerank.arguments))})" if query.rerank.arguments else ""
        yield f"RERANK BY {query.rerank.strategy}{arguments}"
    if query.limit is not None:
        yield f"LIMIT {_value(query.limit)}"
    if query.offset is not None:
        yield f"OFFSET {_value(query.offset)}"
    if query.score_threshold is not None:
        yield f"WITH SCORE THRESHOLD {_value(query.score_threshold)}"
    if query.options:
        yield f"WITH ({_listed(map(_argument, query.options))})"


def _listed(items: Iterable[str]) -> str:
    return ", ".join(items)


# Names


def _quoted(name: str) -> str:
    doubled = name.replace("`", "``")
    return f"`{doubled}`"


def _name(name: str) -> str:
    """Print a name after AS or a dot, where any word will do."""
    return name if terminal_pattern("NAME").fullmatch(name) else _quoted(name)


def _field(field: ast.Field) -> str:
    parts = field.path if field.bare and field.path else (field.root, *field.path)
    head, *rest = parts if field.qualifier is None else (field.qualifier, *parts)
    first = _quoted(head) if head.upper() in _AMBIGUOUS else _name(head)
    return ".".join([first, *map(_name, rest)])


def _operand(operand: ast.Operand) -> str:
    match operand:
        case ast.Field():
            return _field(operand)
        case ast.Aggregate(function=function, argument=argument, distinct=distinct):
            inner = "*" if argument is None else _field(argument)
            return f"{function}({'DISTINCT ' if distinct else ''}{inner})"
        case _:
            assert_never(operand)


def _projected(item: ast.Star | ast.ProjectionItem) -> str:
    match item:
        case ast.Star(excluded=excluded):
            return f"* EXCEPT ({_listed(map(_field, excluded))})" if excluded else "*"
        case ast.ProjectionItem(operand=operand, alias=alias):
            return _operand(operand) + _aliased(alias)
        case _:
            assert_never(item)


def _aliased(alias: str | None) -> str:
    return "" if alias is None else f" AS {_name(alias)}"


def _source(source: ast.Source) -> str:
    if isinstance(source.name, ast.Parameter):
        name = str(source.name)
    else:
        plain = not source.quoted and terminal_pattern("SOURCE").fullmatch(source.name)
        name = source.name if plain else _quoted(source.name)
    return name + _aliased(source.alias)


# Values


def _value(value: ast.Value) -> str:
    match value:
        case ast.Parameter():
            return str(value)
        case ast.Literal(value=scalar):
            return _scalar(scalar)
        case _:
            assert_never(value)


def _scalar(scalar: ast.Scalar) -> str:
    if scalar is None:
        return "NULL"
    if isinstance(scalar, bool):
        return "TRUE" if scalar else "FALSE"
    if isinstance(scalar, str):
        return f"'{''.join(map(_character, scalar))}'"
    if not abs(scalar) <= ast.MAX_NUMBER:  # NaN neither
        shown = scalar if isinstance(scalar, float) else "a number above 1.8e308"
        raise ChromaSQLError(f"{shown} cannot be written in a statement", code="not-printable")
    return repr(scalar)


def _character(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if character.isprintable():
        return character
    code = ord(character)
    return f"\\x{code:02x}" if code <= 0xFF else f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def _array(array: ast.Array) -> str:
    return f"[{_listed(map(_value, array.items))}]"


def _any_value(value: ast.Value | ast.Array | ast.SparseVector | ast.DenseVector | ast.Field) -> str:
    match value:
        case ast.Literal() | ast.Parameter():
            return _value(value)
        case ast.Array():
            return _array(value)
        case ast.SparseVector(items=items):
            return f"{{{_listed(f'{index}: {_value(weight)}' for index, weight in items)}}}"
        case ast.DenseVector(values=values):
            return f"[{_listed(map(_scalar, values))}]"
        case ast.Field():
            return _field(value)
        case _:
            assert_never(value)


def _argument(argument: ast.Argument) -> str:
    return f"{argument.name} = {_any_value(argument.value)}"


def _embeddings(embedding: ast.Embedding | ast.EmbeddingBatch) -> str:
    if isinstance(embedding, ast.EmbeddingBatch):
        return f"BATCH ({_listed(map(_embedding, embedding.items))})"
    return f"({_embedding(embedding)})"


def _embedding(embedding: ast.Embedding) -> str:
    match embedding:
        case ast.EmbeddingText(text=text, model=model):
            return f"TEXT {_value(text)}" + ("" if model is None else f" MODEL {_value(model)}")
        case ast.EmbeddingVector(values=values):
            return f"VECTOR {_any_value(values)}"
        case _:
            assert_never(embedding)


# Rank expressions


def _rank(expression: ast.RankExpr, least: int = _SUM) -> str:
    """Print a rank expression, in brackets where its operator binds less than ``least``."""
    match expression:
        case ast.Number(value=value):
            return _value(value)
        case ast.Field():
            return _field(expression)
        case ast.Knn():
            return _call("KNN", [_knn_query(expression.query)], expression)
        case ast.Bm25():
            return _call("BM25", [_value(expression.query)], expression)
        case ast.Rrf():
            ranks = [_rank(rank) for rank in expression.ranks]
            return _call("RRF", ranks, expression)
        case ast.Call(function=function, arguments=arguments):
            return f"{function}({_listed(map(_rank, arguments))})"
        case ast.Unary(operator=operator, operand=operand):
            inner = _rank(operand, _SIGNED)
            # Two minus signs together would begin a comment.
            return _bracketed(f"{operator}{' ' if inner[0] in '+-' else ''}{inner}", _SIGNED, least)
        case ast.Binary(operator=operator, left=left, right=right):
            binding = _BINDING[operator]
            return _bracketed(f"{_rank(left, binding)} {operator} {_rank(right, binding + 1)}", binding, least)
        case _:
            assert_never(expression)


def _bracketed(text: str, binding: int, least: int) -> str:
    return f"({text})" if binding < least else text


def _knn_query(query: ast.Embedding | ast.Parameter) -> str:
    match query:
        case ast.Parameter():
            return str(query)
        case ast.EmbeddingText(text=ast.Literal() as text, model=None):
            return _value(text)
        case ast.EmbeddingVector(values=ast.Array() | ast.SparseVector() | ast.DenseVector() as values):
            return _any_value(values)
        case ast.EmbeddingText() | ast.EmbeddingVector():
            return _embedding(query)
        case _:
            assert_never(query)


def _call(function: str, positional: list[str], node: ast.Knn | ast.Bm25 | ast.Rrf) -> str:
    """Print a call; the first field of the node is positional, the others are the named arguments."""
    named = ((name, getattr(node, name)) for name in content_names(type(node))[1:])
    shown = [f"{name} = {_any_value(value)}" for name, value in named if value is not None]
    return f"{function}({_listed([*positional, *shown])})"


# Predicates


def _predicate(predicate: ast.Predicate, least: int = _OR, *, of_document: bool = False) -> str:
    """
    Print a predicate, in brackets where its operator binds less than ``least``.

    ``of_document`` is for WHERE_DOCUMENT, which leaves the operand out.
    """
    match predicate:
        case ast.BooleanPredicate(operator=operator, predicates=predicates):
            binding = _AND if operator == "AND" else _OR
            parts = (_predicate(part, binding + 1, of_document=of_document) for part in predicates)
            return _bracketed(f" {operator} ".join(parts), binding, least)
        case ast.NotPredicate(predicate=inner):
            return f"NOT {_predicate(inner, _NOT, of_document=of_document)}"
        case _:
            subject = "" if of_document else f"{_operand(predicate.operand)} "
            return subject + _test(predicate)


def _test(predicate: _Test) -> str:
    """Print a predicate without its operand."""
    match predicate:
        case ast.ComparisonPredicate(operator=operator, value=value):
            return f"{operator} {_value(value)}"
        case ast.InPredicate(values=values, negated=negated):
            return f"{_not(negated)}IN {_in_list(values)}"
        case ast.BetweenPredicate(low=low, high=high, negated=negated):
            return f"{_not(negated)}BETWEEN {_value(low)} AND {_value(high)}"
        case ast.IsNullPredicate(negated=negated):
            return f"IS {_not(negated)}NULL"
        case ast.IsDistinctPredicate(value=value, negated=negated):
            return f"IS {_not(negated)}DISTINCT FROM {_value(value)}"
        case ast.LikePredicate(pattern=pattern, negated=negated, ignore_case=ignore_case):
            return f"{_not(negated)}{'ILIKE' if ignore_case else 'LIKE'} {_value(pattern)}"
        case ast.RegexPredicate(pattern=pattern, negated=negated):
            return f"{_not(negated)}REGEX {_value(pattern)}"
        case ast.ContainsPredicate(value=value, negated=negated, quantifier=None):
            return f"{_not(negated)}CONTAINS {_any_value(value)}"
        case ast.ContainsPredicate(value=value, negated=negated, quantifier=quantifier):
            return f"{_not(negated)}CONTAINS {quantifier} {_in_list(value)}"
        case _:
            assert_never(predicate)


def _not(negated: bool) -> str:
    return "NOT " if negated else ""


def _in_list(values: ast.Value | ast.Array) -> str:
    if isinstance(values, ast.Array):
        return f"({_listed(map(_value, values.items))})"
    return _value(values)


# Other clauses


def _group(group: ast.GroupBy) -> str:
    text = f"GROUP BY {_listed(map(_field, group.keys))}"
    if group.keep is None:
        return text
    by = f" BY {_listed(map(_ordered, group.keep.order_by))}" if group.keep.order_by else ""
    return f"{text} KEEP {_value(group.keep.count)}{by}"


def _ordered(item: ast.OrderItem) -> str:
    direction = " DESC" if item.direction == "DESC" else ""
    nulls = "" if item.nulls is None else f" NULLS {item.nulls}"
    return f"{_operand(item.operand)}{direction}{nulls}"
