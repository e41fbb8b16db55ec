"""The options of a connection over HTTP, checked."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from ssl import SSLContext
from typing import Any

from chromasql.adapters.http.address import check_name
from chromasql.errors import ChromaSQLError

__all__ = ["MAX_RESPONSE_BYTES", "HttpOptions"]

MAX_RESPONSE_BYTES = 2**30
"""The largest response that is read by default: above 10,000 records with vectors of 3,072 dimensions as JSON."""


@dataclass(frozen=True, slots=True)
class HttpOptions:
    """
    What goes with an ``http://`` address; `chromasql.adapters.HttpProvider` says what each option means.

    Raises `ChromaSQLError` for a value that is not usable.
    """

    headers: Mapping[str, str] | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    tenant: str | None = None
    database: str | None = None
    ssl: SSLContext | bool | None = None
    connections: int = 8
    timeout: float = 60.0
    max_response_bytes: int = MAX_RESPONSE_BYTES

    def __post_init__(self) -> None:
        if type(self.connections) is not int or self.connections < 1:
            raise _invalid("connections", "a whole number of at least 1", self.connections)
        if type(self.max_response_bytes) is not int or self.max_response_bytes < 1:
            raise _invalid("max_response_bytes", "a whole number of at least 1", self.max_response_bytes)
        if type(self.timeout) not in {float, int} or not 0 < self.timeout <= sys.float_info.max:
            raise _invalid("timeout", "a number of seconds above 0", self.timeout)
        if not isinstance(self.ssl, bool | SSLContext | None):
            raise _invalid("ssl", "True, False or an ssl.SSLContext", self.ssl)
        for name in ("tenant", "database"):
            value = getattr(self, name)
            if value is not None:
                check_name(name, value)

    def chosen(self) -> dict[str, Any]:
        """Return the options that are not the default."""
        return {
            option.name: getattr(self, option.name)
            for option in dataclasses.fields(self)
            if getattr(self, option.name) != option.default
        }


def _invalid(name: str, wanted: str, value: object) -> ChromaSQLError:
    return ChromaSQLError(f"{name} must be {wanted}, not {value!r}", code="invalid-argument")
