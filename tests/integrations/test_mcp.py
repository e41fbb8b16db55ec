"""The MCP server: what a client sees of it in process, in both modes of the protocol, over pipes and over HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import re
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.shared.exceptions import MCPError
from typer.testing import CliRunner

import chromasql
from chromasql import ChromaSQLPlanningError, MemoryProvider, Scope, connect_async
from chromasql.cli.app import app
from chromasql.integrations.mcp import build_server
from chromasql.integrations.mcp.guide import INSTRUCTIONS, TOPICS
from chromasql.integrations.mcp.serving import check_address, http_app
from tests.integrations.conftest import embed

RANKED = "SELECT id, _collection, score FROM * RANK BY KNN(:q) LIMIT 2"
MODES: Any = pytest.mark.parametrize("mode", ["auto", "legacy"])


def server_over(records: Any, **options: Any) -> Any:
    """Return a server over a collection docs with these records."""
    database = connect_async(MemoryProvider({"docs": records}), embed_fn=embed)
    return build_server(database, **{"scope": Scope(), **options})


async def ask(server: Any, sql: str, params: Any = None, mode: Any = "auto") -> Any:
    """Return the result of one query."""
    async with Client(server, mode=mode) as client:
        return await client.call_tool("query", {"sql": sql, "params": params})


def text_of(result: Any) -> str:
    """Return the text of a result, which is one block."""
    (block,) = result.content
    return block.text


# What the tools return


@MODES
async def test_query(database: chromasql.Database, mode: Any) -> None:
    """The answer is one block of compact JSON, the same as structured content, and says that it is complete."""
    result = await ask(build_server(database, scope=Scope()), RANKED, {"q": "rain"}, mode)

    assert not result.is_error
    assert result.structured_content == {
        "columns": ["id", "_collection", "score"],
        "rows": [
            {"id": "1", "_collection": "notes", "score": 0.0},
            {"id": "1", "_collection": "guides", "score": 1.0},
        ],
        "complete": True,
        "missing": [],
        "warnings": [],
        "truncated": None,
    }
    assert text_of(result) == json.dumps(result.structured_content, separators=(",", ":"))


@MODES
async def test_no_rows(mode: Any) -> None:
    """An answer without rows still is a block with the columns; a bare empty list is nothing at all to a client."""
    result = await ask(server_over([]), "SELECT id, year FROM docs", mode=mode)

    assert json.loads(text_of(result))["columns"] == ["id", "year"]
    assert result.structured_content["rows"] == []


@pytest.mark.parametrize(
    ("sql", "params"),
    [
        ("SELECT id FROM guides WHERE lang = :lang AND year > :year ORDER BY id", {"lang": "en", "year": 2000}),
        ("SELECT id FROM guides WHERE lang = ? AND year > ? ORDER BY id", ["en", 2000]),
        ("SELECT id FROM guides WHERE lang = :lang ORDER BY id", '{"lang": "en"}'),
    ],
)
async def test_parameters(database: chromasql.Database, sql: str, params: Any) -> None:
    """Parameters are an object, a list, or the JSON text of an object, which is what some models send."""
    result = await ask(build_server(database, scope=Scope()), sql, params)

    assert [row["id"] for row in result.structured_content["rows"]] == ["1", "2"]


async def test_the_other_tools(database: chromasql.Database) -> None:
    """Collections are listed and described, a plan is explained without being run, and the language has its pages."""
    async with Client(build_server(database, scope=Scope())) as client:
        listed = await client.call_tool("list_collections", {})
        some = await client.call_tool("list_collections", {"like": "gui*"})
        described = await client.call_tool("describe_collection", {"name": "guides"})
        explained = await client.call_tool("explain", {"sql": RANKED, "params": {"q": "rain"}})
        page = await client.call_tool("language", {})
        topic = await client.call_tool("language", {"topic": "filters"})

    assert listed.structured_content["rows"] == [{"name": "guides", "count": 3}, {"name": "notes", "count": 3}]
    assert [row["name"] for row in some.structured_content["rows"]] == ["guides"]
    assert {"metadata.lang", "metadata.year"} <= {row["item"] for row in described.structured_content["rows"]}
    assert "KnnSearch" in text_of(explained)
    assert (text_of(page), text_of(topic)) == (TOPICS["overview"], TOPICS["filters"])


@MODES
async def test_the_tools_say_that_they_only_read(database: chromasql.Database, mode: Any) -> None:
    """Each tool has a description, a schema, and the hints that it reads, changes nothing and reaches no further."""
    async with Client(build_server(database, scope=Scope()), mode=mode) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}

    assert set(tools) == {"query", "list_collections", "describe_collection", "explain", "language"}
    for tool in tools.values():
        assert tool.description
        hints = tool.annotations
        assert (hints.read_only_hint, hints.destructive_hint, hints.idempotent_hint) == (True, False, True)
        assert hints.open_world_hint is False
    assert set(tools["query"].output_schema["properties"]) == {
        *("columns", "rows", "complete", "missing", "warnings", "truncated")
    }


async def test_resource_and_prompt(database: chromasql.Database) -> None:
    """A collection is a resource, and the prompt has the question in it; a collection that is not there is an error."""
    async with Client(build_server(database, scope=Scope())) as client:
        (resource,) = (await client.read_resource("chromasql://collections/guides")).contents
        prompt = await client.get_prompt("search", {"question": "Does it rain?"})
        with pytest.raises(MCPError, match="unknown-collection"):
            await client.read_resource("chromasql://collections/nothing")

    assert json.loads(resource.text)["columns"] == ["item", "value", "types", "share"]
    assert prompt.messages[0].content.text.endswith("Question: Does it rain?")


def test_the_guide_is_in_the_language() -> None:
    """Each statement of the pages parses, each page is short, and the instructions name the tools."""
    statements = [text for page in TOPICS.values() for text in re.findall(r"^SELECT [^;]*;", page, re.MULTILINE)]

    assert len(statements) >= 9
    for statement in statements:
        chromasql.parse(statement)
    assert TOPICS["overview"].count("\nSELECT") == 3
    assert max(map(len, TOPICS.values())) < 2_000
    assert all(tool in INSTRUCTIONS for tool in ("list_collections", "describe_collection", "query", "language"))


async def test_the_statements_of_the_guide_run() -> None:
    """The statements of the first page run as they stand."""
    record = {"id": "1", "document": "solar", "metadata": {"year": 2024, "title": "x"}, "embedding": embed("sun")}
    database = connect_async(MemoryProvider({"reports-1": [record]}), embed_fn=embed)
    values = {"q": "energy", "year": 2020, "word": "solar"}
    async with Client(build_server(database, scope=Scope())) as client:
        for statement in re.findall(r"^SELECT [^;]*;", TOPICS["overview"], re.MULTILINE):
            params = {name: values[name] for name in chromasql.parameters_of(chromasql.parse(statement))}
            result = await client.call_tool("query", {"sql": statement, "params": params})
            assert not result.is_error, text_of(result)


# Values that JSON, hosts or contexts cannot take


async def test_numbers() -> None:
    """NaN and infinity are null, and whole numbers beyond 2^53, which hosts in JavaScript round, are text, with a warning."""
    values = {"large": 2**53 + 1, "least": -(2**53) - 1, "exact": 2**53, "nan": float("nan"), "far": float("inf")}
    result = await ask(server_over([{"id": "1", "embedding": [1.0], "metadata": values}]), "SELECT metadata FROM docs")

    assert result.structured_content["rows"][0]["metadata"] == {
        "large": "9007199254740993",
        "least": "-9007199254740993",
        "exact": 2**53,
        "nan": None,
        "far": None,
    }
    assert "NaN" not in text_of(result)
    assert any(warning.startswith("large-integers") for warning in result.structured_content["warnings"])


async def test_long_values() -> None:
    """Long texts end in …, long lists in how many more there are, vectors are their length; all of them are counted."""
    metadata = {"long": "x" * 51, "fits": "x" * 50, "tags": [f"tag-{number}" for number in range(20)]}
    records = [{"id": "1", "document": "y" * 1_000, "metadata": metadata, "embedding": [1.0] * 64}]
    result = await ask(server_over(records, max_cell=50), "SELECT document, metadata, embedding FROM docs")
    (row,) = result.structured_content["rows"]

    assert row["document"] == "y" * 49 + "…"
    assert row["metadata"]["long"] == "x" * 49 + "…"
    assert row["metadata"]["fits"] == "x" * 50
    assert row["metadata"]["tags"][0] == "tag-0"
    assert re.fullmatch(r"… 1\d more", row["metadata"]["tags"][-1])
    assert row["embedding"] == "[64 numbers]"
    assert result.structured_content["truncated"] == {"rows": 0, "cells": 4}


async def test_short_vectors() -> None:
    """A short vector that is selected is shown."""
    result = await ask(server_over([{"id": "1", "embedding": [1.0, 0.5]}]), "SELECT embedding FROM docs")

    assert result.structured_content["rows"] == [{"embedding": [1.0, 0.5]}]


async def test_many_rows() -> None:
    """Rows that do not fit are left out from the end, counted, and a warning says what to do."""
    records = [{"id": f"{number:02}", "document": "x" * 100, "embedding": [1.0]} for number in range(50)]
    result = await ask(server_over(records, max_bytes=1_000), "SELECT id, document FROM docs ORDER BY id")
    answer = result.structured_content

    assert 0 < len(answer["rows"]) < 10
    assert len(json.dumps(answer["rows"], separators=(",", ":"))) <= 1_000 + 2
    assert answer["truncated"] == {"rows": 50 - len(answer["rows"]), "cells": 0}
    assert any("rows are left out for their size" in warning for warning in answer["warnings"])


async def test_a_batch() -> None:
    """The lists of a batch are told apart by the column _item, counted from 1."""
    records = [{"id": text, "embedding": embed(text)} for text in ("rain", "sun")]
    sql = "SELECT id FROM docs USING EMBEDDING BATCH (TEXT 'sun', TEXT 'rain') TOPK 1"
    answer = (await ask(server_over(records), sql)).structured_content

    assert answer["columns"] == ["_item", "id"]
    assert answer["rows"] == [{"_item": 1, "id": "sun"}, {"_item": 2, "id": "rain"}]


# Errors


@MODES
@pytest.mark.parametrize(
    ("tool", "arguments", "words"),
    [
        ("query", {"sql": "SELECT * FORM docs"}, ["syntax-error", "did you mean FROM?", "^^^^"]),
        ("query", {"sql": "SELECT id FROM doc"}, ["unknown-collection", "docs", "^^^"]),
        ("query", {"sql": "SELECT id FROM docs WHERE year = :y"}, ["missing-parameter", ":y"]),
        ("query", {"sql": "DELETE FROM docs"}, ["DELETE", "^^^^"]),
        ("query", {"sql": "SELECT id FROM docs LIMIT 51"}, ["scope-limit", "at most 50"]),
        ("query", {"sql": ""}, ["syntax-error"]),
        ("describe_collection", {"name": "doc"}, ["unknown-collection", "docs"]),
        ("explain", {"sql": "SHOW COLLECTIONS"}, ["only a SELECT can be explained"]),
        ("explain", {"sql": "SELECT"}, ["syntax-error"]),
        ("language", {"topic": "filter"}, ["did you mean filters"]),
        ("query", {}, ["sql", "Field required"]),
        ("drop_collection", {"name": "docs"}, ["drop_collection"]),
    ],
)
async def test_errors_reach_the_model(tool: str, arguments: Any, words: list[str], mode: Any) -> None:
    """What is wrong is said to the model in our words, with code and caret, so that it can repair its call."""
    async with Client(server_over([{"id": "1", "embedding": [1.0]}]), mode=mode) as client:
        result = await client.call_tool(tool, arguments)

    assert result.is_error
    assert all(word in text_of(result) for word in words)


async def test_what_servers_said_stays_here(weather: Any, caplog: pytest.LogCaptureFixture) -> None:
    """A failure names collection and kind, but neither the text of the server's error nor a traceback, also in the log."""

    class Broken(chromasql.SimpleAsyncClientAdapter):
        async def get_collection(self, name: str) -> Any:
            raise ConnectionError("password hunter2 refused")

    settings = chromasql.Settings(on_error="fail", retries=0)
    server = build_server(connect_async(Broken(weather), settings=settings), scope=Scope())
    with caplog.at_level(logging.DEBUG):
        result = await ask(server, "SELECT id FROM guides")

    assert result.is_error
    assert "failed: guides" in text_of(result)
    assert "kind: ConnectionError" in text_of(result)
    assert "hunter2" not in text_of(result) + caplog.text


