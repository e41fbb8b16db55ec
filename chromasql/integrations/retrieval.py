"""
What the retrievers of all frameworks share: a SELECT with ``:query`` in, passages out.

A retriever adds to the statement what a framework needs and the statement does not select: the id and the collection of
each record, its document, and its score where there is a ranking. Nothing else in the statement is changed, so it is
planned, scoped and run as any other.
"""

from __future__ import annotations

import dataclasses
import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chromasql import ast
from chromasql.analysis import parameters_of
from chromasql.database import AsyncDatabase, Database
from chromasql.errors import ChromaSQLPlanningError
from chromasql.parser import parse
from chromasql.planner.aggregation import aggregates
from chromasql.printer import column_name
from chromasql.result import ExecutionResult

__all__ = [
    "Passage",
    "Retrieval",
    "as_parameters",
    "both_faces",
    "check_count",
    "parse_retrieval",
    "with_cosine",
]

_log = logging.getLogger("chromasql")


DEFAULT_COUNT = 4
"""How many passages there are where neither the statement nor the caller says it."""


# What is added to a statement; a column of its own cannot have these names by accident.
_PREFIX = "\N{SECTION SIGN}"


@dataclass(frozen=True, slots=True)
class Passage:
    """
    One row, as frameworks want it.

    ``id`` is that of the record, and ``collection`` where it lies. ``columns`` are those of the statement and ours,
    ``_collection``, ``_id``, and after a ranking ``distance`` and ``score``; ``metadata`` is that of the record.
    ``score`` is lower for better passages, and None where there is no ranking, or no number.
    """

    id: str
    collection: str
    text: str | None
    metadata: Mapping[str, Any]
    columns: Mapping[str, Any]
    score: float | None

    @property
    def qualified_id(self) -> str:
        """The id with the collection: records of two collections may have the same id."""
        return f"{self.collection}/{self.id}"

    def flat(self, keep: frozenset[str] | None = None) -> dict[str, Any]:
        """
        Return metadata and columns as one dict; a column replaces a key of the same name.

        ``keep`` are the names to return beside ``_collection`` and ``_id``; all where it is None.
        """
        everything = {**self.metadata, **self.columns}
        if keep is None:
            return everything
        return {name: value for name, value in everything.items() if name in keep or name in ("_collection", "_id")}


