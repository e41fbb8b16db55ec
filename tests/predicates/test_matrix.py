"""
Every operator beside every operand over every stored value, on real Chroma, and the sizes at which Chroma itself gives up.

What Chroma alone answers here is wrong in over a third of the cases: it counts missing keys as unequal, truncates fractions where
they meet integers, has no order for strings, and tells 1 from 1.0 in arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import chromadb
import pytest

import chromasql
from oracle import (
    And,
    Between,
    Collection,
    Column,
    Compare,
    Contains,
    In,
    IsDistinct,
    IsNull,
    Like,
    Not,
    Or,
    Parameter,
    Pattern,
    Record,
    Regex,
    Statement,
    answer,
    matching,
)
from predicates.stores import filled

STORED: dict[str, Any] = {
    **{"text a": "a", "text b": "b", "text A": "A", "empty text": "", "text 1": "1", "text ab": "a%b", "text _": "a_b"},
    **{"int 1": 1, "int 2": 2, "int 0": 0, "int -1": -1, "int -2": -2, "int 2**53": 2**53, "int 2**53+1": 2**53 + 1},
    **{"float 1": 1.0, "float 1.5": 1.5, "float 2": 2.0, "float -1.5": -1.5, "float 0.5": 0.5, "float 2**53": 2.0**53},
    **{"true": True, "false": False},
    **{"texts": ["a", "b"], "ints": [1, 2], "floats": [1.0, 2.5], "booleans": [True, False], "big": [2**53 + 1]},
}
OPERANDS: tuple[Any, ...] = (
    *("a", "b", "A", "", "1", "a%b", "a_b"),
    *(0, 1, 2, -1, -2, 2**53, 2**53 + 1, 2**70),
    *(0.0, 0.5, 1.0, 1.5, 2.0, -0.5, -1.5, 2.5, 2.0**53, 1e300),
    *(True, False, None),
)
TEXTS = [each for each in OPERANDS if isinstance(each, str) or each is None]
K = Column("metadata", "k", "k", bare=True)
DOCUMENT = Column("document")
ID = Column("id")
NAME = "matrix"
RECORDS = (
    Record("nothing", (1.0,)),
    Record("another key", (1.0,), metadata={"other": 1}),
    *(Record(name, (1.0,), metadata={"k": value, "other": at % 2}) for at, (name, value) in enumerate(STORED.items())),
    *(Record(f"said {text!r}", (1.0,), document=text) for text in STORED.values() if isinstance(text, str)),
)
COLLECTION = Collection(NAME, RECORDS)

Ask = Callable[..., chromasql.ExecutionResult]


def columns_and_values() -> Iterator[tuple[Column, Any]]:
    return product([K, DOCUMENT, ID], OPERANDS)


FORMS: dict[str, Callable[[], Iterator[Any]]] = {
    **{
        operator: lambda operator=operator: (Compare(column, operator, value) for column, value in columns_and_values())
        for operator in ("=", "!=", "<", "<=", ">", ">=")
    },
    "IN": lambda: (
        In(column, (value, other))
        for (column, value), other in product(columns_and_values(), ["a", 1, 1.5, False, None])
    ),
    "IN ()": lambda: (In(column, Parameter(())) for column in (K, DOCUMENT, ID)),
    "BETWEEN": lambda: (
        Between(column, value, other) for (column, value), other in product(columns_and_values(), ["b", 1, 1.5, None])
    ),
    "IS NULL": lambda: (IsNull(column) for column in (K, DOCUMENT, ID)),
    "IS DISTINCT FROM": lambda: (IsDistinct(column, value) for column, value in columns_and_values()),
    "CONTAINS": lambda: (
        *(Contains(K, value) for value in OPERANDS),
        *(Contains(DOCUMENT, value) for value in TEXTS),
    ),
    "CONTAINS ANY, ALL": lambda: (
        *(
            Contains(K, (value, other), quantifier)
            for value, other, quantifier in product(OPERANDS, ["a", 1, 2.5, True, None], ["ANY", "ALL"])
        ),
        *(Contains(DOCUMENT, (text, "a"), quantifier) for text, quantifier in product(TEXTS, ["ANY", "ALL"])),
    ),
    "LIKE": lambda: (
        Like(column, Parameter(pattern), ignore_case=ignore_case)
        for column, pattern, ignore_case in product(
            [K, DOCUMENT, ID], [*TEXTS, "a%", "%b", "%", "%%", "A%B", "%_%", "text %"], [False, True]
        )
    ),
    "REGEX": lambda: (
        Regex(column, Pattern(pattern, pattern.replace(r"\z", r"\Z")))
        for column, pattern in product([K, DOCUMENT, ID], ["a", "^a$", r"^\d\z", "(?i)A", "%|_", "x*", "."])
    ),
}
CONTEXTS: dict[str, Callable[[Any], Any]] = {
    "alone": lambda test: test,
    "negated": Not,
    "negated twice": lambda test: Not(Not(test)),
    "beside a test that needs the key": lambda test: And((test, Compare(K, ">", -10))),
    "negated beside a test that needs the key": lambda test: And((Compare(K, ">=", 0.5), Not(test))),
    "beside a test of another key": lambda test: And((test, Compare(Column("metadata", "other", "other"), "=", 1))),
    "or an id": lambda test: Or((test, Compare(ID, "=", "nothing"))),
    "negated or another key": lambda test: Or((Not(test), IsNull(Column("metadata", "other", "other")))),
}


@pytest.fixture(scope="module")
def client() -> Any:
    return chromadb.EphemeralClient(settings=chromadb.Settings(anonymized_telemetry=False))


@pytest.fixture(scope="module")
def ask(client) -> Iterator[Ask]:
    with filled(client, [COLLECTION]):
        yield chromasql.connect(client).execute


@pytest.fixture(scope="module")
def ask_server(chroma_server) -> Iterator[Ask]:
    client = chromadb.HttpClient(
        chroma_server.host, chroma_server.port, settings=chromadb.Settings(anonymized_telemetry=False)
    )
    with filled(client, [COLLECTION]), chromasql.connect(chroma_server.url) as database:
        yield database.execute


def wrong_answers(ask: Ask, form: str, context: str) -> list[tuple[str, set[str], set[str]]]:
    """Return the statements of a form whose answer is wrong, with what is missing and what is too much."""
    wrong = []
    for test in FORMS[form]():
        statement = Statement((ID,), where=CONTEXTS[context](test))
        sql, params = statement.sql([NAME])
        expected = {row["id"] for row in matching(statement, [COLLECTION])}
        got = {row["id"] for row in ask(sql, params)}
        if got != expected:
            wrong.append((sql, expected - got, got - expected))
    return wrong


@pytest.mark.parametrize("context", CONTEXTS)
@pytest.mark.parametrize("form", FORMS)
def test_matrix_embedded(ask, form, context):
    """No operator gives a wrong answer for any operand and any stored value, alone, negated or beside other tests."""
    assert not wrong_answers(ask, form, context)


@pytest.mark.parametrize("form", FORMS)
def test_matrix_server(ask_server, form):
    """A server gives the same answers, negated too."""
    assert not wrong_answers(ask_server, form, "alone")
    assert not wrong_answers(ask_server, form, "negated")
