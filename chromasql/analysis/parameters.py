"""Parameters: binding their values, and sharing them out among the statements of a script."""

from __future__ import annotations

import dataclasses
import operator
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, TypeAlias, TypeVar

from chromasql import ast
from chromasql.analysis.coercion import (
    ARGUMENT,
    LIST,
    NAME,
    NUMBER,
    NUMBERS,
    POSITIVE,
    QUERY,
    TEXT,
    VALUE,
    VECTOR,
    WHOLE,
    MismatchError,
    Slot,
    as_array,
    as_list,
    as_sparse_vector,
    as_vector,
    coerce,
)
from chromasql.analysis.fields import distinct_nodes
from chromasql.errors import ChromaSQLPlanningError, near_names

__all__ = ["Parameters", "bind_parameters", "share_parameters"]

Parameters: TypeAlias = Mapping[str, Any] | Sequence[Any]
"""A mapping for ``:name`` and ``$name``, a sequence for ``?`` and ``$1``."""


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
    named = [
        {node.key for node in distinct_nodes(statement) if isinstance(node, ast.Parameter)} for statement in statements
    ]
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


# What the parser asks of a value in the text is asked here of a parameter; all the rest is the planner's.
_SLOTS: dict[tuple[type[ast.Node], str], Slot] = {
    (ast.Argument, "value"): ARGUMENT,
    (ast.Bm25, "limit"): POSITIVE,
    (ast.Bm25, "query"): TEXT,
    (ast.EmbeddingText, "model"): TEXT,
    (ast.EmbeddingText, "text"): TEXT,
    (ast.EmbeddingVector, "values"): VECTOR,
    (ast.InPredicate, "values"): LIST,
    (ast.Keep, "count"): WHOLE,
    (ast.Knn, "key"): TEXT,
    (ast.Knn, "limit"): POSITIVE,
    (ast.LikePredicate, "pattern"): TEXT,
    (ast.Number, "value"): NUMBER,
    (ast.Query, "limit"): WHOLE,
    (ast.Query, "offset"): WHOLE,
    (ast.Query, "score_threshold"): NUMBER,
    (ast.Query, "topk"): WHOLE,
    (ast.RegexPredicate, "pattern"): TEXT,
    (ast.Rrf, "weights"): NUMBERS,
    (ast.ShowCollections, "like"): TEXT,
    (ast.ShowCollections, "limit"): WHOLE,
    (ast.ShowCollections, "offset"): WHOLE,
    (ast.SparseVector, "items"): NUMBER,
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

    def _filled(self, value: Any, slot: Slot) -> Any:
        """Fill the parameters in what one field of a node holds."""
        match value:
            case ast.Parameter():
                return self._value(value, slot)
            case ast.Node() if id(value) not in self._above:
                return value
            case ast.Array():
                return dataclasses.replace(value, items=self._filled(value.items, slot.items or VALUE))
            case ast.Source(name=ast.Parameter() as parameter):
                name = self._value(parameter, NAME).value
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

    def _slot(self, node: ast.Node, name: str) -> Slot:
        if isinstance(node, ast.ContainsPredicate):
            return VALUE if node.quantifier is None else LIST
        return _SLOTS.get((type(node), name), VALUE)

    def _query(self, parameter: ast.Parameter) -> ast.Embedding:
        value = self._value(parameter, QUERY)
        if isinstance(value, ast.Literal):
            return ast.EmbeddingText(value, span=parameter.span)
        return ast.EmbeddingVector(value, span=parameter.span)

    def _value(self, parameter: ast.Parameter, slot: Slot) -> Any:
        """Return the caller's value as a Literal, an Array or a SparseVector."""
        value = self._given[parameter.key]
        span = parameter.span
        try:
            if isinstance(value, Mapping):
                return as_sparse_vector(value, slot, span)
            values = as_list(value)
            if values is not None:
                return (
                    as_vector(values, slot, span)
                    if slot.items is NUMBER and slot.sparse
                    else as_array(values, slot, span)
                )
            return ast.Literal(coerce(value, slot), span=span)
        except MismatchError as mismatch:
            raise ChromaSQLPlanningError(
                f"{parameter} takes {slot.what}{mismatch}", source=self._source, span=span
            ) from None
