#!/usr/bin/env bash
# What one process deletes from a Chroma folder still comes in the queries of another.
#
# Seen with chromadb 1.5.9, two processes with a PersistentClient on one folder.
# Expected: after the deletion, both processes answer without the record, or one raises an error.
# Behaviour: get and count read the SQLite file and are right at once. query reads a graph in memory, ranks the deleted record
# as before, and returns it with None for document and metadata, without an error.
# Output:
#     get: ['b']
#     query: ['a', 'b'] [None, 'B']
# For ChromaSQL: docs/chroma.md, "What another process deletes still comes in query".
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet chromadb==1.5.9
"$work/venv/bin/python" -W ignore - "$work" <<'PYTHON'
import subprocess
import sys

import chromadb

path = sys.argv[1] + "/db"
docs = chromadb.PersistentClient(path).create_collection("docs", embedding_function=None)
docs.add(ids=["a", "b"], embeddings=[[0, 0], [1, 0]], documents=["A", "B"])
docs.query(query_embeddings=[[0, 0]])
code = f"import chromadb; chromadb.PersistentClient({path!r}).get_collection('docs').delete(ids=['a'])"
subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True)
found = docs.query(query_embeddings=[[0, 0]])
print("get:", docs.get()["ids"])
print("query:", found["ids"][0], found["documents"][0])
assert docs.get()["ids"] == ["b"]
assert found["ids"] == [["a", "b"]] and found["documents"] == [[None, "B"]]
PYTHON
