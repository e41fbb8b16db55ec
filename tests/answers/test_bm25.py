"""BM25 over the documents of any Chroma: Lucene's formula, whatever the split of the records."""

from __future__ import annotations

import random
import re
import sys
import unicodedata
from typing import Any

import bm25s
import chromadb
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import chromasql
from chromasql.adapters import MemoryProvider
from chromasql.adapters.memory import MemoryCollection
from chromasql.cli.demo.corpus import read_standard_library
from chromasql.operators.bm25 import split_words, words_pattern
from chromasql.operators.patterns import compile_regex
from tests.support.distributed import DistributedCollection, DistributedProvider
from tests.support.distributed import Record as CloudRecord
from tests.support.oracle.predicates import Filter
from tests.support.oracle.ranks import Bm25, Statement, disagreement
from tests.support.oracle.values import Collection, Record

relaxed = settings(suppress_health_check=list(HealthCheck))
pytestmark = pytest.mark.timeout(7200)

MOST_COLLECTIONS = 8
VOCABULARY = (
    "red",
    "RED",
    "Red,",
    "fox",
    "foxes",
    "blue-ish",
    "été",
    "ÉTÉ",
    "straße",
    "_x1",
    "42",
    "4.2",
    "日本",
    "...",
)


@pytest.fixture(scope="module")
def client() -> Any:
    return chromadb.EphemeralClient()


def in_memory(collections: tuple[Collection, ...]) -> MemoryProvider:
    return MemoryProvider(
        {
            each.name: [
                {"id": one.id, "embedding": [1.0], "document": one.document, "metadata": one.metadata or None}
                for one in each.records
            ]
            for each in collections
        }
    )


def of_documents(*documents: str | None, metadata: Any = None) -> MemoryProvider:
    """Return one collection of documents with the ids d0, d1, ..."""
    records = tuple(Record(f"d{at}", (1.0,), each, metadata or {}) for at, each in enumerate(documents))
    return in_memory((Collection("docs", records),))


def ranked(provider: Any, rank: str, rest: str = "") -> list[tuple[str, float]]:
    result = chromasql.connect(provider).execute(f"SELECT id, score FROM * RANK BY {rank} {rest}")
    return [(row["id"], row["score"]) for row in result.rows]


def ids(provider: Any, rank: str, rest: str = "") -> list[str]:
    return [row_id for row_id, _ in ranked(provider, rank, rest)]


# The formula


@st.composite
def splits(draw: st.DrawFn) -> tuple[tuple[Collection, ...], tuple[Collection, ...]]:
    """Draw records twice: in one collection, and spread over up to eight."""
    texts = st.one_of(st.none(), st.just(""), st.lists(st.sampled_from(VOCABULARY), max_size=8).map(" ".join))
    metadatas = st.fixed_dictionaries({}, optional={"kind": st.sampled_from(["a", "b"])})
    drawn = draw(st.lists(st.tuples(texts, metadatas), max_size=25))
    records = [Record(f"d{at:02}", (1.0,), text, metadata) for at, (text, metadata) in enumerate(drawn)]
    count = draw(st.integers(2, MOST_COLLECTIONS))
    parts: list[list[Record]] = [[] for _ in range(count)]
    for record in records:
        parts[draw(st.integers(0, count - 1))].append(record)
    together = (Collection("all", tuple(records)),)
    return together, tuple(Collection(f"part-{at}", tuple(part)) for at, part in enumerate(parts))


@relaxed
@given(splits(), st.data())
def test_any_split(both, draws):
    """Scores are those of the formula, and neither they nor the order depend on how the records are spread."""
    together, apart = both
    rank = Bm25(
        " ".join(draws.draw(st.lists(st.sampled_from(VOCABULARY), max_size=4))),
        limit=draws.draw(st.sampled_from([None, 1, 3])),
        k1=draws.draw(st.sampled_from([1.2, 0.0, 0.5, 3.0])),
        b=draws.draw(st.sampled_from([0.75, 0.0, 1.0])),
    )
    where = Filter("kind = 'a'", lambda record: record.values.get("kind") == "a")
    statement = Statement(rank, where=draws.draw(st.sampled_from([None, where])))
    answers = []
    for collections in (together, apart):
        sql = statement.sql([each.name for each in collections])
        rows = chromasql.connect(in_memory(collections)).execute(sql).rows
        expected = statement.ranked(collections, "l2")

        assert disagreement(statement, expected, rows, scale=0) is None, sql
        assert [row["id"] for row in rows] == [hit.record.id for hit, _ in expected]
        answers.append([(row["id"], row["score"]) for row in rows])

    assert answers[0] == answers[1]


def test_by_hand():
    """The score of one word in one of two documents is - ln(1 + (2 - 1 + 0.5) / (1 + 0.5)) / (1 + 1.2)."""
    assert ranked(of_documents("fox", "dog"), "BM25('fox')") == [("d0", pytest.approx(-np.log(2) / 2.2))]


