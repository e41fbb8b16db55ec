#!/usr/bin/env bash
# delete(ids=..) counts the ids that were asked for, not the records that were deleted.
#
# Versions: chromadb 1.5.9
# Behaviour: Deleting an id that is not there answers {"deleted": 1}; with where the number is that of the records.
# Seen (2026-11-27):
#   {'deleted': 1} {'deleted': 1} 1
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet chromadb==1.5.9
cd "$folder"
seen=$("$folder/venv/bin/python" - <<'PY'
import chromadb

collection = chromadb.EphemeralClient().create_collection("docs", embedding_function=None)
collection.add(ids=["a", "b"], embeddings=[[0.0], [1.0]], metadatas=[{"n": 1}, {"n": 2}])
print(collection.delete(ids=["nobody"]), collection.delete(where={"n": 1}), collection.count())
PY
)
echo "$seen"
expected='{'"'"'deleted'"'"': 1} {'"'"'deleted'"'"': 1} 1'
if [[ $seen != "$expected" ]]; then
    echo "This has changed; expected:" >&2
    echo "$expected" >&2
    exit 1
fi
