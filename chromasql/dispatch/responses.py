"""What the response of a collection must look like."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from chromasql.errors import ChromaSQLExecutionError

__all__ = ["check_answer", "is_missing"]


def is_missing(error: BaseException) -> bool:
    """Tell whether an error means that a collection does not exist, or no longer under that handle."""
    if isinstance(error, LookupError) or type(error).__name__ == "NotFoundError":
        return True
    return isinstance(error, ValueError) and "does not exist" in str(error)


def check_answer(method: str, arguments: Mapping[str, Any], answer: Any) -> None:
    """
    Raise `ChromaSQLExecutionError` for an answer that Chroma cannot have returned for these arguments.

    ``method`` is ``get``, ``query``, ``count`` or ``search``. The lists must be equally long and distances finite.
    Other values are not checked one by one: a wrong one fails where it is read.
    """
    if method == "count":
        if type(answer) is not int or answer < 0:
            raise _malformed_response(method, "a value that is not a number of records")
        return
    if not isinstance(answer, Mapping):
        raise _malformed_response(method, f"a {type(answer).__name__}, not a mapping")
    if method == "search":
        _check_search(arguments["searches"], answer)
        return
    columns = ["ids", *arguments["include"]]
    lists = {name: answer.get(name) for name in columns}
    if method == "get":
        _check_lists(method, lists)
        return
    expected = len(arguments["query_embeddings"])
    for name, values in lists.items():
        if _length(values) != expected:
            raise _malformed_response(method, f"{name} that are not {expected} lists, one for each vector")
    for index in range(expected):
        _check_lists(method, {name: values[index] for name, values in lists.items() if values is not None})


def _check_search(payloads: Sequence[Mapping[str, Any]], answer: Mapping[str, Any]) -> None:
    columns: dict[str, Any] = {"ids": answer.get("ids"), "scores": answer.get("scores")}
    for name, values in columns.items():
        if _length(values) != len(payloads):
            raise _malformed_response("search", f"{name} that are not {len(payloads)} lists, one for each payload")
    for index in range(len(payloads)):
        _check_lists("search", {name: values[index] for name, values in columns.items()})


def _check_lists(method: str, lists: Mapping[str, Any]) -> None:
    ids = lists["ids"]
    if _length(ids) is None or not set(map(type, ids)) <= {str}:
        raise _malformed_response(method, "ids that are not a list of strings")
    for name, values in lists.items():
        if _length(values) != len(ids):
            raise _malformed_response(method, f"{name} that do not line up with its {len(ids)} ids")
    if not _all_finite(lists.get("distances", ())):
        raise _malformed_response(method, "distances that are not finite numbers")


def _length(values: Any) -> int | None:
    return None if isinstance(values, str | bytes | Mapping) or not hasattr(values, "__len__") else len(values)


def _all_finite(values: Iterable[Any]) -> bool:
    try:
        return all(map(math.isfinite, values))
    except TypeError:
        return False


def _malformed_response(method: str, what: str) -> ChromaSQLExecutionError:
    return ChromaSQLExecutionError(f"{method} returned {what}", code="malformed-response")
