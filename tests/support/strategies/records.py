"""Random records, predicates and statements for the oracle, made to meet: predicates test for values that the records hold."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import gcd
from typing import Any

from hypothesis import strategies as st

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
from tests.support.oracle.statements import OrderItem, Statement
from tests.support.oracle.values import Collection, Parameter, Record, distance, literal

__all__ = ["Data", "datasets", "filters", "predicates", "rankings", "scans"]

MOST_COLLECTIONS = 8

# Values

_CHARACTERS = "abAB1 é%É_'\"\\\0\n日😀.²ß"
_ODD = ("", "%", "a%", "_", "\0", "a\0b", "it's", 'say "b"', "a\\b", "1", "true", "É", "日本", "a.b", "a\nb", "²")
_LONG = ("ab" * 300, "ab" * 300 + "é", "%" + "a" * 500)
_NUMBERS = (
    *(0, 1, 2, -1, -2, 3, 10, 2**53, 2**53 + 1, -(2**53) - 1, 2**63 - 1, -(2**63)),
    *(0.0, -0.0, 1.0, 2.0, -1.0, 0.5, -0.5, 1.5, -1.5, 0.1, 2.5, 1e-7, 5e-324, 2.0**53, 1e308, -1e308),
)
_KEYS = (
    *("year", "tags", "flag", "Title", "a.b", "with space", "o'hare", 'qu"ote', "ключ", "tick`", "back\\slash"),
    *("where", "id", "document", "distance", "like%", "nul\0key", "x" * 300),
)

strings = st.one_of(
    st.sampled_from(_ODD),
    st.text(_CHARACTERS, max_size=4),
    st.text(st.characters(codec="utf-8"), max_size=3),
    st.sampled_from(_LONG),
)
numbers = st.one_of(
    st.sampled_from(_NUMBERS),
    st.integers(-4, 4),
    st.integers(-20, 20).map(lambda quarters: quarters / 4),
    # Chroma keeps a number of up to 15 digits as it is, a longer one may lose its last bit.
    st.integers(-(10**9), 10**9).map(lambda millionths: millionths / 10**6),
)
# Values of different kinds that Python takes for one another.
alike = st.sampled_from([0, 1, 0.0, 1.0, False, True, "0", "1", "", "a"])
scalars = st.one_of(numbers, strings, alike)
# Chroma stores arrays of one type only, and none that is empty.
arrays = st.one_of(
    *(
        st.lists(items, min_size=1, max_size=4)
        for items in (
            st.sampled_from([each for each in _NUMBERS if isinstance(each, int)]),
            st.sampled_from([each for each in _NUMBERS if isinstance(each, float)]),
            st.sampled_from(_ODD),
            st.booleans(),
            st.integers(0, 1),
            st.sampled_from([0.0, 1.0, 1.5]),
        )
    )
)


# Records


@dataclass(frozen=True)
class Data:
    """Collections, the keys their records may have, and the query vectors from which all distances are told apart."""

    collections: tuple[Collection, ...]
    keys: tuple[str, ...]
    queries: tuple[tuple[float, ...], ...]

    @property
    def hits(self) -> list[Record]:
        """All records, of whichever collection."""
        return [record for collection in self.collections for record in collection.records]

    def values(self, column: Column) -> list[Any]:
        """The values of a column that predicates may ask for."""
        if column.part == "_collection":
            return [collection.name for collection in self.collections]
        if column.part == "metadata":
            found = [(record.metadata or {}).get(column.key) for record in self.hits]
            return [each for value in found for each in (value if isinstance(value, list) else [value])]
        return [getattr(record, column.part) for record in self.hits]


@st.composite
def datasets(
    draw: st.DrawFn, names: Sequence[str], *, most_records: int = 24, one_space: bool = True, simple: bool = False
) -> Data:
    """
    Draw up to eight collections with the names given, some of them empty, and up to ``most_records`` records in all.

    Records miss keys, documents and metadata; the same id may be in several collections, and the same vector in several
    records. With ``simple`` the strings are short and the keys plain.
    """
    keys = tuple(draw(st.lists(st.sampled_from(_KEYS[:3] if simple else _KEYS), min_size=1, max_size=4, unique=True)))
    of_key = {key: draw(st.sampled_from([scalars, numbers, strings, alike, arrays])) for key in keys}
    pool = {key: draw(st.lists(st.one_of(of_key[key], scalars, arrays), min_size=1, max_size=6)) for key in keys}
    metadata = st.one_of(
        st.none(),
        st.fixed_dictionaries({}, optional={key: st.sampled_from(pool[key]) for key in keys}).map(
            lambda found: found or None
        ),
    )
    documents = draw(st.lists(st.one_of(st.none(), st.just(""), strings), min_size=1, max_size=6))
    dimension = draw(st.integers(1, 4))
    directions = draw(st.lists(vectors(dimension), min_size=1, max_size=10, unique=True))
    queries = tuple(draw(st.lists(vectors(dimension), min_size=1, max_size=3)))
    spaces = draw(st.lists(st.sampled_from(["l2", "cosine", "ip"]), min_size=len(names), max_size=len(names)))
    if one_space:
        spaces = [spaces[0]] * len(names)
    told_apart = _told_apart(directions, queries, set(spaces))
    ids = st.sampled_from([*(f"r{at}" for at in range(most_records)), "é'%", 'a"\\', "0", "10", "A", "a"])
    count = draw(st.integers(1, min(MOST_COLLECTIONS, len(names))))
    records: list[dict[str, Record]] = [{} for _ in range(count)]
    for _ in range(draw(st.integers(0, most_records))):
        each = Record(draw(ids), draw(st.sampled_from(told_apart)), draw(st.sampled_from(documents)), draw(metadata))
        records[draw(st.integers(0, count - 1))].setdefault(each.id, each)
    order = draw(st.permutations(range(count)))
    return Data(tuple(Collection(names[at], tuple(records[at].values()), spaces[at]) for at in order), keys, queries)


def vectors(dimension: int) -> st.SearchStrategy[tuple[float, ...]]:
    """Draw small whole vectors, whose l2 and ip distances are exact, none a multiple of another."""
    return (
        st.tuples(*[st.integers(-4, 4)] * dimension)
        .filter(any)
        .map(lambda vector: tuple(float(each // gcd(*vector)) for each in vector))
    )


def _told_apart(
    directions: Sequence[tuple[float, ...]], queries: Sequence[tuple[float, ...]], spaces: set[str]
) -> list[tuple[float, ...]]:
    """Leave out vectors whose cosine is nearly that of another, since rounding would decide which of them is first."""
    if "cosine" not in spaces:
        return list(directions)
    kept: list[tuple[float, ...]] = []
    for vector in directions:
        gaps = (
            abs(distance("cosine", query, vector) - distance("cosine", query, other))
            for query in queries
            for other in kept
        )
        if all(gap > 1e-4 for gap in gaps):
            kept.append(vector)
    return kept


# Columns


def spellings(key: str) -> list[Column]:
    """Return the ways to write a metadata key."""
    found = [Column("metadata", key, f"metadata[{literal(key)}]")]
    if re.fullmatch(r"[a-z_]\w*", key, re.ASCII | re.IGNORECASE):
        found.append(Column("metadata", key, f"metadata.{key}"))
    if re.fullmatch(r"[a-z_]\w*(\.[a-z_]\w*)*", key, re.ASCII | re.IGNORECASE) and key not in _RESERVED:
        found.append(Column("metadata", key, key, bare=True))
    elif "\0" not in key and key not in _RESERVED:
        found.append(Column("metadata", key, "`{}`".format(key.replace("`", "``")), bare=True))
    return found


_RESERVED = ("where", "id", "document", "distance")


@st.composite
def columns(draw: st.DrawFn, data: Data, *, parts: Sequence[str]) -> Column:
    """Draw a column: a part of a record, or a key, which may be one that no record has."""
    part = draw(st.sampled_from(["metadata", "metadata", "metadata", *parts]))
    if part != "metadata":
        return Column(part)
    return draw(st.sampled_from(spellings(draw(st.sampled_from([*data.keys, "absent"])))))


# Predicates


def _operands(data: Data, column: Column) -> st.SearchStrategy[Any]:
    """Draw a value to compare a column with: mostly one that it has, or close to that."""
    held = [value for value in data.values(column) if value is not None]
    sources = [scalars, alike, st.none()]
    if held:
        sources += [st.sampled_from(held), st.sampled_from(held), st.sampled_from(held).flatmap(_near)]
    return st.one_of(*sources)


def _near(value: Any) -> st.SearchStrategy[Any]:
    match value:
        case bool():
            return st.just(int(value))
        case int() | float() if abs(value) < 2**60:
            return st.sampled_from([value + 1, value - 0.5, value + 0.25, float(value), str(value), int(value)])
        case str():
            return st.sampled_from([value + "a", value[:-1], value.upper(), value.lower()])
        case _:
            return st.just(value)


def given(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Write a value in the text or give it apart."""
    return st.one_of(values, values.map(Parameter))


