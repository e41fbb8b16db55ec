"""The retriever for Haystack, which has no conformance suite for retrievers: documents, pipelines, saving, closing."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from haystack import Pipeline
from haystack.components.embedders import MockTextEmbedder
from haystack.components.joiners import DocumentJoiner
from haystack.components.retrievers import MultiQueryTextRetriever
from haystack.core.errors import PipelineRuntimeError, SerializationError
from haystack.tools import ComponentTool
from haystack.utils import Secret
from haystack_integrations.components.retrievers.chromasql import ChromaSQLRetriever

import chromasql
from chromasql import ChromaSQLExecutionError, ChromaSQLParseError, ChromaSQLPlanningError
from chromasql.integrations import haystack as home
from chromasql.integrations import haystack_namespace
from tests.integrations.conftest import embed

NEAR = "SELECT * FROM guides, notes RANK BY KNN(:query)"
WORDS = "SELECT * FROM * RANK BY BM25(:query)"


@pytest.fixture
def retriever(database: chromasql.Database) -> Any:
    """Give a retriever over both collections."""
    return ChromaSQLRetriever(database, NEAR)


def ids(found: Any) -> list[str]:
    documents = found["documents"] if isinstance(found, dict) else found
    return [document.id for document in documents]


# Documents


def test_the_documents(retriever: Any) -> None:
    """Documents come in SQL's order with text, id and metadata of their records, and nothing is missing."""
    found = retriever.run("rain")
    first, second, *_ = found["documents"]

    assert found["missing"] == []
    assert (first.id, first.content, first.score) == ("notes/1", "rain again", 0.0)
    assert first.meta == {"_collection": "notes", "_id": "1", "distance": 0.0, "score": 0.0}
    assert (second.id, second.meta["lang"], second.score) == ("guides/1", "en", -1.0)


def test_no_text_and_an_embedding(database: chromasql.Database) -> None:
    """A record without a document has no content, and a selected embedding is that of the document."""
    sql = "SELECT id, document, embedding FROM notes RANK BY KNN(:query) LIMIT 1"
    (document,) = ChromaSQLRetriever(database, sql).run("fog")["documents"]

    assert (document.id, document.content, document.embedding) == ("notes/3", None, embed("fog"))
    assert "embedding" not in document.meta


def test_a_joiner_drops_nothing(database: chromasql.Database) -> None:
    """Retrievers over one collection each have ids that differ, so a joiner keeps all; by record ids it dropped some."""
    pipeline = Pipeline()
    pipeline.add_component("guides", ChromaSQLRetriever(database, "SELECT * FROM guides RANK BY KNN(:query)"))
    pipeline.add_component("notes", ChromaSQLRetriever(database, "SELECT * FROM notes RANK BY KNN(:query)"))
    pipeline.add_component("join", DocumentJoiner())
    pipeline.connect("guides.documents", "join.documents")
    pipeline.connect("notes.documents", "join.documents")

    joined = pipeline.run({"guides": {"query": "rain"}, "notes": {"query": "rain"}})["join"]

    assert len(joined["documents"]) == 6
    assert ids(joined)[0] == "notes/1"


@pytest.mark.parametrize("statement", [NEAR, WORDS, "SELECT * FROM * RANK BY RRF(KNN(:query), BM25(:query))"])
def test_what_sorts_keeps_the_order(database: chromasql.Database, statement: str) -> None:
    """Joiners and MultiQueryTextRetriever, which sort the highest score first, keep SQL's order, and do not reverse it."""
    retriever = ChromaSQLRetriever(database, statement)
    found = retriever.run("rain and snow")["documents"]
    scores = [document.score for document in found]

    assert scores == sorted(scores, reverse=True)
    assert ids(DocumentJoiner(sort_by_score=True).run([found])) == ids(found)
    assert ids(MultiQueryTextRetriever(retriever=retriever).run(["rain and snow"])) == ids(found)


def test_without_a_ranking(database: chromasql.Database) -> None:
    """Without a ranking there are no scores."""
    found = ChromaSQLRetriever(database, "SELECT * FROM * WHERE document CONTAINS :query").run("rain")

    assert {document.score for document in found["documents"]} == {None}


# Arguments


def test_how_many(database: chromasql.Database) -> None:
    """There are as many documents as ``top_k`` of the call says, else of the retriever, else of the statement."""
    retriever = ChromaSQLRetriever(database, NEAR, top_k=2)

    assert len(retriever.run("rain")["documents"]) == 2
    assert len(retriever.run("rain", top_k=5)["documents"]) == 5
    assert len(ChromaSQLRetriever(database, f"{NEAR} LIMIT 3").run("rain")["documents"]) == 3


