// Written with Chroma's JavaScript client: a whole number is an integer, and null leaves no key.
import { ChromaClient } from "chromadb";

const client = new ChromaClient({ host: "127.0.0.1", port: Number(process.argv[2]) });
const collection = await client.createCollection({ name: "written", embeddingFunction: null });
await collection.add({
  ids: ["a", "b"],
  embeddings: [[1, 0], [0, 1]],
  documents: ["one", "two"],
  metadatas: [{ year: 2024, grade: 1.5, whole: 2.0, ok: true, marks: [1, 2.5], nothing: null }, { year: 2025 }],
});
