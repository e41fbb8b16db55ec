"""Questions a tree answers without data: its parameters, its fields, the values its WHERE allows."""

from __future__ import annotations

import dataclasses
import math
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar, assert_never

from chromasql import ast
from chromasql._source import Span
from chromasql.errors import ChromaSQLPlanningError, near_names

__all__ = ["Parameters", "bind_parameters", "extract_metadata_values", "fields_used", "share_parameters"]

Parameters: TypeAlias = Mapping[str, Any] | Sequence[Any]
"""A mapping for ``:name`` and ``$name``, a sequence for ``?`` and ``$1``."""

_MOST_BITS = 1024  # of the largest float: no number that is larger can be compared with one

AnyNode = TypeVar("AnyNode", bound=ast.Node)
AnyStatement = TypeVar("AnyStatement", bound=ast.Statement)


# Parameters


def bind_parameters(statement: AnyStatement, params: Parameters | None = None) -> AnyStatement:
    """
    Put the caller's values where the statement has parameters.

    A parameter is a value, never text: a collection name is no pattern, a string is no SQL. Taken are
    strings, finite numbers, booleans and None, numpy's scalars too; where a list or a vector is wanted, any
    sequence of them or an array with ``tolist()``; for a sparse vector a dict ``{index: weight}``. What
    replaces a parameter has its span. A statement without parameters is returned as it is.

    Raises `ChromaSQLPlanningError` for a parameter that is missing, not used or not of the kind that
    its place takes.
    """
    parameters: list[ast.Parameter] = []
    above: set[int] = set()
    _find_parameters(statement, parameters, above)
    given = _given(statement, parameters, params)
    if not parameters:
        return statement
    return _Binder(statement.source_text, given, above).rebuilt(statement)


def share_parameters(statements: Sequence[ast.Statement], params: Parameters | None) -> list[Parameters | None]:
    """
    Return the parameters of each statement of a script: of named ones, those that it names.

    Raises `ChromaSQLPlanningError` for one that no statement names, and for positional ones where there are several
    statements.
    """
    if len(statements) == 1 or not params:
        return [params] * len(statements)
    if not isinstance(params, Mapping):
        raise ChromaSQLPlanningError("the parameters of a script are named: write :name and give a mapping")
    named = [{node.key for node in _nodes(statement) if isinstance(node, ast.Parameter)} for statement in statements]
    used = set().union(*named)
    unused = next((key for key in params if key not in used), None)
    if unused is not None:
        raise ChromaSQLPlanningError(
            f"no statement of the script uses the parameter {unused!r}{near_names(unused, map(str, used))}"
        )
    return [{key: value for key, value in params.items() if key in keys} for keys in named]


def _find_parameters(node: ast.Node, found: list[ast.Parameter], above: set[int]) -> None:
    """Collect the parameters below a node, in order, and the ids of the nodes that have one below them."""
    count = len(found)
    for child in ast.children(node):
        if isinstance(child, ast.Parameter):
            found.append(child)
        elif not isinstance(child, ast.Literal):
            _find_parameters(child, found, above)
    if len(found) > count:
        above.add(id(node))


def _given(
    statement: ast.Statement, parameters: Sequence[ast.Parameter], params: Parameters | None
) -> Mapping[Any, Any]:
    """Return the caller's values by key, having checked that they are those the statement asks for."""
    source = statement.source_text
    if params is None:
        given: Mapping[Any, Any] = {}
    elif isinstance(params, Mapping):
        given = params
    elif isinstance(params, Sequence) and not isinstance(params, str | bytes | bytearray):
        given = dict(enumerate(params, start=1))
    else:
        raise ChromaSQLPlanningError(
            "params is a mapping for :name, or a list or tuple for ? and $1, "
            f"not {'a single ' if isinstance(params, str) else ''}{type(params).__name__}",
            source=source,
        )
    _check_style(parameters, params, source)
    for parameter in parameters:
        if parameter.key not in given:
            raise ChromaSQLPlanningError(
                f"no value for the parameter {parameter}{_names_of(given, parameter.key)}",
                source=source,
                span=parameter.span,
            )
    asked = {parameter.key for parameter in parameters}
    for key in given:
        if key not in asked:
            shown = f"${key}" if isinstance(key, int) else repr(key)
            used = near_names(str(key), map(str, asked)) or (
                f"; it has {', '.join(dict.fromkeys(map(str, parameters)))}" if asked else "; it has none"
            )
            raise ChromaSQLPlanningError(
                f"the statement does not use the parameter {shown} that is given{used}", source=source
            )
    return given


