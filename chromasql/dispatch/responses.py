"""What the response of a collection must look like."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from chromasql.errors import ChromaSQLExecutionError
from chromasql.plan.stored_values import are_distances, is_metadata

__all__ = ["check_answer", "check_space", "is_missing", "records_in"]


def is_missing(error: BaseException) -> bool:
    """Tell whether an error means that a collection does not exist, or no longer under that handle."""
    if isinstance(error, LookupError) or type(error).__name__ == "NotFoundError":
        return True
    return isinstance(error, ValueError) and "does not exist" in str(error)


def check_answer(method: str, arguments: Mapping[str, Any], answer: Any) -> None:
    """
    Raise `ChromaSQLExecutionError` for an answer that Chroma cannot have returned for these arguments.

    ``method`` is ``get``, ``query``, ``count`` or ``search``. The lists must be equally long, ids different,
    distances finite in single precision, and metadata what Chroma stores. Other values are not checked one by one: a
    wrong one fails where it is read.
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


def records_in(method: str, answer: Any) -> int:
    """Return how many records a checked answer holds; a count holds none."""
    if method == "count":
        return 0
    return len(answer["ids"]) if method == "get" else sum(map(len, answer["ids"]))


def check_space(space: str | None, answer: Mapping[str, Any]) -> None:
    """Raise `ChromaSQLExecutionError` for an answer to ``query`` with a squared distance (l2) below 0."""
    if space == "l2" and any(min(found, default=0.0) < 0 for found in answer["distances"]):
        raise _malformed_response("query", "a distance below 0, which l2 does not have")


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
    if len(set(ids)) < len(ids):
        raise _malformed_response(method, "an id more than once")
    if not are_distances(lists.get("distances", ())):
        raise _malformed_response(
            method, "distances that are not finite numbers in single precision; check the vectors for huge values"
        )
    if not all(map(is_metadata, lists.get("metadatas", ()))):
        raise _malformed_response(
            method, "metadata that Chroma does not store, such as a mapping or a list with None as a value"
        )


def _length(values: Any) -> int | None:
    return None if isinstance(values, str | bytes | Mapping) or not hasattr(values, "__len__") else len(values)


def _malformed_response(method: str, what: str) -> ChromaSQLExecutionError:
    return ChromaSQLExecutionError(f"{method} returned {what}", code="malformed-response")
