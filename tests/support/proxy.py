"""A proxy before a real Chroma that does to single requests what networks and overloaded servers do."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from ssl import SSLContext
from typing import Any

import orjson


@dataclass(frozen=True)
class Pass:
    """The answer of the server as it is, after so many seconds."""

    seconds: float = 0.0


@dataclass(frozen=True)
class Drip:
    """The answer in pieces, which take so many seconds in all."""

    seconds: float


@dataclass(frozen=True)
class Hang:
    """No answer, for as long as the client waits."""


@dataclass(frozen=True)
class Refuse:
    """A reset in place of an answer."""


@dataclass(frozen=True)
class Cut:
    """A reset in the middle of the answer."""


@dataclass(frozen=True)
class Status:
    """A refusal by HTTP; the server is not asked."""

    code: int
    retry_after: str | None = None


@dataclass(frozen=True)
class Redirect:
    """A redirect to the same path elsewhere; the server is not asked."""

    origin: str


@dataclass(frozen=True)
class Truncated:
    """Sound HTTP around the first half of the JSON."""


@dataclass(frozen=True)
class Garbage:
    """Sound HTTP around what is not JSON."""


@dataclass(frozen=True)
class Misshapen:
    """JSON that no Chroma sends: an id that is a number, or ``{}`` where there is no id."""


@dataclass(frozen=True)
class Infinite:
    """A distance that is no finite number, which Chroma writes as null; as it is where there is no distance."""


Fault = Pass | Drip | Hang | Refuse | Cut | Status | Redirect | Truncated | Garbage | Misshapen | Infinite
Schedule = Callable[["Request"], Fault]

_PIECES = 10


@dataclass(frozen=True)
class Request:
    """What the client sent; names of headers are in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes = field(repr=False)

    @property
    def verb(self) -> str:
        """The last segment of the path, such as ``query``."""
        return self.path.partition("?")[0].rpartition("/")[2]


def always_pass(_: Request) -> Fault:
    """Do nothing to any request."""
    return Pass()


class Proxy:
    """
    One address before one server.

    It runs on a loop in a thread of its own, so that the tasks of the client's loop are the client's alone. ``schedule``
    says what is done to a request, and may be replaced at any time; ``requests`` holds what came. ``before`` is called with
    each request as it comes, on the thread of the proxy.
    """

    def __init__(self, port: int, tls: SSLContext | None = None) -> None:
        self._upstream = port
        self._tls = tls
        self.schedule: Schedule = always_pass
        self.before: Callable[[Request], Any] | None = None
        self.requests: list[Request] = []
        self.port = 0
        self._talks: set[Any] = set()

    @property
    def url(self) -> str:
        """What a client is given."""
        return f"{'http' if self._tls is None else 'https'}://127.0.0.1:{self.port}"

    @contextmanager
    def running(self) -> Iterator[Proxy]:
        """Serve while the block runs."""
        ready, stop = threading.Event(), asyncio.Event()
        loops: list[asyncio.AbstractEventLoop] = []

        async def serve() -> None:
            server = await asyncio.start_server(self._talk, "127.0.0.1", 0, ssl=self._tls)
            self.port = server.sockets[0].getsockname()[1]
            loops.append(asyncio.get_running_loop())
            ready.set()
            async with server:
                await stop.wait()

        thread = threading.Thread(target=asyncio.run, args=(serve(),))
        thread.start()
        ready.wait()
        try:
            yield self
        finally:
            loops[0].call_soon_threadsafe(stop.set)
            thread.join()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A loop holds its tasks weakly, and one that waits for a client that is gone has nobody else.
        talk = asyncio.current_task()
        self._talks.add(talk)
        try:
            while (request := await _read_request(reader)) is not None:
                self.requests.append(request)
                if self.before is not None:
                    self.before(request)
                if not await self._answer(request, self.schedule(request), reader, writer):
                    break
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # The client has gone, as clients do that were cancelled.
        finally:
            writer.close()
            self._talks.discard(talk)

    async def _answer(
        self, request: Request, fault: Fault, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """Answer one request and tell whether the connection goes on."""
        match fault:
            case Refuse():
                writer.transport.abort()
                return False
            case Hang():
                await reader.read()
                return False
            case Status(code, retry_after):
                headers = {} if retry_after is None else {"Retry-After": retry_after}
                writer.write(_response(code, b"not now", headers))
            case Redirect(origin):
                writer.write(_response(307, b"", {"Location": origin + request.path}))
            case Garbage():
                writer.write(_response(200, b"<html>it works</html>"))
            case Pass(seconds):
                await asyncio.sleep(seconds)
                writer.write(_response(*await self._ask(request)))
            case Drip(seconds):
                await _drip(writer, _response(*await self._ask(request)), seconds)
            case Cut():
                whole = _response(*await self._ask(request))
                writer.write(whole[:-1])
                await writer.drain()
                writer.transport.abort()
                return False
            case Truncated():
                status, body = await self._ask(request)
                # Half of a number is a number: a space before it makes what is cut off matter.
                writer.write(_response(status, body[: len(body) // 2] if len(body) > 8 else b"["))
            case Misshapen():
                writer.write(_response(200, orjson.dumps(_misshapen(await self._ask_json(request)))))
            case Infinite():
                writer.write(_response(200, orjson.dumps(_infinite(await self._ask_json(request)))))
        await writer.drain()
        return True

    async def _ask_json(self, request: Request) -> Any:
        _, body = await self._ask(request)
        return orjson.loads(body)

    async def _ask(self, request: Request) -> tuple[int, bytes]:
        """Send a request on and return status and body."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._upstream)
        try:
            headers = request.headers | {"connection": "close"}
            lines = [
                f"{request.method} {request.path} HTTP/1.1",
                *(f"{name}: {value}" for name, value in headers.items()),
            ]
            writer.write("\r\n".join([*lines, "", ""]).encode() + request.body)
            first, found = await _read_head(reader)
            return int(first.split()[1]), await reader.readexactly(int(found["content-length"]))
        finally:
            writer.close()


async def _read_head(reader: asyncio.StreamReader) -> tuple[str, dict[str, str]]:
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
    pairs = (line.split(": ", 1) for line in lines)
    return first, {name.lower(): value for name, value in pairs}


async def _read_request(reader: asyncio.StreamReader) -> Request | None:
    """Return the next request of a connection, or None where the client has closed it."""
    try:
        first, headers = await _read_head(reader)
    except asyncio.IncompleteReadError:
        return None
    method, path, _ = first.split()
    return Request(method, path, headers, await reader.readexactly(int(headers.get("content-length", 0))))


def _response(status: int, body: bytes, headers: dict[str, str] | None = None) -> bytes:
    lines = [
        f"HTTP/1.1 {status} Told",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        *(f"{name}: {value}" for name, value in (headers or {}).items()),
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


async def _drip(writer: asyncio.StreamWriter, whole: bytes, seconds: float) -> None:
    size = len(whole) // _PIECES + 1
    for start in range(0, len(whole), size):
        await asyncio.sleep(seconds / _PIECES)
        writer.write(whole[start : start + size])
        await writer.drain()


def _misshapen(answer: Any) -> Any:
    match answer:
        case {"ids": [str(), *rest]}:
            return answer | {"ids": [7, *rest]}
        case {"ids": [[str(), *rest], *others]}:
            return answer | {"ids": [[7, *rest], *others]}
        case _:
            return {}


def _infinite(answer: Any) -> Any:
    match answer:
        case {"distances": [[float(), *rest], *others]}:
            return answer | {"distances": [[None, *rest], *others]}
        case _:
            return answer
