"""Written with LangChain: metadata as it is, ids that are random."""

import sys

from langchain_chroma import Chroma
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings


class Lengths(Embeddings):
    """Embeds a text by its length."""

    def embed_documents(self, texts):
        return [[float(len(text)), 1.0] for text in texts]

    def embed_query(self, text):
        return [float(len(text)), 1.0]


store = Chroma("written", Lengths(), persist_directory=sys.argv[1])
store.add_documents([Document("one", metadata={"year": 2024, "grade": 1.5, "ok": True}), Document("two")])
