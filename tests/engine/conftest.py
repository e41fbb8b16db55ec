"""What the tests of the engine share: a folder of real Chroma each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import chromadb
import pytest


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Any]:
    """Give an embedded Chroma that no other test sees."""
    client = chromadb.PersistentClient(tmp_path / "chroma")
    yield client
    client.close()
