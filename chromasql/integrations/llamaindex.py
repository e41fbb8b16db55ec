"""
A retriever for LlamaIndex.

>>> from chromasql.integrations.llamaindex import ChromaSQLRetriever
>>> retriever = ChromaSQLRetriever(db, "SELECT * FROM docs-* RANK BY KNN(:query)", similarity_top_k=5)  # doctest: +SKIP
>>> retriever.retrieve("how do I open a socket?")  # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

from chromasql import ast
from chromasql.database import AsyncDatabase, Database
from chromasql.errors import ChromaSQLPlanningError
from chromasql.integrations.extras import needs_extra
from chromasql.integrations.retrieval import (
    Passage,
    as_parameters,
    both_faces,
    check_count,
    parse_retrieval,
    with_cosine,
)
from chromasql.result import ExecutionResult

with needs_extra("llama-index", "llama-index-core"):
    from llama_index.core.base.base_retriever import BaseRetriever
    from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode

__all__ = ["ChromaSQLRetriever"]

# What LlamaIndex's own store writes beside the metadata: the node as JSON, its class, and ids.
_BOOKKEEPING = ("_node_content", "_node_type", "doc_id", "document_id", "ref_doc_id")


class ChromaSQLRetriever(BaseRetriever):  # type: ignore[misc,unused-ignore]
    """
    Answers a text with the nodes of a SELECT.

    A node has as id that of the record, preceded by ``collection/`` where FROM can mean several collections, since
    LlamaIndex drops a second node of one id; as text the ``document``, empty for NULL; and as metadata that of the
    record, the other columns under their names, which replace keys of the same name, and ``_collection`` and ``_id``.
    Only the record's own metadata is shown to language models and embedders. A selected ``embedding`` is the node's.

    The score is higher for better nodes, as LlamaIndex has it, and None where there is no ranking; ``distance`` and
    ``score`` as in SQL, where lower is better, are in the metadata.

    Parameters
    ----------
    database : Database or AsyncDatabase
        What `chromasql.connect` or `chromasql.connect_async` returns, scoped as it should be. It stays open.
    statement : str or chromasql.ast.Query
        A SELECT of records with ``:query``, or with ``:embedding`` for queries that come with a vector
        (``QueryBundle.embedding``). ``LIMIT :k`` is added where it has neither LIMIT nor TOPK.
    similarity_top_k : int, optional
        How many nodes there are at most. Default: what the statement says, and 10 for ``:k``.
    params : mapping, optional
        The values of the other parameters.
    similarity : str or callable, optional
        How a score of SQL becomes that of a node: ``negated`` is its negative, which keeps the order of all rankings;
        ``cosine`` is 1 - distance, for a ranking by one KNN in collections of the space cosine; a function is called
        with the score. Default: ``negated``.
    require_complete : bool, optional
        Fail where a collection is missing from the answer. Default: False; a warning in the log of ``chromasql`` names
        the collection.
    **options
        Those of every retriever of LlamaIndex, such as ``callback_manager``.

    Raises
    ------
    ChromaSQLParseError
        Where the text is not a statement.
    ChromaSQLPlanningError
        Where the statement is not one for a retriever, or an argument is of another kind.
    """

    def __init__(
        self,
        database: Database | AsyncDatabase,
        statement: str | ast.Query,
        *,
        similarity_top_k: int | None = None,
        params: Mapping[str, Any] | None = None,
        similarity: Literal["negated", "cosine"] | Callable[[float], float] = "negated",
        require_complete: bool = False,
        **options: Any,
    ) -> None:
        check_count(similarity_top_k)
        self._blocking, self._async = both_faces(database)
        self._retrieval = parse_retrieval(statement)
        self._similarity: Callable[[float], float]
        match similarity:
            case "negated":
                self._similarity = _negated
            case "cosine":
                self._retrieval = with_cosine(self._retrieval)
                self._similarity = _cosine
            case _ if callable(similarity):
                self._similarity = similarity
            case _:
                raise ChromaSQLPlanningError(
                    f"similarity is 'negated', 'cosine' or a function of the score, not {similarity!r}",
                    code="invalid-argument",
                )
        self._top_k = similarity_top_k
        self._params = as_parameters(params)
        self._require_complete = require_complete
        super().__init__(**options)

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        bound, count = self._bind(query_bundle)
        return self._nodes(self._blocking.execute(self._retrieval.statement, bound), count)

    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        bound, count = self._bind(query_bundle)
        return self._nodes(await self._async.execute(self._retrieval.statement, bound), count)

    def _bind(self, query: QueryBundle) -> tuple[dict[str, Any], int | None]:
        return self._retrieval.bind(
            self._params, self._top_k, query.query_str, embedding=query.embedding, default=_TOP_K
        )

    def _nodes(self, result: ExecutionResult, count: int | None) -> list[NodeWithScore]:
        if self._require_complete:
            result.require_complete()
        return [self._node(passage) for passage in self._retrieval.passages(result, count)]

    def _node(self, passage: Passage) -> NodeWithScore:
        metadata = passage.flat()
        ours = [name for name in metadata if name in passage.columns or name in _BOOKKEEPING]
        embedding = metadata.pop("embedding", None) if "embedding" in passage.columns else None
        node = TextNode(
            id_=self._retrieval.id_of(passage),
            text=passage.text or "",
            embedding=embedding,
            metadata=metadata,
            excluded_llm_metadata_keys=ours,
            excluded_embed_metadata_keys=ours,
        )
        return NodeWithScore(node=node, score=None if passage.score is None else self._similarity(passage.score))


_TOP_K = 10


def _negated(score: float) -> float:
    # Not -0.0 for the best of all.
    return 0.0 - score


def _cosine(distance: float) -> float:
    return 1.0 - distance
