"""What differs between Chromas: the local one (embedded, ``chroma run``) and the distributed one (Chroma Cloud)."""

from __future__ import annotations

from dataclasses import dataclass

from chromasql.errors import ChromaSQLPlanningError, near_names

__all__ = ["DISTRIBUTED", "LOCAL", "Dialect", "dialect_named"]


@dataclass(frozen=True, slots=True)
class Dialect:
    """
    How one kind of Chroma reads a request.

    ``page`` is how many records it returns at most, ``predicates`` how many a filter may have (each element of a
    list counts), ``text`` how long a text to search for may be. None is no limit that matters.
    """

    name: str
    page: int
    predicates: int | None = None
    text: int | None = None


LOCAL = Dialect("local", page=10_000)


DISTRIBUTED = Dialect("distributed", page=300, predicates=8, text=256)


_DIALECTS = {dialect.name: dialect for dialect in (LOCAL, DISTRIBUTED)}


def dialect_named(name: str) -> Dialect:
    """Return a dialect by name, ``local`` or ``distributed``."""
    if name not in _DIALECTS:
        hint = near_names(name, _DIALECTS) or f"; the dialects are {', '.join(_DIALECTS)}"
        raise ChromaSQLPlanningError(f"dialect {name} does not exist{hint}", code="invalid-argument")
    return _DIALECTS[name]
