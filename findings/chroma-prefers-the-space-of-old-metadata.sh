#!/usr/bin/env bash
# An explicit l2 in the configuration loses against hnsw:space in the metadata.
#
# Versions: chromadb 1.5.9
# Behaviour: With configuration={"hnsw": {"space": "l2"}} and metadata={"hnsw:space": "cosine"} the distance is the cosine; with another setting changed beside it, the metadata loses.
# Seen (2026-11-27):
#   explicit 0.0
#   tuned 1.0
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet chromadb==1.5.9
cd "$folder"
seen=$("$folder/venv/bin/python" - <<'PY'
import chromadb

client = chromadb.EphemeralClient()
for name, hnsw in (("explicit", {"space": "l2"}), ("tuned", {"ef_search": 50})):
    collection = client.create_collection(
        name, metadata={"hnsw:space": "cosine"}, configuration={"hnsw": hnsw}, embedding_function=None
    )
    collection.add(ids=["a"], embeddings=[[2.0, 0.0]])
    print(name, collection.query(query_embeddings=[[1.0, 0.0]], n_results=1)["distances"][0][0])
PY
)
echo "$seen"
expected='explicit 0.0
tuned 1.0'
if [[ $seen != "$expected" ]]; then
    echo "This has changed; expected:" >&2
    echo "$expected" >&2
    exit 1
fi
