"""
A retriever for Haystack.

Haystack loads pipelines with components of its own packages alone, so the retriever is imported from there:

>>> from haystack_integrations.components.retrievers.chromasql import ChromaSQLRetriever
>>> retriever = ChromaSQLRetriever("my-chroma", "SELECT * FROM docs-* RANK BY BM25(:query)")  # doctest: +SKIP
>>> retriever.run("open socket", top_k=5)["documents"]  # doctest: +SKIP
"""

from __future__ import annotations

import inspect
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from chromasql.database import AsyncDatabase, Database, connect_async
from chromasql.errors import ChromaSQLPlanningError, near_names
from chromasql.integrations.extras import needs_extra
from chromasql.integrations.retrieval import Passage, as_parameters, both_faces, check_count, parse_retrieval
from chromasql.planner.scope import Scope
from chromasql.result import ExecutionResult

with needs_extra("haystack", "haystack"):
    from haystack import Document, component, default_from_dict, default_to_dict
    from haystack.core.errors import SerializationError
    from haystack.utils import Secret, deserialize_callable, serialize_callable

__all__ = ["ChromaSQLRetriever"]

_TOP_K = 10


# One for all retrievers: opening sends nothing, and a lock of its own could not be copied with a pipeline.
_opening = threading.Lock()


@component
class ChromaSQLRetriever:
    """
    Answers a text with the documents of a SELECT.

    A document has as id ``collection/id``, since Haystack's joiners drop a second document of one id; as content the
    ``document``, or None; and as meta the record's metadata, the other columns under their names, which replace keys of
    the same name, and ``_collection`` and ``_id``. A selected ``embedding`` is the document's.

    The score is the negative of SQL's, as Haystack sorts the highest first, and None where there is no ranking;
    ``meta["distance"]`` and ``meta["score"]`` are as in SQL, where lower is better.

    Parameters
    ----------
    source : str, Path or anything that `chromasql.connect` takes, or what it returns
        An address, or the folder of an embedded Chroma: the retriever opens it when it is warmed up and closes it.
        Anything else stays open, and cannot be saved with a pipeline.
    statement : str
        A SELECT of records with ``:query``. ``LIMIT :k`` is added where it has neither LIMIT nor TOPK.
    params : dict, optional
        The values of the other parameters.
    top_k : int, optional
        How many documents there are at most. Default: what the statement says, and 10 for ``:k``.
    token : Secret, optional
        The token for an address; a `Secret` of an environment variable can be saved.
    scope : dict, optional
        What the statement may reach: the fields of `chromasql.Scope`.
    embed_fn : callable or text embedder, optional
        Embeds the query; a text embedder of Haystack, or what `chromasql.connect` takes. Default: the embedding
        function of each collection. A function at the top of a module, and a component, can be saved.
    options : dict, optional
        Other options of `chromasql.connect`, such as ``{"tenant": .., "database": ..}``.
    require_complete : bool, optional
        Fail where a collection is missing from the answer. Default: False; ``run`` returns the names as ``missing``.

    Raises
    ------
    ChromaSQLParseError
        Where the text is not a statement.
    ChromaSQLPlanningError
        Where the statement is not one for a retriever, or an argument is of another kind.
    """

    # Where pipelines find it. Written down there, it can be loaded without extending Haystack's list of modules.
    __module__ = "haystack_integrations.components.retrievers.chromasql"

    def __init__(
        self,
        source: Any,
        statement: str,
        *,
        params: dict[str, Any] | None = None,
        top_k: int | None = None,
        token: Secret | None = None,
        scope: dict[str, Any] | None = None,
        embed_fn: Any = None,
        options: dict[str, Any] | None = None,
        require_complete: bool = False,
    ) -> None:
        check_count(top_k)
        self.source = source
        self.statement = statement
        self.params = dict(as_parameters(params))
        self.top_k = top_k
        self.token = token
        self.scope = scope
        self.embed_fn = embed_fn
        self.options = options
        self.require_complete = require_complete
        self._retrieval = parse_retrieval(statement)
        self._scope = _scope(scope)
        _options(options)
        self._owned: AsyncDatabase | None = None
        if isinstance(source, Database | AsyncDatabase) and (embed_fn or token or options):
            raise ChromaSQLPlanningError(
                "embed_fn, token and options go with a source that is opened here; this one is open, so pass them to "
                "chromasql.connect",
                code="invalid-argument",
            )

    @component.output_types(documents=list[Document], missing=list[str])
    def run(
        self,
        query: str,
        filters: dict[str, Any] | None = None,
        top_k: int | None = None,
        params: dict[str, Any] | None = None,
        query_embedding: list[float] | None = None,
    ) -> dict[str, Any]:
        """
        Return the documents for a text.

        Parameters
        ----------
        query
            The text, for ``:query``.
        filters
            Nothing: conditions stand in the statement.
        top_k
            How many documents there are at most; it wins over that of the retriever.
        params
            Values of parameters; they win over those of the retriever.
        query_embedding
            The vector of the text, from a text embedder of the pipeline, for ``:embedding``.

        Returns
        -------
        dict
            ``documents``, best first, and ``missing``, the names of the collections that failed.

        Raises
        ------
        ChromaSQLError
            Where the statement fails, or an argument does not fit it.
        """
        values = self._values(filters, params, query_embedding)
        bound, count = self._retrieval.bind(values, self.top_k if top_k is None else top_k, query, default=_TOP_K)
        blocking, _ = both_faces(self._open())
        return self._answer(blocking.execute(self._retrieval.statement, bound), count)

    @component.output_types(documents=list[Document], missing=list[str])
    async def run_async(
        self,
        query: str,
        filters: dict[str, Any] | None = None,
        top_k: int | None = None,
        params: dict[str, Any] | None = None,
        query_embedding: list[float] | None = None,
    ) -> dict[str, Any]:
        """Return the documents for a text, on the loop of the caller; see `run`."""
        values = self._values(filters, params, query_embedding)
        bound, count = self._retrieval.bind(values, self.top_k if top_k is None else top_k, query, default=_TOP_K)
        _, database = both_faces(self._open())
        return self._answer(await database.execute(self._retrieval.statement, bound), count)

    def warm_up(self) -> None:
        """Open the source; `run` does so too."""
        self._open()

    async def warm_up_async(self) -> None:
        """Open the source; `run_async` does so too."""
        self._open()

    def close(self) -> None:
        """Close what was opened here; a later `run` opens it again."""
        owned, self._owned = self._owned, None
        if owned is not None:
            Database(owned).close()

    async def close_async(self) -> None:
        """Close what was opened here; see `close`."""
        owned, self._owned = self._owned, None
        if owned is not None:
            await owned.close()

    def to_dict(self) -> dict[str, Any]:
        """Return what `from_dict` needs; raise `SerializationError` for a source that is open, or other objects."""
        if not isinstance(self.source, str | Path):
            raise SerializationError(
                f"a {type(self.source).__name__} is open and cannot be saved; give the retriever an address or a folder"
            )
        data: dict[str, Any] = default_to_dict(
            self,
            source=str(self.source),
            statement=self.statement,
            params=self.params,
            top_k=self.top_k,
            token=self.token,
            scope=self.scope,
            embed_fn=_saved_embedder(self.embed_fn),
            options=self.options,
            require_complete=self.require_complete,
        )
        return data

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> ChromaSQLRetriever:
        """Make a retriever from what `to_dict` returned."""
        values = dict(data.get("init_parameters", {}))
        if isinstance(values.get("embed_fn"), str):
            values["embed_fn"] = deserialize_callable(values["embed_fn"])
        made: ChromaSQLRetriever = default_from_dict(cls, {**data, "init_parameters": values})
        return made

    def _open(self) -> Database | AsyncDatabase:
        if isinstance(self.source, Database | AsyncDatabase):
            return self.source.scoped(self._scope)
        with _opening:
            if self._owned is None:
                token = None if self.token is None else self.token.resolve_value()
                self._owned = connect_async(
                    self.source,
                    embed_fn=self.embed_fn,
                    scope=self._scope,
                    **({} if token is None else {"token": token}),
                    **_options(self.options),
                )
            return self._owned

    def _values(
        self,
        filters: Mapping[str, Any] | None,
        params: Mapping[str, Any] | None,
        query_embedding: Sequence[float] | None,
    ) -> dict[str, Any]:
        """Return the values of the parameters of one call, but for ``:query`` and ``:k``."""
        if filters:
            raise ChromaSQLPlanningError(
                "filters cannot be put into a statement; write the condition there, as in WHERE lang = :lang, and pass "
                "params={'lang': ..}",
                code="invalid-argument",
            )
        if query_embedding is not None and "embedding" not in self._retrieval.names:
            raise ChromaSQLPlanningError(
                "query_embedding is given, and the statement does not use it; write KNN(:embedding)",
                code="invalid-argument",
            )
        vector = {} if query_embedding is None else {"embedding": query_embedding}
        return {**self.params, **as_parameters(params), **vector}

    def _answer(self, result: ExecutionResult, count: int | None) -> dict[str, Any]:
        if self.require_complete:
            result.require_complete()
        return {
            "documents": [_document(passage) for passage in self._retrieval.passages(result, count)],
            "missing": [outcome.collection for outcome in result.failures],
        }


