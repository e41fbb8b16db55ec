#!/usr/bin/env bash
# A small Chroma folder answers differently each time it is opened, though nothing is written.
#
# Seen with chromadb 1.5.9, PersistentClient, 900 records (fewer than sync_threshold, 1,000).
# Expected: a folder that nobody writes to gives one query one answer.
# Behaviour: no graph is stored below the threshold (data_level0.bin is there, but empty). Each opening builds one from the log, by
# several threads, and another graph finds other neighbours. This script opens until answers differ, 10 times at most.
# Output (the counts are chance):
#     opening 1: 4 of 20 answers are as they were
# For ChromaSQL: docs/chroma.md, "A small folder is built anew at every opening".
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
vectors, queries = (random.normal(size=(count, 64)).astype(np.float32) for count in (900, 20))


def ask(collection):
    return collection.query(query_embeddings=queries, n_results=10, include=[])["ids"]


client = chromadb.PersistentClient(sys.argv[1] + "/db")
docs = client.create_collection("docs", configuration={"hnsw": {"ef_search": 10}}, embedding_function=None)
docs.add(ids=[str(number) for number in range(900)], embeddings=vectors)
first = ask(docs)
for opening in range(1, 11):
    client.close()
    client = chromadb.PersistentClient(sys.argv[1] + "/db")
    same = sum(map(list.__eq__, ask(client.get_collection("docs")), first))
    print(f"opening {opening}: {same} of 20 answers are as they were")
    if same < 20:
        sys.exit()
sys.exit("ten openings gave one answer")
PYTHON
