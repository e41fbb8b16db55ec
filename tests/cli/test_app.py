from __future__ import annotations

import csv
import http.server
import importlib.metadata
import io
import json
import os
import pty
import runpy
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import chromadb
import numpy as np
import pytest
from typer.testing import CliRunner

import chromasql
from chromasql.cli import main
from chromasql.cli.app import app
from chromasql.cli.demo.corpus import Text
from chromasql.cli.demo.store import build_store

ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(chromasql.__file__).parents[1])}
TEXTS = [
    Text("Parse a JSON document and return a Python object.", "json", "loads", "function", 40, 2),
    Text("Write a Python object to a file as JSON.", "json", "dump", "function", 60, 12),
    Text("Open a network connection to a server.", "socket", "create_connection", "function", 45, 4),
    Text("Turtle graphics:\n\tdraw with a pen.", "turtle", "turtle", "module", 4000),
]
IDS = ["json.dump", "json.loads", "socket.create_connection", "turtle"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """An embedded Chroma with three small collections that remember their embedding function."""
    path = tmp_path_factory.mktemp("store") / "demo"
    build_store(path, TEXTS)
    return path


@pytest.fixture(scope="module")
def broken_folder(tmp_path_factory):
    """An embedded Chroma of which one collection has lost a part of its data."""
    path = tmp_path_factory.mktemp("broken")
    with closing(chromadb.PersistentClient(str(path))) as client:
        for name in ("intact", "broken"):
            client.create_collection(name, embedding_function=None).add(ids=["a"], embeddings=[[1.0, 0.0]])
        identity = client.get_collection("broken", embedding_function=None).id
    with closing(sqlite3.connect(path / "chroma.sqlite3")) as database, database:
        database.execute("DELETE FROM segments WHERE collection = ?", [str(identity)])
    return path


@pytest.fixture
def silent_server():
    """A socket that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(100)
        yield server


def invoke(*arguments, **options):
    """Run the command line in this process."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments], **options)


@contextmanager
def spawned(*arguments, **options):
    """Start the command line as a shell would; whatever happens, it does not outlive the test."""
    command = [sys.executable, "-m", "chromasql", *map(str, arguments)]
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "env": ENVIRONMENT} | options
    with subprocess.Popen(command, **options) as process:
        try:
            yield process
        finally:
            process.kill()


def run(*arguments, **options):
    """Run the command line as a shell would and wait for it; give its exit code and what it wrote."""
    with spawned(*arguments, **options) as process:
        output, errors = process.communicate()
    return process.returncode, output.decode(), errors.decode()


def address_of(server):
    return f"http://127.0.0.1:{server.getsockname()[1]}"


# Rows


def test_json_is_what_the_engine_answers(folder):
    """`query --format json` prints exactly the rows that the Python interface returns."""
    sql = "SELECT id, lines, parameters, embedding FROM stdlib-* ORDER BY id"

    result = invoke("query", sql, "--path", folder, "--format", "json")

    assert result.exit_code == 0, result.stderr
    with chromasql.connect(folder) as database:
        expected = database.execute(sql).rows
    assert json.loads(result.stdout) == [{**row, "embedding": list(row["embedding"])} for row in expected]
    assert [row["id"] for row in expected] == IDS
    assert expected[3]["parameters"] is None


def test_columns_keep_the_order_of_select(folder):
    """Columns are printed in the order of SELECT, under the names that AS gives, in every format."""
    sql = "SELECT lines AS size, id FROM stdlib-net"

    outputs = {form: invoke("query", sql, "--path", folder, "-f", form).stdout for form in ("csv", "table", "jsonl")}

    assert outputs["csv"] == "size,id\n45,socket.create_connection\n"
    assert outputs["table"] == "size\tid\n45\tsocket.create_connection\n"
    assert outputs["jsonl"] == '{"size": 45, "id": "socket.create_connection"}\n'


def test_no_rows_are_an_empty_list_and_a_bare_header(folder):
    """A statement without rows prints valid output: an empty JSON list, the header of CSV."""
    sql = "SELECT id, lines FROM stdlib-net WHERE lines > 1000"

    assert json.loads(invoke("query", sql, "--path", folder, "-f", "json").stdout) == []
    assert invoke("query", sql, "--path", folder, "-f", "csv").stdout == "id,lines\n"
    assert invoke("query", sql, "--path", folder, "-f", "jsonl").stdout == ""


