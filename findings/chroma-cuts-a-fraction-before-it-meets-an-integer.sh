#!/usr/bin/env bash
# A fractional bound in where is cut to an integer before it is compared with integers.
#
# Versions: chromadb 1.5.9
# Behaviour: where={"price": {"$gte": 3.5}} returns the record with the integer 3, but not the one with the float 3.0.
# Seen (2026-11-27):
#   ['int'] ['int']
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet chromadb==1.5.9
cd "$folder"
seen=$("$folder/venv/bin/python" - <<'PY'
import chromadb

collection = chromadb.EphemeralClient().create_collection("docs", embedding_function=None)
collection.add(ids=["int", "float"], embeddings=[[0.0], [1.0]], metadatas=[{"price": 3}, {"price": 3.0}])
print(collection.get(where={"price": {"$gte": 3.5}}, include=[])["ids"], collection.get(where={"price": 3.5}, include=[])["ids"])
PY
)
echo "$seen"
expected='['"'"'int'"'"'] ['"'"'int'"'"']'
if [[ $seen != "$expected" ]]; then
    echo "This has changed; expected:" >&2
    echo "$expected" >&2
    exit 1
fi
