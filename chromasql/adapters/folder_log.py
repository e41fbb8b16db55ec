"""How far the index of an embedded Chroma is behind its log, read from the folder itself."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

__all__ = ["operations_behind"]

_BEHIND = """
    SELECT COUNT(*) FROM embeddings_queue
    WHERE topic LIKE '%/' || :collection AND seq_id > COALESCE((
        SELECT MAX(seq_id) FROM max_seq_id JOIN segments ON segments.id = segment_id
        WHERE collection = :collection AND scope = 'VECTOR'), 0)
"""


def operations_behind(collection: Any) -> int | None:
    """
    Return how many writes to a collection of chromadb its stored graph does not have.

    They are applied again whenever the folder is opened. None where the collection is in no folder of this machine, or
    the file does not say.
    """
    folder = _folder_of(getattr(collection, "_client", None))
    if folder is None:
        return None
    address = f"{(folder / 'chroma.sqlite3').resolve().as_uri()}?mode=ro"
    try:
        with closing(sqlite3.connect(address, uri=True)) as database:
            (count,) = database.execute(_BEHIND, {"collection": str(collection.id)}).fetchone()
    except sqlite3.Error:
        return None
    return int(count)


def _folder_of(client: Any) -> Path | None:
    """Return the folder of an embedded client of chromadb, or None where it has none."""
    get_settings = getattr(client, "get_settings", None)
    settings: Any = get_settings() if callable(get_settings) else None
    if getattr(settings, "is_persistent", False) is not True:
        return None
    folder = Path(str(settings.persist_directory))
    return folder if (folder / "chroma.sqlite3").is_file() else None
