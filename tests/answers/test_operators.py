"""
Every operator beside every operand over every stored value, on real Chroma, and the sizes at which Chroma itself gives up.

What Chroma alone answers here is wrong in over a third of the cases: it counts missing keys as unequal, truncates fractions where
they meet integers, has no order for strings, and tells 1 from 1.0 in arrays.
"""

from __future__ import annotations

import dataclasses
import unicodedata
from collections.abc import Callable, Iterator
from itertools import chain, product
from typing import Any

import chromadb
import pytest

import chromasql
from tests.support.oracle.predicates import (
    And,
    Between,
    Column,
    Compare,
    Contains,
    In,
    IsDistinct,
    IsNull,
    Like,
    Not,
    Or,
    Pattern,
    Regex,
)
from tests.support.oracle.statements import Statement, answer, matching
from tests.support.oracle.values import Collection, Parameter, Record
from tests.support.stores import drop, filled

pytestmark = pytest.mark.no_cover  # hundreds of statements, or very long ones, over lines that others cover

STORED: dict[str, Any] = {
    "text a": "a",
    "text b": "b",
    "text A": "A",
    "empty text": "",
    "text 1": "1",
    "text ab": "a%b",
    "text _": "a_b",
    "int 1": 1,
    "int 2": 2,
    "int 0": 0,
    "int -1": -1,
    "int -2": -2,
    "int 2**53": 2**53,
    "int 2**53+1": 2**53 + 1,
    "float 1": 1.0,
    "float 1.5": 1.5,
    "float 2": 2.0,
    "float -1.5": -1.5,
    "float 0.5": 0.5,
    "float 2**53": 2.0**53,
    "true": True,
    "false": False,
    "texts": ["a", "b"],
    "ints": [1, 2],
    "floats": [1.0, 2.5],
    "booleans": [True, False],
    "big": [2**53 + 1],
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
        In(column, (value, other)) for (column, value), other in product(columns_and_values(), ["a", 1, False])
    ),
    "IN ()": lambda: (In(column, Parameter(())) for column in (K, DOCUMENT, ID)),
    "BETWEEN": lambda: (
        Between(column, value, other) for (column, value), other in product(columns_and_values(), ["b", 1.5])
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
            for value, other, quantifier in product(OPERANDS, [1, True], ["ANY", "ALL"])
        ),
        *(Contains(DOCUMENT, (text, "a"), quantifier) for text, quantifier in product(TEXTS, ["ANY", "ALL"])),
    ),
    "LIKE": lambda: (
        Like(column, pattern, ignore_case=ignore_case)
        for column, pattern, ignore_case in product(
            [K, DOCUMENT, ID],
            [*(each for each in TEXTS if each is not None), "a%", "%b", "%", "%%", "A%B", "%_%", "text %"],
            [False, True],
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
    "negated beside a test that needs the key": lambda test: And((Compare(K, ">=", 0.5), Not(test))),
    "beside a test of another key": lambda test: And((test, Compare(Column("metadata", "other", "other"), "=", 1))),
    "or an id": lambda test: Or((test, Compare(ID, "=", "nothing"))),
    "negated or another key": lambda test: Or((Not(test), IsNull(Column("metadata", "other", "other")))),
}


@pytest.fixture(scope="module")
def client() -> Any:
    return chromadb.EphemeralClient()


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


# Sizes

SIZES = "sizes"
BIG = Collection(
    SIZES,
    tuple(
        Record(
            f"r{at}",
            (float(at % 5), 1.0),
            document=None if at % 7 == 0 else f"text {at}",
            metadata={"name": f"n{at}", "n": at, "half": at / 2} if at % 10 else None,
        )
        for at in range(100)
    ),
)
NAME_KEY, N, HALF = (Column("metadata", key, key) for key in ("name", "n", "half"))
MANY_STRINGS = Parameter(tuple(f"n{at}" for at in range(30, 40_030)))
MANY_NUMBERS = Parameter(tuple(range(20, 20_020)))
MANY_FRACTIONS = Parameter(tuple(at + 0.5 for at in range(20, 3_020)))
MANY_IDS = Parameter(tuple(f"r{at}" for at in range(40, 40_040)))
LONG_LISTS = {
    "strings": In(NAME_KEY, MANY_STRINGS),
    "not strings": In(NAME_KEY, MANY_STRINGS, negated=True),
    "numbers": In(N, MANY_NUMBERS),
    "not numbers": In(N, MANY_NUMBERS, negated=True),
    "fractions": In(HALF, MANY_FRACTIONS),
    "not fractions": In(HALF, MANY_FRACTIONS, negated=True),
    "ids": In(ID, MANY_IDS),
    "not ids": In(ID, MANY_IDS, negated=True),
    "texts": In(DOCUMENT, Parameter(tuple(f"text {at}" for at in range(50, 1_550)))),
    "not texts": In(DOCUMENT, Parameter(tuple(f"text {at}" for at in range(50, 1_550))), negated=True),
    "two lists": And((In(NAME_KEY, MANY_STRINGS), In(N, MANY_NUMBERS), In(ID, MANY_IDS))),
    "one list or another": Or((In(NAME_KEY, MANY_STRINGS), In(ID, MANY_IDS), IsNull(N))),
    "mixed kinds": In(N, Parameter((*MANY_STRINGS.value[:3000], *MANY_NUMBERS.value[:3000], True, 0.5))),
    "elements": Contains(NAME_KEY, Parameter(MANY_STRINGS.value[:2_000]), "ANY", negated=True),
}


def nested(levels: int) -> Any:
    """AND in OR in NOT in AND ..: each level changes which records are left."""
    found: Any = Compare(N, ">", 50)
    for level in range(levels):
        match level % 3:
            case 0:
                found = And((found, Compare(N, "!=", level)))
            case 1:
                found = Or((found, Compare(NAME_KEY, "=", f"n{level}")))
            case _:
                found = Not(found)
    return found


DEEP_AND_WIDE = {
    "100 levels": nested(60),
    "3,000 times OR": Or(tuple(Compare(N, "=", at) for at in range(0, 6_000, 2))),
    "3,000 times OR over two keys": Or(
        tuple(Compare(NAME_KEY, "=", f"n{at}") if at % 2 else Compare(N, "=", at) for at in range(30, 3_030))
    ),
    "1,000 times OR LIKE": Or(tuple(Like(NAME_KEY, f"%{at}") for at in range(0, 1_000, 3))),
    "1,500 times AND": And(tuple(Compare(N, "!=", at) for at in range(20, 1_520))),
    "1,000 documents": Or(tuple(Contains(DOCUMENT, f"t {at}") for at in range(0, 1_000, 3))),
    "200 fractions": And(tuple(Compare(HALF, "!=", at + 0.5) for at in range(200))),
    "ORs multiplied": And(
        tuple(Or((Compare(ID, "=", f"r{at}"), Compare(N, ">", at), IsNull(DOCUMENT))) for at in range(20, 60))
    ),
}


@pytest.fixture(scope="module")
def ask_sizes(client, chroma_server) -> Iterator[tuple[Ask, Ask]]:
    """Give what asks an embedded Chroma, and what asks a server."""
    over_http = chromadb.HttpClient(
        chroma_server.host, chroma_server.port, settings=chromadb.Settings(anonymized_telemetry=False)
    )
    with filled(client, [BIG]), filled(over_http, [BIG]), chromasql.connect(chroma_server.url) as database:
        yield chromasql.connect(client).execute, database.execute


def check(asks: tuple[Ask, Ask], where: Any) -> None:
    """Check a filter, and the same filter under a ranking; the oracle, which takes longest, answers once."""
    statement = Statement((ID,), where=where)
    ranked = Statement((ID,), where=where, vectors=((2.0, 1.0),), topk=50)
    sql, params = statement.sql([SIZES])
    ranked_sql, _ = ranked.sql([SIZES])

    expected = {row["id"] for row in matching(statement, [BIG])}
    found = tuple(record for record in BIG.records if record.id in expected)
    nearest = answer(dataclasses.replace(ranked, where=None), [dataclasses.replace(BIG, records=found)])[0]
    for ask in asks:
        assert {row["id"] for row in ask(sql, params)} == expected
        assert ask(ranked_sql, params).rows == nearest


@pytest.mark.parametrize("name", LONG_LISTS)
def test_long_lists(ask_sizes, name):
    """A list may be far longer than the number of variables that Chroma's database binds, embedded or on a server."""
    check(ask_sizes, LONG_LISTS[name])


@pytest.mark.parametrize("name", DEEP_AND_WIDE)
def test_deep_and_wide(ask_sizes, name):
    """A predicate may be nested deeper and written wider than Chroma takes in one request, embedded or on a server."""
    check(ask_sizes, DEEP_AND_WIDE[name])


def test_brackets(ask_sizes):
    """Brackets a hundred deep mean what they enclose, and so does an even number of NOTs."""
    bare = "n > 50 AND n < 60"
    for ask in ask_sizes:
        expected = sorted(row["id"] for row in ask(f"SELECT id FROM {SIZES} WHERE {bare}"))

        bracketed = ask(f"SELECT id FROM {SIZES} WHERE {'(' * 99}{bare}{')' * 99}")
        negated = ask(f"SELECT id FROM {SIZES} WHERE {'NOT (' * 50}{bare}{')' * 50}")
        assert sorted(row["id"] for row in bracketed) == expected
        assert sorted(row["id"] for row in negated) == expected


LONG_TEXT = "long é " * 20_000
LONG = Collection(
    "long-texts",
    (
        Record("whole", (1.0,), document=LONG_TEXT, metadata={"t": LONG_TEXT}),
        Record("almost", (2.0,), document=LONG_TEXT + "!", metadata={"t": LONG_TEXT + "!"}),
        Record("short", (3.0,), document="long", metadata={"t": "long"}),
        Record("none", (4.0,)),
    ),
)


@pytest.mark.parametrize("column", [Column("metadata", "t", "t"), DOCUMENT], ids=str)
@pytest.mark.parametrize(
    "test",
    [
        lambda column: Compare(column, "=", Parameter(LONG_TEXT)),
        lambda column: Compare(column, "!=", Parameter(LONG_TEXT)),
        lambda column: In(column, Parameter((LONG_TEXT, "long")), negated=True),
        lambda column: IsDistinct(column, Parameter(LONG_TEXT)),
        lambda column: Like(column, Parameter(f"%{LONG_TEXT}")),
        lambda column: Like(column, Parameter(f"{LONG_TEXT}%")),
        lambda column: Like(column, Parameter(f"{LONG_TEXT.upper()}%"), ignore_case=True, negated=True),
        lambda column: Contains(column, Parameter(LONG_TEXT)),
        lambda column: Contains(column, Parameter(LONG_TEXT[1:]), negated=True),
        lambda column: Compare(column, ">", Parameter(LONG_TEXT)),
    ],
)
def test_long_texts(client, column, test):
    """Texts far longer than Chroma takes in a pattern are compared all the same."""
    statement = Statement((ID,), where=test(column))
    sql, params = statement.sql([LONG.name])
    with filled(client, [LONG]):
        got = chromasql.connect(client).execute(sql, params)

    assert {row["id"] for row in got} == {row["id"] for row in matching(statement, [LONG])}


MANY = 33_500


@pytest.fixture(scope="module")
def many(client) -> Iterator[Any]:
    """One collection of more records than Chroma's database binds variables."""
    made = client.create_collection("many", embedding_function=None)
    for start in range(0, MANY, 5_000):
        numbers = range(start, min(start + 5_000, MANY))
        made.add(
            ids=[f"r{at}" for at in numbers],
            embeddings=[[float(at % 100), 1.0] for at in numbers],
            documents=[f"text {at}" for at in numbers],
            metadatas=[{"n": at, "name": f"n{at % 10}"} for at in numbers],
        )
    yield chromasql.connect(client)
    drop(client, made, arrays=False)


def test_many_records(many):
    """A collection may have more records than one request can return with their metadata."""
    rows = many.execute("SELECT id, document, metadata FROM many").rows

    assert sorted(row["metadata"]["n"] for row in rows) == list(range(MANY))
    assert all(row["id"] == f"r{row['metadata']['n']}" and row["document"].endswith(row["id"][1:]) for row in rows)


def test_many_records_checked_here(many):
    """Records that only a re-check can find are found on every page of Chroma's."""
    rows = many.execute("SELECT n FROM many WHERE name >= 'n9'").rows

    assert sorted(row["n"] for row in rows) == list(range(9, MANY, 10))


@pytest.mark.parametrize("order", ["", "ORDER BY name DESC, n"])
def test_many_records_by_page(many, order):
    """Pages far into the records follow one another without a gap."""
    sql = f"SELECT n FROM many WHERE n >= 1000 {order} LIMIT 12000 OFFSET :offset"
    pages = [[row["n"] for row in many.execute(sql, {"offset": offset})] for offset in range(0, MANY, 12_000)]

    assert [len(page) for page in pages] == [12_000, 12_000, 8_500]
    assert sorted(chain.from_iterable(pages)) == list(range(1_000, MANY))


def test_many_records_ranked(many):
    """A ranking may be as long as the collection, with documents and metadata."""
    rows = many.execute(f"SELECT *, n FROM many USING EMBEDDING (VECTOR [0, 1]) TOPK {MANY}").rows

    assert sorted(row["n"] for row in rows) == list(range(MANY))
    assert [row["distance"] for row in rows] == sorted((row["n"] % 100) ** 2 for row in rows)


# What Python takes for equal


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("k = 1 OR k = TRUE", {"int 1", "float 1", "true"}),
        ("k = 1 AND k = TRUE", set()),
        ("k IN (0, FALSE)", {"int 0", "false"}),
        ("k CONTAINS 1 OR k CONTAINS TRUE", {"ints", "floats", "booleans"}),
    ],
)
def test_true_is_not_one(ask, where, expected):
    """Tests that differ only by TRUE and 1, or by 1 and 1.0, are not taken for repeats of one another."""
    assert {row["id"] for row in ask(f"SELECT id FROM {NAME} WHERE {where}")} == expected


