"""
Doors from other frameworks: retrievers for LangChain, LlamaIndex and Haystack, and a server of MCP for language models.

Each module needs the extra of its name, and nothing else of the package imports it.
"""

from __future__ import annotations

__all__: list[str] = []
