"""
Chroma's REST interface (v2) over aiohttp: the lightest way to ask one server many things at once.

::

    async with HttpProvider("http://localhost:8000") as provider:
        collection = await provider.get_collection("docs")
        await collection.query([[0.1, 0.2]], n_results=10, include=["distances"])

It only reads, it retries nothing (the engine does), and what goes wrong is one of four errors::

    ChromaSQLError
    +-- HttpError                the server refused the request
    |   +-- HttpNotFoundError    what was asked for does not exist; a LookupError too
    +-- HttpConnectionError      the server was not reached, or not in time; a ConnectionError too
    +-- HttpResponseError        an answer came, but not one of Chroma's
"""

from __future__ import annotations

import asyncio
import io
import math
import operator
import time
from base64 import b64encode
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from ssl import SSLContext
from types import NoneType, TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, Self
from urllib.parse import quote, unquote, urlsplit

from chromasql.errors import ChromaSQLError, describe_exception, near_names

if TYPE_CHECKING:
    from aiohttp import ClientResponse, ClientSession

__all__ = [
    "HttpCollection",
    "HttpConnectionError",
    "HttpError",
    "HttpNotFoundError",
    "HttpProvider",
    "HttpResponseError",
]

_CONNECT_SECONDS = 10.0
_PAGE = 1_000
# aiohttp warns about bytes from here on, and takes a file of any size.
_LARGE_BODY = 2**20
_LONGEST_REASON = 500

_NUMBERS = frozenset({float, int})
# What a column may hold. JSON has no infinity: where Chroma's arithmetic gave one, it sends null.
_CELLS: Mapping[str, frozenset[type]] = {
    "distances": _NUMBERS,
    "documents": frozenset({str, NoneType}),
    "embeddings": frozenset({list, NoneType}),
    "metadatas": frozenset({dict, NoneType}),
    "uris": frozenset({str, NoneType}),
}
_STRINGS = frozenset({str})
_OBJECT: frozenset[type] = frozenset({dict, NoneType})
# What the server says about a collection, beside its name and id.
_MODEL: Mapping[str, frozenset[type]] = {
    "configuration_json": _OBJECT,
    "dimension": frozenset({int, NoneType}),
    "metadata": _OBJECT,
    "schema": _OBJECT,
}