def test_parameters(database: chromasql.Database) -> None:
    """Parameters of a call win over those of the retriever."""
    retriever = ChromaSQLRetriever(
        database, "SELECT * FROM * WHERE lang = :lang RANK BY KNN(:query)", params={"lang": "en"}
    )

    assert {document.meta["lang"] for document in retriever.run("rain")["documents"]} == {"en"}
    assert {document.meta["lang"] for document in retriever.run("rain", params={"lang": "fr"})["documents"]} == {"fr"}


def test_a_vector_of_the_pipeline(database: chromasql.Database) -> None:
    """The vector of a text embedder in the pipeline is bound to ``:embedding``; where that is not used, it is refused."""
    embedder = MockTextEmbedder(embedding_fn=embed)
    pipeline = Pipeline()
    pipeline.add_component("embedder", embedder)
    pipeline.add_component(
        "retriever", ChromaSQLRetriever(database, "SELECT * FROM * RANK BY RRF(KNN(:embedding), BM25(:query))")
    )
    pipeline.connect("embedder.embedding", "retriever.query_embedding")

    found = pipeline.run({"embedder": {"text": "rain"}, "retriever": {"query": "rain"}})

    embedded_here = ChromaSQLRetriever(database, "SELECT * FROM * RANK BY RRF(KNN(:query), BM25(:query))")
    assert ids(found["retriever"]) == ids(embedded_here.run("rain"))
    with pytest.raises(ChromaSQLPlanningError, match=r"write KNN\(:embedding\)"):
        ChromaSQLRetriever(database, NEAR).run("rain", query_embedding=embed("rain"))


def test_filters(retriever: Any) -> None:
    """Filters are refused with what to write instead, and no filters, as pipelines pass them, are fine."""
    with pytest.raises(ChromaSQLPlanningError, match="write the condition there, as in WHERE lang = :lang"):
        retriever.run("rain", filters={"field": "meta.lang", "operator": "==", "value": "en"})
    assert len(retriever.run("rain", filters={})["documents"]) == 6


def test_wrong_arguments(database: chromasql.Database) -> None:
    """What cannot be meant is said when the retriever is made."""
    for make, sentence in (
        (lambda: ChromaSQLRetriever(database, NEAR, top_k=0), "whole number of at least 1"),
        (lambda: ChromaSQLRetriever(database, NEAR, embed_fn=embed), "this one is open"),
        (lambda: ChromaSQLRetriever(database, NEAR, scope={"colections": ["x"]}), "did you mean collections"),
        (lambda: ChromaSQLRetriever(database, NEAR, scope=["x"]), "scope is a dict"),
        (lambda: ChromaSQLRetriever("folder", NEAR, options={"tenent": "x"}), "did you mean tenant"),
        (lambda: ChromaSQLRetriever("folder", NEAR, params=["x"]), "params is a mapping"),
    ):
        with pytest.raises(ChromaSQLPlanningError, match=sentence):
            make()
    with pytest.raises(ChromaSQLParseError):
        ChromaSQLRetriever(database, "SELECT * FORM docs RANK BY KNN(:query)")


def test_a_scope(database: chromasql.Database, weather_folder: Path) -> None:
    """A scope limits what the statement reaches, over a database that is open and over one that is opened here."""
    scope = {"where": "lang = :lang", "params": {"lang": "fr"}}
    for retriever in (
        ChromaSQLRetriever(database, NEAR, scope=scope),
        ChromaSQLRetriever(weather_folder, NEAR, scope=scope, embed_fn=embed),
    ):
        assert {document.meta["lang"] for document in retriever.run("rain")["documents"]} == {"fr"}
        retriever.close()


# Partial answers


async def test_a_partial_answer(partial_database: chromasql.Database) -> None:
    """The second output names the collections that are missing, and ``require_complete`` makes an error of them."""
    found = ChromaSQLRetriever(partial_database, NEAR).run("rain")
    assert {document.meta["_collection"] for document in found["documents"]} == {"guides"}
    assert found["missing"] == ["notes"]

    strict = ChromaSQLRetriever(partial_database, NEAR, require_complete=True)
    with pytest.raises(ChromaSQLExecutionError, match="1 of 2 collections are missing"):
        strict.run("rain")
    with pytest.raises(ChromaSQLExecutionError, match="1 of 2 collections are missing"):
        await strict.run_async("rain")


# Pipelines


def test_errors_in_a_pipeline(retriever: Any) -> None:
    """A pipeline names the component whose statement failed, with our error as the cause."""
    pipeline = Pipeline()
    pipeline.add_component("retriever", retriever)

    with pytest.raises(PipelineRuntimeError, match="does not use the parameter 'zzz'") as caught:
        pipeline.run({"retriever": {"query": "rain", "params": {"zzz": 1}}})
    assert isinstance(caught.value.__cause__, ChromaSQLPlanningError)


