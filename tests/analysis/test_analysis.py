from __future__ import annotations

import array
import datetime as dt
import enum
import math
import pickle
import subprocess
import sys
from collections import deque
from decimal import Decimal
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chromasql import ast
from chromasql.analysis import bind_parameters, extract_metadata_values, parameters_of
from chromasql.ast import Array, EmbeddingText, EmbeddingVector, Literal, Parameter, SparseVector
from chromasql.errors import ChromaSQLPlanningError
from chromasql.parser import parse
from tests.support.oracle.values import literal, same
from tests.support.strategies.conditions import Condition, Metadata, conditions, metadatas


def query(text: str) -> ast.Query:
    statement = parse(text)
    assert isinstance(statement, ast.Query)
    return statement


def bound(text: str, params: Any) -> ast.Query:
    return bind_parameters(query(text), params)


def refused(text: str, params: Any) -> ChromaSQLPlanningError:
    with pytest.raises(ChromaSQLPlanningError) as caught:
        bind_parameters(parse(text), params)
    return caught.value


# bind_parameters

SCALARS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"])),
    st.integers(-(2**63), 2**63),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
    st.none(),
)


@given(SCALARS, st.lists(SCALARS, min_size=1))
def test_a_bound_value_is_a_written_value(one: Any, many: list[Any]) -> None:
    """Binding a value gives the tree that writing it in the text gives."""
    by_name = bound("SELECT id FROM docs WHERE a = :one AND b IN :many", {"one": one, "many": many})
    by_position = bound("SELECT id FROM docs WHERE a = ? AND b IN ?", [one, many])
    items = ", ".join(map(literal, many))

    written = parse(f"SELECT id FROM docs WHERE a = {literal(one)} AND b IN ({items})")

    assert written == by_name == by_position


