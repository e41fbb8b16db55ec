"""The retriever for LangChain: its conformance suite, and what that leaves out."""

from __future__ import annotations

import asyncio
import logging
from typing import Any
from uuid import UUID

import chromadb
import pytest
from langchain_classic.retrievers import EnsembleRetriever
from langchain_core.callbacks import AsyncCallbackHandler, BaseCallbackHandler
from langchain_core.documents import Document
from langchain_core.load import dumps
from langchain_core.runnables import ConfigurableField, RunnablePassthrough
from langchain_core.tools import create_retriever_tool
from langchain_tests.integration_tests import RetrieversIntegrationTests
from pydantic import ValidationError

import chromasql
from chromasql import ChromaSQLExecutionError, ChromaSQLParseError, ChromaSQLPlanningError
from chromasql.integrations.langchain import ChromaSQLRetriever
from tests.integrations.conftest import embed

NEAR = "SELECT * FROM guides, notes RANK BY KNN(:query)"
HYBRID = "SELECT id, document FROM * RANK BY RRF(KNN(:query), BM25(:query)) LIMIT :k"


class Conformance(RetrieversIntegrationTests):
    """The suite of langchain-tests, over one of our databases."""

    statement = NEAR

    @pytest.fixture(autouse=True)
    def _open(self, database: chromasql.Database) -> None:
        self.database: Any = database

    @property
    def retriever_constructor(self) -> type[ChromaSQLRetriever]:
        return ChromaSQLRetriever

    @property
    def retriever_constructor_params(self) -> dict[str, Any]:
        return {"database": self.database, "statement": self.statement}

    @property
    def retriever_query_example(self) -> str:
        return "rain"


class TestBlocking(Conformance):
    """A blocking database."""


class TestHybrid(Conformance):
    """A statement with a LIMIT :k of its own."""

    statement = HYBRID


class TestAsync(Conformance):
    """An async database."""

    @pytest.fixture(autouse=True)
    def _open(self, async_database: chromasql.AsyncDatabase) -> None:
        self.database = async_database


class TestScoped(Conformance):
    """A database within a scope."""

    statement = "SELECT * FROM * RANK BY KNN(:query)"

    @pytest.fixture(autouse=True)
    def _open(self, database: chromasql.Database) -> None:
        self.database = database.scoped(chromasql.Scope(collections=["guides"], max_limit=5))


@pytest.fixture
def retriever(database: chromasql.Database) -> ChromaSQLRetriever:
    """Give a retriever over both collections."""
    return ChromaSQLRetriever(database, NEAR)


# Documents


def test_the_documents(retriever: ChromaSQLRetriever) -> None:
    """Documents come in SQL's order, each with its text, its id within its collection, its metadata, and the score of SQL."""
    first, second, *_ = retriever.invoke("rain")

    assert first == Document(
        id="notes/1",
        page_content="rain again",
        metadata={"_collection": "notes", "_id": "1", "distance": 0.0, "score": 0.0},
    )
    assert (second.id, second.metadata["lang"], second.metadata["score"]) == ("guides/1", "en", 1.0)


def test_ids_are_unique(retriever: ChromaSQLRetriever) -> None:
    """Two collections with a record of one id give two documents with two ids."""
    found = retriever.invoke("rain", k=10)

    assert len(found) == len({document.id for document in found}) == 6
    assert len({(document.metadata["_collection"], document.metadata["_id"]) for document in found}) == 6


@pytest.mark.parametrize(
    ("source", "first"), [("notes", "1"), ("not*", "notes/1"), (":name", "notes/1"), ("notes, guides", "notes/1")]
)
def test_the_id_of_one_collection(database: chromasql.Database, source: str, first: str) -> None:
    """The id is that of the record where FROM can mean one collection alone, whatever there is today."""
    params = {"name": "notes"} if source == ":name" else None
    retriever = ChromaSQLRetriever(database, f"SELECT * FROM {source} RANK BY KNN(:query)", params=params)

    assert retriever.invoke("rain")[0].id == first


def test_a_router_can_mean_other_collections(weather: Any) -> None:
    """Where a router sends FROM docs elsewhere, ids have the collection that the record came from."""
    with chromasql.connect(weather, router=lambda _: ["guides", "notes"], embed_fn=embed) as database:
        found = ChromaSQLRetriever(database, "SELECT * FROM docs RANK BY KNN(:query)").invoke("rain", k=10)

    assert len({document.id for document in found}) == 6


