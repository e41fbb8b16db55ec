"""BM25 over the documents of any Chroma: Lucene's formula, whatever the split of the records."""

from __future__ import annotations

import random
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
from tests.support.distributed import DistributedCollection, DistributedProvider
from tests.support.distributed import Record as CloudRecord
from tests.support.oracle.predicates import Filter
from tests.support.oracle.ranks import Bm25, Statement, disagreement, words_of
from tests.support.oracle.values import Collection, Record

relaxed = settings(suppress_health_check=list(HealthCheck))
pytestmark = pytest.mark.timeout(7200)

SCRIPTS = {
    "Hindi": ("हिन्दी", "यह हिन्दी भाषा है", "हिमालय में बारिश"),
    "Tamil": ("மழை", "இன்று மழை பெய்கிறது", "மலை உயரமானது"),
    "Arabic": ("كتاب", "هذا كتاب جديد", "هذه كتابة قديمة"),
    "Hebrew": ("שלום", "שלום לכולם", "של מי זה"),
    "Persian": ("می\u200cخواهم", "من میخواهم بروم", "او می رود"),
    "Chinese": ("东京", "我住在东京塔附近", "我住在北京"),
    "Japanese": ("ﾊﾟｽﾜｰﾄﾞ", "新しいパスワードを入力", "猫が好きです"),
    "Korean": ("서울", "서울 여행", "서울시 안내"),
    "Thai": ("น้ำ", "ดื่มน้ำทุกวัน", "รถไฟมาแล้ว"),
    "Khmer": ("ភ្នំ", "ភ្នំពេញ", "សៀមរាប"),
    "German": ("STRASSE", "die lange straße", "die stadt"),
    "French": ("café", "un cafe\u0301 noir", "un cafe noir"),
}
"""For each language a word, a document that holds it and one that does not; the forms of the word differ."""

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
    "日本人",
    "हिन्दी",
    "don't",
    "ภาษา",
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
    assert with_empty == [("d0", pytest.approx(-np.log(2) / (1 + 1.2 * (0.25 + 0.75 * 1 / 0.5))))]


# Words: of every script


def test_a_word_of_each_script(client):
    """A word of each of twelve languages finds the documents that hold it, in whatever form, and no other."""
    collection = client.create_collection("scripts", embedding_function=None)
    rows = [
        (f"{name}-{kind}", text)
        for name, (_, *texts) in SCRIPTS.items()
        for kind, text in zip(("has", "not"), texts, strict=True)
    ]
    try:
        collection.add(
            ids=[row for row, _ in rows], embeddings=[[1.0]] * len(rows), documents=[text for _, text in rows]
        )

        found = {name: ids(client, f"BM25('{word}')") for name, (word, *_) in SCRIPTS.items()}

        assert found == {name: [f"{name}-has"] for name in SCRIPTS}
    finally:
        client.delete_collection("scripts")


@pytest.mark.parametrize("text", ["İSTANBUL", "ÉTÉ", "ΟΔΟΣ", "STRASSE", "ǅ", "K"])
def test_case(client, text):
    """A word finds itself in any case."""
    collection = client.create_collection("case", embedding_function=None)
    try:
        collection.add(ids=["a"], embeddings=[[1.0]], documents=[f"({text})"])

        assert ids(client, f"BM25('{text}')") == ["a"]
        assert ids(client, f"BM25('{text.lower()}')") == ["a"]
    finally:
        client.delete_collection("case")


def test_letters_that_fold_to_the_same_meet():
    """A long s is an s, as full case folding says, and a ligature its letters."""
    assert ids(of_documents("\u017fun", "sun", "moon"), "BM25('sun')") == ["d0", "d1"]
    assert ids(of_documents("o\ufb03ce"), "BM25('OFFICE')") == ["d0"]


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
    """Without a limit there are 300 candidates, whatever the page (100, or as many as it reached down to, before)."""
    provider = of_documents(*["fox"] * 350)

    assert len(ids(provider, "BM25('fox')")) == 300
    assert len(ids(provider, "BM25('fox')", "LIMIT 320")) == 300
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
    tokens = [words_of(text) for text in corpus]
    for k1, b in ((1.2, 0.75), (1.5, 0.75), (0.5, 1.0), (2.0, 0.0), (1.2, 0.4)):
        theirs = bm25s.BM25(method="lucene", k1=k1, b=b)
        theirs.index(tokens, show_progress=False)
        scores = theirs.get_scores(list(dict.fromkeys(words_of(query))))

        ours = ranked(provider, f"BM25('{query}', limit = {len(corpus)}, k1 = {k1}, b = {b})")

        assert {row for row, _ in ours} == {str(at) for at in np.flatnonzero(scores)}
        assert [score for _, score in ours] == pytest.approx(sorted(-scores[scores > 0]), rel=1e-5)
        assert all(score == pytest.approx(-scores[int(row)], rel=1e-5) for row, score in ours)