def test_text_is_answered_by_the_embedding_function_that_the_collection_remembers(folder):
    """TEXT needs no option: the collections of the demo know what embedded them."""
    sql = "SELECT id FROM stdlib-* USING EMBEDDING (TEXT 'connect to a host over the network') TOPK 1"

    result = invoke("query", sql, "--path", folder, "-f", "csv")

    assert result.stdout.splitlines() == ["id", "socket.create_connection"]


def test_a_batch_is_a_list_of_lists(folder):
    """BATCH prints one list per item as JSON, and a column _item as CSV."""
    sql = "SELECT id FROM stdlib-* USING EMBEDDING BATCH (TEXT 'network', TEXT 'draw with a pen') TOPK 1"

    as_json = invoke("query", sql, "--path", folder, "-f", "json")
    as_csv = invoke("query", sql, "--path", folder, "-f", "csv")

    assert json.loads(as_json.stdout) == [[{"id": "socket.create_connection"}], [{"id": "turtle"}]]
    assert as_csv.stdout.splitlines() == ["_item,id", "1,socket.create_connection", "2,turtle"]


def test_a_fused_batch_is_one_list(folder):
    """A batch that merge = RRF fuses into one ranking prints as one list."""
    sql = "SELECT id FROM stdlib-formats USING EMBEDDING BATCH (TEXT 'parse', TEXT 'write') TOPK 2 WITH (merge = RRF)"

    assert len(json.loads(invoke("query", sql, "--path", folder, "-f", "json").stdout)) == 2


def test_documents_survive_csv_and_stay_on_one_line_of_a_table(folder):
    """CSV gives a document back to the letter; a tab-separated table escapes its tabs and line breaks."""
    sql = "SELECT document FROM stdlib-gui"

    as_csv = invoke("query", sql, "--path", folder, "-f", "csv").stdout
    as_table = invoke("query", sql, "--path", folder).stdout

    assert list(csv.reader(io.StringIO(as_csv, newline=""))) == [["document"], [TEXTS[3].document]]
    assert as_table == "document\nTurtle graphics:\\n\\tdraw with a pen.\n"


# Arguments


def test_parameters_are_values(folder):
    """--param gives named parameters: numbers and lists as JSON, everything else as text."""
    result = invoke(
        *("query", "SELECT id FROM stdlib-* WHERE package IN :packages AND lines > :lines AND kind = :kind"),
        *("--path", folder, "-f", "jsonl"),
        *("--param", 'packages=["json", "turtle"]', "--param", "lines=50", "-p", "kind=function"),
    )

    assert result.stdout == '{"id": "json.dump"}\n'


def test_positions_are_parameters_too(folder):
    """--param 1=.. gives the value of the first question mark."""
    sql = "SELECT id FROM stdlib-* WHERE package = ? AND lines > ?"

    result = invoke("query", sql, "--path", folder, "-f", "jsonl", "--param", "2=50", "--param", "1=json")

    assert result.stdout == '{"id": "json.dump"}\n'


def test_the_statement_may_come_from_standard_input(folder):
    """The statement - is read from standard input, comments and all."""
    sql = "-- the largest\nSELECT id\nFROM stdlib-*\nORDER BY lines DESC LIMIT 1;\n"

    assert invoke("query", "-", "--path", folder, "-f", "csv", input=sql).stdout == "id\nturtle\n"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["query", "SELECT id FROM docs"], "either --path DIR or --url URL"),
        (["query", "SELECT id FROM docs", "--path", ".", "--url", "http://h"], "either --path DIR or --url URL"),
        (["query", "SELECT id FROM docs", "--path", "no/such/folder"], "does not exist"),
        (["query", "SELECT id FROM docs", "--url", "localhost:8000"], "starts with http:// or https://"),
        (["query", "SELECT id FROM docs", "--path", ".", "--token", "t"], "go with --url"),
        (["query", "SELECT id FROM docs", "--path", ".", "--tenant", "t"], "go with --url"),
        (["query", "SELECT id FROM docs", "--path", ".", "--param", "x"], "not of the form name=value"),
        (["query", "SELECT id FROM docs", "--url", "http://h", "--header", "x"], "'Name: value'"),
        (["query", "SELECT id FROM docs", "--path", ".", "--format", "xml"], "xml"),
        (["query", "--path", "."], "SQL"),
        (["explain", "SHOW COLLECTIONS", "--path", "."], "only a SELECT can be explained"),
        (["select"], "select"),
        (["demo", "--path", __file__], "is a file"),
    ],
)
def test_wrong_usage_exits_with_2(arguments, told):
    """Wrong usage exits with 2 and says on standard error what is wrong, without a traceback."""
    result = invoke(*arguments)

    assert result.exit_code == 2
    assert result.stdout == ""
    assert told in result.stderr
    assert "Traceback" not in result.stderr


