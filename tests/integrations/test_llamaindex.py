"""The retriever for LlamaIndex, which has no conformance suite: nodes, ids, scores, async, events, what others do with them."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from llama_index.core.callbacks import CallbackManager, CBEventType, LlamaDebugHandler
from llama_index.core.indices.query.query_transform.base import IdentityQueryTransform
from llama_index.core.llms import MockLLM
from llama_index.core.postprocessor import SimilarityPostprocessor
from llama_index.core.query_engine import RetrieverQueryEngine, TransformQueryEngine
from llama_index.core.response_synthesizers import get_response_synthesizer
from llama_index.core.retrievers import QueryFusionRetriever
from llama_index.core.schema import MetadataMode, NodeWithScore, QueryBundle

import chromasql
from chromasql import ChromaSQLExecutionError, ChromaSQLParseError, ChromaSQLPlanningError
from chromasql.integrations.llamaindex import ChromaSQLRetriever
from tests.integrations.conftest import embed

NEAR = "SELECT * FROM guides, notes RANK BY KNN(:query)"
HYBRID = "SELECT * FROM * RANK BY RRF(KNN(:query), BM25(:query))"


@pytest.fixture
def retriever(database: chromasql.Database) -> ChromaSQLRetriever:
    """Give a retriever over both collections."""
    return ChromaSQLRetriever(database, NEAR)


def ids(nodes: list[NodeWithScore]) -> list[str]:
    return [node.node_id for node in nodes]


# Nodes


def test_the_nodes(retriever: ChromaSQLRetriever) -> None:
    """Nodes come in SQL's order with text, id and metadata of their records."""
    first, second, *_ = retriever.retrieve("rain")

    assert (first.node_id, first.text, first.score) == ("notes/1", "rain again", 0.0)
    assert first.metadata == {"_collection": "notes", "_id": "1", "distance": 0.0, "score": 0.0}
    assert (second.node_id, second.metadata["lang"], second.score) == ("guides/1", "en", -1.0)


def test_no_record_is_dropped(retriever: ChromaSQLRetriever) -> None:
    """Records of two collections with one id are two nodes; by their own ids LlamaIndex would drop one in silence."""
    found = retriever.retrieve("rain")

    assert len(found) == len(set(ids(found))) == 6
    assert sorted(node.metadata["_id"] for node in found) == ["1", "1", "2", "2", "3", "3"]


def test_the_id_of_one_collection(database: chromasql.Database) -> None:
    """The id is that of the record where FROM means one collection alone."""
    assert ids(ChromaSQLRetriever(database, "SELECT * FROM notes RANK BY KNN(:query)").retrieve("rain"))[0] == "1"


def test_only_metadata_of_the_record_reaches_models(retriever: ChromaSQLRetriever) -> None:
    """What a language model and an embedder see is the record's own metadata and text, and nothing of the search."""
    snow = retriever.retrieve("snow")[0].node

    for mode in (MetadataMode.LLM, MetadataMode.EMBED):
        assert snow.get_content(mode) == "lang: en\nyear: 2022\n\nsnow on the roof"
    assert "_collection: guides" in snow.get_content(MetadataMode.ALL)


def test_bookkeeping_of_llama_index(client: Any) -> None:
    """What LlamaIndex's own store writes into metadata, the node as JSON, is kept and not shown to models."""
    stored = {"_node_content": "{}", "_node_type": "TextNode", "doc_id": "None", "ref_doc_id": "None", "lang": "en"}
    client.create_collection("nodes", embedding_function=None).add(
        ids=["1"], documents=["rain"], embeddings=[embed("rain")], metadatas=[stored]
    )
    with chromasql.connect(client, embed_fn=embed) as database:
        (node,) = ChromaSQLRetriever(database, "SELECT * FROM nodes RANK BY KNN(:query)").retrieve("rain")

    assert node.metadata.items() >= stored.items()
    assert node.node.get_content(MetadataMode.LLM) == "lang: en\n\nrain"


def test_no_text_and_an_embedding(database: chromasql.Database) -> None:
    """A record without a document has the empty text, and a selected embedding is that of the node."""
    sql = "SELECT id, document, embedding FROM notes RANK BY KNN(:query) LIMIT 1"
    (node,) = ChromaSQLRetriever(database, sql).retrieve("fog")

    assert node.text == ""
    assert node.node.embedding == embed("fog")
    assert "embedding" not in node.metadata


# Scores


