"""
Sentence embeddings that need no network: WordLlama, whose package carries its weights.

Importing this module registers the function with chromadb, so a collection made with it is opened
with it again.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from chromadb.api.types import Documents, EmbeddingFunction, Embeddings, Space
from chromadb.utils.embedding_functions import register_embedding_function

from chromasql.errors import ChromaSQLError

__all__ = ["WordLlamaEmbeddingFunction", "load_model"]

_MAX_TOKENS = 512


class WordLlamaEmbeddingFunction(EmbeddingFunction[Documents]):
    """
    Turns each text into 256 numbers of length 1: the mean of its words' vectors.

    Only the first 512 tokens of a text count, and the empty text gives zeros. The model is loaded by the
    first call; without the package that call raises `chromasql.ChromaSQLError`.
    """

    def __init__(self) -> None:
        """Take no settings: there is one model."""

    def __call__(self, input: Documents) -> Embeddings:  # noqa: A002 - chromadb names it
        """Return one vector per text."""
        vectors = load_model().embed(list(input))
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        return list(np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0))

    @staticmethod
    def name() -> str:
        """Return the name that chromadb stores with a collection."""
        return "chromasql_wordllama"

    @staticmethod
    def build_from_config(config: dict[str, Any]) -> WordLlamaEmbeddingFunction:  # noqa: ARG004
        """Make the function from the settings that a collection stored."""
        return WordLlamaEmbeddingFunction()

    def get_config(self) -> dict[str, Any]:
        """Return the settings to store with a collection: none."""
        return {}

    def default_space(self) -> Space:
        """Return the distance that suits these vectors."""
        return "cosine"

    def supported_spaces(self) -> list[Space]:
        """Return all distances that make sense for these vectors."""
        return ["cosine", "l2", "ip"]


register_embedding_function(WordLlamaEmbeddingFunction)  # type: ignore[no-untyped-call]


@functools.cache
def load_model() -> Any:
    """Load the model once; raise `chromasql.ChromaSQLError` where WordLlama is not installed."""
    try:
        with _root_logger_untouched():
            import wordllama
    except ImportError as error:
        raise ChromaSQLError(
            'the demo embeds texts with WordLlama, which is not installed: pip install "chromasql[demo]"',
            code="missing-dependency",
        ) from error
    folder = Path(wordllama.__file__).parent
    model = wordllama.WordLlama.load(cache_dir=folder, disable_download=True)
    # Texts are padded to the longest of their batch: one very long text would cost gigabytes.
    model.tokenizer.enable_truncation(_MAX_TOKENS)
    return model


@contextmanager
def _root_logger_untouched() -> Iterator[None]:
    """Undo what importing WordLlama does to everyone's logging: a handler on the root, at level INFO."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