@pytest.mark.parametrize(
    ("text", "params", "written"),
    [
        (
            "SELECT id FROM :c LIMIT :n OFFSET :o",
            {"c": "docs", "n": 5, "o": 0},
            'SELECT id FROM "docs" LIMIT 5 OFFSET 0',
        ),
        ("SELECT id FROM a EXCEPT ($c)", {"c": "b"}, 'SELECT id FROM a EXCEPT ("b")'),
        ("SELECT id FROM a WHERE t CONTAINS :x", {"x": 1}, "SELECT id FROM a WHERE t CONTAINS 1"),
        ("SELECT id FROM a WHERE t CONTAINS ANY :x", {"x": (1, "b")}, "SELECT id FROM a WHERE t CONTAINS ANY (1, 'b')"),
        ("SELECT id FROM a WHERE t CONTAINS ALL (:x, 2)", {"x": 1}, "SELECT id FROM a WHERE t CONTAINS ALL (1, 2)"),
        ("SELECT id FROM a WHERE t BETWEEN ? AND ?", [1, 2], "SELECT id FROM a WHERE t BETWEEN 1 AND 2"),
        ("SELECT id FROM a WHERE t = $2 AND u = $1", ["x", "y"], "SELECT id FROM a WHERE t = 'y' AND u = 'x'"),
        (
            "SELECT id FROM a WHERE t LIKE :x OR t REGEX :x",
            {"x": "a"},
            "SELECT id FROM a WHERE t LIKE 'a' OR t REGEX 'a'",
        ),
        ("SELECT id FROM a WHERE_DOCUMENT CONTAINS :x", {"x": "a"}, "SELECT id FROM a WHERE_DOCUMENT CONTAINS 'a'"),
        (
            "SELECT id FROM a RANK BY KNN(:q, limit = :n)",
            {"q": "w", "n": 3},
            "SELECT id FROM a RANK BY KNN('w', limit = 3)",
        ),
        ("SELECT id FROM a RANK BY KNN(:q)", {"q": [1, 0.5]}, "SELECT id FROM a RANK BY KNN([1, 0.5])"),
        ("SELECT id FROM a RANK BY KNN(:q)", {"q": {3: 0.5, 1: 2}}, "SELECT id FROM a RANK BY KNN({3: 0.5, 1: 2})"),
        ("SELECT id FROM a RANK BY KNN([:x, 2])", {"x": 1}, "SELECT id FROM a RANK BY KNN([1, 2])"),
        ("SELECT id FROM a WHERE t = :x", {"x": UUID(int=7)}, f"SELECT id FROM a WHERE t = '{UUID(int=7)}'"),
        ("SELECT id FROM a WHERE t = :x", {"x": Decimal("2.50")}, "SELECT id FROM a WHERE t = 2.5"),
        ("SELECT id FROM a WHERE t = :x", {"x": Decimal(3)}, "SELECT id FROM a WHERE t = 3"),
        ("SELECT id FROM a WHERE t IN :x", {"x": {"b", "a"}}, "SELECT id FROM a WHERE t IN ('a', 'b')"),
        ("SELECT id FROM a WHERE t IN :x", {"x": frozenset({1})}, "SELECT id FROM a WHERE t IN (1)"),
        ("SELECT id FROM a RANK BY KNN({1: :x})", {"x": 1}, "SELECT id FROM a RANK BY KNN({1: 1})"),
        ("SELECT id FROM a RANK BY KNN('x') * :w + 1", {"w": 2}, "SELECT id FROM a RANK BY KNN('x') * 2 + 1"),
        (
            "SELECT id FROM a RANK BY RRF(KNN('x'), BM25(:w), k = :k, weights = :ws)",
            {"w": "y", "k": 10, "ws": [1, 2]},
            "SELECT id FROM a RANK BY RRF(KNN('x'), BM25('y'), k = 10, weights = [1, 2])",
        ),
        (
            "SELECT id FROM a USING EMBEDDING (TEXT :t MODEL :m) TOPK :k",
            {"t": "w", "m": "mini", "k": 2},
            "SELECT id FROM a USING EMBEDDING (TEXT 'w' MODEL 'mini') TOPK 2",
        ),
        ("SELECT id FROM a USING EMBEDDING (VECTOR ?)", [[1]], "SELECT id FROM a USING EMBEDDING (VECTOR [1])"),
        (
            "SELECT id FROM a GROUP BY t KEEP :n WITH SCORE THRESHOLD :x WITH (timeout = :s)",
            {"n": 1, "x": 0.5, "s": 2},
            "SELECT id FROM a GROUP BY t KEEP 1 WITH SCORE THRESHOLD 0.5 WITH (timeout = 2)",
        ),
        (
            "SELECT id FROM a RERANK BY OWN(q = :q, w = :w, v = :v)",
            {"q": "x", "w": [1], "v": {1: 2}},
            "SELECT id FROM a RERANK BY OWN(q = 'x', w = [1], v = {1: 2})",
        ),
        (
            "SELECT t, COUNT(*) FROM a GROUP BY t HAVING COUNT(*) > :n",
            {"n": 2},
            "SELECT t, COUNT(*) FROM a GROUP BY t HAVING COUNT(*) > 2",
        ),
        ("SHOW COLLECTIONS LIKE :p LIMIT :n", {"p": "a%", "n": 1}, "SHOW COLLECTIONS LIKE 'a%' LIMIT 1"),
        ("DESCRIBE :c", {"c": "docs"}, 'DESCRIBE "docs"'),
    ],
)
def test_every_place_of_a_parameter(text: str, params: Any, written: str) -> None:
    """A parameter may stand in each place that the reference names, and reads as if its value were written there."""

    def vectors_as_given(node: ast.Node) -> ast.Node:
        if isinstance(node, EmbeddingVector) and isinstance(node.values, Array):
            numbers = (float(item.value) for item in node.values.items if isinstance(item, Literal))
            return EmbeddingVector(ast.DenseVector(tuple(numbers)))
        return node

    filled = ast.transform(bind_parameters(parse(text), params), vectors_as_given)
    assert filled == ast.transform(parse(written), vectors_as_given)


def test_a_name_from_a_parameter_is_no_pattern() -> None:
    """The star in a collection name that came as a parameter is a character, not a wildcard."""
    source = bound("SELECT id FROM :c AS d", {"c": "logs-*"}).sources[0]

    assert source == ast.Source("logs-*", alias="d", quoted=True)
    assert not source.is_pattern


def test_a_bound_query_of_knn_is_text_vector_or_sparse_vector() -> None:
    """KNN(:q) becomes what the kind of the value says."""
    text = "SELECT id FROM a RANK BY KNN(:q)"

    queries = [bound(text, {"q": value}).rank for value in ("words", [1.0], {7: 1.0})]

    assert queries == [
        ast.Knn(EmbeddingText(Literal("words"))),
        ast.Knn(EmbeddingVector(ast.DenseVector((1.0,)))),
        ast.Knn(EmbeddingVector(SparseVector(((7, Literal(1.0)),)))),
    ]


