#!/usr/bin/env bash
# In a list 1 and 1.0 are two values, in a scalar one.
#
# Versions: chromadb 1.5.9
# Behaviour: $contains 1 finds only the list of integers and $contains 1.0 only the list of floats, while an equality with 1 finds both scalars.
# Seen (2026-11-27):
#   ['float', 'int']
#   ['int']
#   ['float']
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet chromadb==1.5.9
cd "$folder"
seen=$("$folder/venv/bin/python" - <<'PY'
import chromadb

collection = chromadb.EphemeralClient().create_collection("docs", embedding_function=None)
collection.add(
    ids=["int", "float"], embeddings=[[0.0], [1.0]], metadatas=[{"n": 1, "l": [1, 2]}, {"n": 1.0, "l": [1.0, 2.5]}]
)
for where in ({"n": 1}, {"l": {"$contains": 1}}, {"l": {"$contains": 1.0}}):
    print(sorted(collection.get(where=where, include=[])["ids"]))
PY
)
echo "$seen"
expected='['"'"'float'"'"', '"'"'int'"'"']
['"'"'int'"'"']
['"'"'float'"'"']'
if [[ $seen != "$expected" ]]; then
    echo "This has changed; expected:" >&2
    echo "$expected" >&2
    exit 1
fi
