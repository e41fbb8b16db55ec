"""Values, fields and embeddings: the leaves of the tree."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from chromasql._source import NO_SPAN, Span
from chromasql.ast.scalars import Scalar

if TYPE_CHECKING:
    from chromasql.ast.expressions import Expression

__all__ = [
    "SYSTEM_COLUMNS",
    "Array",
    "DenseVector",
    "Embedding",
    "EmbeddingBatch",
    "EmbeddingText",
    "EmbeddingVector",
    "Field",
    "Literal",
    "Node",
    "Parameter",
    "SparseVector",
    "Value",
]

SYSTEM_COLUMNS = ("id", "document", "embedding", "metadata", "distance", "score", "uri", "_collection")
"""Names that mean a part of the record rather than a metadata key."""


@dataclass(frozen=True, slots=True)
class Node:
    """The base of all nodes: it knows which part of the text it stands for."""

    span: Span = field(default=NO_SPAN, compare=False, repr=False, kw_only=True)


# Values


@dataclass(frozen=True, slots=True)
class Literal(Node):
    """
    A string, number, boolean or NULL.

    ``double_quoted`` is a string in double quotes, which is a name in some places.
    """

    value: Scalar
    double_quoted: bool = field(default=False, compare=False, repr=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Parameter(Node):
    """A place for a value of the caller: a name for ``:name`` and ``$name``, a position from 1 for ``?`` and ``$1``."""

    key: str | int

    def __str__(self) -> str:
        return f":{self.key}" if isinstance(self.key, str) else f"${self.key}"


Value: TypeAlias = Literal | Parameter


@dataclass(frozen=True, slots=True)
class Array(Node):
    """A dense vector or a list, in square or round brackets; the items of a vector are values."""

    items: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class SparseVector(Node):
    """A sparse vector: pairs of index and weight, in the order written."""

    items: tuple[tuple[int, Value], ...]


@dataclass(frozen=True, slots=True)
class DenseVector(Node):
    """A dense vector that came as a parameter; one that is written out is an `Array`."""

    values: tuple[float, ...]


# Names


@dataclass(frozen=True, slots=True)
class Field(Node):
    """
    A column of a record.

    ``root`` is a system column; where it is ``metadata`` and ``path`` is not empty, the field is the metadata
    key whose name is the parts of the path joined by dots. ``bare`` distinguishes ``year`` from
    ``metadata.year``, and ``qualifier`` holds the alias in ``d.year``: both only name the result column.
    """

    root: str
    path: tuple[str, ...] = ()
    bare: bool = False
    qualifier: str | None = None

    @property
    def is_metadata(self) -> bool:
        """Whether this is a metadata key, or all the metadata."""
        return self.root == "metadata"

    @property
    def key(self) -> str | None:
        """The flat metadata key, or None for a system column."""
        return ".".join(self.path) if self.path else None

    @property
    def name(self) -> str:
        """The name as it was written: what the result column is called without AS."""
        parts = self.path if self.bare and self.path else (self.root, *self.path)
        return ".".join(parts if self.qualifier is None else (self.qualifier, *parts))


# Embeddings


@dataclass(frozen=True, slots=True)
class EmbeddingText(Node):
    """A text to embed; ``model`` names the embedder, and None is the default one."""

    text: Value
    model: Value | None = None


@dataclass(frozen=True, slots=True)
class EmbeddingVector(Node):
    """A query vector, written out or as a parameter."""

    values: Array | SparseVector | DenseVector | Parameter


Embedding: TypeAlias = EmbeddingText | EmbeddingVector


@dataclass(frozen=True, slots=True)
class EmbeddingBatch(Node):
    """Several queries in one statement; each has a list of results of its own."""

    items: tuple[Embedding, ...]
