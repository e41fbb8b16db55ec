"""The records that are asked, made from one seed: an embedded Chroma in a folder, and a server over a copy of it."""

from __future__ import annotations

import random
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DIMENSION = 128
LANGUAGES = ("en", "de", "fr", "it")
_DOCUMENT_BYTES = 800
_WORDS = tuple(f"{start}{middle}{end}" for start in ("ba", "co", "del", "fi") for middle in "aeiou" for end in "lmnrst")


@dataclass(frozen=True)
class Shape:
    """So many collections of so many records each."""

    stem: str
    collections: int
    records: int

    @property
    def names(self) -> list[str]:
        """Return the names of the collections."""
        return [f"{self.stem}-{number:03}" for number in range(self.collections)]


def vectors(count: int, seed: int) -> Any:
    """Return normally distributed vectors, one per row."""
    import numpy as np

    return np.random.default_rng(seed).standard_normal((count, DIMENSION), dtype=np.float32)


def query_vector(seed: int = 1) -> list[float]:
    """Return a vector to look for."""
    return [float(each) for each in vectors(1, -seed % 2**32)[0]]


def build(folder: Path, shape: Shape) -> None:
    """Fill an embedded Chroma in the folder, unless it has been filled before."""
    import chromadb

    done = folder / "filled"
    if done.exists():
        return
    shutil.rmtree(folder, ignore_errors=True)
    client = chromadb.PersistentClient(folder)
    for seed, name in enumerate(shape.names):
        collection = client.create_collection(name, embedding_function=None)
        numbers = range(shape.records)
        collection.add(
            ids=[f"{name}-{number:06}" for number in numbers],
            embeddings=vectors(shape.records, seed),
            documents=[_document(seed, number) for number in numbers],
            metadatas=[{"lang": LANGUAGES[number % 4], "year": 1990 + number % 30} for number in numbers],
        )
    client.close()
    done.touch()


def copy_for_server(folder: Path) -> Path:
    """Return the folder of a server over the same records."""
    served = folder.with_name(f"{folder.name}-served")
    if not served.exists():
        shutil.copytree(folder, served / "db")
    return served


def _document(seed: int, number: int) -> str:
    rng = random.Random(seed * 1_000_003 + number)
    return " ".join(rng.choices(_WORDS, k=_DOCUMENT_BYTES // 5))[:_DOCUMENT_BYTES]