class HttpError(ChromaSQLError):
    """
    The server answered, and refused.

    ``status`` is HTTP's. ``kind`` is Chroma's own word for it, such as "InvalidArgumentError", or None where
    something else answered. ``retry_after`` is the number of seconds the server asks to wait, or None.
    """

    def __init__(self, message: str, *, status: int, kind: str | None = None, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind
        self.retry_after = retry_after


class HttpNotFoundError(HttpError, LookupError):
    """The collection does not exist, or no longer under the id that its handle holds."""


class HttpConnectionError(ChromaSQLError, ConnectionError):
    """
    The server was not reached, hung up, or did not answer in time.

    ``may_pass`` tells whether the same request may succeed when it is sent again, as it may where the connection was
    refused or reset.
    """

    def __init__(self, message: str, *, may_pass: bool = False) -> None:
        super().__init__(message)
        self.may_pass = may_pass


class HttpResponseError(ChromaSQLError):
    """
    What came back is cut short, is not JSON, or has lists that do not line up.

    ``may_pass`` tells whether the same request may succeed when it is sent again, as it may where the answer was cut.
    """

    def __init__(self, message: str, *, may_pass: bool = False) -> None:
        super().__init__(message)
        self.may_pass = may_pass


@dataclass(slots=True, eq=False)
class HttpCollection:
    """
    One collection of a Chroma server, for reading; `HttpProvider.get_collection` makes it.

    ``configuration_json``, ``metadata`` and ``schema`` are as the server sent them; ``dimension`` is None
    until a record is added. Answers are the server's JSON, checked: ``get`` has a flat list per column,
    ``query`` a list per query vector; a column that was not included is None or missing.
    """

    checks_answers: ClassVar[bool] = True

    name: str
    id: str
    metadata: dict[str, Any] | None
    configuration_json: dict[str, Any] | None
    dimension: int | None
    schema: dict[str, Any] | None
    _server: _Server = field(repr=False)
    bytes_received: int = field(default=0, init=False, repr=False)

    async def get(
        self,
        ids: Sequence[str] | None = None,
        where: dict[str, Any] | None = None,
        limit: int | None = None,
        offset: int | None = None,
        where_document: dict[str, Any] | None = None,
        include: Sequence[str] = ("metadatas", "documents"),
    ) -> dict[str, Any]:
        """Return records by id and filter, in record order, whatever the order of ``ids``."""
        answer = await self._post(
            "get",
            {
                "ids": ids,
                "where": where,
                "limit": limit,
                "offset": offset,
                "where_document": where_document,
                "include": include,
            },
        )
        lists = {name: [answer.get(name)] for name in include if name in _CELLS and name != "distances"}
        self._check([answer.get("ids")], lists, expected=1)
        return answer

    async def query(
        self,
        query_embeddings: Sequence[Sequence[float]] | None = None,
        n_results: int = 10,
        where: dict[str, Any] | None = None,
        where_document: dict[str, Any] | None = None,
        ids: Sequence[str] | None = None,
        include: Sequence[str] = ("metadatas", "documents", "distances"),
    ) -> dict[str, Any]:
        """Return the nearest records of each vector, nearest first."""
        answer = await self._post(
            "query",
            {
                "query_embeddings": self._server.encoded(query_embeddings),
                "n_results": n_results,
                "where": where,
                "where_document": where_document,
                "ids": ids,
                "include": include,
            },
        )
        lists = {name: answer.get(name) for name in include if name in _CELLS}
        self._check(answer.get("ids"), lists, expected=0 if query_embeddings is None else len(query_embeddings))
        return answer

    async def search(self, searches: Sequence[Mapping[str, Any]], read_level: str | None = None) -> dict[str, Any]:
        """Send payloads of the Search API, which Chroma Cloud has, and return a list per payload in each column."""
        answer = await self._post("search", {"searches": searches, "read_level": read_level})
        lists = {"scores": answer.get("scores")} if searches else {}
        if any(column is None or None in column for column in lists.values()):
            lists = {}
        self._check(answer.get("ids"), lists, expected=len(searches))
        return answer

    async def count(self) -> int:
        """Return the number of records."""
        answer = await self._server.call("GET", self._path("count"))
        if type(answer) is not int or answer < 0:
            raise self._misshapen("its count is not a number of records")
        return answer

    async def _post(self, verb: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Send the arguments that were given and return the answer, which is an object."""
        import orjson

        given = {key: value for key, value in arguments.items() if value is not None}
        try:
            body = orjson.dumps(given, option=orjson.OPT_SERIALIZE_NUMPY)
        except TypeError as error:
            raise ChromaSQLError(
                f"collection {self.name}: the arguments of {verb} cannot be written as JSON:"
                f" {describe_exception(error)}"
            ) from error
        answer, size = await self._server.call_measured("POST", self._path(verb), body)
        self.bytes_received += size
        if not isinstance(answer, dict):
            raise self._misshapen("it is not an object")
        return answer

    def _path(self, verb: str) -> str:
        return f"/collections/{_segment(self.id)}/{verb}"

    def _check(self, ids: Any, lists: Mapping[str, Any], *, expected: int) -> None:
        """Refuse an answer unless it has a list of ids per query, and by each id a cell of each column."""
        for name, column in {"ids": ids, **lists}.items():
            if type(column) is not list or len(column) != expected:
                raise self._misshapen(f"{name} is not one list for each of {expected} queries")
        for place, row in enumerate(ids):
            problem = _find_misfit(row, {name: column[place] for name, column in lists.items()})
            if problem is not None:
                raise self._misshapen(problem)

    def _misshapen(self, problem: str) -> HttpResponseError:
        return self._server.misshapen(f"collection {self.name}: {problem}")


class HttpProvider:
    """
    The collections of one database on one Chroma server; an ``AsyncCollectionProvider``.

    ``url`` is ``http://host:port`` or ``https://host:port``, and the path that a proxy wants. A user and
    password in it become basic authentication; they, the token and the headers show up in no repr and no
    error. ``token`` is sent as ``X-Chroma-Token``; ``headers`` go with every request and win over what is
    sent otherwise. ``ssl`` is True to verify certificates, a context to verify them differently, or False not
    to. ``connections`` bounds the pool, and so the calls under way at once. ``timeout`` is in seconds, for
    each request, the wait for a free connection included.

    Two providers share nothing. One serves several event loops: each gets a pool of its own when it first
    calls. Redirects, cookies and the proxies of the environment are ignored.

    Raises
        ChromaSQLError: the address or an option is not usable.
    """

    def __init__(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        token: str | None = None,
        tenant: str | None = None,
        database: str | None = None,
        ssl: SSLContext | bool = True,
        connections: int = 8,
        timeout: float = 60.0,
    ) -> None:
        if type(connections) is not int or connections < 1:
            raise ChromaSQLError(f"connections must be a whole number of at least 1, not {connections!r}")
        if type(timeout) not in _NUMBERS or not 0 < timeout < math.inf:
            raise ChromaSQLError(f"timeout must be a number of seconds above 0, not {timeout!r}")
        if not isinstance(ssl, bool | SSLContext):
            raise ChromaSQLError(f"ssl must be True, False or an ssl.SSLContext, not {ssl!r}")
        self.max_concurrency = connections
        self.tenant = _check_name("tenant", "default_tenant" if tenant is None else tenant)
        self.database = _check_name("database", "default_database" if database is None else database)
        address = _parse_address(url)
        self._url = address.base
        self._server = _Server(
            origin=address.origin,
            root=f"{self._url}/api/v2/tenants/{_segment(self.tenant)}/databases/{_segment(self.database)}",
            headers=_build_headers(address.authorization, token, headers or {}),
            ssl=ssl,
            connections=connections,
            timeout=timeout,
        )
        self._collections: dict[str, HttpCollection] = {}

    def __repr__(self) -> str:
        return f"HttpProvider({self._url!r}, tenant={self.tenant!r}, database={self.database!r})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def list_collection_names(self) -> list[str]:
        """
        Return the names of all collections, in the server's order, and keep their handles.

        Handles that were kept before are replaced, so this also forgets what was deleted.
        """
        found: dict[str, HttpCollection] = {}
        offset, known = 0, -1
        # A server may cap a page below what it was asked for: only a page without a new name is the last.
        while len(found) > known:
            known = len(found)
            page = await self._server.call("GET", f"/collections?limit={_PAGE}&offset={offset}")
            if not isinstance(page, list):
                raise self._server.misshapen("its collections are not a list")
            found |= {each.name: each for each in map(self._read_model, page)}
            offset += len(page)
        self._collections = found
        return list(found)

    async def get_collection(self, name: str) -> HttpCollection:
        """Return the collection of that name; the server is asked once."""
        collection = self._collections.get(name)
        if collection is None:
            try:
                model = await self._server.call("GET", f"/collections/{_segment(name)}")
            except HttpNotFoundError as error:
                error.message += near_names(name, self._collections)
                raise
            collection = self._collections[name] = self._read_model(model)
        return collection

    def kept_collection(self, name: str) -> HttpCollection | None:
        """Return the handle of that name if there is one."""
        return self._collections.get(name)

    def forget_collection(self, name: str) -> None:
        """Drop the handle of that name, if there is one, so that the server is asked anew."""
        self._collections.pop(name, None)

    async def close(self) -> None:
        """
        Close every connection; calls that are under way fail.

        Pools of other running loops are closed by those loops, soon after.
        """
        await self._server.close()

    def _read_model(self, model: Any) -> HttpCollection:
        match model:
            case {"name": str(name), "id": str(identity)}:
                known = {key: model.get(key) for key in _MODEL}
            case _:
                raise self._server.misshapen("a collection has no name or no id")
        for key, value in known.items():
            if type(value) not in _MODEL[key]:
                raise self._server.misshapen(f"collection {name} has a {key} of another kind")
        return HttpCollection(name=name, id=identity, _server=self._server, **known)


@dataclass(slots=True, weakref_slot=True, eq=False)
class _Server:
    """The connections to one database on one server; the only place that speaks HTTP."""

    origin: str
    root: str
    headers: Mapping[str, str] = field(repr=False)
    ssl: SSLContext | bool
    connections: int
    timeout: float
    closed: bool = False
    # The vectors that were encoded last: a wave sends the same ones to every collection.
    last: tuple[list[list[Any]], Any] | None = field(default=None, repr=False)
    # A session holds its loop, so a weak key would never go: those of closed loops are dropped instead.
    sessions: dict[asyncio.AbstractEventLoop, ClientSession] = field(default_factory=dict)

    async def call(self, method: str, path: str) -> Any:
        """Send one request without a body and return its JSON."""
        answer, _ = await self.call_measured(method, path)
        return answer

    async def call_measured(self, method: str, path: str, body: bytes | None = None) -> tuple[Any, int]:
        """Send one request and return its JSON and its size in bytes; every trouble becomes an error of this module."""
        import aiohttp
        import orjson
        from yarl import URL

        session = await self._open_session()
        data = io.BytesIO(body) if body is not None and len(body) > _LARGE_BODY else body
        url = URL(self.root + path, encoded=True)
        try:
            async with session.request(method, url, data=data, allow_redirects=False) as response:
                raw = await response.read()
        except asyncio.CancelledError:
            # A pool that closes cancels the calls which wait for it; nobody cancelled those.
            task = asyncio.current_task()
            if self.closed and task is not None and not task.cancelling():
                raise self._closed_error() from None
            raise
        except (aiohttp.ClientPayloadError, aiohttp.ClientResponseError) as error:
            cut = isinstance(error, aiohttp.ClientPayloadError)
            raise self.misshapen(describe_exception(error), may_pass=cut) from error
        except (aiohttp.ClientError, OSError) as error:
            lasting = (aiohttp.ClientSSLError, aiohttp.ClientConnectorDNSError, TimeoutError)
            raise HttpConnectionError(self._explain(error), may_pass=not isinstance(error, lasting)) from error
        if not 200 <= response.status < 300:
            raise self._refused(response, raw)
        try:
            return orjson.loads(raw), len(raw)
        except ValueError as error:
            raise self.misshapen(f"it is not JSON, {describe_exception(error)}") from error

    async def close(self) -> None:
        """Close the sessions of this loop and of closed ones, and have the other loops close theirs."""
        self.closed = True
        here = asyncio.get_running_loop()
        while self.sessions:
            loop, session = self.sessions.popitem()
            if loop is here or loop.is_closed():
                await session.close()
            else:
                # Not awaited: the thread of that loop may be the one that waits for us.
                asyncio.run_coroutine_threadsafe(session.close(), loop)

    def encoded(self, vectors: Any) -> Any:
        """Return vectors as JSON if they hold the very numbers that were encoded last, or can be; else themselves."""
        import orjson

        if type(vectors) is not list or any(type(each) is not list for each in vectors):
            return vectors
        if self.last is None or not _same_numbers(self.last[0], vectors):
            try:
                # Copies, as the caller may change a list before the next call.
                self.last = [list(each) for each in vectors], orjson.Fragment(orjson.dumps(vectors))
            except TypeError:
                return vectors
        return self.last[1]

    def misshapen(self, problem: str, *, may_pass: bool = False) -> HttpResponseError:
        """Return the error for an answer that is not one of Chroma's."""
        return HttpResponseError(
            f"{self.origin} gave an answer that is not Chroma's: {problem}; "
            "check the address, and any proxy on the way",
            may_pass=may_pass,
        )

    async def _open_session(self) -> ClientSession:
        """Return the session of the running loop, and let go of those whose loop is closed."""
        import aiohttp

        if self.closed:
            raise self._closed_error()
        loop = asyncio.get_running_loop()
        session = self.sessions.get(loop)
        if session is None:
            session = self.sessions[loop] = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=self.connections, ssl=self.ssl),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers=self.headers,
                # Not `connect`: that one counts the wait for a free connection too.
                timeout=aiohttp.ClientTimeout(total=self.timeout, sock_connect=_CONNECT_SECONDS),
                trust_env=False,
            )
            for dead in [each for each in self.sessions if each.is_closed()]:
                await self.sessions.pop(dead).close()
        return session

    def _closed_error(self) -> HttpConnectionError:
        return HttpConnectionError(f"the provider of {self.origin} is closed; open a new one")

    def _explain(self, error: Exception) -> str:
        """Say why there was no answer, and what to do about it."""
        import aiohttp

        match error:
            case aiohttp.ClientConnectorCertificateError():
                advice = "give ssl= a context that trusts its certificate"
            case aiohttp.ClientConnectorSSLError():
                advice = "check that it speaks https"
            case aiohttp.ClientConnectorError() | aiohttp.ConnectionTimeoutError():
                advice = "check the address, and that the server runs (chroma run)"
            case TimeoutError():
                return f"{self.origin} gave no answer within {self.timeout:g} s; raise timeout="
            case _:
                return f"{self.origin} hung up: {describe_exception(error)}; check that the server runs"
        return f"cannot connect to {self.origin}: {describe_exception(error)}; {advice}"

    def _refused(self, response: ClientResponse, raw: bytes) -> HttpError:
        """Read a refusal; Chroma's are ``{"error": kind, "message": text}``, a proxy's are anything."""
        import orjson

        body: Any = None
        with suppress(ValueError):
            body = orjson.loads(raw)
        kind: str | None = None
        text = response.reason or "the request was refused"
        match body:
            case {"error": str(kind), "message": str(text)}:
                pass
        status = response.status
        told = f"{status} {kind}" if kind is not None else str(status)
        missing = status == 404 and kind == "NotFoundError"
        return (HttpNotFoundError if missing else HttpError)(
            f"{text[:_LONGEST_REASON]} ({told} from {self.origin}{_advise(status, kind)})",
            status=status,
            kind=kind,
            retry_after=_read_retry_after(response.headers.get("Retry-After")),
        )