def _check_style(parameters: Sequence[ast.Parameter], params: Parameters | None, source: str | None) -> None:
    named = [parameter for parameter in parameters if isinstance(parameter.key, str)]
    placed = [parameter for parameter in parameters if isinstance(parameter.key, int)]
    if named and placed:
        raise ChromaSQLPlanningError(
            f"named and positional parameters in one statement: {named[0]} and {placed[0]}; use one kind",
            source=source,
            span=placed[0].span,
        )
    if placed and isinstance(params, Mapping):
        raise ChromaSQLPlanningError(
            "the statement has positional parameters, so params is a list or tuple: [first value, ..]",
            source=source,
            span=placed[0].span,
        )
    if named and params and not isinstance(params, Mapping):
        raise ChromaSQLPlanningError(
            f"the statement has named parameters, so params is a mapping: {{{named[0].key!r}: value, ..}}",
            source=source,
            span=named[0].span,
        )


def _names_of(given: Mapping[Any, Any], missing: str | int) -> str:
    if not given:
        return "; no parameters are given"
    if isinstance(missing, int):
        return f"; {len(given)} given"
    names = [str(name) for name in given]
    return near_names(missing, names) or f"; given: {', '.join(sorted(names))}"


@dataclass(frozen=True, slots=True)
class _Slot:
    """
    What a parameter may be in one place of a statement.

    ``fits`` tests a single value where one may stand there, ``items`` says what the items of a list must be
    where a list may, ``sparse`` whether a dict may.
    """

    what: str
    fits: Callable[[ast.Scalar], bool] | None = None
    items: _Slot | None = None
    sparse: bool = False


def _is_text(value: ast.Scalar) -> bool:
    return isinstance(value, str)


def _is_number(value: ast.Scalar) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_VALUE = _Slot("a string, a number, a boolean or None", fits=lambda _: True)
_TEXT = _Slot("a string", fits=_is_text)
_NAME = _Slot("the name of a collection", fits=lambda value: isinstance(value, str) and value != "")
_NUMBER = _Slot("a number", fits=_is_number)
_WHOLE = _Slot("a whole number", fits=lambda value: type(value) is int)
_POSITIVE = _Slot("a whole number of at least 1", fits=lambda value: type(value) is int and value >= 1)
_LIST = _Slot("a list of values", items=_VALUE)
_NUMBERS = _Slot("a list of numbers", items=_NUMBER)
_VECTOR = _Slot("a vector, as a list of numbers or a dict {index: weight}", items=_NUMBER, sparse=True)
_QUERY = _Slot(
    "a text, or a vector as a list of numbers or a dict {index: weight}",
    fits=_is_text,
    items=_NUMBER,
    sparse=True,
)
_ARGUMENT = _Slot("a value, a list or a dict {index: weight}", fits=lambda _: True, items=_VALUE, sparse=True)