def test_what_replaces_a_parameter_has_its_span() -> None:
    """An error about a bound value still points at the parameter in the text."""
    text = "SELECT id FROM a WHERE t IN :ids LIMIT :n"
    statement = bound(text, {"ids": ["x"], "n": 3})

    assert isinstance(statement.where, ast.InPredicate)
    assert isinstance(statement.where.values, Array)
    assert statement.limit is not None
    assert text[slice(*statement.where.values.items[0].span)] == ":ids"
    assert text[slice(*statement.limit.span)] == ":n"
    assert statement.source_text == text


@pytest.mark.parametrize("params", [None, {}, [], ()])
def test_nothing_to_bind_gives_the_same_object(params: Any) -> None:
    """A statement without parameters is not rebuilt."""
    statement = query("SELECT id FROM a WHERE t IN ('x', 'y') RANK BY KNN([1, 2])")

    assert bind_parameters(statement, params) is statement


def test_binding_leaves_the_statement_alone() -> None:
    """The tree that was parsed can be bound again with other values."""
    statement = query("SELECT id FROM a WHERE t = :x")
    first, second = bind_parameters(statement, {"x": 1}), bind_parameters(statement, {"x": 2})

    assert first != second
    assert statement.where == ast.ComparisonPredicate(ast.Field("metadata", ("t",), bare=True), "=", Parameter("x"))


class Colour(enum.StrEnum):
    RED = "red"


class Number(enum.IntEnum):
    TWO = 2


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (np.float32(0.5), 0.5),
        (np.float64(0.5), 0.5),
        (np.int64(7), 7),
        (np.bool_(True), True),
        (np.str_("x"), "x"),
        (np.array(3), 3),
        (Colour.RED, "red"),
        (Number.TWO, 2),
    ],
)
def test_scalars_become_plain(value: Any, plain: Any) -> None:
    """Scalars of numpy and members of enums become the plain values of Python that they hold."""
    where = bound("SELECT id FROM a WHERE t = :x", {"x": value}).where

    assert isinstance(where, ast.ComparisonPredicate)
    assert isinstance(where.value, Literal)
    assert where.value.value == plain
    assert type(where.value.value) is type(plain)


@pytest.mark.parametrize(
    "vector",
    [
        [1, 2],
        (1.0, 2.0),
        range(1, 3),
        deque([1, 2]),
        array.array("f", [1, 2]),
        np.array([1, 2], dtype=np.float32),
        np.array([1, 2], dtype=np.int8),
        [np.float32(1), np.float64(2)],
    ],
    ids=lambda vector: type(vector).__name__,
)
def test_vectors_of_all_kinds(vector: Any) -> None:
    """A vector may be any sequence of numbers or an array; it is the same vector."""
    rank = bound("SELECT id FROM a RANK BY KNN(:q)", {"q": vector}).rank

    assert rank == ast.Knn(EmbeddingVector(ast.DenseVector((1.0, 2.0))))


def test_an_empty_list_of_values_may_be_bound() -> None:
    """IN takes an empty list from a parameter, which the text cannot say."""
    where = bound("SELECT id FROM a WHERE t IN :x", {"x": []}).where

    assert where == ast.InPredicate(ast.Field("metadata", ("t",), bare=True), Array(()))


@pytest.mark.parametrize(
    ("params", "code"),
    [
        (None, "missing-parameter"),
        ({"x": "a", "y": 1}, "unexpected-parameter"),
        ({"x": 1}, "parameter-type"),
        (["a"], "parameter-style"),
        ("a", "parameter-style"),
    ],
)
def test_codes_of_parameters(params: Any, code: str) -> None:
    """The code of an error about parameters says what to change in the call."""
    assert refused("SELECT id FROM docs WHERE a LIKE :x", params).code == code