def test_no_text_and_no_metadata(database: chromasql.Database) -> None:
    """A record without a document has the empty text, and is kept; one without metadata has only ours."""
    retriever = ChromaSQLRetriever(database, "SELECT * FROM notes RANK BY KNN(:query) LIMIT 3")
    found = {document.id: document for document in retriever.invoke("fog")}

    assert found["3"].page_content == ""
    assert found["3"].metadata["lang"] == "fr"
    assert found["1"].metadata.keys() == {"_collection", "_id", "distance", "score"}


def test_columns_win_over_keys(retriever: ChromaSQLRetriever) -> None:
    """A column replaces a metadata key of its name, so ``distance`` and ``_id`` always are what SQL means by them."""
    (snow,) = retriever.invoke("snow", k=1)

    assert isinstance(snow.metadata["distance"], float)
    assert snow.metadata["_id"] == "2"


def test_columns_of_odd_names(database: chromasql.Database) -> None:
    """Columns that are called like the id, the metadata or the score keep their values, and ours keep theirs."""
    sql = "SELECT lang AS id, year AS metadata, lang AS score, document FROM guides RANK BY KNN(:query) LIMIT 1"
    (document,) = ChromaSQLRetriever(database, sql).invoke("snow")

    assert document.id == "2"
    assert document.metadata.items() >= {"id": "en", "metadata": 2022, "score": "en", "_id": "2"}.items()


def test_only_what_is_selected(database: chromasql.Database) -> None:
    """Metadata holds what SELECT names, under its alias, and not the id and text a second time."""
    sql = "SELECT id, document, year AS published FROM guides RANK BY KNN(:query) LIMIT 1"
    (document,) = ChromaSQLRetriever(database, sql).invoke("snow")

    assert document.page_content == "snow on the roof"
    assert document.metadata.pop("distance") == document.metadata.pop("score") == 0.0
    assert document.metadata == {"published": 2022, "_collection": "guides", "_id": "2"}


def test_metadata_columns(database: chromasql.Database) -> None:
    """``metadata_columns`` leaves nothing else in the metadata, but where the record lies."""
    retriever = ChromaSQLRetriever(database, NEAR, k=6, metadata_columns=["lang", "score"])

    assert {key for document in retriever.invoke("rain") for key in document.metadata} == {
        *("lang", "score", "_collection", "_id")
    }


@pytest.mark.parametrize(
    ("select", "content", "text"),
    [
        ("id", "document", "snow on the roof"),
        ("* EXCEPT (document)", "document", "snow on the roof"),
        ("*", "lang", "en"),
        ("id, lang AS document", "document", "en"),
        ("id", "year", "2022"),
    ],
)
def test_the_text(database: chromasql.Database, select: str, content: str, text: str) -> None:
    """The text is the column ``content``, whether SELECT has it, under an alias too, or not."""
    sql = f"SELECT {select} FROM guides RANK BY KNN(:query) LIMIT 1"

    (document,) = ChromaSQLRetriever(database, sql, content=content).invoke("snow")

    assert document.page_content == text


def test_without_a_ranking(database: chromasql.Database) -> None:
    """A statement that tests the text instead of ranking by it serves as well, without scores."""
    retriever = ChromaSQLRetriever(database, "SELECT id FROM * WHERE document CONTAINS :query ORDER BY id, _collection")
    found = retriever.invoke("rain")

    assert [document.id for document in found] == ["guides/1", "notes/1", "guides/3"]
    assert found[0].metadata == {"_collection": "guides", "_id": "1"}


# How many, and parameters


def test_how_many(database: chromasql.Database) -> None:
    """There are 4 documents where nobody says how many, else what the retriever says, or the call."""
    assert len(ChromaSQLRetriever(database, NEAR).invoke("rain")) == 4
    assert len(ChromaSQLRetriever(database, HYBRID).invoke("rain")) == 4
    assert len(ChromaSQLRetriever(database, NEAR, k=2).invoke("rain")) == 2
    assert len(ChromaSQLRetriever(database, NEAR, k=2).invoke("rain", k=5)) == 5


@pytest.mark.parametrize("limit", ["LIMIT 3", "TOPK 3", "LIMIT :most"])
def test_a_limit_of_the_statement(database: chromasql.Database, limit: str) -> None:
    """LIMIT in the text holds; ``k`` can ask for fewer, and an error says so where it asks for more."""
    params = {"most": 3} if ":most" in limit else None
    sql = f"SELECT * FROM * USING EMBEDDING (TEXT :query) {limit}"
    retriever = ChromaSQLRetriever(database, sql, params=params)

    assert len(retriever.invoke("rain")) == 3
    assert [document.id for document in retriever.invoke("rain", k=2)] == ["notes/1", "guides/1"]
    with pytest.raises(ChromaSQLPlanningError, match="4 passages are wanted, and the statement has at most 3"):
        retriever.invoke("rain", k=4)


