#!/usr/bin/env bash
# LlamaIndex stores three keys of Chroma's metadata as the text "None".
#
# Seen with llama-index-vector-stores-chroma 0.6.0 and chromadb 1.5.9.
# Expected: a node that belongs to no document has no doc_id, or None, which Chroma stores as no key.
# Behaviour: doc_id, document_id and ref_doc_id are the four letters None. A filter for records without the key finds nothing, and
# all such nodes seem to belong to one document, called None.
# Output:
#     {'doc_id': 'None', 'document_id': 'None', 'ref_doc_id': 'None'}
#     nodes of the document "None": ['n1', 'n2']
# For ChromaSQL: docs/chroma.md, "Written elsewhere".
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet chromadb==1.5.9 llama-index-vector-stores-chroma==0.6.0
"$work/venv/bin/python" -W ignore - <<'PYTHON'
import chromadb
from llama_index.core.schema import TextNode
from llama_index.vector_stores.chroma import ChromaVectorStore

collection = chromadb.EphemeralClient().create_collection("nodes", embedding_function=None)
nodes = [TextNode(id_=id_, text=id_, embedding=[1.0, 0.0]) for id_ in ("n1", "n2")]
ChromaVectorStore(chroma_collection=collection).add(nodes)
metadata = collection.get(ids=["n1"])["metadatas"][0]
left = {key: metadata[key] for key in sorted(metadata) if not key.startswith("_")}
found = collection.get(where={"ref_doc_id": "None"})["ids"]
print(left)
print('nodes of the document "None":', found)
assert left == {"doc_id": "None", "document_id": "None", "ref_doc_id": "None"} and found == ["n1", "n2"]
PYTHON