def test_help_shows_examples_and_exit_codes():
    """--help of the command and of each subcommand shows how it is used; the exit codes are documented."""
    overall = invoke("--help")

    assert overall.exit_code == 0
    assert "Exit codes: 0 all is well" in overall.stdout
    for command in ("query", "explain", "collections", "recall", "index"):
        assert command in overall.stdout
        assert f"chromasql {command} " in invoke(command, "--help").stdout
    assert 'pip install "chromasql[demo]"' in invoke("demo", "--help").stdout
    assert invoke("query", "-h").stdout == invoke("query", "--help").stdout


def test_version():
    """--version names the version of the package."""
    assert invoke("--version").stdout == f"chromasql {chromasql.__version__}\n"


# Commands


def test_collections_are_listed_with_their_counts(folder):
    """`collections` lists names and counts."""
    result = invoke("collections", "--path", folder)

    assert result.stdout == "name\tcount\nstdlib-formats\t2\nstdlib-gui\t1\nstdlib-net\t1\n"


@pytest.mark.parametrize("sql", ["SELECT id FROM stdlib-* LIMIT :n", "EXPLAIN SELECT id FROM stdlib-* LIMIT :n"])
def test_explain_prints_the_plan(folder, sql):
    """`explain` prints the plan of a SELECT, whether or not the statement says EXPLAIN itself."""
    result = invoke("explain", sql, "--path", folder, "--param", "n=3")

    with chromasql.connect(folder) as database:
        plan = database.execute("EXPLAIN SELECT id FROM stdlib-* LIMIT 3").explanation
    assert result.exit_code == 0
    assert result.stdout.splitlines() == plan.splitlines()


def test_recall_reports_each_collection(folder):
    """`recall` prints a line for each collection; as JSON it is one object with every field."""
    table = invoke("recall", "stdlib-*", "--path", folder, "--k", 1)
    report = json.loads(invoke("recall", "stdlib-formats", "--path", folder, "--format", "json", "--samples", 1).stdout)

    head, *lines = table.stdout.splitlines()
    assert table.exit_code == 0
    assert head.split("\t")[:4] == ["collection", "records", "samples", "recall"]
    assert lines[0].split("\t")[:4] == ["stdlib-formats", "2", "2", "1.0"]
    assert not report["collections"][0]["advice"]
    assert (report["k"], report["recall"], report["collections"][0]["samples"]) == (10, 1.0, 1)


def test_index_counts_words_that_query_uses(folder, tmp_path):
    """`index` prints a line for each collection, and `query` answers from the folder as it does without it."""
    words = ("--keyword-index", tmp_path / "words")
    query = ("query", "SELECT id, score FROM stdlib-* RANK BY BM25('open file')", "--path", folder)

    built = invoke("index", "stdlib-*", "--path", folder, *words)
    again = invoke("index", "stdlib-*", "--path", folder, *words, "--refresh")

    assert built.exit_code == 0
    assert [line.split("\t")[:2] for line in built.stdout.splitlines()[:2]] == [
        ["collection", "documents"],
        ["stdlib-formats", "2"],
    ]
    assert again.stdout == built.stdout
    assert invoke(*query, *words).stdout == invoke(*query).stdout


def test_index_without_a_folder_is_wrong_usage(folder):
    """`index` says that it needs a folder to keep the index in."""
    result = invoke("index", "*", "--path", folder)

    assert result.exit_code == 2
    assert "--keyword-index DIR" in result.stderr


def test_index_shows_its_progress_on_a_terminal(folder, tmp_path):
    """On a terminal the statuses are drawn as a table."""
    code, shown = show_on_terminal("index", "stdlib-*", "--path", folder, "--keyword-index", tmp_path)

    assert code == 0
    assert "─────" in shown