def test_parameters(database: chromasql.Database) -> None:
    """The parameters of a call win over those of the retriever, and only what the statement names is needed."""
    sql = "SELECT * FROM * WHERE lang = :lang RANK BY KNN(:query)"
    retriever = ChromaSQLRetriever(database, sql, params={"lang": "en"})

    assert {document.metadata["lang"] for document in retriever.invoke("rain")} == {"en"}
    assert {document.metadata["lang"] for document in retriever.invoke("rain", params={"lang": "fr"})} == {"fr"}


def test_a_vector(database: chromasql.Database) -> None:
    """A statement may rank by a vector that comes with the call, as ``:embedding``."""
    retriever = ChromaSQLRetriever(database, "SELECT * FROM * RANK BY KNN(:embedding)")

    assert retriever.invoke("", params={"embedding": embed("rain")}) == ChromaSQLRetriever(database, NEAR).invoke(
        "rain"
    )
    with pytest.raises(ChromaSQLPlanningError, match="comes without a vector"):
        retriever.invoke("rain")


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({"query": "snow"}, "the parameter :query cannot be set"),
        ({"land": "fr"}, "did you mean lang"),
    ],
)
def test_wrong_parameters(database: chromasql.Database, params: dict[str, Any], sentence: str) -> None:
    """Nobody replaces the text of the query by a parameter, and one that the statement lacks is an error."""
    retriever = ChromaSQLRetriever(
        database, "SELECT * FROM * WHERE lang = :lang RANK BY KNN(:query)", params={"lang": "en"}
    )

    with pytest.raises(ChromaSQLPlanningError, match=sentence):
        retriever.invoke("rain", params=params)


# Errors


@pytest.mark.parametrize(
    ("statement", "sentence"),
    [
        ("SHOW COLLECTIONS", "a retriever runs a SELECT"),
        ("EXPLAIN SELECT * FROM docs RANK BY KNN(:query)", "a retriever runs a SELECT"),
        ("SELECT COUNT(*) FROM docs WHERE lang = :query", "the rows of this statement are groups"),
        ("SELECT DISTINCT lang FROM docs WHERE lang = :query", "the rows of this statement are groups"),
        ("SELECT lang FROM docs WHERE year = :query GROUP BY lang", "the rows of this statement are groups"),
        ("SELECT * FROM docs", "needs :query"),
        ("SELECT * FROM docs RANK BY KNN(?)", "write :query instead"),
        ("SELECT * FROM docs USING EMBEDDING BATCH (TEXT :query, TEXT 'x')", "to fuse the lists"),
    ],
)
def test_statements_that_are_not_for_a_retriever(database: chromasql.Database, statement: str, sentence: str) -> None:
    """A statement that cannot serve is refused when the retriever is made, with what to write instead."""
    with pytest.raises(ChromaSQLPlanningError, match=sentence) as caught:
        ChromaSQLRetriever(database, statement)
    assert caught.value.code == "invalid-retriever"


def test_a_syntax_error(database: chromasql.Database) -> None:
    """A statement that does not parse is refused when the retriever is made, with the caret."""
    with pytest.raises(ChromaSQLParseError) as caught:
        ChromaSQLRetriever(database, "SELECT * FORM docs RANK BY KNN(:query)")
    assert "^" in str(caught.value)


def test_wrong_arguments(database: chromasql.Database, weather: Any) -> None:
    """A misspelt field, a number that is not one, and a client in place of a database are errors."""
    with pytest.raises(ValidationError, match="Extra inputs"):
        ChromaSQLRetriever(database, NEAR, require_compleet=True)
    with pytest.raises(ChromaSQLPlanningError, match="whole number of at least 1, not 0"):
        ChromaSQLRetriever(database, NEAR, k=0)
    with pytest.raises(ChromaSQLPlanningError, match="whole number of at least 1, not '3'"):
        ChromaSQLRetriever(database, NEAR).invoke("rain", k="3")
    with pytest.raises(ChromaSQLPlanningError, match=r"database is what chromasql\.connect"):
        ChromaSQLRetriever(weather, NEAR)


