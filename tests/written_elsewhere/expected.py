"""Which libraries write, and what statements over their records return."""

from __future__ import annotations

from typing import Any

WRITERS: dict[str, tuple[tuple[str, ...], str]] = {
    "chromadb-js": (("chromadb@3.5.0",), "write_javascript.mjs"),
    "langchain": (("langchain-chroma==1.1.0", "chromadb==1.5.9"), "write_langchain.py"),
    "llamaindex": (("llama-index-vector-stores-chroma==0.6.0", "chromadb==1.5.9"), "write_llamaindex.py"),
    "haystack": (("chroma-haystack==5.0.0", "chromadb==1.5.9"), "write_haystack.py"),
    "idxr": (("idxr==1.8.0", "chromadb==1.5.9"), "write_idxr.py"),
}
"""For each library its packages and the script that writes with it."""

STATEMENTS: dict[str, dict[str, list[dict[str, Any]]]] = {
    "chromadb-js": {
        "SELECT id, document, year, whole, grade, ok FROM written WHERE year >= 2024.5 OR whole = 2 ORDER BY id": [
            {"id": "a", "document": "one", "year": 2024, "whole": 2, "grade": 1.5, "ok": True},
            {"id": "b", "document": "two", "year": 2025, "whole": None, "grade": None, "ok": None},
        ],
        "SELECT id, marks FROM written WHERE marks CONTAINS 1": [{"id": "a", "marks": [1.0, 2.5]}],
        "SELECT id FROM written WHERE nothing IS NULL ORDER BY id": [{"id": "a"}, {"id": "b"}],
    },
    "langchain": {
        "SELECT document, year FROM written ORDER BY document": [
            {"document": "one", "year": 2024},
            {"document": "two", "year": None},
        ],
        "SELECT document FROM written WHERE year = 2024 AND grade < 2 AND ok = TRUE": [{"document": "one"}],
        "SELECT COUNT(*) AS n FROM written WHERE metadata.year IS NULL": [{"n": 1}],
    },
    "llamaindex": {
        "SELECT id, document, year FROM written ORDER BY id": [
            {"id": "n1", "document": "one", "year": 2024},
            {"id": "n2", "document": "two", "year": None},
        ],
        "SELECT * EXCEPT (_node_content, _node_type, doc_id, document_id, ref_doc_id) FROM written WHERE id = 'n2'": [
            {"id": "n2", "document": "two", "metadata": {}}
        ],
        "SELECT id FROM written WHERE ref_doc_id IS NULL": [],
        "SELECT id FROM written WHERE ref_doc_id = 'None' ORDER BY id": [{"id": "n1"}, {"id": "n2"}],
    },
    "haystack": {
        "SELECT id, document, year, tags FROM written WHERE tags CONTAINS 'a' OR year IS NULL ORDER BY id": [
            {"id": "d1", "document": "one", "year": 2024, "tags": ["a"]},
            {"id": "d2", "document": "two", "year": None, "tags": None},
        ],
        "SELECT id FROM written WHERE year != 2023": [{"id": "d1"}],
        "SELECT id FROM written WHERE year IS DISTINCT FROM 2023 ORDER BY id": [{"id": "d1"}, {"id": "d2"}],
    },
    "idxr": {
        "SELECT document, year, model_name, has_sem FROM written ORDER BY has_sem DESC": [
            {"document": "one", "year": 2024, "model_name": "Note", "has_sem": True},
            {"document": '{"text": "", "year": 0}', "year": 0, "model_name": "Note", "has_sem": False},
        ],
        "SELECT document FROM written WHERE has_sem = TRUE": [{"document": "one"}],
    },
}
"""For each library statements over the collection ``written``, with their rows."""
