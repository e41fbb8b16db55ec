"""Parameters: binding their values, and sharing them out among the statements of a script."""

from __future__ import annotations

import dataclasses
import operator
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, TypeAlias, TypeVar

from chromasql import ast
from chromasql.analysis.coercion import MismatchError, as_array, as_list, as_moment, as_sparse_vector, as_vector, coerce
from chromasql.analysis.slots import COLLECTION_NAME, KNN_QUERY, NUMBER, VALUE, Slot, slot_of
from chromasql.ast.traversal import AnyNode
from chromasql.errors import ChromaSQLPlanningError, errors_located_in, near_names

__all__ = ["Parameters", "bind_parameters", "parameters_of", "share_parameters"]

Parameters: TypeAlias = Mapping[str, Any] | Sequence[Any]
"""A mapping for ``:name`` and ``$name``, a sequence for ``?`` and ``$1``."""


AnyStatement = TypeVar("AnyStatement", bound=ast.Statement)


def bind_parameters(statement: AnyStatement, params: Parameters | None = None) -> AnyStatement:
    """
    Put the caller's values where the statement has parameters.

    A parameter is a value, never text: ``*`` in a collection name is not a pattern, and a string is not SQL.

    Parameters
    ----------
    statement
        What `chromasql.parse` returned.
    params
        A mapping for ``:name`` and ``$name``, a sequence for ``?`` and ``$1``. Values are strings, finite numbers,
        booleans, dates, datetimes and None, numpy's scalars too. A list or a dense vector is any sequence of them, or
        an array with ``tolist()``; a sparse vector is a dict ``{index: weight}``.

    Returns
    -------
    The statement with values that have the spans of the parameters they replace; without parameters, the same object.

    Raises
    ------
    ChromaSQLPlanningError
        If a value is missing (code ``missing-parameter``), is not used (``unexpected-parameter``) or does not fit its
        place (``parameter-type``), or if ``params`` is of the wrong kind (``parameter-style``).

    """
    parameters: list[ast.Parameter] = []
    above: set[int] = set()
    _find_parameters(statement, parameters, above)
    with errors_located_in(statement.source_text):
        given = _given(parameters, params)
        return _Binder(given, above).rebuilt(statement) if parameters else statement


def parameters_of(statement: ast.Statement) -> tuple[str | int, ...]:
    """
    Return the parameters that a statement has, in the order of the text and without repeats.

    ``:name`` and ``$name`` are the name; ``?`` and ``$1`` are numbers that count from 1. As a value that is not used
    is an error, this tells what to give to a statement that somebody else wrote.
    """
    return tuple(dict.fromkeys(_parameters_in(statement)))


def share_parameters(statements: Sequence[ast.Statement], params: Parameters | None) -> list[Parameters | None]:
    """
    Return the parameters of each statement of a script: those that it names.

    A script of one statement takes positional parameters too. Raises `ChromaSQLPlanningError` for a parameter that no
    statement names (code ``unexpected-parameter``), and for positional ones (``parameter-style``).
    """
    if len(statements) == 1 or not params:
        return [params] * len(statements)
    if not isinstance(params, Mapping):
        raise ChromaSQLPlanningError(
            "the parameters of a script are named: write :name and pass a mapping", code="parameter-style"
        )
    named = [set(parameters_of(statement)) for statement in statements]
    used = set().union(*named)
    unused = next((key for key in params if key not in used), None)
    if unused is not None:
        raise ChromaSQLPlanningError(
            f"no statement of the script uses the parameter {unused!r}{near_names(str(unused), map(str, used))}",
            code="unexpected-parameter",
        )
    return [{key: value for key, value in params.items() if key in keys} for keys in named]


def _parameters_in(statement: ast.Statement) -> list[str | int]:
    parameters: list[ast.Parameter] = []
    _find_parameters(statement, parameters, set())
    return [parameter.key for parameter in sorted(parameters, key=lambda parameter: parameter.span.start)]


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


def _given(parameters: Sequence[ast.Parameter], params: Parameters | None) -> Mapping[Any, Any]:
    """Return the caller's values by key, having checked that they are exactly those that the statement uses."""
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
            code="parameter-style",
        )
    _check_style(parameters, params)
    for parameter in parameters:
        if parameter.key not in given:
            raise ChromaSQLPlanningError(
                f"no value for the parameter {parameter}{_names_of(given, parameter.key)}",
                code="missing-parameter",
                span=parameter.span,
            )
    _check_used(given, parameters)
    return given