@dataclass(frozen=True, slots=True)
class _Address:
    """Where a server is: ``scheme://host:port``, the same with the path, and the header of its user."""

    origin: str
    base: str
    authorization: str | None = field(repr=False)


def _parse_address(url: str) -> _Address:
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
    return _Address(origin, str(target).rstrip("/").removesuffix("/api/v2"), authorization)


def _bad_address(problem: str) -> ChromaSQLError:
    return ChromaSQLError(f"this is no address of a Chroma server: {problem}; write it as http://localhost:8000")


def _segment(text: str) -> str:
    """Quote a text to stand as one segment of a path."""
    return quote(text, safe="")


def _check_name(what: str, name: str) -> str:
    if not isinstance(name, str) or not name.isprintable() or name in {"", ".", ".."}:
        raise ChromaSQLError(f"{what} must be the name of a {what}, not {name!r}")
    return name


def _build_headers(authorization: str | None, token: str | None, given: Mapping[str, str]) -> dict[str, str]:
    """Put the headers of a session together, under lower-case names; no error repeats a value."""
    headers = {
        # Chroma is near: packing an answer costs more than sending it.
        "accept-encoding": "identity",
        "content-type": "application/json",
        "user-agent": "chromasql",
    }
    if authorization is not None:
        headers["authorization"] = authorization
    if token is not None:
        headers["x-chroma-token"] = token
    headers |= {str(name).lower(): value for name, value in given.items()}
    for name, value in headers.items():
        if not (name and name.isascii() and name.replace("-", "").replace("_", "").isalnum()):
            raise ChromaSQLError(f"{name!r} is no name of a header; use letters, digits and hyphens")
        if not isinstance(value, str) or not value.isprintable():
            raise ChromaSQLError(f"the header {name} must be one line of text")
    return headers


