"""What a collection of Chroma may be called."""

from __future__ import annotations

import re

__all__ = ["CHROMA_NAME"]

CHROMA_NAME = re.compile(r"[a-zA-Z0-9]([a-zA-Z0-9._-]*[a-zA-Z0-9])?")
"""
What a collection of Chroma may be called, its length aside.

chromadb's clients put a name into an address as it is, so one with slashes and dots would lead to another database.
"""
