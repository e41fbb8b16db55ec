"""Written with Haystack: metadata as it is, lists too."""

import sys

from haystack import Document
from haystack_integrations.document_stores.chroma import ChromaDocumentStore

store = ChromaDocumentStore(collection_name="written", persist_path=sys.argv[1])
store.write_documents(
    [
        Document(id="d1", content="one", embedding=[1.0, 0.0], meta={"year": 2024, "grade": 1.5, "tags": ["a"]}),
        Document(id="d2", content="two", embedding=[0.0, 1.0]),
    ]
)
