#!/usr/bin/env bash
# A Chroma collection made without an embedding function embeds texts all the same.
#
# Seen with chromadb 1.5.9. The model itself is not loaded here: its class is replaced by one that notes what it is given.
# Expected: with embedding_function=None, a text that comes without a vector is refused.
# Behaviour: update and query with a text call Chroma's default model, which has nothing to do with the vectors that are there. The
# configuration shows None. With the real model, the first such call downloads it.
# Output:
#     configured: None
#     embedded by the default model: ['new', 'asked']
# For ChromaSQL: docs/chroma.md, "Without an embedding function the default one embeds"; it never sends a text to be embedded.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet chromadb==1.5.9
"$work/venv/bin/python" -W ignore - "$work" <<'PYTHON'
import chromadb
import numpy as np
from chromadb.utils.embedding_functions import ONNXMiniLM_L6_V2

seen = []


def note(self, input):
    seen.extend(input)
    return [np.zeros(2, np.float32) for _ in input]


ONNXMiniLM_L6_V2.__call__ = note
docs = chromadb.EphemeralClient().create_collection("docs", embedding_function=None)
docs.add(ids=["a"], embeddings=[[1, 1]], documents=["old"])
print("configured:", docs.configuration_json["embedding_function"])
docs.update(ids=["a"], documents=["new"])
docs.query(query_texts=["asked"])
print("embedded by the default model:", seen)
assert docs.configuration_json["embedding_function"] is None
assert seen == ["new", "asked"]
assert docs.get(include=["embeddings"])["embeddings"].tolist() == [[0, 0]]  # the vector was replaced
PYTHON
