"""The address of a server and the headers of every request, checked."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, unquote, urlsplit

from chromasql.errors import ChromaSQLError

__all__ = ["Address", "build_headers", "check_name", "parse_address", "quote_segment"]


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server is: ``scheme://host:port``, the same with the path, and the header of its user."""

    origin: str
    base: str
    authorization: str | None = field(repr=False)


def parse_address(url: str) -> Address:
    """Take an address apart. No error repeats it, since it may hold a password."""
    from yarl import URL

    if not isinstance(url, str) or not url.isprintable() or " " in url:
        raise _bad_address("it is not a line of text without spaces")
    if not url.lower().startswith(("http://", "https://")):
        raise _bad_address("it starts neither with http:// nor with https://")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise _bad_address("its host or its port is malformed") from None
    if not host:
        raise _bad_address("it has no host")
    if parts.query or parts.fragment:
        raise _bad_address("it has a query or a fragment")
    if port is None:
        port = 443 if parts.scheme == "https" else 80
    origin = f"{parts.scheme}://{f'[{host}]' if ':' in host else host}:{port}"
    try:
        target = URL(origin + parts.path)
        # The check that the resolver would make, too late and with an error of its own.
        (target.raw_host or "").encode("idna")
    except ValueError:
        raise _bad_address("its host is malformed") from None
    authorization = None
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        authorization = f"Basic {b64encode(pair.encode()).decode()}"
    return Address(origin, str(target).rstrip("/").removesuffix("/api/v2"), authorization)


def _bad_address(problem: str) -> ChromaSQLError:
    return ChromaSQLError(
        f"this is not the address of a Chroma server: {problem}; write it as http://localhost:8000",
        code="invalid-address",
    )


def quote_segment(text: str) -> str:
    """Quote a text to stand as one segment of a path."""
    return quote(text, safe="")


def check_name(what: str, name: str) -> str:
    """Return the name of a tenant or database if it can stand in a path."""
    if not isinstance(name, str) or not name.isprintable() or name in {"", ".", ".."}:
        raise ChromaSQLError(f"{what} must be the name of a {what}, not {name!r}", code="invalid-argument")
    return name


def build_headers(authorization: str | None, token: str | None, custom: Mapping[str, str]) -> dict[str, str]:
    """Put the headers of a session together, under lower-case names; no error repeats a value."""
    headers = {
        # Compression costs more CPU than a local network saves.
        "accept-encoding": "identity",
        "content-type": "application/json",
        "user-agent": "chromasql",
    }
    if authorization is not None:
        headers["authorization"] = authorization
    if token is not None:
        headers["x-chroma-token"] = token
    headers |= {str(name).lower(): value for name, value in custom.items()}
    for name, value in headers.items():
        if not (name and name.isascii() and name.replace("-", "").replace("_", "").isalnum()):
            raise ChromaSQLError(
                f"{name!r} is not the name of a header; use letters, digits and hyphens", code="invalid-argument"
            )
        if not isinstance(value, str) or not value.isprintable():
            raise ChromaSQLError(f"the header {name} must be one line of text", code="invalid-argument")
    return headers