def test_where():
    """WHERE restricts what is ranked and what is counted."""
    provider = in_memory(
        (
            Collection(
                "docs",
                (
                    Record("a", (1.0,), "red fox", {"kind": 1}),
                    Record("b", (1.0,), "blue fox", {"kind": 1}),
                    Record("c", (1.0,), "red red", {"kind": 2}),
                ),
            ),
        )
    )
    alone = of_documents("red fox", "blue fox")

    assert ranked(provider, "BM25('red')", "WHERE kind = 1") == [("a", ranked(alone, "BM25('red')")[0][1])]


def test_where_on_the_document():
    """A filter of the document itself is one like any other."""
    assert ids(of_documents("red fox", "red dog", "dog"), "BM25('red')", "WHERE document CONTAINS 'dog'") == ["d1"]


def test_no_record_satisfies_the_filter():
    """Where no record satisfies the filter there is nothing to rank."""
    assert ids(of_documents("fox"), "BM25('fox')", "WHERE id = 'nobody'") == []
    assert ids(of_documents("fox"), "BM25('fox')", "WHERE id = 'a' AND id = 'b'") == []


def test_documents_that_are_missing():
    """A record without a document is not counted; one whose document is empty is."""
    with_empty = ranked(of_documents("fox", ""), "BM25('fox')")

    assert ranked(of_documents("fox", None), "BM25('fox')") == ranked(of_documents("fox"), "BM25('fox')")
    assert with_empty == ranked(of_documents("fox", "dog"), "BM25('fox')")


# Words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Red FOX", ["red", "fox"]),
        ("snake_case x1 4.2", ["snake_case", "x1", "4", "2"]),
        ("don't stop-it", ["don", "t", "stop", "it"]),
        ("ÉTÉ 日本 Ωμέγα", ["été", "日本", "ωμέγα"]),
        ("İstanbul", ["İstanbul"]),
        ("...", []),
        ("", []),
    ],
)
def test_words(text, words):
    r"""A word is \w+, in lower case."""
    assert split_words(text) == words


@pytest.mark.parametrize("text", ["İSTANBUL", "ÉTÉ", "ΟΔΟΣ", "STRASSE", "ǅ", "K"])
def test_case(client, text):
    """A word finds itself in any case that Chroma's engine and Python agree on, and always as it is written."""
    collection = client.create_collection("case", embedding_function=None)
    try:
        collection.add(ids=["a"], embeddings=[[1.0]], documents=[f"({text})"])

        assert ids(client, f"BM25('{text}')") == ["a"]
        assert ids(client, f"BM25('{text.lower()}')") == (["a"] if text != "İSTANBUL" else [])
    finally:
        client.delete_collection("case")


def test_word_characters():
    r"""Python's \w is a letter, a number or an underscore: what the pattern for Chroma takes it to be."""
    characters = map(chr, range(sys.maxunicode + 1))

    assert all(
        (re.match(r"\w", each) is not None) is (unicodedata.category(each)[0] in "LN" or each == "_")
        for each in characters
    )


@relaxed
@given(
    st.lists(
        st.one_of(st.sampled_from([*VOCABULARY, "\u017f", "ẞ", "ς", "\u0131", "İ"]), st.text(max_size=4)), max_size=4
    ),
    st.lists(st.one_of(st.sampled_from(VOCABULARY), st.text(max_size=4)), max_size=6),
)
def test_pattern_keeps_all(words, document):
    """The pattern that Chroma is sent matches each document that holds one of the words."""
    query = split_words(" ".join(words))
    text = " ".join(document + words[:1])

    if set(query) & set(split_words(text)):
        assert compile_regex(words_pattern(query))(text)


def test_words_that_only_look_alike():
    """A document that Chroma's engine finds, as to it a long s is an s, but that holds no word is not ranked."""
    assert ids(of_documents("\u017fun", "sun", "moon"), "BM25('sun')") == ["d1"]
    assert ids(of_documents("\u017fun"), "BM25('sun')") == []


@pytest.mark.parametrize("text", ["", "...", "?!"])
def test_no_words(text):
    """A text without words ranks nothing."""
    assert ids(of_documents("fox", "...", None), f"BM25('{text}')") == []


def test_repeated_words():
    """A word that stands twice in the query counts once."""
    provider = of_documents("red fox", "blue fox", "blue dog")

    assert ranked(provider, "BM25('red RED fox')") == ranked(provider, "BM25('fox red')")


def test_more_words():
    """A document that holds more of the words, or one of them more often, or in fewer words, is better."""
    provider = of_documents("fox", "red fox", "red red fox", "a red fox in the long tall green grass", "dog")

    assert ids(provider, "BM25('red fox')")[:2] == ["d2", "d1"]
    assert ids(provider, "BM25('red')") == ["d2", "d1", "d3"]


# Arguments


def test_limit():
    """The limit is the number of candidates over all collections."""
    assert ids(of_documents("a a a", "a a", "a b"), "BM25('a', limit = 2)") == ["d0", "d1"]