@pytest.mark.parametrize("statement", [NEAR, HYBRID, "SELECT * FROM * RANK BY BM25(:query)"])
def test_higher_is_better(database: chromasql.Database, statement: str) -> None:
    """The score is the negative of SQL's, so what LlamaIndex sorts comes in SQL's order."""
    found = ChromaSQLRetriever(database, statement).retrieve("rain and snow")

    assert [node.score for node in found] == [-node.metadata["score"] for node in found]
    assert [node.score for node in found] == sorted((node.score or 0.0 for node in found), reverse=True)


def test_a_cut_off_keeps_the_best(retriever: ChromaSQLRetriever) -> None:
    """A SimilarityPostprocessor keeps what is near and drops what is far."""
    found = retriever.retrieve("rain")
    kept = SimilarityPostprocessor(similarity_cutoff=-1.5).postprocess_nodes(found)

    assert ids(kept) == ids(found)[: len(kept)]
    assert 0 < len(kept) < len(found)


async def test_fusion_keeps_the_order(database: chromasql.Database) -> None:
    """A QueryFusionRetriever over one retriever returns its nodes in its order, each once."""
    retriever = ChromaSQLRetriever(database, HYBRID, similarity_top_k=6)
    for mode in ("reciprocal_rerank", "simple"):
        fusion = QueryFusionRetriever(
            [retriever], llm=MockLLM(), num_queries=1, similarity_top_k=6, mode=mode, use_async=False
        )
        assert ids(fusion.retrieve("rain")) == ids(retriever.retrieve("rain"))
        assert ids(await fusion.aretrieve("rain")) == ids(retriever.retrieve("rain"))


def test_cosine(client: Any) -> None:
    """``cosine`` is 1 - distance, and refuses collections of another space, where it would say nothing."""
    for name, space in (("angles", "cosine"), ("squares", "l2")):
        made = client.create_collection(name, embedding_function=None, configuration={"hnsw": {"space": space}})
        made.add(ids=["1"], embeddings=[[1.0, 1.0]])
    with chromasql.connect(client, embed_fn=lambda _: [1.0, 0.0]) as database:
        for clause in ("RANK BY KNN(:query)", "USING EMBEDDING (TEXT :query)"):
            sql = f"SELECT id FROM angles {clause}"
            (node,) = ChromaSQLRetriever(database, sql, similarity="cosine").retrieve("x")
            assert node.score == pytest.approx(0.5**0.5)
        other = ChromaSQLRetriever(database, "SELECT id FROM squares RANK BY KNN(:query)", similarity="cosine")
        with pytest.raises(ChromaSQLPlanningError, match="does not match the space of squares"):
            other.retrieve("x")


@pytest.mark.parametrize(
    ("statement", "similarity", "sentence"),
    [
        (HYBRID, "cosine", "needs a ranking by one KNN"),
        ("SELECT * FROM * WHERE document CONTAINS :query", "cosine", "needs a ranking by one KNN"),
        (f"{NEAR} SIMILARITY L2", "cosine", "contradicts SIMILARITY L2"),
        ("SELECT * FROM * RANK BY KNN(:query, key = sparse)", "cosine", "needs a ranking by one KNN"),
        (NEAR, "relevance", "similarity is 'negated', 'cosine' or a function"),
    ],
)
def test_similarities_that_mean_nothing(
    database: chromasql.Database, statement: str, similarity: Any, sentence: str
) -> None:
    """A similarity that the ranking does not have is refused when the retriever is made."""
    with pytest.raises(ChromaSQLPlanningError, match=sentence):
        ChromaSQLRetriever(database, statement, similarity=similarity)


def test_a_function_of_the_score(database: chromasql.Database) -> None:
    """A function makes the score of a node; where there is no ranking there is no score."""
    near = ChromaSQLRetriever(database, NEAR, similarity=lambda score: 1 / (1 + score))
    contains = ChromaSQLRetriever(database, "SELECT * FROM * WHERE document CONTAINS :query")

    assert [node.score for node in near.retrieve("rain")[:2]] == [1.0, 0.5]
    assert {node.score for node in contains.retrieve("rain")} == {None}


# Queries


def test_how_many(database: chromasql.Database) -> None:
    """There are as many nodes as ``similarity_top_k`` says, which is checked; there are at most 10 where nobody says it."""
    assert len(ChromaSQLRetriever(database, NEAR, similarity_top_k=2).retrieve("rain")) == 2
    assert len(ChromaSQLRetriever(database, f"{NEAR} LIMIT 3").retrieve("rain")) == 3
    with pytest.raises(ChromaSQLPlanningError, match="whole number of at least 1"):
        ChromaSQLRetriever(database, NEAR, similarity_top_k=0)
    with pytest.raises(ChromaSQLPlanningError, match="5 passages are wanted, and the statement has at most 3"):
        ChromaSQLRetriever(database, f"{NEAR} LIMIT 3", similarity_top_k=5).retrieve("rain")