def _lists(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(
        st.lists(given(values), min_size=1, max_size=5).map(tuple),
        st.lists(values, max_size=5).map(tuple).map(Parameter),
    )


@st.composite
def _like_patterns(draw: st.DrawFn, texts: Sequence[str]) -> str:
    """Draw a pattern, mostly one that fits a text: parts of it joined by ``%``."""
    text = draw(st.one_of(strings, st.sampled_from(texts)) if texts else strings)[:40]
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=3)))
    parts = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    return draw(st.sampled_from(["%", "%", "", "%%"])).join(part[draw(st.integers(0, 1)) :] for part in parts)


def _one_of(categories: set[str], also: str = "") -> str:
    """Return Python's class of the characters in use that are of Unicode categories."""
    found = [each for each in map(chr, range(0x3000)) if unicodedata.category(each) in categories]
    return "".join(map(re.escape, [*found, *"日本😀"[: 2 if "Lo" in categories else 0], *also]))


_WORD = _one_of({"Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Me", "Nd", "Nl", "Pc"}, "\u200c\u200d")
_ATOMS = (
    *(Pattern(text, text) for text in ("a", "b", "é", "1", " ", "日", "%", "_", r"\.", r"\\", "'", '"', "ß")),
    *(Pattern(text, text) for text in (".", "[ab]", "[^a]", r"\x00", "[a-c1]", r"[\]^]", "(?:)")),
    Pattern(r"\d", "[" + _one_of({"Nd"}) + "]"),
    Pattern(r"\w", f"[{_WORD}]"),
    Pattern(r"\W", f"[^{_WORD}]"),
    Pattern(r"[\w%]", f"[{_WORD}%]"),
    Pattern(r"\s", r"[\t\n\v\f\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]"),
    Pattern("^", r"\A"),
    Pattern("$", r"\Z"),
    Pattern(r"\A", r"\A"),
    Pattern(r"\z", r"\Z"),
)