async def test_faults_of_our_own(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception that is not ours is logged by its kind alone, and the model hears that it is not to blame."""

    async def fail(*_: Any, **__: Any) -> Any:
        raise RuntimeError("hunter2")

    server = server_over([])
    monkeypatch.setattr(chromasql.AsyncDatabase, "execute", fail)
    with caplog.at_level(logging.DEBUG):
        result = await ask(server, "SELECT id FROM docs")

    assert "the server failed (RuntimeError); this is not the fault of the statement" in text_of(result)
    assert "the tool query failed: RuntimeError" in caplog.text
    assert "hunter2" not in text_of(result) + caplog.text
    assert "Traceback" not in caplog.text


async def test_a_partial_answer(partial_database: chromasql.Database) -> None:
    """An answer that lacks a collection says so, and which."""
    answer = (await ask(build_server(partial_database, scope=Scope()), RANKED, {"q": "rain"})).structured_content

    assert (answer["complete"], answer["missing"]) == (False, ["notes"])
    assert {row["_collection"] for row in answer["rows"]} == {"guides"}


async def test_warnings(database: chromasql.Database) -> None:
    """What is legal but hardly meant is a sentence in the answer."""
    sql = "SELECT id FROM guides WHERE yaer = 2021 LIMIT 5"
    answer = (await ask(build_server(database, scope=Scope()), sql)).structured_content

    assert [warning.split(":")[0] for warning in answer["warnings"]] == [
        warning.code for warning in database.execute(sql).warnings
    ]
    assert answer["warnings"]


@pytest.mark.parametrize(("limit", "warned"), [(2, True), (3, True), (4, False)])
@pytest.mark.parametrize("sql", ["SELECT id FROM guides", "SELECT id FROM guides RANK BY BM25('rain snow wind')"])
async def test_the_limit_of_the_scope(database: chromasql.Database, sql: str, limit: int, warned: bool) -> None:
    """Where LIMIT is left out, a warning says where the answer was cut, and not where it ended by itself."""
    answer = (await ask(build_server(database, scope=Scope(max_limit=limit)), sql)).structured_content

    assert len(answer["rows"]) == min(limit, 3)
    assert any(warning.startswith("limited") for warning in answer["warnings"]) == warned


@given(
    tool=st.sampled_from(["query", "list_collections", "describe_collection", "explain", "language"]),
    arguments=st.dictionaries(
        st.sampled_from(["sql", "params", "like", "name", "topic", "other"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.sampled_from(["SELECT id FROM docs"]),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
            max_leaves=5,
        ),
        max_size=4,
    ),
)
def test_any_arguments(tool: str, arguments: Any) -> None:
    """Whatever a model sends, it gets an answer or an error of one block, and never a failure of the server."""

    async def call() -> Any:
        async with Client(server_over([{"id": "1", "embedding": [1.0]}])) as client:
            return await client.call_tool(tool, arguments)

    result = asyncio.run(call())

    assert "the server failed" not in text_of(result)


# Scope


async def test_the_scope_holds(database: chromasql.Database) -> None:
    """Statements reach no more than the scope, and the default limits hold where it has none."""
    scope = Scope(collections=["guides"], fields=["id", "lang"], where="lang = :lang", params={"lang": "en"})
    async with Client(build_server(database, scope=scope)) as client:
        listed = await client.call_tool("list_collections", {})
        found = await client.call_tool("query", {"sql": "SELECT id FROM * ORDER BY id"})
        outside = await client.call_tool("query", {"sql": "SELECT id FROM notes"})
        hidden = await client.call_tool("query", {"sql": "SELECT year FROM guides"})
        plan = await client.call_tool("explain", {"sql": "SELECT id FROM guides"})

    assert listed.structured_content["rows"] == [{"name": "guides", "count": 2}]
    assert [row["id"] for row in found.structured_content["rows"]] == ["1", "2"]
    assert "available: guides" in text_of(outside)
    assert hidden.is_error
    assert "Limit: 50 rows" in text_of(plan)
    assert "within 10 s" in text_of(plan)


async def test_limits_of_the_scope_hold(database: chromasql.Database) -> None:
    """Limits that the scope has are not replaced by the defaults."""
    scope = Scope(max_limit=2, max_timeout=3.0)
    async with Client(build_server(database, scope=scope)) as client:
        plan = text_of(await client.call_tool("explain", {"sql": "SELECT id FROM guides"}))

    assert "Limit: 2 rows" in plan
    assert "within 3 s" in plan


def test_a_scope_is_not_optional(database: chromasql.Database) -> None:
    """A server needs a scope, a database and sensible limits."""
    with pytest.raises(ChromaSQLPlanningError, match="no database without one"):
        build_server(database, scope=None)  # type: ignore[arg-type]
    with pytest.raises(ChromaSQLPlanningError, match="max_cell is a whole number"):
        build_server(database, scope=Scope(), max_cell=0)
    with pytest.raises(ChromaSQLPlanningError, match="database is what"):
        build_server("folder", scope=Scope())  # type: ignore[arg-type]


# Load, pipes, HTTP


async def test_two_hundred_calls_at_once(database: chromasql.Database) -> None:
    """Two hundred calls in one session each get their own answer."""
    async with Client(build_server(database, scope=Scope())) as client:
        results = await asyncio.gather(
            *(
                client.call_tool("query", {"sql": f"SELECT id FROM guides LIMIT {number % 3 + 1}"})
                for number in range(200)
            )
        )

    assert [len(result.structured_content["rows"]) for result in results] == [number % 3 + 1 for number in range(200)]


def command(folder: Path, *options: str) -> StdioServerParameters:
    """Return the command that serves a folder, in this checkout."""
    environment = os.environ | {"PYTHONPATH": str(Path(chromasql.__file__).parents[1])}
    arguments = ["-m", "chromasql", "mcp", "--path", str(folder), *options]
    return StdioServerParameters(command=sys.executable, args=arguments, env=environment)


@pytest.fixture(scope="module")
def served_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder of a Chroma that no client holds open."""
    import chromadb

    folder = tmp_path_factory.mktemp("served")
    client = chromadb.PersistentClient(folder)
    for name in ("docs", "private"):
        client.create_collection(name, embedding_function=None).add(
            ids=["1", "2"],
            documents=["rain", "sun"],
            embeddings=[[1.0], [2.0]],
            metadatas=[{"lang": "en"}, {"lang": "fr"}],
        )
    client.close()
    return folder


async def test_over_pipes(served_folder: Path, tmp_path: Path) -> None:
    """``chromasql mcp`` serves a session over its standard input and output, within the scope of its options."""
    options = ("--collections", "docs", "--where", "lang = 'en'", "--max-limit", "7", "--max-timeout", "60")
    log = tmp_path / "stderr"
    with log.open("w+") as stderr:
        async with Client(stdio_client(command(served_folder, *options), errlog=stderr)) as client:
            found = await client.call_tool("query", {"sql": "SELECT id, document FROM * LIMIT 5"})
            refused = await client.call_tool("query", {"sql": "SELECT id FROM docs LIMIT 8"})
            listed = await client.call_tool("list_collections", {})

    assert found.structured_content["rows"] == [{"id": "1", "document": "rain"}]
    assert "at most 7" in text_of(refused)
    assert [row["name"] for row in listed.structured_content["rows"]] == ["docs"]
    assert log.read_text() == ""


def messages(*requests: tuple[str, Any]) -> bytes:
    """Return requests of the protocol, as a client writes them."""
    lines = [
        {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
        for number, (method, params) in enumerate(requests)
    ]
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


def test_nothing_else_is_printed(served_folder: Path) -> None:
    """All that is on standard output is messages of the protocol, and the process ends when its client has left."""
    parameters = command(served_folder)
    hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
    with subprocess.Popen(
        [parameters.command, *parameters.args],
        env=parameters.env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(messages(("initialize", hello)))
        process.stdin.flush()
        first = process.stdout.readline()
        call = {"name": "query", "arguments": {"sql": "SELECT id FROM docs LIMIT 1"}}
        process.stdin.write(b'{"jsonrpc": "2.0", "method": "notifications/initialized"}\n')
        process.stdin.write(messages(("ping", {}), ("tools/call", call)).replace(b'"id": 1', b'"id": 7'))
        process.stdin.flush()
        answers = [json.loads(process.stdout.readline()) for _ in range(2)]
        process.stdin.close()
        rest = process.stdout.read()
        assert process.wait(60) == 0

    assert json.loads(first)["result"]["serverInfo"]["name"] == "chromasql"
    assert any('"id":"1"' in json.dumps(answer, separators=(",", ":")).replace("\\", "") for answer in answers)
    assert all(json.loads(line)["jsonrpc"] == "2.0" for line in rest.splitlines())


def test_a_client_that_leaves() -> None:
    """The process ends when its client leaves in the middle of a statement, though Chroma never answers."""
    arrived = threading.Event()

    class Silent(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            arrived.set()
            self.request.recv(1 << 16)
            left.wait()

    left = threading.Event()
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Silent) as silent:
        silent.daemon_threads = True
        threading.Thread(target=silent.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{silent.server_address[1]}"
        arguments = ["-m", "chromasql", "mcp", "--url", address, "--max-timeout", "3000"]
        environment = os.environ | {"PYTHONPATH": str(Path(chromasql.__file__).parents[1])}
        with subprocess.Popen(
            [sys.executable, *arguments], env=environment, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
        ) as process:
            assert process.stdin is not None
            call = {"name": "query", "arguments": {"sql": "SELECT id FROM docs LIMIT 1"}}
            process.stdin.write(messages(("initialize", HELLO["params"])))
            process.stdin.write(b'{"jsonrpc": "2.0", "method": "notifications/initialized"}\n')
            process.stdin.write(messages(("tools/call", call)).replace(b'"id": 0', b'"id": 7'))
            process.stdin.flush()
            assert arrived.wait(60)
            process.stdin.close()
            assert process.wait(60) == 0
        left.set()
        silent.shutdown()


@pytest.mark.parametrize(
    ("address", "token", "expected"),
    [
        ("127.0.0.1:8765", None, ("127.0.0.1", 8765)),
        ("localhost:0", None, ("localhost", 0)),
        ("[::1]:80", None, ("::1", 80)),
        ("0.0.0.0:80", "secret", ("0.0.0.0", 80)),
        ("0.0.0.0:80", None, "needs a token"),
        ("example.com:80", None, "needs a token"),
        ("127.0.0.1", None, "HOST:PORT"),
        ("127.0.0.1:http", None, "HOST:PORT"),
        (":80", "secret", "HOST:PORT"),
        ("127.0.0.1:70000", None, "HOST:PORT"),
    ],
)
def test_addresses(address: str, token: str | None, expected: Any) -> None:
    """Without a token only this machine is served, and what is not an address is refused with an example of one."""
    if isinstance(expected, tuple):
        assert check_address(address, token) == expected
        return
    with pytest.raises(ChromaSQLPlanningError, match=expected):
        check_address(address, token)


@contextlib.asynccontextmanager
async def open_http(server: Any, token: str | None, headers: dict[str, str], host: str = "127.0.0.1") -> Any:
    """Give a client of the application, in process."""
    app = http_app(server, host, token)
    inner = getattr(app, "_app", app)
    async with inner.router.lifespan_context(inner):
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8765", headers=headers) as client:
            yield client


HELLO = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}},
}
ACCEPT = {"Accept": "application/json, text/event-stream"}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"Authorization": "Bearer wrong"}, 401),
        ({"Authorization": "secret"}, 401),
        ({"Authorization": "Bearer secret"}, 200),
    ],
)
async def test_the_token(headers: dict[str, str], status: int) -> None:
    """Over HTTP with a token, only who sends it as a bearer token is let in."""
    async with open_http(server_over([]), "secret", ACCEPT | headers) as client:
        assert (await client.post("/mcp", json=HELLO)).status_code == status