# What the parser asks of a value in the text is asked here of a parameter; all the rest is the planner's.
_SLOTS: dict[tuple[type[ast.Node], str], _Slot] = {
    (ast.Argument, "value"): _ARGUMENT,
    (ast.Bm25, "limit"): _POSITIVE,
    (ast.Bm25, "query"): _TEXT,
    (ast.EmbeddingText, "model"): _TEXT,
    (ast.EmbeddingText, "text"): _TEXT,
    (ast.EmbeddingVector, "values"): _VECTOR,
    (ast.InPredicate, "values"): _LIST,
    (ast.Keep, "count"): _WHOLE,
    (ast.Knn, "key"): _TEXT,
    (ast.Knn, "limit"): _POSITIVE,
    (ast.LikePredicate, "pattern"): _TEXT,
    (ast.Number, "value"): _NUMBER,
    (ast.Query, "limit"): _WHOLE,
    (ast.Query, "offset"): _WHOLE,
    (ast.Query, "score_threshold"): _NUMBER,
    (ast.Query, "topk"): _WHOLE,
    (ast.RegexPredicate, "pattern"): _TEXT,
    (ast.Rrf, "weights"): _NUMBERS,
    (ast.ShowCollections, "like"): _TEXT,
    (ast.ShowCollections, "limit"): _WHOLE,
    (ast.ShowCollections, "offset"): _WHOLE,
    (ast.SparseVector, "items"): _NUMBER,
}


class _Binder:
    """
    Rebuilds a tree with values where it has parameters.

    ``above`` holds the ids of the nodes that have one below them; no other is looked into.
    """

    def __init__(self, source: str | None, given: Mapping[Any, Any], above: AbstractSet[int]) -> None:
        self._source = source
        self._given = given
        self._above = above

    def rebuilt(self, node: AnyNode) -> AnyNode:
        changes: dict[str, Any] = {}
        for each in dataclasses.fields(node):
            old = getattr(node, each.name)
            if not isinstance(old, ast.Node | tuple):
                continue
            new = self._filled(old, self._slot(node, each.name))
            if new is not old:
                changes[each.name] = new
        return dataclasses.replace(node, **changes) if changes else node

    def _filled(self, value: Any, slot: _Slot) -> Any:
        """Fill the parameters in what one field of a node holds."""
        match value:
            case ast.Parameter():
                return self._value(value, slot)
            case ast.Node() if id(value) not in self._above:
                return value
            case ast.Array():
                return dataclasses.replace(value, items=self._filled(value.items, slot.items or _VALUE))
            case ast.Source(name=ast.Parameter() as parameter):
                name = self._value(parameter, _NAME).value
                return dataclasses.replace(value, name=name, quoted=True)
            case ast.Knn(query=ast.Parameter() as parameter):
                return self.rebuilt(dataclasses.replace(value, query=self._query(parameter)))
            case ast.Node():
                return self.rebuilt(value)
            case tuple() if value:
                filled = tuple([self._filled(item, slot) for item in value])
                return value if all(map(operator.is_, filled, value)) else filled
            case _:
                return value

    def _slot(self, node: ast.Node, name: str) -> _Slot:
        if isinstance(node, ast.ContainsPredicate):
            return _VALUE if node.quantifier is None else _LIST
        return _SLOTS.get((type(node), name), _VALUE)

    def _query(self, parameter: ast.Parameter) -> ast.Embedding:
        value = self._value(parameter, _QUERY)
        if isinstance(value, ast.Literal):
            return ast.EmbeddingText(value, span=parameter.span)
        return ast.EmbeddingVector(value, span=parameter.span)

    def _value(self, parameter: ast.Parameter, slot: _Slot) -> Any:
        """Return the caller's value as a Literal, an Array or a SparseVector."""
        value = self._given[parameter.key]
        span = parameter.span
        try:
            if isinstance(value, Mapping):
                return _sparse_vector(value, slot, span)
            values = _listed(value)
            if values is not None:
                return (
                    _vector(values, slot, span) if slot.items is _NUMBER and slot.sparse else _array(values, slot, span)
                )
            return ast.Literal(_fitting(value, slot), span=span)
        except _MismatchError as mismatch:
            raise ChromaSQLPlanningError(
                f"{parameter} takes {slot.what}{mismatch}", source=self._source, span=span
            ) from None


class _MismatchError(Exception):
    """How a value fails its slot: what follows 'the parameter takes ..'."""


def _listed(value: Any) -> Sequence[Any] | None:
    """Return the items of a list or an array; None for anything else."""
    if hasattr(value, "tolist"):  # numpy and array.array, with no need to import either
        value = value.tolist()
    if isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray | memoryview):
        return value
    return None


