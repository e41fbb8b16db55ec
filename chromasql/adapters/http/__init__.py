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

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ssl import SSLContext
from types import NoneType, TracebackType
from typing import Any, ClassVar, Self

from chromasql import _publish
from chromasql.adapters.http.address import build_headers, parse_address, quote_segment
from chromasql.adapters.http.errors import HttpConnectionError, HttpError, HttpNotFoundError, HttpResponseError
from chromasql.adapters.http.options import MAX_RESPONSE_BYTES, HttpOptions
from chromasql.adapters.http.responses import CELLS, find_misfit
from chromasql.adapters.http.session import Server, clean_reason, encode_vectors
from chromasql.adapters.names import COLLECTION_NAME_RULE, is_collection_name
from chromasql.errors import ChromaSQLError, describe_exception, near_names

__all__ = [
    "HttpCollection",
    "HttpConnectionError",
    "HttpError",
    "HttpNotFoundError",
    "HttpOptions",
    "HttpProvider",
    "HttpResponseError",
]

_PAGE = 1_000


# A server that always has another name would be listed for ever; Chroma Cloud has at most as many per database.
_MAX_COLLECTIONS = 1_000_000


_OBJECT: frozenset[type] = frozenset({dict, NoneType})


# What the server says about a collection, beside its name and id.
_MODEL: Mapping[str, frozenset[type]] = {
    "configuration_json": _OBJECT,
    "dimension": frozenset({int, NoneType}),
    "metadata": _OBJECT,
    "schema": _OBJECT,
}


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
    _server: Server = field(repr=False)
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
        lists = {name: [answer.get(name)] for name in include if name in CELLS and name != "distances"}
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
                "query_embeddings": encode_vectors(query_embeddings),
                "n_results": n_results,
                "where": where,
                "where_document": where_document,
                "ids": ids,
                "include": include,
            },
        )
        lists = {name: answer.get(name) for name in include if name in CELLS}
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
            raise self._malformed_response("its count is not a number of records")
        return answer

    async def _post(self, verb: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Send the arguments that were given and return the answer, which is an object."""
        import orjson

        sent = {key: value for key, value in arguments.items() if value is not None}
        try:
            body = orjson.dumps(sent, option=orjson.OPT_SERIALIZE_NUMPY)
        except TypeError as error:
            raise ChromaSQLError(
                f"collection {self.name}: the arguments of {verb} cannot be written as JSON:"
                f" {describe_exception(error)}",
                code="invalid-argument",
            ) from error
        answer, size = await self._server.call_measured("POST", self._path(verb), body)
        self.bytes_received += size
        if not isinstance(answer, dict):
            raise self._malformed_response("it is not an object")
        return answer

    def _path(self, verb: str) -> str:
        return f"/collections/{quote_segment(self.id)}/{verb}"

    def _check(self, ids: Any, lists: Mapping[str, Any], *, expected: int) -> None:
        """Refuse an answer unless it has a list of ids per query and, in each column, a cell per id."""
        for name, column in {"ids": ids, **lists}.items():
            if type(column) is not list or len(column) != expected:
                raise self._malformed_response(f"{name} is not one list for each of {expected} queries")
        for index, row in enumerate(ids):
            problem = find_misfit(row, {name: column[index] for name, column in lists.items()})
            if problem is not None:
                raise self._malformed_response(problem)

    def _malformed_response(self, problem: str) -> HttpResponseError:
        return self._server.malformed_response(f"collection {self.name}: {problem}")


class HttpProvider:
    """
    The collections of one database on one Chroma server; an ``AsyncCollectionProvider``.

    Two providers share nothing. One provider serves several event loops: each loop gets a pool of its own with its
    first call. Redirects, cookies and the proxies of the environment are ignored. No repr and no error shows a
    password, the token or a header.

    Parameters
    ----------
    url : str
        ``http://host:port`` or ``https://host:port``, with the path that a proxy wants. A user and a password in it
        become basic authentication.
    headers : Mapping[str, str], optional
        HTTP headers of every request; they override what is sent otherwise.
    token : str, optional
        Sent as ``X-Chroma-Token``.
    tenant, database : str, optional
        Default: ``default_tenant`` and ``default_database``.
    ssl : bool or ssl.SSLContext
        True or None, the default, verifies certificates; a context verifies them its own way; False does not verify.
    connections : int
        The size of the pool, and so the maximum of concurrent calls. Default: 8.
    timeout : float
        Seconds for each request, the wait for a free connection included. Default: 60.
    max_response_bytes : int
        The largest response that is read; a larger one fails its request. Default: 1 GiB. A response that is packed
        (gzip, say) is refused, as its size cannot be known before.

    Raises
    ------
    ChromaSQLError
        The address or an option is not usable.
    """

    def __init__(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        token: str | None = None,
        tenant: str | None = None,
        database: str | None = None,
        ssl: SSLContext | bool | None = None,
        connections: int = 8,
        timeout: float = 60.0,
        max_response_bytes: int = MAX_RESPONSE_BYTES,
    ) -> None:
        options = HttpOptions(headers, token, tenant, database, ssl, connections, timeout, max_response_bytes)
        self.max_concurrency = options.connections
        self.tenant = "default_tenant" if options.tenant is None else options.tenant
        self.database = "default_database" if options.database is None else options.database
        address = parse_address(url)
        self._url = address.base
        self._server = Server(
            origin=address.origin,
            root=f"{self._url}/api/v2/tenants/{quote_segment(self.tenant)}/databases/{quote_segment(self.database)}",
            headers=build_headers(address.authorization, options.token, options.headers or {}),
            options=options,
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
        # A server may cap a page below the limit that was requested: only a page without a new name is the last.
        while len(found) > known:
            known = len(found)
            page = await self._server.call("GET", f"/collections?limit={_PAGE}&offset={offset}")
            if not isinstance(page, list):
                raise self._server.malformed_response("its collections are not a list")
            found |= {collection.name: collection for collection in map(self._read_model, page)}
            offset += len(page)
            if len(found) > _MAX_COLLECTIONS:
                raise self._server.malformed_response(f"its list of collections has no end, at {len(found):,} names")
        self._collections = found
        return list(found)

    async def get_collection(self, name: str) -> HttpCollection:
        """Return the collection of that name; the server is asked once."""
        collection = self._collections.get(name)
        if collection is None:
            if not is_collection_name(name):
                # It is not sent: what stands between here and Chroma may read it as something else than a name.
                raise HttpNotFoundError(
                    f"collection {clean_reason(name)!r} does not exist: {COLLECTION_NAME_RULE}"
                    + near_names(name, self._collections),
                    status=404,
                )
            try:
                model = await self._server.call("GET", f"/collections/{quote_segment(name)}")
            except HttpNotFoundError as error:
                error.message += near_names(name, self._collections)
                raise
            collection = self._read_model(model)
            if collection.name != name:
                raise self._server.malformed_response(
                    f"collection {name} was requested, and {clean_reason(collection.name)!r} came"
                )
            self._collections[name] = collection
        return collection

    def kept_collection(self, name: str) -> HttpCollection | None:
        """Return the handle of that name if there is one."""
        return self._collections.get(name)

    def forget_collection(self, name: str) -> None:
        """Drop the handle of that name, if there is one, so that the next call asks the server."""
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
                raise self._server.malformed_response("a collection has no name or no id")
        for key, value in known.items():
            if type(value) not in _MODEL[key]:
                raise self._server.malformed_response(f"collection {name} has a {key} of another kind")
        return HttpCollection(name=name, id=identity, _server=self._server, **known)


_publish(__name__)
