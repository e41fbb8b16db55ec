"""Names of collections and servers are those that Chroma and the language allow."""

from __future__ import annotations

from typing import Any

import pytest
from chromadb.errors import ChromaError

from chromasql.adapters.names import is_collection_name, is_name_part, is_server_name

ALLOWED = ("abc", "a-b", "a.b", "a_b", "9ab", "A1B2", "x" * 512)
REFUSED = ("", "a", "ab", "x" * 513, "a b", "a/b", "a+b", "-ab", "ab-", "_ab", "ab.", "a..b", "é12")


@pytest.mark.parametrize("name", [*ALLOWED, *REFUSED])
def test_chroma_agrees(client: Any, name: str) -> None:
    """What is taken for the name of a collection is what Chroma lets a collection be called."""
    try:
        client.create_collection(name)
    except (ChromaError, ValueError):
        allowed = False
    else:
        allowed = True

    assert is_collection_name(name) is allowed


@pytest.mark.parametrize(("text", "expected"), [("", True), ("a.b-c_9", True), ("a b", False), ("a/b", False)])
def test_parts_of_names(text: str, expected: bool) -> None:
    """A part of a name has the characters of a name, and no rule about its ends."""
    assert is_name_part(text) is expected


@pytest.mark.parametrize(
    ("name", "expected"), [("eu", True), ("eu-west_1", True), ("eu.west", False), ("eu--west", False), ("", False)]
)
def test_names_of_servers(name: str, expected: bool) -> None:
    """A server is called by one word, which has no dot, since a dot ends it."""
    assert is_server_name(name) is expected
