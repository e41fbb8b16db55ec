"""Databases that were made before a fork, used in the child; each program is a process of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import ChromaServer
from tests.support.processes import run

HEAD = """
import gc, os, sys
import chromadb, chromasql
from chromasql import connect
SQL = "SELECT id, distance FROM docs USING EMBEDDING (VECTOR [1.0])"
def fork(program):
    child = os.fork()
    if child == 0:
        program()
        # The interpreter ends as ever, so that everything is freed.
        sys.exit(0)
    assert os.waitpid(child, 0)[1] == 0
def show(database):
    print([row["id"] for row in database.execute(SQL)], flush=True)
"""


@pytest.mark.parametrize("source", ["path", "chromadb.PersistentClient(path)"])
def test_over_a_folder(tmp_path: Path, source: str) -> None:
    """A child asks a folder through a database or a client made before the fork; it waited for ever before."""
    found = run(
        HEAD,
        f"""
        path = {str(tmp_path)!r}
        client = chromadb.PersistentClient(path)
        client.create_collection("docs", embedding_function=None).add(ids=["a"], embeddings=[[1.0]])
        source = {source}
        database = connect(source)
        show(database)
        def child():
            show(database)
            show(connect(source))
            show(connect(path))
            database.close()
        fork(child)
        fork(child)
        show(database)
        """,
    )
    assert found.splitlines() == ["['a']"] * 8


def test_a_folder_opened_in_the_child_alone(tmp_path: Path) -> None:
    """A child of an application that has a folder open opens it by a database of its own; it waited for ever before."""
    found = run(
        HEAD,
        f"""
        path = {str(tmp_path)!r}
        client = chromadb.PersistentClient(path)
        client.create_collection("docs", embedding_function=None).add(ids=["a"], embeddings=[[1.0]])
        fork(lambda: show(connect(path)))
        """,
    )
    assert found == "['a']\n"


def test_over_chroma_in_memory() -> None:
    """A child is told that a client in memory does not work there; it waited for ever before."""
    found = run(
        HEAD,
        """
        client = chromadb.EphemeralClient()
        client.create_collection("docs", embedding_function=None).add(ids=["a"], embeddings=[[1.0]])
        database = connect(client)
        show(database)
        def child():
            try:
                show(database)
            except chromasql.ChromaSQLExecutionError as error:
                print(error.failures[0].message)
            own = chromadb.EphemeralClient()
            own.create_collection("docs", embedding_function=None).add(ids=["b"], embeddings=[[1.0]])
            show(connect(own))
        fork(child)
        show(database)
        """,
    )
    assert "does not work in the child of a fork" in found
    assert found.splitlines()[0] == found.splitlines()[-1] == "['a']"
    assert found.splitlines()[2] == "['b']"


@pytest.mark.parametrize("source", ["url", "chromadb.HttpClient(host=host, port=int(port))"])
def test_over_a_server(chroma_server: ChromaServer, source: str) -> None:
    """Parent and child ask a server by turns, each by connections of its own, and see nothing of the other's answers."""
    found = run(
        HEAD,
        f"""
        url = {chroma_server.url!r}
        host, port = url.removeprefix("http://").rsplit(":", 1)
        client = chromadb.HttpClient(host=host, port=int(port))
        names = ["forked-parent", "forked-child"]
        for name in names:
            client.create_collection(name, embedding_function=None).add(
                ids=[f"{{name}}-{{n}}" for n in range(20)], embeddings=[[1.0]] * 20)
        database = connect({source})
        def ask(name):
            for _ in range(20):
                found = database.execute(f"SELECT id FROM `{{name}}`")
                assert len(found) == 20 and all(row["id"].startswith(name) for row in found), found.rows
        ask(names[0])
        child = os.fork()
        if child == 0:
            ask(names[1])
            sys.exit(0)
        ask(names[0])
        assert os.waitpid(child, 0)[1] == 0
        ask(names[0])
        for name in names:
            client.delete_collection(name)
        """,
    )
    assert found == ""


@pytest.mark.parametrize("end", ["", "del database; gc.collect()"])
def test_a_database_that_nobody_closes(chroma_server: ChromaServer, end: str) -> None:
    """A database over an address that is collected, or left at the end, prints nothing; aiohttp complained before."""
    found = run(
        HEAD,
        f"""
        database = connect({chroma_server.url!r})
        assert database.execute("SHOW COLLECTIONS").complete
        {end}
        """,
    )
    assert found == ""


@pytest.mark.parametrize("end", ["", "del database; gc.collect()"])
def test_an_async_database_that_nobody_closes(chroma_server: ChromaServer, end: str) -> None:
    """The same on an event loop of the application, before or after it is closed."""
    found = run(
        HEAD,
        f"""
        import asyncio
        async def main():
            database = chromasql.connect_async({chroma_server.url!r})
            assert (await database.execute("SHOW COLLECTIONS")).complete
            {end}
            return locals().get("database")
        kept = asyncio.run(main())
        """,
    )
    assert found == ""