def test_keep_and_fused_batches(database: chromasql.Database) -> None:
    """The best of each group, and a batch that is fused, are records, so they serve."""
    kept = "SELECT * FROM * RANK BY KNN(:query) GROUP BY lang KEEP 1"
    fused = "SELECT * FROM * USING EMBEDDING BATCH (TEXT :query, TEXT 'sun') TOPK 5 WITH (merge = RRF)"

    assert len(ChromaSQLRetriever(database, kept).invoke("rain")) == 3
    assert len(ChromaSQLRetriever(database, fused).invoke("rain")) >= 2


class Notes(BaseCallbackHandler):
    """Notes what a retriever reports."""

    def __init__(self) -> None:
        self.events: list[Any] = []

    def on_retriever_start(self, serialized: Any, query: str, *, metadata: Any = None, **_: Any) -> None:
        self.events.append(("start", query, metadata))

    def on_retriever_end(self, documents: Any, **_: Any) -> None:
        self.events.append(("end", len(documents)))

    def on_retriever_error(self, error: BaseException, *, run_id: UUID, **_: Any) -> None:
        self.events.append(("error", type(error)))


class AsyncNotes(Notes, AsyncCallbackHandler):
    """The same from async code."""

    async def on_retriever_start(self, *args: Any, **kwargs: Any) -> None:
        Notes.on_retriever_start(self, *args, **kwargs)

    async def on_retriever_end(self, *args: Any, **kwargs: Any) -> None:
        Notes.on_retriever_end(self, *args, **kwargs)

    async def on_retriever_error(self, *args: Any, **kwargs: Any) -> None:
        Notes.on_retriever_error(self, *args, **kwargs)


async def test_callbacks(database: chromasql.Database) -> None:
    """Start, end and error reach the callbacks, blocking and async, with Chroma as the store for tracing."""
    retriever = ChromaSQLRetriever(database, NEAR, tags=["mine"])
    notes, later = Notes(), AsyncNotes()

    retriever.invoke("rain", {"callbacks": [notes]})
    await retriever.ainvoke("rain", {"callbacks": [later]})
    with pytest.raises(ChromaSQLPlanningError):
        retriever.invoke("rain", {"callbacks": [notes]}, params={"zzz": 1})
    with pytest.raises(ChromaSQLPlanningError):
        await retriever.ainvoke("rain", {"callbacks": [later]}, params={"zzz": 1})

    for handler in (notes, later):
        kinds = [event[0] for event in handler.events]
        assert kinds == ["start", "end", "start", "error"]
        assert handler.events[0][2]["ls_vector_store_provider"] == "Chroma"
        assert handler.events[3] == ("error", ChromaSQLPlanningError)


# Partial answers


async def test_a_partial_answer(partial_database: chromasql.Database, caplog: pytest.LogCaptureFixture) -> None:
    """A collection that is missing is named in the log, and ``require_complete`` makes an error of it."""
    retriever = ChromaSQLRetriever(partial_database, NEAR)

    with caplog.at_level(logging.WARNING, "chromasql"):
        assert {document.metadata["_collection"] for document in retriever.invoke("rain")} == {"guides"}
    assert "collection notes failed (ConnectionError)" in caplog.text

    strict = ChromaSQLRetriever(partial_database, NEAR, require_complete=True)
    with pytest.raises(ChromaSQLExecutionError, match="1 of 2 collections are missing"):
        strict.invoke("rain")
    with pytest.raises(ChromaSQLExecutionError, match="1 of 2 collections are missing"):
        await strict.ainvoke("rain")


def test_warnings_are_logged(database: chromasql.Database, caplog: pytest.LogCaptureFixture) -> None:
    """What a statement hardly means is in the log by its code, as a framework has no place for it."""
    sql = "SELECT * FROM * WHERE yaer = 2021 RANK BY KNN(:query)"

    with caplog.at_level(logging.WARNING, "chromasql"):
        ChromaSQLRetriever(database, sql).invoke("rain")

    codes = [warning.code for warning in database.execute(sql.replace(":query", "'rain'")).warnings]
    assert codes
    assert all(f"has the warning {code};" in caplog.text for code in codes)


# In the hands of LangChain


async def test_batch_and_concurrency(retriever: ChromaSQLRetriever) -> None:
    """A batch gives the answers of its queries in their order, blocking, async and at once."""
    queries = ["rain", "snow", "sun", "wind"] * 5
    expected = [[document.id for document in retriever.invoke(query)] for query in queries]

    for found in (
        retriever.batch(queries),
        await retriever.abatch(queries),
        await asyncio.gather(*map(retriever.ainvoke, queries)),
    ):
        assert [[document.id for document in documents] for documents in found] == expected


