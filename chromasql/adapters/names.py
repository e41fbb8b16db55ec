"""What collections and servers may be called: the one home of these rules."""

from __future__ import annotations

import re

__all__ = ["COLLECTION_NAME_RULE", "is_collection_name", "is_name_part", "is_server_name"]

COLLECTION_NAME_RULE = "a name has 3 to 512 characters, a letter or a digit at both ends and no two dots in a row"
"""
Chroma's rule for the name of a collection in words.

Inside, it allows letters, digits, ``.``, ``_`` and ``-``; before it, the name of a topology and a ``+``. The address of
a machine, four numbers with dots, is not allowed.
"""


_COLLECTION = re.compile(r"(?!.*\.\.)(?:[a-zA-Z0-9_-]+\+)?[a-zA-Z0-9][a-zA-Z0-9._-]{1,510}[a-zA-Z0-9]")


_IPV4 = re.compile(r"\d{1,3}(\.\d{1,3}){3}")


_PART = re.compile(r"[a-zA-Z0-9._-]*")


_SERVER = re.compile(r"[A-Za-z0-9_]+(-[A-Za-z0-9_]+)*")


def is_collection_name(name: str) -> bool:
    """
    Tell whether Chroma allows a collection of this name.

    chromadb's clients put a name into an address unquoted, so one that Chroma does not allow must never reach them.
    """
    return _COLLECTION.fullmatch(name) is not None and _IPV4.fullmatch(name) is None


def is_name_part(text: str) -> bool:
    """Tell whether a text has only characters that the name of a collection may have; the empty text has."""
    return _PART.fullmatch(text) is not None


def is_server_name(name: str) -> bool:
    """Tell whether this may be the name of a server, which stands before a dot: it has none itself."""
    return _SERVER.fullmatch(name) is not None