def test_limit_by_default():
    """Without a limit there are 100 candidates, or as many as the page reaches down to."""
    provider = of_documents(*["fox"] * 150)

    assert len(ids(provider, "BM25('fox')")) == 100
    assert len(ids(provider, "BM25('fox')", "LIMIT 120")) == 120
    assert len(ids(provider, "BM25('fox')", "TOPK 7 LIMIT 120")) == 7


def test_return_rank():
    """return_rank gives the position over all collections, from 0."""
    collections = (
        Collection("one", (Record("a", (1.0,), "fox fox"), Record("b", (1.0,), "fox dog dog"))),
        Collection("two", (Record("c", (1.0,), "fox dog"),)),
    )

    assert ranked(in_memory(collections), "BM25('fox', return_rank = TRUE)") == [("a", 0.0), ("c", 1.0), ("b", 2.0)]


def test_default():
    """A default stands in for documents that hold no word, and adds no records."""
    provider = of_documents("fox", "dog")

    assert ranked(provider, "BM25('fox', default = 5)", "LIMIT 5") == ranked(provider, "BM25('fox')")
    assert ranked(provider, "KNN([1]) + BM25('fox', default = 5)") == [
        ("d0", pytest.approx(-np.log(2) / 2.2)),
        ("d1", 5.0),
    ]


def test_required():
    """Without a default only documents that hold a word are ranked."""
    assert ids(of_documents("fox", "dog"), "KNN([1]) + BM25('fox')") == ["d0"]


def test_hybrid():
    """In a fusion a record is ranked that either leaf found."""
    assert sorted(ids(of_documents("fox", "dog", None), "RRF(KNN([1], limit = 1), BM25('dog'))")) == ["d0", "d1"]


# Other places


def test_distributed():
    """Chroma Cloud, which finds fewer things by pattern and returns them in pages of 300, gives the same scores."""
    source = random.Random(1)
    documents = [
        None if at % 7 == 0 else " ".join(source.choices(VOCABULARY, k=source.randrange(9))) for at in range(700)
    ]
    records = [CloudRecord(f"d{at}", [1.0], each, {"at": at}) for at, each in enumerate(documents)]
    provider = DistributedProvider(DistributedCollection("docs", records))
    database = chromasql.connect(provider, dialect="distributed")
    here = of_documents(*documents)

    for words in ("red", "été fox", "x " * 100):
        rows = database.execute(f"SELECT id, score FROM docs RANK BY BM25('{words}', limit = 50)").rows
        assert [(row["id"], row["score"]) for row in rows] == ranked(here, f"BM25('{words}', limit = 50)")
    assert all(call["limit"] <= 300 for call in provider.sent("get"))


def test_long_query():
    """A query longer than any pattern that Chroma Cloud takes still finds its words."""
    provider = DistributedProvider(
        DistributedCollection("docs", [CloudRecord("a", [1.0], "fox"), CloudRecord("b", [1.0], "dog")])
    )
    text = " ".join(f"word{at}" for at in range(60)) + " fox"

    result = chromasql.connect(provider, dialect="distributed").execute(
        "SELECT id FROM docs RANK BY BM25(:t)", {"t": text}
    )

    assert [row["id"] for row in result.rows] == ["a"]


# Against another library


@pytest.fixture(scope="module")
def corpus() -> list[str]:
    """Give a thousand of the demo's texts."""
    texts = [text.document for text in read_standard_library()]
    return random.Random(7).sample(texts, 1000)


def spearman(left: np.ndarray, right: np.ndarray) -> float:
    """Return the correlation of the ranks of two lists of scores, equal ones with the mean of their ranks."""

    def ranks(values: np.ndarray) -> np.ndarray:
        _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
        ends = np.cumsum(counts)
        return ((ends - counts + ends - 1) / 2)[inverse]

    return float(np.corrcoef(ranks(left), ranks(right))[0, 1])


@pytest.mark.parametrize(
    "query",
    [
        "read a file line by line",
        "return the absolute value of a number",
        "parse the arguments of the command line",
        "thread lock release",
        "decode bytes with the given encoding",
        "date and time in the local timezone",
        "compare two sequences",
        "raise an exception if the name is not found",
    ],
)
def test_other_library(corpus, query):
    """Documents stand in the order in which bm25s puts them, by its variant called lucene."""
    provider = MemoryProvider(
        {
            f"part-{part}": MemoryCollection(
                f"part-{part}",
                [
                    {"id": str(at), "embedding": [1.0], "document": text}
                    for at, text in enumerate(corpus)
                    if at % 3 == part
                ],
            )
            for part in range(3)
        }
    )
    theirs = bm25s.BM25(method="lucene", k1=1.2, b=0.75)
    theirs.index([split_words(text) for text in corpus], show_progress=False)
    expected = theirs.get_scores(split_words(query))

    ours = dict(ranked(provider, f"BM25('{query}', limit = {len(corpus)})"))

    assert set(ours) == {str(at) for at in np.flatnonzero(expected)}
    found = np.array([-ours[str(at)] for at in np.flatnonzero(expected)])
    assert spearman(found, expected[expected > 0]) >= 0.95