def _vector(values: Sequence[Any], slot: _Slot, span: Span) -> ast.Vector:
    if _are_plain_numbers(values):
        return ast.Vector(tuple(map(float, values)), span=span)
    numbers = (item.value for item in _array(values, slot, span).items if isinstance(item, ast.Literal))
    return ast.Vector(tuple(float(number) for number in numbers if number is not None), span=span)


def _are_plain_numbers(values: Sequence[Any]) -> bool:
    """Tell whether a vector needs no closer look: its numbers are Python's own and finite."""
    try:
        return bool(values) and set(map(type, values)) <= {int, float} and all(map(math.isfinite, values))
    except OverflowError:
        return False


def _array(values: Sequence[Any], slot: _Slot, span: Span) -> ast.Array:
    if slot.items is None:
        hint = "; a list belongs after IN, CONTAINS ANY or CONTAINS ALL" if slot is _VALUE else ""
        raise _MismatchError(f", not a list{hint}")
    if not values and slot.items is _NUMBER:
        raise _MismatchError("; this one is empty")
    items = []
    for index, value in enumerate(values):
        try:
            items.append(ast.Literal(_fitting(value, slot.items), span=span))
        except _MismatchError as mismatch:
            raise _MismatchError(f"; item [{index}] is{str(mismatch).removeprefix(', not')}") from None
    return ast.Array(tuple(items), span=span)


def _sparse_vector(weights: Mapping[Any, Any], slot: _Slot, span: Span) -> ast.SparseVector:
    if not slot.sparse:
        raise _MismatchError(", not a dict")
    if not weights:
        raise _MismatchError("; this one is empty")
    items = []
    for index, weight in weights.items():
        try:
            position = _fitting(index, _WHOLE)
            items.append((position, ast.Literal(_fitting(weight, _NUMBER), span=span)))
        except _MismatchError:
            position = None
        if not isinstance(position, int) or position < 0:
            raise _MismatchError(
                f"; in a dict, whole numbers from 0 stand for the indices and numbers for the weights, "
                f"not {_described(index)}: {_described(weight)}"
            )
    return ast.SparseVector(tuple(items), span=span)  # type: ignore[arg-type]


def _fitting(value: Any, slot: _Slot) -> ast.Scalar:
    """Return the value as a plain Python scalar, if the slot takes it."""
    plain = _scalar(value)
    if slot.fits is None or not slot.fits(plain):
        raise _MismatchError(f", not {_described(plain)}")
    return plain


