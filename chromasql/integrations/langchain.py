"""
A retriever for LangChain.

>>> from chromasql.integrations.langchain import ChromaSQLRetriever
>>> retriever = ChromaSQLRetriever(db, "SELECT * FROM docs-* RANK BY RRF(KNN(:query), BM25(:query))")  # doctest: +SKIP
>>> retriever.invoke("how do I open a socket?", k=5)  # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from chromasql import ast
from chromasql.database import AsyncDatabase, Database
from chromasql.integrations.extras import needs_extra
from chromasql.integrations.retrieval import Passage, Retrieval, as_parameters, both_faces, check_count, parse_retrieval
from chromasql.result import ExecutionResult

with needs_extra("langchain", "langchain-core"):
    from langchain_core.callbacks import AsyncCallbackManagerForRetrieverRun, CallbackManagerForRetrieverRun
    from langchain_core.documents import Document
    from langchain_core.retrievers import BaseRetriever, LangSmithRetrieverParams
    from pydantic import ConfigDict, Field, PrivateAttr

__all__ = ["ChromaSQLRetriever"]


class ChromaSQLRetriever(BaseRetriever):
    """
    Answers a text with the documents of a SELECT.

    ``invoke(text, k=.., params=..)``, ``ainvoke``, ``batch`` and the rest are those of every retriever of LangChain; an
    async call runs on the loop of the caller. ``k`` and ``params`` of a call win over those of the retriever.

    A document has as ``id`` that of the record, preceded by ``collection/`` where FROM can mean several collections;
    as ``page_content`` its text, empty for NULL; and as ``metadata`` that of the record, the other columns under
    their names, which replace keys of the same name, and ``_collection`` and ``_id``, which together are unique. After
    a ranking there are ``distance`` and ``score`` as in SQL: the lower the better.

    Parameters
    ----------
    database : Database or AsyncDatabase
        What `chromasql.connect` or `chromasql.connect_async` returns, scoped as it should be. It stays open.
    statement : str or chromasql.ast.Query
        A SELECT of records with ``:query``. ``LIMIT :k`` is added where it has neither LIMIT nor TOPK.
    k : int, optional
        How many documents there are at most. Default: what the statement says, and 4 for ``:k``.
    params : mapping, optional
        The values of the other parameters.
    content : str, optional
        The column with the text. Default: ``document``.
    require_complete : bool, optional
        Fail where a collection is missing from the answer. Default: False; a warning in the log of ``chromasql`` names
        the collection.
    metadata_columns : sequence of str, optional
        The only columns and keys that go into ``metadata``, beside ``_collection`` and ``_id``. Default: all.
    **fields
        Those of every retriever of LangChain: ``tags``, ``metadata`` and ``name``, all for tracing.

    Raises
    ------
    ChromaSQLParseError
        Where the text is not a statement.
    ChromaSQLPlanningError
        Where the statement is not one for a retriever, or an argument is of another kind.
    """

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)

    database: Any = Field(exclude=True, repr=False)
    statement: Any
    k: int | None = None
    params: Mapping[str, Any] = Field(default_factory=dict, repr=False)
    content: str = "document"
    require_complete: bool = False
    metadata_columns: Sequence[str] | None = None

    _retrieval: Retrieval = PrivateAttr()
    _faces: tuple[Database, AsyncDatabase] = PrivateAttr()

    def __init__(
        self,
        database: Database | AsyncDatabase,
        statement: str | ast.Query,
        *,
        k: int | None = None,
        params: Mapping[str, Any] | None = None,
        content: str = "document",
        require_complete: bool = False,
        metadata_columns: Sequence[str] | None = None,
        **fields: Any,
    ) -> None:
        super().__init__(
            database=database,
            statement=statement,
            k=k,
            params=as_parameters(params),
            content=content,
            require_complete=require_complete,
            metadata_columns=metadata_columns,
            **fields,
        )

    def model_post_init(self, context: Any, /) -> None:
        """Read the statement, so that what is wrong with it is said here."""
        super().model_post_init(context)
        check_count(self.k)
        self._faces = both_faces(self.database)
        self._retrieval = parse_retrieval(self.statement, self.content)

    @classmethod
    def is_lc_serializable(cls) -> bool:
        """Return False: a database that is open cannot be written down."""
        return False

    def _get_relevant_documents(
        self,
        query: str,
        *,
        run_manager: CallbackManagerForRetrieverRun,  # noqa: ARG002 - it reports what goes in and out without our help
        k: int | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> list[Document]:
        bound, count = self._bind(query, k, params)
        return self._documents(self._faces[0].execute(self._retrieval.statement, bound), count)

    async def _aget_relevant_documents(
        self,
        query: str,
        *,
        run_manager: AsyncCallbackManagerForRetrieverRun,  # noqa: ARG002 - as above
        k: int | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> list[Document]:
        bound, count = self._bind(query, k, params)
        return self._documents(await self._faces[1].execute(self._retrieval.statement, bound), count)

    def _bind(self, query: str, k: int | None, params: Mapping[str, Any] | None) -> tuple[dict[str, Any], int | None]:
        return self._retrieval.bind({**self.params, **as_parameters(params)}, self.k if k is None else k, query)

    def _documents(self, result: ExecutionResult, count: int | None) -> list[Document]:
        if self.require_complete:
            result.require_complete()
        keep = None if self.metadata_columns is None else frozenset(self.metadata_columns)
        return [self._document(passage, keep) for passage in self._retrieval.passages(result, count)]

    def _document(self, passage: Passage, keep: frozenset[str] | None) -> Document:
        return Document(
            id=self._retrieval.id_of(passage),
            page_content=passage.text or "",
            metadata=passage.flat(keep),
        )

    def _get_ls_params(self, **kwargs: Any) -> LangSmithRetrieverParams:
        parameters = super()._get_ls_params(**kwargs)
        parameters["ls_vector_store_provider"] = "Chroma"
        return parameters
