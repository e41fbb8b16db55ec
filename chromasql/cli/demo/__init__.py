"""
A demonstration on real texts: the docstrings of the Python standard library, spread over many collections.

``chromasql demo`` runs it. It needs WordLlama: ``pip install "chromasql[demo]"``.
"""

from chromasql.cli.demo.corpus import COLLECTIONS, Text, collection_of, read_standard_library
from chromasql.cli.demo.store import build_store, is_complete

__all__ = ["COLLECTIONS", "Text", "build_store", "collection_of", "is_complete", "read_standard_library"]