@pytest.mark.parametrize(
    ("text", "params", "message"),
    [
        ("SELECT id FROM a WHERE t = :lang", None, "no value for the parameter :lang; no parameters are given"),
        ("SELECT id FROM a WHERE t = :lang", {"langs": 1}, "no value for the parameter :lang; did you mean langs?"),
        ("SELECT id FROM a WHERE t = :lang", {"z": 1, "y": 2}, "no value for the parameter :lang; given: y, z"),
        ("SELECT id FROM a WHERE t = $3 AND u = ?", [1, 2], "no value for the parameter $3; 2 given"),
        ("SELECT id FROM a WHERE t = ?", None, "no value for the parameter $1; no parameters are given"),
        ("SELECT id FROM a WHERE t = :x", [1], "so params is a mapping: {'x': value, ..}"),
        ("SELECT id FROM a WHERE t = ?", {"x": 1}, "so params is a list or tuple"),
        ("SELECT id FROM a WHERE t = ? AND u = :x", {"x": 1}, "in one statement: :x and $1; use one kind"),
        ("SELECT id FROM a WHERE t = :x", {"x": [1]}, "not a list; a list belongs after IN"),
        ("SELECT id FROM a WHERE t CONTAINS :x", {"x": [1]}, "a list belongs after IN, CONTAINS ANY or CONTAINS ALL"),
        ("SELECT id FROM a WHERE t = :x", {"x": {1: 2}}, ":x takes a string, a number, a boolean or None, not a dict"),
        ("SELECT id FROM a LIMIT :x", {"x": dt.date(2024, 1, 1)}, "not date; pass its isoformat()"),
        ("SELECT id FROM a RANK BY KNN(:x)", {"x": np.datetime64("2024-01-01")}, "not date; pass its isoformat()"),
        ("SELECT id FROM a WHERE t = :x", {"x": Decimal("0.1")}, "not a Decimal that no float is equal to"),
        ("SELECT id FROM a WHERE t = :x", {"x": np.longdouble(1)}, "not longdouble"),
        ("SELECT id FROM a WHERE t = :x", {"x": b"x"}, "not bytes"),
        ("SELECT id FROM a WHERE t = :x", {"x": math.nan}, "not nan"),
        ("SELECT id FROM a WHERE t = :x", {"x": np.float32("inf")}, "not inf"),
        ("SELECT id FROM a WHERE t = :x", {"x": 10**400}, "this one is too large"),
        ("SELECT id FROM a WHERE t = :x", {"x": "\ud800"}, "not a string with an unpaired surrogate"),
        ("SELECT id FROM a WHERE t IN :x", {"x": "abc"}, ":x takes a list of values, not a string"),
        ("SELECT id FROM a WHERE t IN :x", {"x": {"a": 1}}, ":x takes a list of values, not a dict"),
        ("SELECT id FROM a WHERE t IN :x", {"x": [1, [2]]}, ":x takes a list of values; item [1] is list"),
        ("SELECT id FROM a WHERE t IN :x", {"x": [math.nan]}, "item [0] is nan"),
        ("SELECT id FROM a WHERE t LIKE :x", {"x": 1}, ":x takes a string, not 1"),
        ("SELECT id FROM a WHERE t REGEX :x", {"x": None}, ":x takes a string, not None"),
        ("SELECT id FROM :x", {"x": ""}, ":x takes the name of a collection, not an empty one"),
        ("SELECT id FROM a LIMIT :x", {"x": "5"}, ":x takes a whole number, not a string"),
        ("SELECT id FROM a LIMIT :x", {"x": 5.0}, ":x takes a whole number, not 5.0"),
        ("SELECT id FROM a LIMIT :x", {"x": True}, ":x takes a whole number, not True"),
        ("SELECT id FROM a RANK BY KNN('q', limit = :x)", {"x": 0}, ":x takes a whole number of at least 1, not 0"),
        ("SELECT id FROM a RANK BY KNN(:x)", {"x": []}, "this one is empty"),
        ("SELECT id FROM a RANK BY KNN(:x)", {"x": {}}, "this one is empty"),
        ("SELECT id FROM a RANK BY KNN(:x)", {"x": [True]}, "item [0] is True"),
        ("SELECT id FROM a RANK BY KNN(:x)", {"x": [None]}, "item [0] is None"),
        ("SELECT id FROM a RANK BY KNN(:x)", {"x": np.ones((2, 2))}, "item [0] is list"),
        (
            "SELECT id FROM a RANK BY KNN(:x)",
            {"x": {-1: 1}},
            "the keys of a dict are whole numbers from 0 and its values are numbers, not -1: 1",
        ),
        ("SELECT id FROM a RANK BY KNN(:x)", {"x": {1: "w"}}, "not 1: a string"),
        ("SELECT id FROM a RANK BY KNN(:x)", {"x": {"indices": [1], "values": [2]}}, "not a string: list"),
        ("SELECT id FROM a RANK BY KNN(:x)", {"x": 1}, ":x takes a text or a vector"),
        (
            "SELECT id FROM a RANK BY RRF(KNN('q'), KNN('r'), weights = :x)",
            {"x": 1},
            ":x takes a list of numbers of at least 0, not 1",
        ),
    ],
)
def test_refusals_name_the_parameter_and_what_its_place_takes(text: str, params: Any, message: str) -> None:
    """A parameter that is missing or unfit is refused under a caret, with the name and what is expected."""
    error = refused(text, params)

    assert message in error.message
    assert error.source == text
    assert error.span is not None
    assert text[error.span.start] in ":$?"
    assert "^" in str(error)
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