async def test_other_machines() -> None:
    """With a token, requests to any name of this machine are served, as its names are not known here."""
    headers = ACCEPT | {"Authorization": "Bearer secret", "Host": "search.example"}
    async with open_http(server_over([]), "secret", headers, host="0.0.0.0") as client:
        assert (await client.post("/mcp", json=HELLO)).status_code == 200


@pytest.mark.parametrize("header", [{"Host": "evil.example"}, {"Origin": "http://evil.example"}])
async def test_pages_of_other_sites(header: dict[str, str]) -> None:
    """On this machine, what a browser sends for another site's page is refused."""
    async with open_http(server_over([]), None, ACCEPT | header) as client:
        assert (await client.post("/mcp", json=HELLO)).status_code in (403, 421)


@pytest.fixture
def served_url(served_folder: Path) -> Iterator[str]:
    """Give the address of a server over HTTP in a process of its own."""
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    parameters = command(served_folder, "--http", f"127.0.0.1:{port}")
    process = subprocess.Popen([parameters.command, *parameters.args], env=parameters.env, stderr=subprocess.PIPE)
    assert process.stderr is not None
    try:
        assert process.stderr.readline().decode() == f"serving at http://127.0.0.1:{port}/mcp\n"
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        process.terminate()
        process.wait(60)
        process.stderr.close()


