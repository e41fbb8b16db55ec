"""
The pages of ``get``, while others write.

Chroma pages by offset, and a deletion moves what comes after it to the front: the next offset would skip as many
records as were deleted before it. So each page begins with the last record of the one before. Where another record
stands there, the pages step back until they meet a record that they know and go on from there, leaving out what they
know. For that they keep a hash of 8 bytes for each record, not the record.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from typing import Any

from chromasql.errors import ChromaSQLExecutionError
from chromasql.plan.dialect import LOCAL
from chromasql.retrieval.collection_reader import CollectionReader

__all__ = ["RecordPages"]

_MAX_FRUITLESS_PAGES = 3
"""How many full pages in a row may hold nothing new: a server that ignores the offset sends them for ever."""


_COUNTED_PAGES = 16
"""After how many pages the records are compared with the count of the collection."""


class RecordPages:
    """
    The records of one request, page by page.

    ``arguments`` are those of ``get`` beside limit and offset, ``page`` the most records that a request returns.
    ``ended`` tells that there is no further page.
    """

    def __init__(self, reader: CollectionReader, arguments: Mapping[str, Any], page: int) -> None:
        self._reader = reader
        self._arguments = arguments
        self._page = page
        self._hashes = array("q")
        self._unhashed: Sequence[str] = ()  # the last page, whose hashes are needed only if there is another
        self._known: set[int] | None = None  # the same hashes, once a page had to step back
        self._last: str | None = None
        self._offset = 0
        self._fruitless = 0
        self._pages = 0
        self.ended = False

    async def read(self, size: int) -> Mapping[str, Any]:
        """
        Return the next records, at most ``size``, as a response of ``get``; none at all only at the end.

        Raises `ChromaSQLExecutionError` where the server repeats its pages, or has more records than it counts.
        """
        self._hashes.extend(map(hash, self._unhashed))
        self._unhashed = ()
        while not self.ended:
            overlap = 1 if self._offset else 0
            limit = min(size + overlap, max(self._page, 1 + overlap))
            answer = await self._get(limit, self._offset - overlap)
            if overlap and (len(answer["ids"]) == 0 or answer["ids"][0] != self._last):
                await self._step_back(limit)
                continue
            if len(answer["ids"]) == overlap == 1 and self._page != LOCAL.page:
                # A server with smaller pages than local Chroma's may cut them anywhere: only an empty one is its last.
                overlap, answer = 0, await self._get(limit, self._offset)
            ids = answer["ids"]
            self.ended = len(ids) == overlap or (len(ids) < limit and self._page == LOCAL.page)
            self._offset += len(ids) - overlap
            self._last = ids[-1] if len(ids) else self._last
            new = self._find_new(ids, overlap)
            await self._check_progress(len(new))
            if new:
                return answer if len(new) == len(ids) else _only(answer, new)
        return {**dict.fromkeys(self._arguments["include"], ()), "ids": ()}

    def _find_new(self, ids: Sequence[str], overlap: int) -> Sequence[int]:
        """Return the indices of the records that were not returned before, and keep the hashes of these."""
        new: Sequence[int] = range(overlap, len(ids))
        if self._known is not None:
            known = self._known
            new = [index for index in new if hash(ids[index]) not in known]
            known.update(hash(ids[index]) for index in new)
        self._unhashed = ids if len(new) == len(ids) else [ids[index] for index in new]
        return new

    async def _get(self, limit: int, offset: int) -> Any:
        return await self._reader.get(**self._arguments, limit=limit, offset=offset)

    async def _step_back(self, size: int) -> None:
        """Move the offset to behind a record that is known, nearest to where it was; to the start if none is left."""
        if self._known is None:
            self._known = set(self._hashes)
            self._known.update(map(hash, self._unhashed))
        end = self._offset
        while end > 0:
            start = max(0, end - size)
            answer = await self._reader.get(**{**self._arguments, "include": []}, limit=end - start, offset=start)
            ids = answer["ids"]
            known = [index for index, row_id in enumerate(ids) if hash(row_id) in self._known]
            if known:
                self._offset, self._last = start + known[-1] + 1, ids[known[-1]]
                await self._check_progress(0)
                return
            end, size = start, min(size * 2, self._page)
        self._offset, self._last = 0, None
        await self._check_progress(0)

    async def _check_progress(self, new: int) -> None:
        self._pages += 1
        self._fruitless = 0 if new or self.ended else self._fruitless + 1
        if self._fruitless > _MAX_FRUITLESS_PAGES + self._pages // 2:
            raise ChromaSQLExecutionError(
                "get returned the same records page after page; the server ignores the offset, "
                "or the collection changes faster than it can be read",
                code="malformed-response",
            )
        if self._pages % _COUNTED_PAGES == 0 and len(self._hashes) > 2 * await self._reader.count() + self._page:
            raise ChromaSQLExecutionError(
                f"get returned {len(self._hashes)} records, many more than the collection counts",
                code="malformed-response",
            )


def _only(answer: Mapping[str, Any], indices: Sequence[int]) -> dict[str, Any]:
    """Return the records of a response at some indices."""
    return {
        name: [values[index] for index in indices] if _is_column(values, answer) else values
        for name, values in answer.items()
    }


def _is_column(values: Any, answer: Mapping[str, Any]) -> bool:
    return hasattr(values, "__len__") and not isinstance(values, str | Mapping) and len(values) == len(answer["ids"])
