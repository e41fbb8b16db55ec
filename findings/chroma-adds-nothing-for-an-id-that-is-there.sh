#!/usr/bin/env bash
# Adding a record whose id is there changes nothing, and says nothing.
#
# Versions: chromadb 1.5.9
# Behaviour: add() of an existing id neither raises nor replaces: the old record stays, and the new ones beside it are stored.
# Seen (2026-11-27):
#   2 ['old']
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet chromadb==1.5.9
cd "$folder"
seen=$("$folder/venv/bin/python" - <<'PY'
import chromadb

collection = chromadb.EphemeralClient().create_collection("docs", embedding_function=None)
collection.add(ids=["a"], embeddings=[[0.0, 0.0]], documents=["old"])
collection.add(ids=["a", "b"], embeddings=[[5.0, 5.0], [4.0, 4.0]], documents=["new", "new"])
print(collection.count(), collection.get(ids=["a"])["documents"])
PY
)
echo "$seen"
expected='2 ['"'"'old'"'"']'
if [[ $seen != "$expected" ]]; then
    echo "This has changed; expected:" >&2
    echo "$expected" >&2
    exit 1
fi