def test_recall_below_the_threshold_exits_with_4(tmp_path):
    """With --min-recall a collection whose index finds less is named on standard error, and the exit code is 4."""
    vectors = np.random.default_rng(7).normal(size=(1_000, 64)).astype(np.float32)
    with closing(chromadb.PersistentClient(str(tmp_path))) as client:
        client.create_collection(
            "docs", embedding_function=None, configuration={"hnsw": {"ef_search": 1, "max_neighbors": 4}}
        ).add(ids=[str(number) for number in range(1_000)], embeddings=vectors)
    poor = invoke("recall", "docs", "--path", tmp_path, "--min-recall", 0.99)

    assert poor.exit_code == 4
    assert "is below 0.99" in poor.stderr
    assert "recall is" in poor.stdout
    assert invoke("recall", "docs", "--path", tmp_path, "--where", "id = '0'", "--min-recall", 1).exit_code == 0


def test_recall_of_a_collection_that_fails_is_partial(broken_folder):
    """What could be measured is printed, and the failure is on standard error with exit code 3."""
    result = invoke("recall", "*", "--path", broken_folder, "--format", "csv")

    assert result.exit_code == 3
    assert "intact,1,1,1.0" in result.stdout
    assert result.stderr.startswith("broken: ")


def test_recall_shows_its_progress_on_a_terminal(folder):
    """On a terminal the report is drawn as a table."""
    code, shown = show_on_terminal("recall", "stdlib-formats", "--path", folder)

    assert code == 0
    assert "─────" in shown


def test_explain_through_query_prints_the_same(folder):
    """EXPLAIN in `query` prints the plan as text, and its lines as rows where a format is asked for."""
    sql = "EXPLAIN SELECT id FROM stdlib-net"

    plan = invoke("explain", sql, "--path", folder).stdout

    assert invoke("query", sql, "--path", folder).stdout == plan
    rows = json.loads(invoke("query", sql, "--path", folder, "-f", "json").stdout)
    assert [row["plan"] for row in rows] == plan.splitlines()


# Errors, warnings, partial results


def test_an_error_draws_its_caret_and_exits_with_1(folder):
    """An error of the statement goes to standard error with the line and a caret, and the exit code is 1."""
    result = invoke("query", "SELECT id\nFROM stdlib-net LIMTI 5", "--path", folder)

    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.startswith("ChromaSQLParseError: ")
    assert "  2 | FROM stdlib-net LIMTI 5\n    |                 ^^^^^\n" in result.stderr


@pytest.mark.parametrize("command", ["query", "explain"])
def test_an_unknown_collection_exits_with_1_and_names_near_ones(folder, command):
    """A collection that does not exist is a routing error that names the nearest."""
    result = invoke(command, "SELECT id FROM stdlib-nett*", "--path", folder)

    assert result.exit_code == 1
    assert "RoutingError" in result.stderr
    assert "did you mean stdlib-net" in result.stderr


def test_a_folder_without_chroma_is_an_error_and_stays_empty(tmp_path):
    """A folder that holds no Chroma is refused; no database is made in it."""
    result = invoke("collections", "--path", tmp_path)

    assert result.exit_code == 1
    assert "there is no Chroma in" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_parse_error_of_explain_exits_with_1(folder):
    """`explain` reports an error of the text as `query` does."""
    result = invoke("explain", "SELEKT id", "--path", folder)

    assert result.exit_code == 1
    assert result.stderr.startswith("ChromaSQLParseError: ")


def test_warnings_go_to_standard_error(folder):
    """A warning is a line on standard error; the rows on standard output stay parseable."""
    sql = "SELECT id, distance FROM stdlib-* USING EMBEDDING (TEXT 'json') TOPK 4 ORDER BY distance DESC"

    result = invoke("query", sql, "--path", folder, "-f", "json")

    assert result.exit_code == 0
    assert len(json.loads(result.stdout)) == 4
    assert result.stderr.startswith("warning: ")


