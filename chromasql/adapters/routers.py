"""Routers: which collections a statement has to ask, read from its WHERE."""

from __future__ import annotations

import itertools
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

from chromasql import ast
from chromasql.adapters.names import COLLECTION_NAME_RULE, is_collection_name, is_name_part
from chromasql.analysis import extract_metadata_values
from chromasql.concurrency.threads import never_blocks
from chromasql.errors import ChromaSQLRoutingError, near_names

if TYPE_CHECKING:
    from pydantic import BaseModel

__all__ = ["MetadataFieldRouter", "PatternRouter", "StaticRouter", "load_query_config"]

_MAX_COLLECTIONS = 10_000


_FIELD = re.compile(r"\{([^{}]*)\}")


_Value: TypeAlias = str | int | float | bool


# A value and its kind, so that TRUE is not 1 and '1' is not 1.
_Tagged: TypeAlias = tuple[str, _Value]


class StaticRouter:
    """Sends every statement to the same collections, whatever FROM says."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = tuple(dict.fromkeys([names] if isinstance(names, str) else names))

    @never_blocks
    def route(self, query: ast.Query) -> Sequence[str]:  # noqa: ARG002
        """Return the names, without repeats."""
        return self._names


class PatternRouter:
    """
    Builds the names from values that WHERE allows: ``PatternRouter("tenant_{tenant_id}_docs")``.

    The braces hold metadata keys, ``{org.region}`` is the key ``org.region``. The caller guarantees that a
    record lives in the collection whose name its own values give: a string as it is, a whole number without
    a fraction (1.0 is ``1``), any other as Python prints it, a boolean as ``true`` or ``false``. A
    statement goes to the collection of every combination of allowed values, in alphabetical order.

    Where WHERE does not say which values of a key are allowed, a statement goes to every collection whose name fits
    what it does say: ``*`` stands for the key. With no key known, or more than 10,000 combinations, it goes to all
    collections. Where ``fallback_to_all`` is false, both are refused. A collection that does not exist is an error. A
    value that cannot be part of a name of Chroma (letters, digits, ``.``, ``_``, ``-``) is refused always.
    """

    names_must_exist = True
    """A name that it builds and that does not exist is an error of the statement, not a failure of that collection."""

    def __init__(self, template: str, *, fallback_to_all: bool = True) -> None:
        self._template = template
        self._fallback_to_all = fallback_to_all
        # Split at a group, a template alternates between text and key.
        texts, self._keys = _FIELD.split(template)[::2], _FIELD.split(template)[1::2]
        if not self._keys or not all(self._keys):
            raise ChromaSQLRoutingError(
                f"the template {template!r} names no metadata key; write one as in 'docs_{{tenant_id}}'",
                code="invalid-router",
            )
        if not all(map(is_name_part, texts)):
            raise ChromaSQLRoutingError(
                f"the template {template!r} cannot be the name of a collection: "
                "outside of {..} it holds letters, digits, '.', '_' and '-' only",
                code="invalid-router",
            )

    @never_blocks
    def route(self, query: ast.Query) -> Sequence[str] | None:
        """Return the name for each combination of the values that WHERE allows."""
        allowed = {key: extract_metadata_values(query, field_path=key) for key in self._keys}
        if any(values is not None and not values for values in allowed.values()):
            return []
        open_key = next((key for key, values in allowed.items() if values is None), None)
        if open_key is not None and not self._fallback_to_all:
            raise _unconstrained(query, open_key)
        if all(values is None for values in allowed.values()):
            return None
        texts = {
            key: ["*"] if values is None else sorted({self._text(query, value) for value in sorted(values, key=repr)})
            for key, values in allowed.items()
        }
        combinations = math.prod(len(values) for values in texts.values())
        if combinations > _MAX_COLLECTIONS:
            if self._fallback_to_all:
                return None
            raise _refusal(query, f"WHERE leads to {combinations} collections, more than {_MAX_COLLECTIONS}")
        return sorted(
            {self._name(query, dict(zip(texts, choice, strict=True))) for choice in itertools.product(*texts.values())}
        )

    def _text(self, query: ast.Query, value: _Value) -> str:
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, float):
            return str(int(value)) if value.is_integer() else repr(value)
        text = str(value)
        if not text or not is_name_part(text):
            raise _refusal(
                query,
                f"{value!r} cannot be part of the name of a collection in {self._template!r}: "
                "a value is letters, digits, '.', '_' and '-' only",
            )
        return text

    def _name(self, query: ast.Query, texts: Mapping[str, str]) -> str:
        name = _FIELD.sub(lambda match: texts[match[1]], self._template)
        if "*" not in name and not is_collection_name(name):
            values = ", ".join(f"{key} = {text!r}" for key, text in texts.items())
            raise _refusal(
                query,
                f"{values} makes {name!r}, which cannot be the name of a collection: {COLLECTION_NAME_RULE}",
            )
        return name


class MetadataFieldRouter:
    """
    Looks up in a table which collections hold the values of a metadata key that WHERE allows.

    ``query_config`` is such a table, as idxr writes it::

        {"model_to_collections": {"Table": {"collections": ["c1", "c2"]}, "Field": {"collections": ["c2"]}},
         "collection_to_models": {"c1": ["Table"], "c2": ["Field", "Table"]}}

    What either half says counts; the second may be missing, further keys are allowed. ``field_path`` is the
    metadata key or its parts: ``("org", "region")`` is the key ``org.region``. Values match as the language
    compares them. The keys of JSON are strings, so the string ``"2024"`` stands for the number 2024 as
    well, and ``"true"`` and ``"True"`` for TRUE.

    A statement never misses a row. The table is trusted for the values it lists. A value that it does not
    list may be newer than the table, so a statement that allows one goes to all collections, as does one
    whose WHERE does not say which values are allowed; both are refused where ``fallback_to_all`` is false. A
    contradiction (``model = 'a' AND model = 'b'``) goes to none. The names stand in the order of the table.
    """

    def __init__(
        self,
        query_config: Mapping[str, Any],
        field_path: str | Sequence[str],
        *,
        fallback_to_all: bool = True,
    ) -> None:
        self._key = field_path if isinstance(field_path, str) else ".".join(field_path)
        if not self._key:
            raise ChromaSQLRoutingError('field_path names no metadata key; write ("model",)', code="invalid-router")
        self._fallback_to_all = fallback_to_all
        self._collections = _collections_by_value(query_config, "query_config")
        names = itertools.chain.from_iterable(self._collections.values())
        self._positions = {name: index for index, name in enumerate(dict.fromkeys(names))}

    @never_blocks
    def route(self, query: ast.Query) -> Sequence[str] | None:
        """Return the collections of the values that WHERE allows, in the order of the table."""
        values = extract_metadata_values(query, field_path=self._key)
        if values is None:
            if self._fallback_to_all:
                return None
            raise _unconstrained(query, self._key)
        found: set[str] = set()
        for value in sorted(values, key=repr):
            collections = self._collections.get(_tagged(value))
            if collections is None:
                if self._fallback_to_all:
                    return None
                known = [str(value) for _, value in self._collections]
                raise _refusal(query, f"the query config has no {self._key} {value!r}{near_names(str(value), known)}")
            found.update(collections)
        return sorted(found, key=self._positions.__getitem__)


def load_query_config(path: str | Path) -> dict[str, Any]:
    """
    Read a query config for `MetadataFieldRouter` from a JSON file.

    Raises `ChromaSQLRoutingError`, which names the file and what is wrong in it.
    """
    path = Path(path)
    try:
        config = json.loads(path.read_text("utf-8-sig"))
    except OSError as error:
        raise ChromaSQLRoutingError(
            f"the query config {path} cannot be read: {error.strerror}; check the path of the JSON file",
            code="invalid-router",
        ) from error
    except ValueError as error:  # of JSON, or of UTF-8
        raise ChromaSQLRoutingError(f"the query config {path} is not JSON: {error}", code="invalid-router") from error
    _collections_by_value(config, f"the query config {path}")
    read: dict[str, Any] = config
    return read


def _unconstrained(query: ast.Query, key: str) -> ChromaSQLRoutingError:
    plain = re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", key, re.ASCII)
    field = f"metadata.{key}" if plain else f"metadata[{key!r}]"
    return _refusal(
        query,
        f"WHERE must say which {key} is meant, since collections are chosen by it: "
        f"write {field} = '..' or {field} IN ('..', '..'), in every branch of an OR",
    )


def _refusal(query: ast.Query, message: str) -> ChromaSQLRoutingError:
    span = query.span if query.where is None else query.where.span
    return ChromaSQLRoutingError(message, code="router-refused", source=query.source_text, span=span)


# The query config


@cache
def _config_model() -> type[BaseModel]:
    """Return the shape of a query config; pydantic takes a while to import."""
    from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictStr

    def checked(value: object) -> object:
        if not isinstance(value, str | int | float):
            raise ValueError("Value of a metadata key should be a string, a number or a boolean")  # noqa: TRY004
        return value

    value = Annotated[Any, AfterValidator(checked)]

    class Placement(BaseModel):
        collections: list[StrictStr]

    class QueryConfig(BaseModel):
        model_config = ConfigDict(protected_namespaces=())
        model_to_collections: dict[value, Placement]
        collection_to_models: dict[StrictStr, list[value]] = Field(default_factory=dict)

    return QueryConfig


def _collections_by_value(config: object, what: str) -> dict[_Tagged, list[str]]:
    """Return the collections of each value of a query config, in its order, or say what is wrong with it."""
    from pydantic import ValidationError

    try:
        table: Any = _config_model().model_validate(config)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the top"
        raise ChromaSQLRoutingError(
            f"{what} is wrong at {place}: {first['msg']}; it looks like "
            '{"model_to_collections": {"value": {"collections": ["name", ..]}, ..}}',
            code="invalid-router",
        ) from error
    placed = [
        (value, name) for value, placement in table.model_to_collections.items() for name in placement.collections
    ]
    placed += [(value, name) for name, values in table.collection_to_models.items() for value in values]
    found: dict[_Tagged, list[str]] = {
        reading: [] for value in table.model_to_collections for reading in _readings(value)
    }
    for value, name in placed:
        for reading in _readings(value):
            found.setdefault(reading, []).append(name)
    return found


def _tagged(value: _Value) -> _Tagged:
    return ast.kind_of(value), value


def _readings(key: _Value) -> Iterator[_Tagged]:
    """Yield the values that a key of the table stands for: JSON can write only strings there."""
    yield _tagged(key)
    if isinstance(key, str):
        if key.lower() in ("true", "false"):
            yield _tagged(key.lower() == "true")
        for read in (int, float):
            with suppress(ValueError):
                yield _tagged(read(key))