@pytest.mark.parametrize(
    ("text", "params", "message"),
    [
        (
            "SELECT id FROM a WHERE t = :lang",
            {"lang": 1, "langs": 2},
            "does not use the parameter 'langs' that is given; did you mean lang?",
        ),
        (
            "SELECT id FROM a WHERE t = :lang",
            {"lang": 1, "q": 2},
            "does not use the parameter 'q' that is given; it has :lang",
        ),
        ("SELECT id FROM a WHERE t = ?", [1, 2], "does not use the parameter $2 that is given; it has $1"),
        ("SELECT id FROM a", {"q": 2}, "does not use the parameter 'q' that is given; it has none"),
        ("SELECT id FROM a WHERE t = :x", "abc", "not a single str"),
        ("SELECT id FROM a WHERE t IN :x", {"x": {1: 2}}, "not a dict"),
    ],
)
def test_refusals_of_what_is_given(text: str, params: Any, message: str) -> None:
    """A parameter that is given and not used, and params that are no mapping or list, are refused by name."""
    error = refused(text, params)

    assert message in error.message
    assert error.source == text


def test_a_long_list_is_bound_whole() -> None:
    """A list parameter may hold a hundred thousand values, in their order."""
    ids = [f"id-{number}" for number in range(100_000)]

    where = bound("SELECT id FROM a WHERE id IN :ids", {"ids": ids}).where

    assert isinstance(where, ast.InPredicate)
    assert isinstance(where.values, Array)
    assert [item.value for item in where.values.items if isinstance(item, Literal)] == ids


def test_binding_imports_no_numpy() -> None:
    """Vectors of numpy are understood without importing it."""
    code = "import chromasql.analysis, sys; sys.exit('numpy' in sys.modules or 'chromadb' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# extract_metadata_values


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("model = 'a'", {"a"}),
        ("metadata.model = 'a'", {"a"}),
        ("metadata['model'] = 'a'", {"a"}),
        ("model IN ('a', 'b')", {"a", "b"}),
        ("model IN ('a', NULL)", {"a"}),
        ("model IN (NULL)", set()),
        ("model = NULL", set()),
        ("model = 1", {1}),
        ("model = TRUE", {True}),
        ("model = 'a' AND model = 'b'", set()),
        ("model = TRUE AND model = 1", set()),
        ("model IN ('a', 'b') AND model IN ('b', 'c')", {"b"}),
        ("model IN (1, 2) AND model = 1.0", {1}),
        ("model = 'a' AND year > 2020", {"a"}),
        ("year > 2020 AND (model = 'a' OR model = 'b')", {"a", "b"}),
        ("model = 'a' OR year > 2020", None),
        ("model IN (1, TRUE)", None),
        ("model != 'a'", None),
        ("model NOT IN ('a')", None),
        ("NOT model = 'a'", None),
        ("NOT (model != 'a')", {"a"}),
        ("NOT (model NOT IN ('a', 'b'))", {"a", "b"}),
        ("NOT (NOT (model = 'a'))", {"a"}),
        ("NOT (model != 'a' OR year > 2020)", {"a"}),
        ("NOT (model != 'a' AND model != 'b')", {"a", "b"}),
        ("NOT (model != 'a' AND year > 2020)", None),
        ("model BETWEEN 'a' AND 'a'", {"a"}),
        ("model BETWEEN 'a' AND 'b'", None),
        ("model BETWEEN 1 AND TRUE", None),
        ("NOT (model NOT BETWEEN 'a' AND 'a')", {"a"}),
        ("model NOT BETWEEN 'a' AND 'a'", None),
        ("model IS NOT DISTINCT FROM 'a'", {"a"}),
        ("model IS NOT DISTINCT FROM NULL", None),
        ("NOT (model IS DISTINCT FROM 'a')", {"a"}),
        ("model IS DISTINCT FROM 'a'", None),
        ("model IS NULL", None),
        ("model IS NOT NULL", None),
        ("model LIKE 'a'", {"a"}),
        ("model LIKE 'a_'", {"a_"}),
        ("NOT (model NOT LIKE 'a')", {"a"}),
        ("model LIKE 'a%'", None),
        ("model NOT LIKE 'a'", None),
        ("model ILIKE 'a'", None),
        ("model REGEX 'a'", None),
        ("model CONTAINS 'a'", None),
        ("model > 'a'", None),
        ("other = 'a'", None),
        ("id = 'a'", None),
        ("model = :unbound", None),
        ("model IN :unbound", None),
        ("model IN ('a', :unbound)", None),
        ("model LIKE :unbound", None),
        ("model = :unbound AND model = 'a'", {"a"}),
    ],
)
def test_the_values_that_where_allows(where: str, expected: set[Any] | None) -> None:
    """Equality in all its spellings constrains a key; what else WHERE says of it does not."""
    values = extract_metadata_values(query(f"SELECT id FROM docs WHERE {where}"), field_path=("model",))

    assert values == expected


