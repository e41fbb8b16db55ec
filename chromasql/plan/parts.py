"""The parts of a record that are fetched by name, and Chroma's names for them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["PARTS"]

PARTS: Mapping[str, str] = MappingProxyType(
    {"document": "documents", "embedding": "embeddings", "metadata": "metadatas", "uri": "uris"}
)
"""A part of a record, and what Chroma calls it in ``include`` and in its answers."""