@dataclass(frozen=True, slots=True)
class Retrieval:
    """
    A statement that answers a text with passages; made by `parse_retrieval`.

    ``names`` are the parameters of the statement. ``content`` is the column whose text a passage has. ``single`` is the
    one collection that FROM names, or None where there can be several.
    """

    statement: ast.Query
    names: frozenset[str]
    content: str
    single: str | None

    def bind(
        self,
        values: Mapping[str, Any],
        count: int | None,
        query: str,
        *,
        embedding: Any = None,
        default: int = DEFAULT_COUNT,
    ) -> tuple[dict[str, Any], int | None]:
        """
        Return the parameters of one call, and the number of passages to keep, or None for all.

        Parameters
        ----------
        values
            The caller's parameters.
        count
            How many passages are wanted, or None for what the statement says.
        query
            The text, for ``:query``.
        embedding
            The vector, for ``:embedding``, where the caller has one.
        default
            The value of ``:k`` where nobody says it.

        Raises
        ------
        ChromaSQLPlanningError
            For a parameter that the caller may not set, a vector that is missing, and more passages than the
            statement has.
        """
        if "query" in values:
            raise ChromaSQLPlanningError(
                "the parameter :query cannot be set: it is the text of the query", code="unexpected-parameter"
            )
        bound = dict(values)
        if "query" in self.names:
            bound["query"] = query
        if "embedding" in self.names and embedding is not None:
            bound["embedding"] = embedding
        if "embedding" in self.names and "embedding" not in bound:
            raise ChromaSQLPlanningError(
                "the statement has :embedding, and this query comes without a vector; "
                "write KNN(:query) to embed its text",
                code="missing-parameter",
            )
        check_count(count)
        if "k" in self.names:
            if count is not None or "k" not in bound:
                bound["k"] = default if count is None else count
            return bound, None
        self._check_limit(count, bound)
        return bound, count

    def _check_limit(self, count: int | None, bound: Mapping[str, Any]) -> None:
        """Refuse to ask for more passages than LIMIT lets through, which would be cut off in silence."""
        limit = self.statement.topk if self.statement.limit is None else self.statement.limit
        value = bound.get(str(limit.key)) if isinstance(limit, ast.Parameter) else getattr(limit, "value", None)
        if count is not None and isinstance(value, int) and count > value:
            raise ChromaSQLPlanningError(
                f"{count} passages are wanted, and the statement has at most {value}; write LIMIT :k in it",
                code="invalid-argument",
            )

    def id_of(self, passage: Passage) -> str:
        """Return the id of a passage: that of the record, qualified where FROM can mean several collections."""
        return passage.id if passage.collection == self.single else passage.qualified_id

    def passages(self, result: ExecutionResult, count: int | None) -> list[Passage]:
        """Return the rows of an answer, at most ``count`` of them."""
        for warning in result.warnings:
            # Its text is not written to logs, as it may name values.
            _log.warning("the statement of a retriever has the warning %s; execute() shows it", warning.code)
        return [self._passage(row) for row in result.rows[:count]]

    def _passage(self, row: Mapping[str, Any]) -> Passage:
        added = {name.removeprefix(_PREFIX): value for name, value in row.items() if name.startswith(_PREFIX)}
        columns = {
            name: value
            for name, value in row.items()
            if not name.startswith(_PREFIX) and name not in (self.content, "metadata", "id")
        }
        ours = {"_collection": added["_collection"], "_id": added["id"]}
        ours |= {name: added[name] for name in ("distance", "score") if name in added and name not in columns}
        metadata = row.get("metadata")
        if not isinstance(metadata, Mapping):
            # Missing, NULL, or a column of another value that was called so.
            columns |= {} if metadata is None else {"metadata": metadata}
            metadata = {}
        text = row[self.content] if self.content in row else added.get("content")
        if "id" in row and row["id"] != added["id"]:
            columns["id"] = row["id"]
        score = added.get("score")
        return Passage(
            added["id"],
            added["_collection"],
            None if text is None else str(text),
            metadata,
            {**columns, **ours},
            score if isinstance(score, int | float) and math.isfinite(score) else None,
        )


def parse_retrieval(statement: str | ast.Query, content: str = "document") -> Retrieval:
    """
    Read the statement of a retriever.

    Parameters
    ----------
    statement
        A SELECT of records, as text or parsed, with ``:query`` (or ``:embedding``), and with ``:k`` where the caller
        says how many passages there are. ``LIMIT :k`` is added where it has neither LIMIT nor TOPK.
    content
        The column with the text; where the statement does not select it, it is the field of that name.

    Raises
    ------
    ChromaSQLParseError
        Where the text is not a statement.
    ChromaSQLPlanningError
        For another statement than a SELECT of records, parameters without names, and a text that is not used.
    """
    query = parse(statement) if isinstance(statement, str) else statement
    if not isinstance(query, ast.Query) or query.explain is not None:
        raise _refused("a retriever runs a SELECT, without EXPLAIN", query)
    if aggregates(query):
        raise _refused(
            "a retriever returns records, and the rows of this statement are groups; GROUP BY .. KEEP n keeps records",
            query,
        )
    if isinstance(query.embedding, ast.EmbeddingBatch) and not _is_fused(query):
        raise _refused("a retriever answers one text; write WITH (merge = RRF) to fuse the lists of a batch", query)
    names = frozenset(parameters_of(query))
    if any(isinstance(name, int) for name in names):
        raise _refused("the parameters of a retriever have names; write :query instead of ? or $1", query)
    if names.isdisjoint(("query", "embedding")):
        raise _refused("a retriever needs :query in its statement, as in RANK BY KNN(:query)", query)
    ranked = query.embedding is not None or query.rank is not None
    if query.limit is None and query.topk is None:
        query = dataclasses.replace(query, limit=ast.Parameter("k"))
        names |= {"k"}
    single = None if query.sources[0].is_pattern else query.collection
    return Retrieval(_with_columns(query, content, ranked=ranked), frozenset(map(str, names)), content, single)