@st.composite
def _regexes(draw: st.DrawFn) -> Pattern:
    """Draw a regular expression whose meaning is the same in both dialects."""
    return draw(st.sampled_from(["", "", "(?i)", "(?s)"]).flatmap(_flagged))


def _flagged(flags: str) -> st.SearchStrategy[Pattern]:
    def joined(parts: Sequence[Pattern], glue: str = "") -> Pattern:
        return Pattern(glue.join(each.rust for each in parts), glue.join(each.python for each in parts))

    def repeated(part: Pattern, times: str) -> Pattern:
        return Pattern(f"(?:{part.rust}){times}", f"(?:{part.python}){times}")

    atoms = st.sampled_from(_ATOMS)
    items = st.one_of(atoms, atoms, st.builds(repeated, atoms, st.sampled_from(["?", "*", "+", "{1,2}", "*?"])))
    sequences = st.lists(items, min_size=1, max_size=3).map(joined)
    return st.one_of(sequences, st.lists(sequences, min_size=2, max_size=2).map(lambda both: joined(both, "|"))).map(
        lambda pattern: Pattern(flags + pattern.rust, flags + pattern.python)
    )


@st.composite
def tests(draw: st.DrawFn, data: Data) -> Any:
    """Draw one test of a column, of any kind that the reference knows."""
    column = draw(columns(data, parts=("id", "document", "_collection")))
    values = _operands(data, column)
    texts = [value for value in data.values(column) if isinstance(value, str)]
    negated = draw(st.booleans())
    forms = ["compare", "compare", "in", "between", "null", "distinct", "like", "ilike", "regex"]
    match draw(st.sampled_from(forms + ["contains", "any or all"] * (column.part in ("metadata", "document")))):
        case "compare":
            return Compare(column, draw(st.sampled_from(["=", "!=", "<", "<=", ">", ">="])), draw(given(values)))
        case "in":
            return In(column, draw(_lists(values)), negated=negated)
        case "between":
            return Between(column, draw(given(values)), draw(given(values)), negated=negated)
        case "null":
            return IsNull(column, negated=negated)
        case "distinct":
            return IsDistinct(column, draw(given(values)), negated=negated)
        case "like":
            return Like(column, draw(given(_like_patterns(texts))), negated=negated)
        case "ilike":
            return Like(column, draw(given(_like_patterns(texts))), ignore_case=True, negated=negated)
        case "regex":
            return Regex(column, draw(_regexes()), draw(st.booleans()), negated=negated)
        case form:
            held = values if column.part == "metadata" else _pieces(texts)
            if form == "contains":
                return Contains(column, draw(given(held)), negated=negated)
            return Contains(column, draw(_lists(held)), draw(st.sampled_from(["ANY", "ALL"])), negated=negated)


