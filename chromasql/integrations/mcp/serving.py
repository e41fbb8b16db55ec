"""Serving over HTTP: on this machine alone, or anywhere with a token."""

from __future__ import annotations

import hmac
import ipaddress
from typing import Any

import anyio
from mcp.server.mcpserver import MCPServer
from mcp.server.transport_security import TransportSecuritySettings
from starlette.responses import PlainTextResponse

from chromasql.errors import ChromaSQLPlanningError

__all__ = ["check_address", "http_app", "serve_http"]


def check_address(address: str, token: str | None) -> tuple[str, int]:
    """
    Return host and port of ``host:port``; raise `ChromaSQLPlanningError` where it is not one, or open without a token.

    Without a token only addresses of this machine are served, as whoever reaches the port reads the database.
    """
    host, colon, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not port.isdecimal() or not 0 <= int(port) <= 65_535:
        raise ChromaSQLPlanningError(
            f"an address to serve on is HOST:PORT, such as 127.0.0.1:8765, not {address!r}", code="invalid-address"
        )
    if token is None and not _is_loopback(host):
        raise ChromaSQLPlanningError(
            f"{host} can be reached from other machines, so it needs a token", code="invalid-address"
        )
    return host, int(port)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def http_app(server: MCPServer[Any], host: str, token: str | None) -> Any:
    """
    Return the ASGI application of a server; with a token, what does not send it as a bearer token is refused.

    On an address of this machine, requests that a browser sends for a page of another site are refused as well.
    """
    security = None
    if not _is_loopback(host):
        # The names by which others reach this machine are not known here; the token protects.
        security = TransportSecuritySettings(enable_dns_rebinding_protection=False)
    app = server.streamable_http_app(host="localhost" if security is None else host, transport_security=security)
    return app if token is None else _BearerToken(app, token)


def serve_http(server: MCPServer[Any], host: str, port: int, token: str | None) -> None:
    """Serve until Ctrl-C."""
    import uvicorn

    config = uvicorn.Config(http_app(server, host, token), host=host, port=port, log_level="warning")
    anyio.run(uvicorn.Server(config).serve)


class _BearerToken:
    """Lets requests with the token through, and answers others with 401."""

    def __init__(self, app: Any, token: str) -> None:
        self._app = app
        self._expected = f"Bearer {token}".encode()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] not in ("http", "lifespan"):
            return
        if scope["type"] == "http":
            sent = dict(scope["headers"]).get(b"authorization", b"")
            if not hmac.compare_digest(sent, self._expected):
                refusal = PlainTextResponse("send the token: Authorization: Bearer ..", status_code=401)
                await refusal(scope, receive, send)
                return
        await self._app(scope, receive, send)
