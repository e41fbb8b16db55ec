"""Checks before the first query: whether the collections can be ranked together at all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from chromasql.dispatch.open_collection import CollectionHandle
from chromasql.errors import ChromaSQLPlanningError
from chromasql.plan import EMBEDDING_KEY, KnnLeaf, QueryPlan
from chromasql.plan.search_payload import MAX_RESULTS

__all__ = ["check_dimensions", "check_embeddings", "check_keys", "check_spaces", "have_comparable_distances"]


def check_keys(plan: QueryPlan, leaves: Sequence[KnnLeaf]) -> None:
    """Raise `ChromaSQLPlanningError` for a search of a sparse index that this Chroma cannot make."""
    sparse = next((leaf.key for leaf in leaves if leaf.key != EMBEDDING_KEY), None)
    if sparse is not None and plan.dialect == "distributed" and plan.search == "no":
        raise ChromaSQLPlanningError(
            f"KNN(.., key = {sparse}) needs Chroma's Search API, which takes one filter and at most {MAX_RESULTS} "
            "candidates; lower limit, or simplify WHERE",
            code="search-limit",
        )
    if sparse is not None and plan.search == "no":
        raise ChromaSQLPlanningError(
            f"KNN(.., key = {sparse}) needs a sparse index, which this Chroma does not have; "
            "BM25('words') ranks by keywords on any Chroma",
            code="no-sparse-index",
        )


def check_spaces(plan: QueryPlan, opened: Sequence[CollectionHandle]) -> None:
    """Raise `ChromaSQLPlanningError` where distances of the collections cannot be compared and are to be merged."""
    spaces = _grouped({handle.name: handle.space for handle in opened})
    wrong = {space: names for space, names in spaces.items() if plan.space is not None and space != plan.space}
    if wrong:
        space, names = next(iter(wrong.items()))
        raise ChromaSQLPlanningError(
            f"SIMILARITY {str(plan.space).upper()} does not match the space of {_listed(names)} ({space}); "
            "leave SIMILARITY out, or name collections of that space",
            code="space-mismatch",
        )
    if plan.merge == "rrf":
        return
    _check_one("spaces", spaces, code="space-mismatch")
    _check_one("dimensions", _grouped({handle.name: handle.dimension for handle in opened}), code="dimension-mismatch")


def check_embeddings(opened: Sequence[CollectionHandle]) -> None:
    """Raise `ChromaSQLPlanningError` where a clause compares embeddings of different dimensions with each other."""
    groups = _grouped({handle.name: handle.dimension for handle in opened})
    if len(groups) > 1:
        listed = "; ".join(f"{value}: {_listed(names)}" for value, names in groups.items())
        raise ChromaSQLPlanningError(
            f"embeddings of different dimensions cannot be compared ({listed}); name collections that agree",
            code="dimension-mismatch",
        )


def _check_one(what: str, groups: Mapping[Any, Sequence[str]], *, code: str) -> None:
    if len(groups) > 1:
        listed = "; ".join(f"{value}: {_listed(names)}" for value, names in groups.items())
        raise ChromaSQLPlanningError(
            f"distances of different {what} cannot be compared ({listed}); "
            "add WITH (merge = RRF) to merge by rank, or name collections that agree",
            code=code,
        )


def have_comparable_distances(opened: Sequence[CollectionHandle]) -> bool:
    """Tell whether distances in one collection can be compared with those in another."""
    known = ({handle.name: handle.space for handle in opened}, {handle.name: handle.dimension for handle in opened})
    return all(len(_grouped(values)) <= 1 for values in known)


def check_dimensions(handle: CollectionHandle, vectors: Iterable[list[float]]) -> None:
    """Raise `ChromaSQLPlanningError` for a query vector that is not as long as those of the collection."""
    for vector in vectors:
        if handle.dimension is not None and len(vector) != handle.dimension:
            raise ChromaSQLPlanningError(
                f"the query vector has {len(vector)} dimensions, but collection {handle.name} expects "
                f"{handle.dimension}; use the model that built the collection",
                code="dimension-mismatch",
            )


def _grouped(values: Mapping[str, Any]) -> dict[Any, list[str]]:
    """Group names by value; an unknown value agrees with every other, so it is left out."""
    groups: dict[Any, list[str]] = {}
    for name, value in values.items():
        if value is not None:
            groups.setdefault(value, []).append(name)
    return groups


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"
