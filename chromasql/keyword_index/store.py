"""The keyword index of a database: a segment for each collection, in memory and perhaps in a folder."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chromasql.errors import ChromaSQLExecutionError, ChromaSQLPlanningError
from chromasql.keyword_index.files import read_segment, write_segment
from chromasql.keyword_index.segment import Segment

__all__ = ["KeywordIndex", "KeywordIndexStatus", "as_keyword_index"]


@dataclass(frozen=True, slots=True)
class KeywordIndexStatus:
    """
    What the keyword index has of one collection.

    Attributes
    ----------
    collection
        Its name.
    documents
        How many documents were counted; None where the collection is not indexed yet.
    size
        The bytes of the postings in memory.
    age
        Seconds since the documents were last compared.
    """

    collection: str
    documents: int | None = None
    size: int = 0
    age: float | None = None


@dataclass(frozen=True, slots=True)
class _Kept:
    segment: Segment
    made: float
    written: int | None


class KeywordIndex:
    """
    Segments by collection; ``folder`` is where they are kept, or None for memory alone.

    A collection is known by its id, so that one which was made anew under an old name has another segment.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self._kept: dict[str, _Kept] = {}

    def find(self, name: str, collection_id: str, count: int | None = None) -> Segment | None:
        """
        Return the segment of a collection, read from its file where that is newer than what is in memory.

        With ``count``, what is in memory is returned without a look at the file where it has so many records. Raises
        `ChromaSQLExecutionError` for a damaged file.
        """
        key = _key(name, collection_id)
        kept = self._kept.get(key)
        if kept is not None and count == len(kept.segment.ids):
            return kept.segment
        if self.folder is not None:
            path = self._path(key)
            written = _time_of(path)
            if written is not None and (kept is None or kept.written != written):
                found = read_segment(path)
                if found is not None:
                    segment, facts = found
                    kept = self._kept[key] = _Kept(segment, facts["made"], written)
        return None if kept is None else kept.segment

    def keep(self, name: str, collection_id: str, segment: Segment) -> None:
        """Put a segment in the place of an older one; raise `ChromaSQLExecutionError` where it cannot be written."""
        key, made, written = _key(name, collection_id), time.time(), None
        if self.folder is not None:
            path = self._path(key)
            write_segment(path, segment, {"made": made})
            written = _time_of(path)
        self._kept[key] = _Kept(segment, made, written)

    def status_of(self, name: str, collection_id: str) -> KeywordIndexStatus:
        """Return what is known of a collection; raise `ChromaSQLExecutionError` for a damaged file."""
        segment = self.find(name, collection_id)
        if segment is None:
            return KeywordIndexStatus(name)
        made = self._kept[_key(name, collection_id)].made
        return KeywordIndexStatus(name, segment.documents, segment.size, max(0.0, time.time() - made))

    def _path(self, key: str) -> Path:
        assert self.folder is not None
        return self.folder / f"{key}.npz"


def as_keyword_index(value: Any) -> KeywordIndex | None:
    """Return the index that an option means; raise `ChromaSQLPlanningError` for what is neither folder nor flag."""
    match value:
        case None | False:
            return None
        case True:
            return KeywordIndex(None)
        case str() | Path():
            return KeywordIndex(Path(value))
        case _:
            raise ChromaSQLPlanningError(
                f"keyword_index takes the path of a folder, or True to keep it in memory, not {type(value).__name__}",
                code="invalid-argument",
            )


def _key(name: str, collection_id: str) -> str:
    """Return a name of a file that holds neither separators nor the name of the collection."""
    return hashlib.sha256(f"{collection_id}\0{name}".encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _time_of(path: Path) -> int | None:
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ChromaSQLExecutionError(
            f"the keyword index cannot be read: {error.strerror}", code="keyword-index-failed"
        ) from error
