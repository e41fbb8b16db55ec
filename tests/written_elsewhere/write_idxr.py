"""Written with what idxr makes of a row: the name of the model, the file, and whether there is a text."""

import sys
from pathlib import Path

import chromadb
from idxr.models import ModelSpec
from idxr.vectorize_lib.documents import build_document_id, build_metadata, build_semantic_text
from pydantic import BaseModel


class Note(BaseModel):
    """A row of a table."""

    text: str = ""
    year: int = 0


spec = ModelSpec(model=Note, semantic_fields=("text",), keyword_fields=("year",))
collection = chromadb.PersistentClient(sys.argv[1]).create_collection("written", embedding_function=None)
for number, note in enumerate((Note(text="one", year=2024), Note())):
    text, has_text = build_semantic_text(note, spec)
    metadata = {**build_metadata(note, spec, "Note", Path("notes.csv"), schema_version=1), "has_sem": has_text}
    collection.add(
        ids=[build_document_id("Note", note)], embeddings=[[number, 1]], documents=[text], metadatas=[metadata]
    )
