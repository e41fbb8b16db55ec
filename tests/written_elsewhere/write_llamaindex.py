"""Written with LlamaIndex: the node as JSON, and three texts "None"."""

import sys

import chromadb
from llama_index.core.schema import TextNode
from llama_index.vector_stores.chroma import ChromaVectorStore

collection = chromadb.PersistentClient(sys.argv[1]).create_collection("written", embedding_function=None)
ChromaVectorStore(chroma_collection=collection).add(
    [
        TextNode(id_="n1", text="one", embedding=[1.0, 0.0], metadata={"year": 2024, "grade": 1.5}),
        TextNode(id_="n2", text="two", embedding=[0.0, 1.0]),
    ]
)