def _check_style(parameters: Sequence[ast.Parameter], params: Parameters | None) -> None:
    named = [parameter for parameter in parameters if isinstance(parameter.key, str)]
    positional = [parameter for parameter in parameters if isinstance(parameter.key, int)]
    if named and positional:
        raise ChromaSQLPlanningError(
            f"named and positional parameters in one statement: {named[0]} and {positional[0]}; use one kind",
            code="parameter-style",
            span=positional[0].span,
        )
    if positional and isinstance(params, Mapping):
        raise ChromaSQLPlanningError(
            "the statement has positional parameters, so params is a list or tuple: [first value, ..]",
            code="parameter-style",
            span=positional[0].span,
        )
    if named and params and not isinstance(params, Mapping):
        raise ChromaSQLPlanningError(
            f"the statement has named parameters, so params is a mapping: {{{named[0].key!r}: value, ..}}",
            code="parameter-style",
            span=named[0].span,
        )


def _check_used(given: Mapping[Any, Any], parameters: Sequence[ast.Parameter]) -> None:
    used = {parameter.key for parameter in parameters}
    unused = next((key for key in given if key not in used), None)
    if unused is None:
        return
    shown = f"${unused}" if isinstance(unused, int) else repr(unused)
    hint = near_names(str(unused), map(str, used)) or (
        f"; it has {', '.join(dict.fromkeys(map(str, parameters)))}" if used else "; it has none"
    )
    raise ChromaSQLPlanningError(
        f"the statement does not use the parameter {shown} that is given{hint}", code="unexpected-parameter"
    )


def _names_of(given: Mapping[Any, Any], missing: str | int) -> str:
    if not given:
        return "; no parameters are given"
    if isinstance(missing, int):
        return f"; {len(given)} given"
    names = [str(name) for name in given]
    return near_names(missing, names) or f"; given: {', '.join(sorted(names))}"


class _Binder:
    """
    Rebuilds a tree with values where it has parameters.

    ``above`` holds the ids of the nodes with a parameter below them; no other node is visited.
    """

    def __init__(self, given: Mapping[Any, Any], above: AbstractSet[int]) -> None:
        self._given = given
        self._above = above

    def rebuilt(self, node: AnyNode) -> AnyNode:
        quantified = isinstance(node, ast.ContainsPredicate) and node.quantifier is not None
        changes: dict[str, Any] = {}
        for field in dataclasses.fields(node):
            old = getattr(node, field.name)
            if not isinstance(old, ast.Node | tuple):
                continue
            new = self._filled(old, slot_of(type(node), field.name, quantified=quantified))
            if new is not old:
                changes[field.name] = new
        return dataclasses.replace(node, **changes) if changes else node

    def _filled(self, value: Any, slot: Slot) -> Any:
        """Fill the parameters in what one field of a node holds."""
        match value:
            case ast.Parameter():
                return self._value(value, slot)
            case ast.Node() if id(value) not in self._above:
                return value
            case ast.Array(items=(ast.Parameter() as only,)) if slot.fits is None and slot.items is VALUE:
                # IN (:ids): one parameter in brackets may be the whole list.
                whole = as_list(self._given[only.key]) is not None
                return (
                    self._value(only, slot) if whole else dataclasses.replace(value, items=self._filled((only,), VALUE))
                )
            case ast.Array():
                return dataclasses.replace(value, items=self._filled(value.items, slot.items or VALUE))
            case ast.Source(name=ast.Parameter() as parameter):
                name = self._value(parameter, COLLECTION_NAME).value
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

    def _query(self, parameter: ast.Parameter) -> ast.Embedding:
        value = self._value(parameter, KNN_QUERY)
        if isinstance(value, ast.Literal):
            return ast.EmbeddingText(value, span=parameter.span)
        return ast.EmbeddingVector(value, span=parameter.span)

    def _value(self, parameter: ast.Parameter, slot: Slot) -> Any:
        """Return the caller's value as a Literal, an Array, a DenseVector or a SparseVector."""
        value = self._given[parameter.key]
        span = parameter.span
        try:
            if isinstance(value, Mapping):
                return as_sparse_vector(value, slot, span)
            moment = as_moment(value, span) if slot is VALUE else None
            if moment is not None:
                return moment
            values = as_list(value)
            if values is None:
                return ast.Literal(coerce(value, slot), span=span)
            dense = slot.items is NUMBER and slot.sparse
            return as_vector(values, slot, span) if dense else as_array(values, slot, span)
        except MismatchError as mismatch:
            raise ChromaSQLPlanningError(
                f"{parameter} takes {slot.what}{mismatch}", code="parameter-type", span=span
            ) from None