def _document(passage: Passage) -> Document:
    meta = passage.flat()
    embedding = meta.pop("embedding", None) if "embedding" in passage.columns else None
    return Document(
        id=passage.qualified_id,
        content=passage.text,
        meta=meta,
        embedding=embedding,
        # Not -0.0 for the best of all.
        score=None if passage.score is None else 0.0 - passage.score,
    )


def _scope(fields: Any) -> Scope:
    """Return the scope that a dict describes."""
    if fields is None:
        return Scope()
    known = inspect.signature(Scope).parameters
    if not isinstance(fields, Mapping):
        raise ChromaSQLPlanningError(
            f"scope is a dict with the fields of chromasql.Scope, not {type(fields).__name__}", code="invalid-scope"
        )
    for name in fields:
        if name not in known:
            raise ChromaSQLPlanningError(
                f"a scope has no field {name}{near_names(str(name), known)}", code="invalid-scope"
            )
    return Scope(**fields)


def _options(options: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """Return the options of `chromasql.connect` that have no argument of their own here."""
    known = inspect.signature(connect_async).parameters.keys() - {"source", "embed_fn", "scope", "token"}
    for name in options or {}:
        if name not in known:
            raise ChromaSQLPlanningError(
                f"options has those of chromasql.connect, and {name} is not among them{near_names(name, known)}",
                code="unknown-option",
            )
    return options or {}


def _saved_embedder(embedder: Any) -> Any:
    """Return an embedder as a pipeline is saved: a component is saved by Haystack, and a function as its path."""
    if embedder is None or hasattr(embedder, "to_dict"):
        return embedder
    if callable(embedder) and hasattr(embedder, "__qualname__"):
        return serialize_callable(embedder)
    raise SerializationError(
        f"embed_fn is a {type(embedder).__name__}, which cannot be saved; use a text embedder of Haystack, "
        "or a function at the top of a module"
    )