@pytest.mark.parametrize(("where", "kind"), [("model = TRUE", bool), ("model = 1", int), ("model = '1'", str)])
def test_true_is_not_one(where: str, kind: type) -> None:
    """A boolean stays a boolean in the set, though Python takes it for a number."""
    values = extract_metadata_values(query(f"SELECT id FROM docs WHERE {where}"), field_path=("model",))

    assert [type(value) for value in values or ()] == [kind]


def test_the_empty_list_allows_nothing() -> None:
    """IN with an empty list parameter is false for every record."""
    statement = bound("SELECT id FROM docs WHERE model IN :x", {"x": []})

    assert extract_metadata_values(statement, field_path=("model",)) == set()


@pytest.mark.parametrize("path", [("org", "region"), ("org.region",), "org.region"])
@pytest.mark.parametrize("field", ["org.region", "metadata.org.region", "metadata['org.region']", "`org.region`"])
def test_a_path_is_a_flat_key(path: Any, field: str) -> None:
    """The parts of a path, joined by dots, are the key, however either is spelled."""
    statement = query(f"SELECT id FROM docs WHERE {field} = 'eu'")

    assert extract_metadata_values(statement, field_path=path) == {"eu"}


@pytest.mark.parametrize(
    "clause",
    ["", "WHERE_DOCUMENT CONTAINS 'a'", "GROUP BY model HAVING model = 'a'", "ORDER BY model", "WHERE id = 'a'"],
)
def test_only_where_constrains(clause: str) -> None:
    """Without a predicate in WHERE nothing is known of the key."""
    statement = query(f"SELECT model FROM docs {clause}")

    assert extract_metadata_values(statement, field_path=("model",)) is None


@given(conditions(["k", "other"]), st.lists(metadatas(["k", "other"]), max_size=10))
def test_the_values_are_sound(condition: Condition, records: list[Metadata]) -> None:
    """The value of every record that WHERE keeps is in the set."""
    values = extract_metadata_values(query(f"SELECT id FROM docs WHERE {condition.sql}"), field_path=("k",))

    kept = [record for record in records if condition.truth(record) is True]

    assert values is None or all(any(same(record.get("k"), value) for value in values) for record in kept)


# Which parameters a statement has


@pytest.mark.parametrize(
    ("text", "parameters"),
    [
        ("SELECT id FROM docs LIMIT 5", ()),
        ("SELECT id FROM :name WHERE year = :b AND lang = :a AND year < :b LIMIT :k", ("name", "b", "a", "k")),
        (
            "SELECT id FROM docs RANK BY RRF(KNN(:query, limit = :n), BM25(:query)) WITH (timeout = :t)",
            ("query", "n", "t"),
        ),
        ("SELECT id FROM docs WHERE year = ? AND lang = ?", (1, 2)),
        ("SELECT id FROM docs WHERE year = $2 AND lang = $1", (2, 1)),
        ("SHOW COLLECTIONS LIKE :pattern", ("pattern",)),
        ("DESCRIBE :name", ("name",)),
    ],
)
def test_the_parameters_of_a_statement(text: str, parameters: tuple[str | int, ...]) -> None:
    """`parameters_of` names each parameter once, in the order of the text, and they are all that a value is needed for."""
    assert parameters_of(parse(text)) == parameters
