"""Embedding functions of chromadb's kind, made for tests."""

from __future__ import annotations

from typing import Any

import numpy as np
from chromadb import Documents, EmbeddingFunction, Embeddings
from chromadb.utils.embedding_functions import register_embedding_function


@register_embedding_function
class Letters(EmbeddingFunction[Documents]):
    """One of chromadb's embedding functions, stored with its collection by name; it counts what it is asked."""

    asked: list[tuple[str, tuple[str, ...]]] = []

    def __init__(self, scale: float = 1.0) -> None:
        self.scale = scale

    def __call__(self, input: Documents) -> Embeddings:  # noqa: A002 - chromadb's name
        Letters.asked.append((f"documents x {self.scale:g}", tuple(input)))
        return [np.array([self.scale * (ord(text[0]) - ord("a"))] * 2, dtype=np.float32) for text in input]

    def embed_query(self, input: Documents) -> Embeddings:  # noqa: A002 - chromadb's name
        Letters.asked.append((f"queries x {self.scale:g}", tuple(input)))
        return [np.array([self.scale * (ord(text[0]) - ord("a"))] * 2, dtype=np.float32) for text in input]

    @staticmethod
    def name() -> str:
        return "letters"

    @staticmethod
    def build_from_config(config: dict[str, Any]) -> Letters:
        return Letters(config["scale"])

    def get_config(self) -> dict[str, Any]:
        return {"scale": self.scale}
