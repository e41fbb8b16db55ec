"""
Segments in files: an archive of numpy's for each collection, which its owner alone may read.

A file is written beside its place and then moved there, so that a reader, a crash or a second process finds the old
file or the new one. The archive has a checksum for each array.
"""

from __future__ import annotations

import io
import json
import os
import tempfile
import time
import unicodedata
import zipfile
from collections.abc import Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

from chromasql.errors import ChromaSQLExecutionError
from chromasql.keyword_index.segment import Segment

__all__ = ["VERSION", "read_segment", "write_segment"]

VERSION = f"chromasql-keywords 1, words 1, unicode {unicodedata.unidata_version}"
"""What files are like and what words are; a file of another version is not used, and made anew."""

_ABANDONED = 24 * 3600.0
"""After how many seconds a file that is not finished never will be."""

_ARRAYS = ("lengths", "fingerprints", "starts", "numbers", "counts")


def write_segment(path: Path, segment: Segment, facts: dict[str, Any]) -> None:
    """Write a segment with facts about it; raise `ChromaSQLExecutionError` where the folder cannot be written."""
    import numpy as np

    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Such a file is readable by its owner alone from the beginning.
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".new-")
        try:
            with os.fdopen(handle, "wb") as file:
                arrays = {name: getattr(segment, name) for name in _ARRAYS}
                for name in ("ids", "terms"):
                    arrays[name], arrays[f"{name}_ends"] = _packed(getattr(segment, name))
                header = json.dumps({"version": VERSION, **facts}).encode()
                np.savez(file, header=np.frombuffer(header, dtype=np.uint8), **arrays)
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).replace(path)
            _remove_leftovers(path.parent)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise ChromaSQLExecutionError(
            f"the keyword index cannot be written: {error.strerror}; give connect(.., keyword_index=..) a folder that "
            "this process may write",
            code="keyword-index-failed",
        ) from error


def _remove_leftovers(folder: Path) -> None:
    """Remove what processes that were killed have begun to write; what is being written is younger."""
    for path in folder.glob(".new-*"):
        with suppress(FileNotFoundError):
            if time.time() - path.stat().st_mtime > _ABANDONED:
                path.unlink()


def read_segment(path: Path) -> tuple[Segment, dict[str, Any]] | None:
    """
    Return a segment and the facts about it, or None where there is no file or it is of another version.

    Raises `ChromaSQLExecutionError` for a damaged file.
    """
    import numpy as np

    try:
        with zipfile.ZipFile(path) as archive:

            def array(name: str) -> Any:
                # Read at once, as the checksum is compared only at the end of an entry.
                return np.load(io.BytesIO(archive.read(f"{name}.npy")), allow_pickle=False)

            facts = json.loads(array("header").tobytes())
            if facts.pop("version") != VERSION:
                return None
            parts = {name: array(name) for name in _ARRAYS}
            ids, terms = (_unpacked(array(name), array(f"{name}_ends")) for name in ("ids", "terms"))
        segment = Segment(ids, terms=terms, **parts)
        _check(segment)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, EOFError, TypeError, AttributeError, zipfile.BadZipFile) as error:
        raise ChromaSQLExecutionError(
            f"the keyword index is damaged: {path.name} cannot be read; delete the file, or call keyword_index.build()",
            code="keyword-index-damaged",
        ) from error
    return segment, facts


def _check(segment: Segment) -> None:
    """Raise ValueError where the parts do not fit together."""
    count = len(segment.ids)
    fits = (
        len(segment.lengths) == len(segment.fingerprints) == count
        and len(segment.starts) == len(segment.terms) + 1
        and len(segment.numbers) == len(segment.counts) == int(segment.starts[-1])
        and (not len(segment.numbers) or (int(segment.numbers.min()) >= 0 and int(segment.numbers.max()) < count))
    )
    if not fits:
        raise ValueError("the parts do not fit together")


def _packed(texts: Sequence[str]) -> tuple[Any, Any]:
    """Return texts as one run of bytes, and where each of them ends."""
    import numpy as np

    encoded = [text.encode("utf-8", "surrogatepass") for text in texts]
    ends = np.cumsum([0, *map(len, encoded)], dtype=np.int64)
    return np.frombuffer(b"".join(encoded), dtype=np.uint8), ends


def _unpacked(data: Any, ends: Any) -> list[str]:
    run = data.tobytes()
    if run.isascii():
        text = run.decode("ascii")
        return [text[start:end] for start, end in pairwise(ends.tolist())]
    return [run[start:end].decode("utf-8", "surrogatepass") for start, end in pairwise(ends.tolist())]
