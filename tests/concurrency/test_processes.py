"""Threads, forks and the end of the interpreter, each in a process of its own."""

from __future__ import annotations

from tests.support.processes import run

HEAD = """
import asyncio, os, sys, threading, time
import chromasql
from chromasql import MemoryProvider, connect
P = MemoryProvider({"docs": [{"id": "a", "embedding": [1.0, 0.0], "document": "x"}]})
SQL = "SELECT id FROM docs"
TEXT = "SELECT id FROM docs USING EMBEDDING (TEXT 'x') LIMIT 1"
"""


def test_a_fork_before_and_after() -> None:
    """A child answers with a database made before the fork and one made after it; it waited for ever before."""
    found = run(
        HEAD,
        """
        before = connect(P)
        before.execute(SQL)
        child = os.fork()
        if child == 0:
            print(before.execute(SQL).rows, connect(P).execute(SQL).rows, flush=True)
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        print(before.execute(SQL).rows)
    """,
    )
    assert found == "[{'id': 'a'}] [{'id': 'a'}]\n[{'id': 'a'}]\n"


def test_an_embedder_that_exits() -> None:
    """SystemExit and KeyboardInterrupt of an embedder fail its statement; every later one of the process failed before."""
    found = run(
        HEAD,
        """
        def embed(text): raise SystemExit(3)
        async def embed_async(text): raise KeyboardInterrupt
        other = connect(P)
        for function in (embed, embed_async):
            try:
                connect(P, embed_fn=function).execute(TEXT)
            except chromasql.ChromaSQLExecutionError as error:
                print(error.failures[0].message)
            print(other.execute(SQL).rows)
    """,
    )
    assert found.splitlines() == [
        "SystemExit was raised: 3",
        "[{'id': 'a'}]",
        "KeyboardInterrupt was raised",
        "[{'id': 'a'}]",
    ]


def test_the_end_beside_a_statement() -> None:
    """The interpreter ends, silently, beside a statement that hangs; it never ended before."""
    run(
        HEAD,
        """
        begun = threading.Event()
        class Hangs:
            async def get_collection(self, name):
                begun.set()
                await asyncio.sleep(3600)
            async def list_collection_names(self):
                return ["docs"]
        threading.Thread(target=connect(Hangs()).execute, args=(SQL,), daemon=True).start()
        begun.wait()
    """,
    )


def test_a_stream_that_is_half_read() -> None:
    """A stream that is half read when the interpreter ends prints nothing; it printed a RuntimeError before."""
    found = run(
        HEAD,
        """
        rows = connect(P).stream(SQL)
        print(next(rows))
    """,
    )
    assert found == "{'id': 'a'}\n"


def test_embedders_that_ask_the_database() -> None:
    """Eight statements whose embedders ask the same database are all answered; none was before."""
    found = run(
        HEAD,
        """
        import chromadb
        client = chromadb.EphemeralClient()
        client.create_collection("docs", embedding_function=None).add(ids=["a"], embeddings=[[1.0]])
        together = threading.Barrier(4)
        def embed(text):
            if text != "inner":
                together.wait()
                db.execute(TEXT.replace("'x'", "'inner'"))
            return [1.0]
        db = connect(client, embed_fn=embed)
        rows = []
        def ask(number):
            rows.extend(db.execute(TEXT.replace("'x'", f"'{number}'")).rows)
        threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        print(len(rows))
    """,
    )
    assert found == "8\n"


def test_a_hung_embedder_of_another_database() -> None:
    """Four embedders that hang keep no other database from answering; they took all threads of the process before."""
    found = run(
        HEAD,
        """
        import chromadb
        client = chromadb.EphemeralClient()
        client.create_collection("docs", embedding_function=None).add(ids=["a"], embeddings=[[1.0]])
        begun = threading.Barrier(5)
        def hang(text):
            begun.wait()
            threading.Event().wait()
        hung = connect(client, embed_fn=hang)
        for _ in range(4):
            threading.Thread(target=hung.execute, args=(TEXT,), daemon=True).start()
        begun.wait()
        print(connect(client, embed_fn=lambda text: [1.0]).execute(TEXT).rows, hung.execute(SQL).rows)
    """,
    )
    assert found == "[{'id': 'a'}] [{'id': 'a'}]\n"
