#!/usr/bin/env bash
# A new Chroma record has the list metadata of a record whose collection was deleted.
#
# Seen with chromadb 1.5.9 (and 1.5.2 to 1.5.8), in memory and in a folder.
# Expected: a record has the metadata that it was added with, whatever stood in other collections before.
# Behaviour: delete_collection removes the records and leaves the elements of their lists in the table
# embedding_metadata_array, keyed by the record's number. SQLite gives that number to the next record, of any
# collection, and get, query and filters take the old list for its own. To delete the records before the collection
# removes the lists.
# Output:
#     deleted with its collection: [{'year': 2024, 'tags': ['x', 'y']}], found by 'x': ['b']
#     records deleted first: [{'year': 2024}], found by 'x': []
# For ChromaSQL: docs/chroma.md, "A new record inherits the lists of a deleted collection".
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet chromadb==1.5.9
"$work/venv/bin/python" -W ignore - "$work" <<'PYTHON'
import sys

import chromadb


def inherit(path, records_first):
    client = chromadb.PersistentClient(path)
    old = client.create_collection("old", embedding_function=None)
    old.add(ids=["a"], embeddings=[[0, 0]], metadatas=[{"tags": ["x", "y"]}])
    if records_first:
        old.delete(ids=["a"])
    client.delete_collection("old")
    new = client.create_collection("new", embedding_function=None)
    new.add(ids=["b"], embeddings=[[0, 0]], metadatas=[{"year": 2024}])
    return new.get()["metadatas"], new.get(where={"tags": {"$contains": "x"}})["ids"]


for title, records_first, metadata, ids in (
    ("deleted with its collection", False, {"year": 2024, "tags": ["x", "y"]}, ["b"]),
    ("records deleted first", True, {"year": 2024}, []),
):
    metadatas, found = inherit(f"{sys.argv[1]}/{records_first}", records_first)
    print(f"{title}: {metadatas}, found by 'x': {found}")
    assert metadatas == [metadata] and found == ids
PYTHON