def with_cosine(retrieval: Retrieval) -> Retrieval:
    """Return a retrieval that refuses collections of another space than cosine, and whose score is the distance."""
    query = retrieval.statement
    match query.rank:
        case None:
            single = isinstance(query.embedding, ast.Embedding)
        case ast.Knn(key=None, return_rank=None):
            single = True
        case _:
            single = False
    if not single:
        raise _refused(
            "similarity = 'cosine' is 1 - distance, so it needs a ranking by one KNN; 'negated' is for any ranking",
            query,
        )
    if query.similarity not in (None, "COSINE"):
        raise _refused(f"similarity = 'cosine' contradicts SIMILARITY {query.similarity} of the statement", query)
    return dataclasses.replace(retrieval, statement=dataclasses.replace(query, similarity="COSINE"))


def as_parameters(params: Any) -> Mapping[str, Any]:
    """Return parameters as a mapping of their own; raise `ChromaSQLPlanningError` where they are not one."""
    if params is None:
        return {}
    if not isinstance(params, Mapping):
        raise ChromaSQLPlanningError(
            f"params is a mapping of names to values, not {type(params).__name__}", code="parameter-style"
        )
    return dict(params)


def check_count(count: Any) -> None:
    """Raise `ChromaSQLPlanningError` unless a number of passages is None or a whole number of at least 1."""
    if count is not None and (isinstance(count, bool) or not isinstance(count, int) or count < 1):
        raise ChromaSQLPlanningError(
            f"the number of passages is a whole number of at least 1, not {count!r}", code="invalid-argument"
        )


def both_faces(database: Any) -> tuple[Database, AsyncDatabase]:
    """Return a database for blocking and for async code; raise `ChromaSQLPlanningError` for anything else."""
    match database:
        case Database():
            return database, database._database  # noqa: SLF001 - two faces of one thing
        case AsyncDatabase():
            return Database(database), database
        case _:
            raise ChromaSQLPlanningError(
                f"database is what chromasql.connect(..) or connect_async(..) returns, not {type(database).__name__}",
                code="invalid-argument",
            )


def _refused(message: str, statement: ast.Statement) -> ChromaSQLPlanningError:
    return ChromaSQLPlanningError(message, code="invalid-retriever", source=statement.source_text, span=statement.span)


def _is_fused(query: ast.Query) -> bool:
    return any(
        argument.name == "merge" and str(getattr(argument.value, "value", "")).lower() == "rrf"
        for argument in query.options
    )


def _with_columns(query: ast.Query, content: str, *, ranked: bool) -> ast.Query:
    """Return a statement that selects what a passage needs as well, under names that are taken out again."""
    items = query.projection.items
    added = {"id": "id", "_collection": "_collection", **({"distance": "distance", "score": "score"} if ranked else {})}
    fields = [(name, ast.Field(root)) for name, root in added.items()]
    selected = {column_name(item) for item in items if isinstance(item, ast.ProjectionItem)}
    if content not in selected:
        system = content in ast.SYSTEM_COLUMNS
        fields.append(("content", ast.Field(content) if system else ast.Field("metadata", tuple(content.split(".")))))
    extra = [ast.ProjectionItem(column, _PREFIX + name) for name, column in fields]
    projection = dataclasses.replace(query.projection, items=(*items, *extra))
    return dataclasses.replace(query, projection=projection)