def _advise(status: int, kind: str | None) -> str:
    """Return what to do about a refusal, where Chroma does not say it."""
    if status in {401, 403}:
        return "; give token= or headers= that the server accepts"
    if 300 <= status < 400:
        return "; redirects are not followed, give the address they lead to"
    if status == 404 and kind is None:
        return "; check the address and its path, Chroma answers under /api/v2"
    return ""


def _read_retry_after(value: str | None) -> float | None:
    """Read HTTP's Retry-After, seconds or a date, as seconds from now."""
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
        except ValueError:
            return None
    return seconds if 0 <= seconds < math.inf else None


def _find_misfit(ids: Any, columns: Mapping[str, Any]) -> str | None:
    """Say what is wrong with one list of records, or return None."""
    if not _holds(ids, _STRINGS):
        return "ids are not a list of strings"
    for name, column in columns.items():
        if not _holds(column, _CELLS[name]):
            if name == "distances":
                return "a distance is not a finite number; check the vectors for huge values"
            return f"{name} is missing, or not a list of what it should hold"
        if len(column) != len(ids):
            return f"{len(ids)} ids, but {len(column)} {name}"
        if name == "embeddings" and not all(each is None or _holds(each, _NUMBERS) for each in column):
            return "an embedding is not a list of numbers"
    return None


def _same_numbers(known: list[list[Any]], vectors: list[list[Any]]) -> bool:
    """Whether these are vectors of the same objects; numbers that are merely equal, as 1 and True, do not count."""
    return list(map(len, known)) == list(map(len, vectors)) and all(
        all(map(operator.is_, *pair)) for pair in zip(known, vectors, strict=True)
    )


def _holds(value: Any, kinds: Collection[type]) -> bool:
    """Whether this is a list of values of these very types; True is no number here."""
    return type(value) is list and all(kind in kinds for kind in set(map(type, value)))
