#!/usr/bin/env bash
# A search of LangChain leaves out the nearest record of Chroma where that has no document.
#
# Seen with langchain-chroma 1.1.0 and chromadb 1.5.9.
# Expected: a search for k records returns k of them, with an empty page_content where there is no text.
# Behaviour: records without a document are dropped after Chroma has returned them, without a word and without replacement: of
# k = 1, none is left. In a collection of vectors alone every search is empty.
# Output:
#     Chroma's nearest: ['bare'], LangChain's with k=1: []
#     LangChain's with k=2: ['text']
# For ChromaSQL: its retriever for LangChain returns such records (docs/langchain.md).
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet chromadb==1.5.9 langchain-chroma==1.1.0
"$work/venv/bin/python" -W ignore - <<'PYTHON'
import chromadb
from langchain_chroma import Chroma

client = chromadb.EphemeralClient()
collection = client.create_collection("docs", embedding_function=None)
collection.add(ids=["bare"], embeddings=[[0.0, 0.0]])
collection.add(ids=["text"], embeddings=[[1.0, 0.0]], documents=["text"])
store = Chroma("docs", client=client)
nearest = collection.query(query_embeddings=[[0.0, 0.0]], n_results=1)["ids"][0]
one, two = ([found.page_content for found in store.similarity_search_by_vector([0.0, 0.0], k=k)] for k in (1, 2))
print(f"Chroma's nearest: {nearest}, LangChain's with k=1: {one}")
print(f"LangChain's with k=2: {two}")
assert (nearest, one, two) == (["bare"], [], ["text"])
PYTHON