def _pieces(texts: Sequence[str]) -> st.SearchStrategy[Any]:
    """Draw what documents may contain."""
    found = st.one_of(strings, st.text(_CHARACTERS, max_size=2), st.none())
    if not texts:
        return found
    cut = st.builds(
        lambda text, start, length: text[start : start + length],
        st.sampled_from(texts),
        st.integers(0, 3),
        st.integers(0, 3),
    )
    return st.one_of(found, cut, cut)


def predicates(data: Data, depth: int = 6) -> st.SearchStrategy[Any]:
    """Draw a predicate that nests at most ``depth`` deep."""
    found = tests(data)
    for _ in range(depth):
        parts = st.lists(found, min_size=2, max_size=3).map(tuple)
        found = st.one_of(tests(data), found.map(Not), parts.map(And), parts.map(Or))
    return found


# Statements

_EVERYTHING = (Column("_collection"), Column("id"), Column("document"), Column("metadata"))


@st.composite
def filters(draw: st.DrawFn, data: Data) -> Statement:
    """Draw a filter that shows whole records, without order or page."""
    return Statement(_EVERYTHING, where=draw(predicates(data)))


@st.composite
def projections(draw: st.DrawFn, data: Data, *, ranked: bool) -> tuple[Column, ...]:
    """Draw some columns, always with the two that tell a row."""
    parts = ["document", "metadata", "embedding", *(["distance", "score"] if ranked else [])]
    more = draw(st.lists(columns(data, parts=parts), max_size=4, unique_by=lambda column: column.name))
    return (Column("_collection"), Column("id"), *(each for each in more if each.name not in ("_collection", "id")))


@st.composite
def orders(draw: st.DrawFn, data: Data, *, ranked: bool) -> tuple[OrderItem, ...]:
    parts = ["id", "document", "_collection", *(["distance", "score"] if ranked else [])]
    items = st.builds(OrderItem, columns(data, parts=parts), st.booleans(), st.sampled_from([None, "FIRST", "LAST"]))
    return tuple(draw(st.lists(items, max_size=3)))


@st.composite
def rankings(draw: st.DrawFn, data: Data, *, depth: int = 6) -> Statement:
    """Draw a ranked statement with any of its clauses."""
    batch = draw(st.booleans())
    one_space = len({collection.space for collection in data.collections}) == 1
    merge = draw(st.sampled_from(["SCORE", "RRF"])) if one_space else "RRF"
    counts = st.one_of(st.none(), st.integers(1, 30))
    return Statement(
        columns=draw(projections(data, ranked=True)),
        where=draw(st.one_of(st.none(), predicates(data, depth))),
        vectors=data.queries if batch else data.queries[:1],
        batch=batch,
        merge=merge,
        per_collection=draw(st.one_of(st.none(), st.none(), st.integers(1, 5))),
        topk=draw(counts),
        threshold=draw(st.one_of(st.none(), thresholds(data, merge))),
        order=draw(st.one_of(st.just(()), orders(data, ranked=True))),
        limit=draw(st.one_of(st.none(), st.integers(0, 12))),
        offset=draw(st.one_of(st.none(), st.integers(0, 6))),
    )


def thresholds(data: Data, merge: str) -> st.SearchStrategy[float]:
    """Draw a score between those of two records, or one that a record has exactly where that can be computed exactly."""
    if merge == "RRF":
        return st.sampled_from([-0.03, -0.0165, -0.0164, -0.0161, 0.0])
    space = data.collections[0].space
    found = sorted({distance(space, query, record.vector) for query in data.queries for record in data.hits} or {0.0})
    between = [(low + high) / 2 for low, high in pairwise(found) if high - low > 1e-4]
    outside = [found[0] - 1, found[-1] + 1]
    return st.sampled_from([*between, *outside, *(found if space != "cosine" else [])])


@st.composite
def scans(draw: st.DrawFn, data: Data, *, depth: int = 6) -> Statement:
    """Draw an unranked statement with any of its clauses."""
    return Statement(
        columns=draw(projections(data, ranked=False)),
        where=draw(st.one_of(st.none(), predicates(data, depth))),
        order=draw(st.one_of(st.just(()), orders(data, ranked=False))),
        limit=draw(st.one_of(st.none(), st.integers(0, 12))),
        offset=draw(st.one_of(st.none(), st.integers(0, 6))),
    )
