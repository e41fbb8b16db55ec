"""
A server of the Model Context Protocol: a door to Chroma for language models, which reads and never writes.

``chromasql mcp`` runs it; `build_server` makes one for an application, over a database of its own.
"""

from __future__ import annotations

from chromasql.integrations.extras import needs_extra

with needs_extra("mcp", "mcp"):
    import mcp  # noqa: F401 - said here rather than from the middle of a server

from chromasql.integrations.mcp.server import build_server

__all__ = ["build_server"]