def test_a_partial_result_exits_with_3_and_names_what_is_missing(broken_folder):
    """Where a collection fails, the rows of the others are printed, its name is told and the exit code is 3."""
    result = invoke("query", "SELECT id, _collection FROM *", "--path", broken_folder, "-f", "json")

    assert result.exit_code == 3
    assert json.loads(result.stdout) == [{"id": "a", "_collection": "intact"}]
    assert "partial result: 1 of 2 collections are missing" in result.stderr
    assert "broken: InternalError" in result.stderr


def test_a_statement_that_fails_everywhere_exits_with_1(broken_folder):
    """Where no collection answers there is no partial result but an error that names them."""
    result = invoke("query", "SELECT id FROM broken", "--path", broken_folder)

    assert result.exit_code == 1
    assert result.stdout == ""
    assert "broken: InternalError" in result.stderr


# Servers


def test_a_server_gives_the_same_rows(folder, chroma_server, unique_name):
    """`--url` answers as `--path` does for the same records."""
    name = unique_name()
    client = chromadb.HttpClient(host=chroma_server.host, port=chroma_server.port)
    client.create_collection(name, embedding_function=None).add(
        ids=["a", "b"], embeddings=[[1, 0], [0, 1]], documents=["one", "two"]
    )

    sql = f"SELECT id, document, distance FROM {name} USING EMBEDDING (VECTOR :v) TOPK 2"
    result = invoke("query", sql, "--url", chroma_server.url, "-f", "json", "--param", "v=[1, 0]", "--timeout", "60")

    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout) == [
        {"id": "a", "document": "one", "distance": 0.0},
        {"id": "b", "document": "two", "distance": 2.0},
    ]


class Recorder(http.server.BaseHTTPRequestHandler):
    """Notes each request and answers that there are no collections."""

    def do_GET(self):
        """Answer every request alike."""
        self.server.requests.append((self.path, dict(self.headers)))
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(b"[]")

    def log_message(self, *arguments):
        """Keep quiet."""


@pytest.fixture
def recorder():
    """A server that remembers what it was sent."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Recorder) as server:
        server.requests = []
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("options", "environment"), [(["--token", "s3cret"], None), ([], {"CHROMASQL_TOKEN": "s3cret"})]
)
def test_token_header_tenant_and_database_reach_the_server(recorder, options, environment):
    """--token (or $CHROMASQL_TOKEN), --header, --tenant and --database are part of every request."""
    result = invoke(
        *("collections", "--url", address_of(recorder.socket), *options),
        *("--header", "X-Team: search", "--tenant", "acme", "--database", "prod"),
        env=environment,
    )

    assert result.exit_code == 0, result.stderr
    path, headers = recorder.requests[0]
    assert path.startswith("/api/v2/tenants/acme/databases/prod/collections")
    received = {name.lower(): value for name, value in headers.items()}
    assert received["x-chroma-token"] == "s3cret"
    assert received["x-team"] == "search"


def test_a_server_that_is_down_exits_with_1():
    """An address where nothing listens is an error of ours that names it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = address_of(server)

    result = invoke("collections", "--url", address)

    assert result.exit_code == 1
    assert address in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("command", [["query", "SELECT id FROM docs"], ["collections"]])
def test_the_timeout_ends_a_statement(silent_server, command):
    """--timeout ends what a server does not answer, with exit code 1."""
    result = invoke(*command, "--url", address_of(silent_server), "--timeout", "0.1")

    assert result.exit_code == 1
    assert result.stderr.startswith("ChromaSQLTimeoutError: ")
    assert "0.1 s" in result.stderr


def test_a_timeout_must_be_a_time(folder):
    """A timeout that is no time is an error of ours."""
    result = invoke("query", "SELECT id FROM stdlib-net", "--path", folder, "--timeout", "-1")

    assert result.exit_code == 1
    assert "timeout" in result.stderr


# A shell


def test_main_runs_the_command_line(monkeypatch, capsys):
    """`python -m chromasql` and the installed command run on the arguments of the process and exit."""
    monkeypatch.setattr(sys, "argv", ["chromasql", "--version"])

    with pytest.raises(SystemExit) as left:
        runpy.run_module("chromasql", run_name="__main__")

    assert left.value.code == 0
    assert capsys.readouterr().out == f"chromasql {chromasql.__version__}\n"