async def test_the_async_method_runs_here(async_database: chromasql.AsyncDatabase, monkeypatch: Any) -> None:
    """``ainvoke`` awaits the statement on the loop of the caller, and does not block a thread with it."""
    retriever = ChromaSQLRetriever(async_database, NEAR)
    monkeypatch.setattr(chromasql.Database, "execute", None)

    assert len(await retriever.ainvoke("rain")) == 4


async def test_over_a_server(chroma_server: Any, unique_name: Any) -> None:
    """Over a real server, a retriever serves blocking code and this event loop, and all connections can be closed."""
    name = unique_name()
    client = chromadb.HttpClient(chroma_server.host, chroma_server.port)
    client.create_collection(name, embedding_function=None).add(
        ids=["1", "2"], documents=["rain", "sun"], embeddings=[embed("rain"), embed("sun")]
    )
    # chromadb's own close leaves its pools open.
    client._server._session.close()
    client._admin_client._server._session.close()
    async with chromasql.connect_async(chroma_server.url, embed_fn=embed) as database:
        retriever = ChromaSQLRetriever(database, f"SELECT * FROM {name} RANK BY RRF(KNN(:query), BM25(:query))")
        found = await asyncio.gather(*(retriever.ainvoke("rain") for _ in range(5)))
        blocking = await asyncio.to_thread(retriever.invoke, "rain")

    assert [document.id for document in blocking] == ["1", "2"]
    assert found == [blocking] * 5


def test_configurable_fields(database: chromasql.Database) -> None:
    """``k``, ``statement`` and ``params`` can be configured for a call, also to a statement without LIMIT :k."""
    retriever = ChromaSQLRetriever(database, NEAR).configurable_fields(
        k=ConfigurableField(id="k"), statement=ConfigurableField(id="statement"), params=ConfigurableField(id="params")
    )
    filtered = "SELECT * FROM * WHERE lang = :lang RANK BY KNN(:query) LIMIT 10"

    assert len(retriever.invoke("rain")) == 4
    assert len(retriever.invoke("rain", {"configurable": {"k": 2}})) == 2
    found = retriever.invoke("rain", {"configurable": {"statement": filtered, "params": {"lang": "fr"}}})
    assert sorted(str(document.id) for document in found) == ["guides/3", "notes/3"]


def test_ensemble(database: chromasql.Database) -> None:
    """An EnsembleRetriever, which drops documents of equal text, tells records apart by ``id_key``."""
    one = ChromaSQLRetriever(database, "SELECT * FROM guides RANK BY KNN(:query)")
    two = ChromaSQLRetriever(database, "SELECT * FROM guides RANK BY BM25(:query)")
    found = EnsembleRetriever(retrievers=[one, two], id_key="_id").invoke("rain")

    assert sorted(document.metadata["_id"] for document in found) == ["1", "2", "3"]


def test_a_chain_and_a_tool(retriever: ChromaSQLRetriever) -> None:
    """The retriever composes as any other, and becomes a tool that returns the documents beside the text."""
    chain = {"documents": retriever, "question": RunnablePassthrough()} | RunnablePassthrough()
    tool = create_retriever_tool(retriever, "weather", "Finds notes.", response_format="content_and_artifact")
    call = {"name": "weather", "args": {"query": "rain"}, "id": "1", "type": "tool_call"}

    assert chain.invoke("rain")["documents"] == retriever.invoke("rain")
    message = tool.invoke(call)
    assert message.content.startswith("rain again")
    assert message.artifact == retriever.invoke("rain")


def test_nothing_secret_is_shown(database: chromasql.Database) -> None:
    """The retriever is not written down by LangChain, and its repr shows neither the database nor values."""
    retriever = ChromaSQLRetriever(
        database, "SELECT * FROM * WHERE lang = :lang RANK BY KNN(:query)", params={"lang": "a secret"}
    )

    assert not ChromaSQLRetriever.is_lc_serializable()
    assert "not_implemented" in dumps(retriever)
    assert "a secret" not in repr(retriever)
    assert "Database" not in repr(retriever)
    assert "a secret" not in dumps(retriever)


def test_a_scope_keeps_tenants_apart(database: chromasql.Database) -> None:
    """A retriever over a scoped database finds nothing outside, whatever it is asked for."""
    scoped = database.scoped(chromasql.Scope(where="lang = :lang", params={"lang": "fr"}))

    found = ChromaSQLRetriever(scoped, NEAR).invoke("rain", k=10)

    assert {document.metadata["lang"] for document in found} == {"fr"}
