#!/usr/bin/env bash
# Chroma shows a changed ef_search at once and goes on searching with the old one.
#
# Seen with chromadb 1.5.9, PersistentClient.
# Expected: after collection.modify(...) a setting that is shown as 400 is used, or the call says that it needs a restart.
# Behaviour: the configuration shows 400 at once; answers are those of ef_search=1, record by record, until the folder is opened anew.
# Output (the counts are of 50 queries for the nearest record; they are chance):
#     shown: 1, nearest found: 16
#     shown: 400, nearest found: 16
#     opened anew: shown: 400, nearest found: 50
# For ChromaSQL: docs/chroma.md, "A changed ef_search waits for the next opening".
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet chromadb==1.5.9
"$work/venv/bin/python" -W ignore - "$work" <<'PYTHON'
import sys

import chromadb
import numpy as np

random = np.random.default_rng(7)
vectors, queries = (random.normal(size=(count, 64)).astype(np.float32) for count in (2_000, 50))
nearest = [[str(((vectors - query) ** 2).sum(axis=1).argmin())] for query in queries]


def ask(collection):
    answers = collection.query(query_embeddings=queries, n_results=1, include=[])["ids"]
    shown = collection.configuration_json["hnsw"]["ef_search"]
    print(f"shown: {shown}, nearest found: {sum(map(list.__eq__, answers, nearest))}")
    return answers


client = chromadb.PersistentClient(sys.argv[1] + "/db")
docs = client.create_collection("docs", configuration={"hnsw": {"ef_search": 1}}, embedding_function=None)
docs.add(ids=[str(number) for number in range(2_000)], embeddings=vectors)
before = ask(docs)
docs.modify(configuration={"hnsw": {"ef_search": 400}})
after = ask(docs)
assert docs.configuration_json["hnsw"]["ef_search"] == 400 and after == before
client.close()
print("opened anew: ", end="")
later = ask(chromadb.PersistentClient(sys.argv[1] + "/db").get_collection("docs"))
assert sum(map(list.__eq__, later, nearest)) > 40 > sum(map(list.__eq__, before, nearest))
PYTHON
