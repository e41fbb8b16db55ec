"""Requests to one server: a session for each event loop, JSON in and out, failures as errors of ours."""

from __future__ import annotations

import asyncio
import io
import math
import re
import time
import weakref
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from chromasql.adapters.http.errors import HttpConnectionError, HttpError, HttpNotFoundError, HttpResponseError
from chromasql.concurrency.forks import leak, reset_in_child
from chromasql.errors import describe_exception
from chromasql.protocols import QueryVector

if TYPE_CHECKING:
    from aiohttp import BaseConnector, ClientResponse, ClientSession

    from chromasql.adapters.http.options import HttpOptions

__all__ = ["Server", "clean_reason", "encode_vectors"]

_CONNECT_SECONDS = 10.0


# aiohttp warns about larger bodies of bytes, and accepts files of any size.
_LARGE_BODY = 2**20


_LONGEST_REASON = 500


_LONGEST_KIND = 80


_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")


@dataclass(slots=True, weakref_slot=True, eq=False)
class Server:
    """The connections to one database on one server; the only place that speaks HTTP."""

    origin: str
    root: str
    headers: Mapping[str, str] = field(repr=False)
    options: HttpOptions = field(repr=False)
    closed: bool = False
    # A session holds its loop, so a weak key would never go: those of closed loops are dropped instead.
    sessions: dict[asyncio.AbstractEventLoop, ClientSession] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # aiohttp complains of sessions that nobody closes; a database that is merely dropped ends its own.
        weakref.finalize(self, _end_sessions, self.sessions)
        reset_in_child(self)

    def after_fork(self) -> None:
        """Begin without sessions: the parent goes on to use their connections, so nothing here may close them."""
        for session in self.sessions.values():
            leak(session)
        self.sessions.clear()

    async def call(self, method: str, path: str) -> Any:
        """Send one request without a body and return its JSON."""
        answer, _ = await self.call_measured(method, path)
        return answer

    async def call_measured(self, method: str, path: str, body: bytes | None = None) -> tuple[Any, int]:
        """Send one request and return its JSON and its size in bytes; every failure becomes one of our errors."""
        import aiohttp
        import orjson
        from yarl import URL

        session = await self._open_session()
        data = io.BytesIO(body) if body is not None and len(body) > _LARGE_BODY else body
        url = URL(self.root + path, encoded=True)
        try:
            async with session.request(method, url, data=data, allow_redirects=False) as response:
                raw = await self._read(response)
        except asyncio.CancelledError:
            # A pool that is closed cancels the calls that wait for a connection: the task itself was not cancelled.
            task = asyncio.current_task()
            if self.closed and task is not None and not task.cancelling():
                raise self._closed_error() from None
            raise
        except (aiohttp.ClientPayloadError, aiohttp.ClientResponseError) as error:
            cut = isinstance(error, aiohttp.ClientPayloadError)
            raise self.malformed_response(describe_exception(error), is_transient=cut) from error
        except (aiohttp.ClientError, OSError) as error:
            lasting = (aiohttp.ClientSSLError, aiohttp.ClientConnectorDNSError, TimeoutError)
            raise HttpConnectionError(self._explain(error), is_transient=not isinstance(error, lasting)) from error
        if not 200 <= response.status < 300:
            raise self._refused(response, raw)
        try:
            return orjson.loads(raw), len(raw)
        except ValueError as error:
            raise self.malformed_response(f"it is not JSON, {describe_exception(error)}") from error

    async def _read(self, response: ClientResponse) -> bytes:
        """Return the body of a response, in pieces, so that no more than the largest allowed is ever held."""
        coding = response.headers.get("Content-Encoding", "identity")
        if coding.strip().lower() not in {"", "identity"}:
            # A few packed bytes may become any number; requests say that they want none.
            raise self.malformed_response(f"its content encoding is {clean_reason(coding)}, which nobody asked for")
        largest = self.options.max_response_bytes
        pieces: list[bytes] = []
        size = response.content_length or 0
        if size <= largest:
            size = 0
            async for piece in response.content.iter_any():
                size += len(piece)
                if size > largest:
                    break
                pieces.append(piece)
        if size > largest:
            raise HttpResponseError(
                f"{self.origin} sent a response of more than {largest:,} bytes; "
                "ask for fewer records or columns, or raise max_response_bytes of HttpProvider"
            )
        return b"".join(pieces)

    async def close(self) -> None:
        """Close the sessions of this loop and of closed ones, and have the other loops close theirs."""
        self.closed = True
        running = asyncio.get_running_loop()
        while self.sessions:
            loop, session = self.sessions.popitem()
            if loop is running or loop.is_closed():
                await session.close()
            else:
                # Not awaited: the thread of that loop may be the one that waits for us.
                asyncio.run_coroutine_threadsafe(session.close(), loop)

    def malformed_response(self, problem: str, *, is_transient: bool = False) -> HttpResponseError:
        """Return the error for an answer that is not one of Chroma's."""
        return HttpResponseError(
            f"{self.origin} sent a response that is not Chroma's: {problem}; "
            "check the address, and any proxy on the way",
            is_transient=is_transient,
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
                connector=aiohttp.TCPConnector(
                    limit=self.options.connections, ssl=self.options.ssl is None or self.options.ssl
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers=self.headers,
                # Not `connect`: that one counts the wait for a free connection too.
                timeout=aiohttp.ClientTimeout(total=self.options.timeout, sock_connect=_CONNECT_SECONDS),
                trust_env=False,
                auto_decompress=False,
            )
            # Threads with event loops of their own do the same: the list is copied, and each entry is one thread's.
            for known in list(self.sessions):
                dead = self.sessions.pop(known, None) if known.is_closed() else None
                if dead is not None:
                    await dead.close()
        return session

    def _closed_error(self) -> HttpConnectionError:
        return HttpConnectionError(f"the provider of {self.origin} is closed; open a new one", code="closed")

    def _explain(self, error: Exception) -> str:
        """Say why there was no answer, and what to do about it."""
        import aiohttp

        match error:
            case aiohttp.ClientConnectorCertificateError():
                advice = "pass a context that trusts its certificate as ssl="
            case aiohttp.ClientConnectorSSLError():
                advice = "check that it speaks https"
            case aiohttp.ClientConnectorError() | aiohttp.ConnectionTimeoutError():
                advice = "check the address, and that the server runs (chroma run)"
            case TimeoutError():
                return f"{self.origin} did not answer within {self.options.timeout:g} s; raise timeout="
            case _:
                return f"{self.origin} hung up: {describe_exception(error)}; check that the server runs"
        # aiohttp's own text names a TLS setting, "ssl:default", even where the address is http://.
        cause = getattr(error, "os_error", None) or error
        return f"cannot connect to {self.origin}: {describe_exception(cause)}; {advice}"

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
        kind = None if kind is None else clean_reason(kind, _LONGEST_KIND)
        shown = f"{status} {kind}" if kind is not None else str(status)
        missing = status == 404 and kind == "NotFoundError"
        return (HttpNotFoundError if missing else HttpError)(
            f"{clean_reason(text)} ({shown} from {self.origin}{_advise(status, kind)})",
            status=status,
            kind=kind,
            retry_after=_read_retry_after(response.headers.get("Retry-After")),
        )


def _end_sessions(sessions: dict[asyncio.AbstractEventLoop, ClientSession]) -> None:
    """Close the connections of a server that was dropped, each on the thread of its event loop."""
    while sessions:
        loop, session = sessions.popitem()
        connector = session.connector
        session.detach()
        if connector is None:
            continue
        try:
            loop.call_soon_threadsafe(_end_connector, connector)
        except RuntimeError:
            # The loop is closed, and runs nothing any more.
            _end_connector(connector)


def _end_connector(connector: BaseConnector) -> None:
    """Close connections without waiting until they are closed."""
    closing = connector.close()
    with suppress(StopIteration):
        closing.__await__().send(None)


def clean_reason(text: str, longest: int = _LONGEST_REASON) -> str:
    """Return what a server said, cut, and without the control characters that a terminal would act on."""
    return _CONTROL.sub(" ", text[:longest])


def _advise(status: int, kind: str | None) -> str:
    """Return what to do about a refusal, where Chroma does not say it."""
    if status in {401, 403}:
        return "; pass token= or headers= that the server accepts"
    if 300 <= status < 400:
        return "; redirects are not followed, use the address they lead to"
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


def encode_vectors(vectors: Any) -> Any:
    """
    Return vectors of a request with each `QueryVector` as JSON, which it keeps for the next collection.

    Anything else is encoded, or refused, with the rest of the request.
    """
    if type(vectors) is not list:
        return vectors
    return [_encode(vector) if isinstance(vector, QueryVector) else vector for vector in vectors]


def _encode(vector: QueryVector) -> Any:
    import orjson

    # The vector itself keeps it, so nothing is shared between statements, threads or loops.
    if vector.encoded is None:
        vector.encoded = orjson.Fragment(orjson.dumps(vector))
    return vector.encoded