async def test_async(async_database: chromasql.AsyncDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    """``run_async`` awaits on the loop of the caller, many at once, and a pipeline uses it."""
    retriever: Any = ChromaSQLRetriever(async_database, NEAR)
    expected = ids(retriever.run("rain"))
    monkeypatch.setattr(chromasql.Database, "execute", None)

    for found in await asyncio.gather(*(retriever.run_async("rain") for _ in range(20))):
        assert ids(found) == expected
    pipeline = Pipeline()
    pipeline.add_component("retriever", retriever)
    assert ids((await pipeline.run_async({"retriever": {"query": "rain"}}))["retriever"]) == expected


def test_a_tool(retriever: Any) -> None:
    """The hints of ``run`` are enough for a tool of a language model."""
    tool = ComponentTool(retriever, name="weather", description="Finds notes.")

    assert tool.parameters["required"] == ["query"]
    assert ids(tool.invoke(query="rain", top_k=2)) == ["notes/1", "guides/1"]


def embed_for_pipelines(text: str) -> list[float]:
    """Embed; a pipeline is saved with the path of this function."""
    return embed(text)


def test_a_pipeline_is_saved(weather_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipeline is saved as YAML and loaded without extending Haystack's list of modules, with its token as a variable."""
    monkeypatch.setenv("CHROMASQL_TOKEN", "a secret")
    retriever = ChromaSQLRetriever(
        weather_folder,
        "SELECT * FROM * WHERE lang = :lang RANK BY KNN(:query)",
        params={"lang": "en"},
        scope={"collections": ["guides"]},
        embed_fn=MockTextEmbedder(dimension=7),
        top_k=3,
    )
    pipeline = Pipeline()
    pipeline.add_component("retriever", retriever)
    secretive = ChromaSQLRetriever("http://localhost:1", NEAR, token=Secret.from_env_var("CHROMASQL_TOKEN"))
    pipeline.add_component("secretive", secretive)

    text = pipeline.dumps()
    loaded = Pipeline.loads(text)

    assert "a secret" not in text
    assert loaded.dumps() == text
    again: Any = loaded.get_component("retriever")
    assert ids(again.run("rain")) == ids(retriever.run("rain"))
    assert loaded.get_component("secretive").token.resolve_value() == "a secret"
    for made in (again, retriever):
        made.close()


def test_a_function_is_saved_by_its_path(weather_folder: Path) -> None:
    """A function as embedder is saved by its path, which whoever loads the pipeline has to permit, as for any function."""
    pipeline = Pipeline()
    pipeline.add_component("retriever", ChromaSQLRetriever(weather_folder, NEAR, embed_fn=embed_for_pipelines))

    text = pipeline.dumps()
    loaded: Any = Pipeline.loads(text, allowed_modules=["tests.*"]).get_component("retriever")

    assert "test_haystack.embed_for_pipelines" in text
    assert ids(loaded.run("rain"))[0] == "notes/1"
    loaded.close()


def test_what_cannot_be_saved(database: chromasql.Database, weather_folder: Path) -> None:
    """An open database and an object as embedder cannot be saved, and the error says what can."""
    with pytest.raises(SerializationError, match="give the retriever an address or a folder"):
        ChromaSQLRetriever(database, NEAR).to_dict()
    with pytest.raises(SerializationError, match="use a text embedder of Haystack"):
        ChromaSQLRetriever(weather_folder, NEAR, embed_fn=type("Own", (), {"embed_query": embed})()).to_dict()


async def test_opening_and_closing(weather_folder: Path) -> None:
    """The source is opened by warm_up or by the first run, closed by either close, and opened again by a later run."""
    retriever: Any = ChromaSQLRetriever(weather_folder, NEAR, embed_fn=embed)

    retriever.warm_up()
    expected = ids(retriever.run("rain"))
    retriever.close()
    retriever.close()
    assert ids(retriever.run("rain")) == expected
    await retriever.warm_up_async()
    assert ids(await retriever.run_async("rain")) == expected
    await retriever.close_async()
    await retriever.close_async()


def test_what_is_open_stays_open(retriever: Any, database: chromasql.Database) -> None:
    """A database that the caller opened is not closed with the retriever."""
    retriever.close()

    assert len(database.execute("SELECT id FROM guides").rows) == 3


def test_the_name_of_the_class() -> None:
    """The class lives where Haystack loads it from, and is one object under both names."""
    assert ChromaSQLRetriever is home.ChromaSQLRetriever is haystack_namespace.ChromaSQLRetriever
    assert ChromaSQLRetriever.__module__ == "haystack_integrations.components.retrievers.chromasql"