def _scalar(value: Any) -> ast.Scalar:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        if not value.isascii():
            try:
                value.encode()
            except UnicodeEncodeError:
                raise _MismatchError(", not a string with half of a surrogate pair, which is no character") from None
        return str.__str__(value)  # an enum's member, too, is what it holds
    if isinstance(value, int):
        if value.bit_length() > _MOST_BITS:
            raise _MismatchError("; this one is too large")
        return int(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise _MismatchError(f", not {float(value)}")
        return float(value)
    if hasattr(value, "item") and getattr(value, "ndim", None) == 0:
        plain = value.item()
        if type(plain) is not type(value):
            return _scalar(plain)
    raise _MismatchError(f", not {_described(value)}")


def _described(value: Any) -> str:
    if value is None or isinstance(value, bool | float) or (isinstance(value, int) and value.bit_length() < 64):
        return str(value)
    hint = "; pass its isoformat()" if hasattr(value, "isoformat") else ""
    return f"{type(value).__name__}{hint}"


# The values that WHERE allows

# TRUE is not 1, though Python says so: a value stands beside whether it is a boolean.
_Values: TypeAlias = frozenset[tuple[bool, ast.Scalar]]


def extract_metadata_values(
    query: ast.Query, *, field_path: str | Sequence[str]
) -> set[str | int | float | bool] | None:
    """
    Return the values that a record's metadata key may have where it satisfies WHERE.

    ``field_path`` is the key, or its parts: ``("org", "region")`` is the key ``org.region``. The parameters
    of the query must be bound; one that is not constrains nothing.

    The set is sound: the value of every record that WHERE keeps is in it, numbers compared by value. It is
    empty for a contradiction. None means that WHERE does not say: no predicate on the key, an OR with a
    branch without one, or only such as ``!=``, ``<`` and ``IS NULL``; also where both TRUE and 1 (or FALSE
    and 0) are allowed, which a set of Python cannot tell apart.
    """
    if query.where is None:
        return None
    key = field_path if isinstance(field_path, str) else ".".join(field_path)
    allowed = _allowed(query.where, key, holds=True)
    if allowed is None:
        return None
    values = {value for _, value in allowed if value is not None}
    return values if len(values) == len(allowed) else None


def _allowed(predicate: ast.Predicate, key: str, *, holds: bool) -> _Values | None:
    """
    Return the values of the key under which the predicate is true, or false where not ``holds``.

    NOT swaps true and false and leaves unknown alone, so it can be pushed down to the leaves.
    """
    match predicate:
        case ast.NotPredicate():
            return _allowed(predicate.predicate, key, holds=not holds)
        case ast.BooleanPredicate():
            parts = [_allowed(part, key, holds=holds) for part in predicate.predicates]
            return _in_all(parts) if (predicate.operator == "AND") is holds else _in_any(parts)
        case _ if not _is_about(predicate.operand, key):
            return None
        case ast.ComparisonPredicate():
            equal = predicate.operator == ("=" if holds else "!=")
            return _equal_to(predicate.value) if equal else None
        case ast.InPredicate():
            if predicate.negated is holds or isinstance(predicate.values, ast.Parameter):
                return None
            return _equal_to(*predicate.values.items)
        case ast.BetweenPredicate():
            low = _equal_to(predicate.low)
            return low if predicate.negated is not holds and low == _equal_to(predicate.high) else None
        case ast.IsDistinctPredicate():
            # Not distinct from NULL is a missing key, and what a missing key means is not for a set to say.
            return (_equal_to(predicate.value) or None) if predicate.negated is holds else None
        case ast.LikePredicate():
            if predicate.negated is holds or predicate.ignore_case:
                return None
            exact = _equal_to(predicate.pattern)
            return None if exact is None or any("%" in str(text) for _, text in exact) else exact
        case ast.IsNullPredicate() | ast.RegexPredicate() | ast.ContainsPredicate():
            return None
        case _:
            assert_never(predicate)


def _is_about(operand: ast.Operand, key: str) -> bool:
    return isinstance(operand, ast.Field) and operand.is_metadata and operand.key == key


def _equal_to(*values: ast.Value) -> _Values | None:
    """Return what equals one of the values: nothing equals NULL, and a parameter may be anything."""
    known = [value.value for value in values if isinstance(value, ast.Literal)]
    if len(known) < len(values):
        return None
    return frozenset((isinstance(value, bool), value) for value in known if value is not None)


def _in_any(parts: Sequence[_Values | None]) -> _Values | None:
    known = [part for part in parts if part is not None]
    return frozenset().union(*known) if len(known) == len(parts) else None


def _in_all(parts: Sequence[_Values | None]) -> _Values | None:
    known = [part for part in parts if part is not None]
    return frozenset.intersection(*known) if known else None


# Fields


def fields_used(query: ast.Query) -> tuple[ast.Field, ...]:
    """
    Return the fields whose values the statement needs, each once, in the order of its clauses.

    ``year`` and ``metadata.year`` are one field, given as it is written first. What ``*`` stands for is not
    among them, nor what EXCEPT takes away.
    """
    found: dict[tuple[str, str | None], ast.Field] = {}
    for node in _nodes(query):
        if isinstance(node, ast.Field):
            found.setdefault((node.root, node.key), node)
    return tuple(found.values())


def _nodes(node: ast.Node) -> Iterator[ast.Node]:
    """Yield the nodes of a tree in order, without literals, which may be many, and what EXCEPT names."""
    pending = [node]
    while pending:
        here = pending.pop()
        yield here
        if not isinstance(here, ast.Star):
            below = [child for child in ast.children(here) if not isinstance(child, ast.Literal)]
            pending.extend(reversed(below))
