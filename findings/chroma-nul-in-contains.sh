#!/usr/bin/env bash
# In Chroma, "contains" with a NUL character asks what a document ends in.
#
# Seen with chromadb 1.5.9, embedded.
# Expected: {"$contains": "ne\0zzz"} finds documents that contain these six characters: none.
# Behaviour: the text becomes the pattern of a LIKE, between two wildcards. SQLite ends it at U+0000, and the second
# wildcard goes with it, so that the rest must stand where the document ends.
# Output:
#     'ne\x00zzz' finds ['one']
#     'on\x00zzz' finds []
#     '\x00' finds ['one', 'two']
# For ChromaSQL: docs/chroma.md, "A NUL character ends the text that is looked for"; it asks by $regex.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet chromadb==1.5.9
"$work/venv/bin/python" -W ignore - "$work" <<'PYTHON'
import chromadb

docs = chromadb.EphemeralClient().create_collection("docs", embedding_function=None)
docs.add(ids=["one", "two"], embeddings=[[0, 0]] * 2, documents=["one", "two"])
expected = {"ne\0zzz": ["one"], "on\0zzz": [], "\0": ["one", "two"]}
for text, ids in expected.items():
    found = docs.get(where_document={"$contains": text})["ids"]
    print(repr(text), "finds", found)
    assert found == ids
PYTHON