# Regular expressions here and in Chroma

_BLOCKS = (range(0x600), range(0x1D00, 0x2200), range(0x2460, 0x2500), range(0xA640, 0xA7D0), range(0x1F100, 0x1F1A0))
CHARACTERS = [chr(code) for block in _BLOCKS for code in block if unicodedata.category(chr(code)) != "Cn"]


@pytest.fixture(scope="module")
def found_by(client) -> Iterator[Callable[[str, str], list[set[str]]]]:
    """Give a function that finds characters by a test: re-checked here, on metadata, and by Chroma, on documents."""
    records = (Record(f"{ord(each):x}", (1.0,), document=each, metadata={"character": each}) for each in CHARACTERS)
    with filled(client, [Collection("characters", tuple(records))]):
        database = chromasql.connect(client)

        def find(operator: str, pattern: str) -> list[set[str]]:
            return [
                {
                    row["id"]
                    for row in database.execute(f"SELECT id FROM characters WHERE {column} {operator} ?", [pattern])
                }
                for column in ("character", "document")
            ]

        yield find


@pytest.mark.parametrize(
    "pattern", [r"\w", r"\W", r"\d", r"[\s\d]", ".", "(?i)k", "(?i)[a-z]", r"\p{Lu}", r"[^\w]", "(?s)^.$"]
)
def test_regex_classes(found_by, pattern):
    """A pattern finds the same characters where it is re-checked here as in Chroma."""
    here, there = found_by("REGEX", pattern)
    assert here == there


@pytest.mark.parametrize(
    "character",
    [*"kßẞςİǆᾳﬀⒶ", "\N{KELVIN SIGN}", "\N{LATIN SMALL LETTER LONG S}", "\N{LATIN SMALL LETTER DOTLESS I}", "\u0390"],
)
def test_ignoring_case(found_by, character):
    """ILIKE takes the same characters for one another here as in Chroma."""
    here, there = found_by("ILIKE", character)
    assert here == there
    assert not here or f"{ord(character):x}" in here