async def test_over_http(served_url: str) -> None:
    """``chromasql mcp --http`` serves the same tools over HTTP."""
    async with httpx.AsyncClient() as probe:
        while True:
            with contextlib.suppress(httpx.ConnectError):
                await probe.get(served_url)
                break
    async with Client(served_url) as client:
        found = await client.call_tool("query", {"sql": "SELECT id FROM docs ORDER BY id"})

    assert [row["id"] for row in found.structured_content["rows"]] == ["1", "2"]


@pytest.mark.parametrize(
    ("options", "code", "sentence"),
    [
        (["--http-token", "x"], 2, "--http-token goes with --http"),
        (["--http", "0.0.0.0:80"], 1, "needs a token"),
        (["--where", "lang ="], 1, "where of a Scope"),
        (["--fields", "metadata.*"], 1, "fields of a Scope"),
        (["--max-timeout", "0"], 1, "max_timeout of a Scope"),
        (["--max-limit", "0"], 2, "--max-limit"),
    ],
)
def test_wrong_options(served_folder: Path, options: list[str], code: int, sentence: str) -> None:
    """What cannot be meant ends the command before it serves, on standard error."""
    done = CliRunner().invoke(app, ["mcp", "--path", str(served_folder), *options])

    assert done.exit_code == code
    assert sentence in done.stderr


def test_the_command_without_its_extra(served_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the SDK the command says the line for pip."""
    for name in [name for name in sys.modules if name.startswith("chromasql.integrations.mcp")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "mcp", None)
    done = CliRunner().invoke(app, ["mcp", "--path", str(served_folder)])

    assert done.exit_code == 1
    assert "pip install 'chromasql[mcp]'" in done.stderr