def test_ctrl_c_before_the_first_command_exits_with_130(monkeypatch):
    """Ctrl-C while the command line is still starting ends it with 130, too."""

    def interrupt(**options):
        raise KeyboardInterrupt

    monkeypatch.setattr("chromasql.cli.app.app", interrupt)
    monkeypatch.setattr(sys, "stdout", io.StringIO())  # as a program that embeds this one may do

    with pytest.raises(SystemExit) as left:
        main()

    assert left.value.code == 130


def test_the_module_runs_as_a_program(folder):
    """`python -m chromasql` prints to a pipe without colours, even where the environment asks for them."""
    environment = ENVIRONMENT | {"FORCE_COLOR": "1", "CLICOLOR_FORCE": "1", "PYTHONIOENCODING": "ascii"}

    code, output, errors = run(*("query", "SELECT id AS `näme` FROM stdlib-net", "--path", folder), env=environment)

    assert (code, errors) == (0, "")
    assert output == "näme\nsocket.create_connection\n"


def test_errors_of_the_program_are_on_standard_error(folder):
    """As a program, too, an error is on standard error alone, and the exit code is 1."""
    code, output, errors = run("query", "SELECT", "--path", folder)

    assert (code, output) == (1, "")
    assert errors.startswith("ChromaSQLParseError: ")


def show_on_terminal(*arguments):
    """Run the command line on a pseudo-terminal of 60 columns; give its exit code and what is seen."""
    leader, follower = pty.openpty()
    with spawned(*arguments, stdout=follower, env=ENVIRONMENT | {"COLUMNS": "60"}) as process:
        os.close(follower)
        chunks = []
        with suppress(OSError):  # so Linux tells that the other end is closed
            while chunk := os.read(leader, 65536):
                chunks.append(chunk)
        os.close(leader)
        process.communicate()
    return process.returncode, b"".join(chunks).decode().replace("\r\n", "\n")


def test_a_terminal_gets_a_table_that_fits(folder):
    """On a terminal the rows are drawn as a table that is as wide as the terminal at most."""
    code, shown = show_on_terminal("query", "SELECT id, document FROM stdlib-* ORDER BY id", "--path", folder)

    assert code == 0
    assert "─────" in shown
    assert "Turtle graphics: draw with a" in shown
    assert max(len(line) for line in shown.splitlines() if "\x1b" not in line) <= 60


def test_a_terminal_gets_a_table_for_each_item_of_a_batch(folder):
    """On a terminal the items of a batch are tables of their own."""
    sql = "SELECT id FROM stdlib-* USING EMBEDDING BATCH (TEXT 'json', TEXT 'pen') TOPK 1"

    code, shown = show_on_terminal("query", sql, "--path", folder)

    first, second = shown.split("item 2 of 2\n")
    assert code == 0
    assert first.startswith("item 1 of 2\n")
    assert "turtle" in second


def test_a_reader_that_leaves_is_no_error(tmp_path):
    """Where the reader of a pipe goes away, the command ends without a word, with 141 as a shell expects."""
    with closing(chromadb.PersistentClient(str(tmp_path))) as client:
        collection = client.create_collection("docs", embedding_function=None)
        collection.add(ids=[str(n) for n in range(1000)], embeddings=[[1.0]] * 1000, documents=["x" * 1000] * 1000)

    with spawned("query", "SELECT id, document FROM docs", "--path", tmp_path, "-f", "jsonl") as process:
        first = process.stdout.readline()
        process.stdout.close()
        errors = process.stderr.read()
        code = process.wait()

    assert json.loads(first)["id"] == "0"
    assert (code, errors) == (141, b"")


@pytest.mark.usefixtures("ctrl_c_interrupts")
def test_ctrl_c_exits_with_130(silent_server):
    """Ctrl-C ends a statement under way without a traceback, with 130 as a shell expects."""
    with spawned("query", "SELECT id FROM docs", "--url", address_of(silent_server)) as process:
        connection, _ = silent_server.accept()
        with connection:
            connection.recv(1)
            process.send_signal(signal.SIGINT)
            output, errors = process.communicate()

    assert process.returncode == 130
    assert (output, errors) == (b"", b"")


def test_the_command_is_installed_under_its_name():
    """The package declares the command chromasql, and it is the function that `python -m chromasql` runs."""
    try:
        scripts = importlib.metadata.distribution("chromasql").entry_points.select(group="console_scripts")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("the package is not installed here")

    (script,) = scripts
    assert script.name == "chromasql"
    assert script.load() is main