@pytest.mark.parametrize("seed", range(20))
def test_other_library_on_random_corpora(seed):
    """On random texts in any number of collections the scores are those of bm25s, by its variant called lucene."""
    source = random.Random(seed)
    vocabulary = [f"word{number}" for number in range(40)]
    weights = [1 / (number + 1) for number in range(40)]
    texts = [" ".join(source.choices(vocabulary, weights, k=source.randrange(1, 40))) for _ in range(60)]
    query = source.sample(vocabulary, 4)
    collections = tuple(
        Collection(
            f"part-{part}", tuple(Record(str(at), (1.0,), text) for at, text in enumerate(texts) if at % 4 == part)
        )
        for part in range(4)
    )
    for k1, b in ((1.2, 0.75), (1.5, 0.75), (0.5, 1.0), (2.0, 0.0), (1.2, 0.4)):
        theirs = bm25s.BM25(method="lucene", k1=k1, b=b)
        theirs.index([text.split() for text in texts], show_progress=False)
        expected = theirs.get_scores([word for word in query if word in theirs.vocab_dict])

        ours = dict(ranked(in_memory(collections), f"BM25('{' '.join(query)}', k1 = {k1}, b = {b})"))

        assert ours == {str(at): pytest.approx(-expected[at], rel=1e-5) for at in np.flatnonzero(expected)}


def test_the_mean_length_is_over_all_documents():
    """A word more in the query that two documents do not hold does not turn their order round, as it once did."""
    documents = ["rain rain " + "word " * 18, "rain one two three", *["filler " * 50] * 98]

    assert ids(of_documents(*documents), "BM25('rain') LIMIT 2") == ["d0", "d1"]
    assert [row for row in ids(of_documents(*documents), "BM25('rain filler')") if row in ("d0", "d1")] == ["d0", "d1"]


def test_the_scores_of_lucene_by_hand():
    """Three documents have the scores that Lucene's formula gives; the mean length counts the one without the word."""
    documents = of_documents("rain rain x x x", "rain x", "sun")

    assert ranked(documents, "BM25('rain')") == [
        ("d1", pytest.approx(-0.237980, abs=1e-5)),
        ("d0", pytest.approx(-0.235743, abs=1e-5)),
    ]


def test_statistics_of_all():
    """With statistics = ALL a filter changes which documents are ranked and none of their scores."""
    provider = in_memory(
        (
            Collection(
                "docs",
                (
                    Record("a", (1.0,), "red fox", {"kind": 1}),
                    Record("b", (1.0,), "blue fox", {"kind": 1}),
                    Record("c", (1.0,), "red red", {"kind": 2}),
                    Record("d", (1.0,), None, {"kind": 2}),
                ),
            ),
        )
    )
    unfiltered = dict(ranked(provider, "BM25('red')"))

    assert ranked(provider, "BM25('red', statistics = ALL)", "WHERE kind = 1") == [("a", unfiltered["a"])]
    assert ranked(provider, "BM25('red')", "WHERE kind = 1") != [("a", unfiltered["a"])]


def test_statistics_of_all_end_at_the_scope():
    """With statistics = ALL the documents outside a scope are not counted."""
    records = (Record("a", (1.0,), "red fox", {"kind": 1}), Record("b", (1.0,), "fox", {"kind": 1}))
    stranger = Record("c", (1.0,), "red red", {"kind": 2})
    scope = chromasql.Scope(where="kind = 1")
    sql = "SELECT id, score FROM docs WHERE id = 'a' RANK BY BM25('red', statistics = ALL)"

    inside, beside = (
        chromasql.connect(in_memory((Collection("docs", held),)), scope=scope).execute(sql).rows
        for held in (records, (*records, stranger))
    )

    assert inside == beside
