#!/usr/bin/env bash
# Chroma lists collections in a random order, and a collection made while they are paged can be missed.
#
# Seen with chromadb 1.5.9, embedded and through its server.
# Expected: list_collections(limit, offset) goes by name or by time, so that new ones come last or in their place.
# Behaviour: it sorts by the ids of the collections, which are random UUIDs. Names and times do not count; a new one stands anywhere, so
# that the pages before it move and a name comes twice or never.
# Output (the order is chance):
#     listed: ['c-05', 'c-02', 'c-09', 'c-11', 'c-00', 'c-03', 'c-01', 'c-06', 'c-04', 'c-10', 'c-08', 'c-07']
#     sorted by id: True, by name: False
# For ChromaSQL: docs/chroma.md, "Collections are listed in a random order"; it sorts names.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet chromadb==1.5.9
"$work/venv/bin/python" -W ignore - "$work" <<'PYTHON'
import chromadb

client = chromadb.EphemeralClient()
for number in range(12):
    client.create_collection(f"c-{number:02}", embedding_function=None)
listed = client.list_collections()
names, ids = [docs.name for docs in listed], [str(docs.id) for docs in listed]
print("listed:", names)
print("sorted by id:", ids == sorted(ids), "by name:", names == sorted(names))
assert ids == sorted(ids) and names != sorted(names)  # 12 names are in order by chance once in 479 million runs
PYTHON