async def test_a_vector_that_is_prepared(database: chromasql.Database) -> None:
    """The embedding of a QueryBundle is bound to ``:embedding``, and a query without one is refused."""
    retriever = ChromaSQLRetriever(database, "SELECT * FROM * RANK BY RRF(KNN(:embedding), BM25(:query))")
    bundle = QueryBundle("rain", embedding=embed("rain"))

    assert ids(retriever.retrieve(bundle)) == ids(await retriever.aretrieve(bundle))
    assert retriever.retrieve(bundle)[0].node_id in ("notes/1", "guides/1")
    with pytest.raises(ChromaSQLPlanningError, match="comes without a vector"):
        retriever.retrieve("rain")
    alone = ChromaSQLRetriever(database, "SELECT * FROM * RANK BY KNN(:embedding)")
    assert ids(alone.retrieve(bundle))[0] == "notes/1"


def test_parameters(database: chromasql.Database) -> None:
    """Parameters fill the statement; those that are not a mapping, and unknown ones, are errors of ours."""
    sql = "SELECT * FROM * WHERE lang = :lang RANK BY KNN(:query)"

    assert len(ChromaSQLRetriever(database, sql, params={"lang": "fr"}).retrieve("rain")) == 2
    with pytest.raises(ChromaSQLPlanningError, match="no value for the parameter :lang"):
        ChromaSQLRetriever(database, sql).retrieve("rain")
    with pytest.raises(ChromaSQLPlanningError, match="params is a mapping"):
        ChromaSQLRetriever(database, sql, params=["fr"])  # type: ignore[arg-type]


# Async, events, errors


async def test_async(async_database: chromasql.AsyncDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    """``aretrieve`` awaits on the loop of the caller, many at once, where the base class would block it."""
    retriever = ChromaSQLRetriever(async_database, NEAR)
    expected = ids(retriever.retrieve("rain"))
    monkeypatch.setattr(chromasql.Database, "execute", None)

    for found in await asyncio.gather(*(retriever.aretrieve("rain") for _ in range(20))):
        assert ids(found) == expected


def test_events(database: chromasql.Database) -> None:
    """A retrieval is an event of the callback manager that the retriever was given."""
    debug = LlamaDebugHandler(print_trace_on_end=False)
    retriever = ChromaSQLRetriever(database, NEAR, callback_manager=CallbackManager([debug]))

    found = retriever.retrieve("rain")

    ((_, end),) = debug.get_event_pairs(CBEventType.RETRIEVE)
    assert end.payload is not None
    assert ids(end.payload["nodes"]) == ids(found)


def test_a_query_engine(retriever: ChromaSQLRetriever) -> None:
    """A query engine answers from the nodes, and hands them on as its sources."""
    engine = RetrieverQueryEngine(retriever, get_response_synthesizer(llm=MockLLM()))
    transformed = TransformQueryEngine(engine, IdentityQueryTransform())

    assert ids(transformed.query("rain").source_nodes) == ids(retriever.retrieve("rain"))


def test_wrong_statements(database: chromasql.Database, weather: Any) -> None:
    """What is wrong with a statement or a database is said when the retriever is made."""
    with pytest.raises(ChromaSQLParseError):
        ChromaSQLRetriever(database, "SELECT * FORM docs RANK BY KNN(:query)")
    with pytest.raises(ChromaSQLPlanningError, match="groups"):
        ChromaSQLRetriever(database, "SELECT COUNT(*) FROM docs WHERE lang = :query")
    with pytest.raises(ChromaSQLPlanningError, match=r"chromasql\.connect"):
        ChromaSQLRetriever(weather, NEAR)


async def test_a_partial_answer(partial_database: chromasql.Database, caplog: pytest.LogCaptureFixture) -> None:
    """A collection that is missing is named in the log, and ``require_complete`` makes an error of it."""
    with caplog.at_level(logging.WARNING, "chromasql"):
        found = ChromaSQLRetriever(partial_database, NEAR).retrieve("rain")
    assert {node.metadata["_collection"] for node in found} == {"guides"}
    assert "collection notes failed (ConnectionError)" in caplog.text

    strict = ChromaSQLRetriever(partial_database, NEAR, require_complete=True)
    with pytest.raises(ChromaSQLExecutionError, match="1 of 2 collections are missing"):
        strict.retrieve("rain")
    with pytest.raises(ChromaSQLExecutionError, match="1 of 2 collections are missing"):
        await strict.aretrieve("rain")
