from __future__ import annotations

import ast
import importlib
import inspect
import json
import logging
import os
import subprocess
import sys
import textwrap
from contextlib import closing
from pathlib import Path

import chromadb
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

import chromasql
from chromasql.cli.app import app
from chromasql.cli.demo.corpus import COLLECTIONS, Text, _count_parameters, collection_of, read_standard_library
from chromasql.cli.demo.embedding import WordLlamaEmbeddingFunction, load_model
from chromasql.cli.demo.store import MARKER, build_store, is_complete
from chromasql.cli.demo.tour import STOPS, run_tour

ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(chromasql.__file__).parents[1])}
TEXTS = [
    Text("Parse a JSON document and return an object.", "json", "loads", "function", 40, 2),
    Text("Open a network connection to a server.", "socket", "create_connection", "function", 45, 4),
]


@pytest.fixture(scope="module")
def library():
    """The texts of the running Python's own library."""
    return list(read_standard_library())


def read(folder, **sources):
    """Write source files and read their texts."""
    for name, source in sources.items():
        path = folder.joinpath(*name.split("__SLASH__")).with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(source), encoding="utf-8")
    return list(read_standard_library(folder))


# Corpus


def test_every_kind_of_definition_is_read(tmp_path):
    """Modules, classes, methods and functions are read, those under conditions too, in the order of the source."""
    texts = read(
        tmp_path,
        sample='''\
            """A module with some words."""

            class Shape:
                """A class with some words."""

                def area(self, unit, *, scale=1):
                    """Return the area of it.

                    >>> 1 + 1
                    2
                    """

                @staticmethod
                def load(path):
                    """Load one from a file."""

            try:
                async def wait(*tasks, **options):
                    """Wait for all the tasks."""
            except ImportError:
                def fall_back():
                    """Do without all of it."""
            ''',
    )

    assert [(text.id, text.kind, text.parameters, text.lines) for text in texts] == [
        ("sample", "module", None, 22),
        ("sample.Shape", "class", None, 13),
        ("sample.Shape.area", "method", 2, 6),
        ("sample.Shape.load", "method", 1, 2),
        ("sample.wait", "function", 2, 2),
        ("sample.fall_back", "function", 0, 2),
    ]
    assert texts[2].metadata == {
        "package": "sample",
        "module": "sample",
        "kind": "method",
        "name": "Shape.area",
        "lines": 6,
        "has_example": True,
        "parameters": 2,
    }
    assert "parameters" not in texts[1].metadata
    assert texts[2].document.startswith("Return the area of it.\n\n>>> 1 + 1")


def test_what_is_no_library_is_left_out(tmp_path):
    """Tests, installed packages, broken files and docstrings of fewer than four words are no part of the corpus."""
    words = '"""Four words and more."""'

    texts = read(
        tmp_path,
        pack__SLASH____init__=words,
        pack__SLASH__part=words,
        pack__SLASH__test__SLASH__test_part=words,
        **{"site-packages__SLASH__other": words, "config-3__SLASH__build": words},
        broken="def (",
        empty="",
        null_byte="x = '\0'",
        short='"""Just three words."""',
    )

    assert [text.id for text in texts] == ["pack", "pack.part"]


def test_of_two_definitions_the_first_counts(tmp_path):
    """A name that is defined twice, as a property with a setter is, gives one text, so ids are unique."""
    texts = read(
        tmp_path,
        sample='''\
            def f():
                """The first of two definitions."""
            def f():
                """The second of two definitions."""
            ''',
    )

    assert [text.document for text in texts] == ["The first of two definitions."]


def test_a_folder_without_sources_is_an_error(tmp_path):
    """A Python that ships no sources gets a clear error."""
    with pytest.raises(chromasql.ChromaSQLError, match="holds no Python sources"):
        list(read_standard_library(tmp_path))


@given(
    positional=st.integers(0, 3),
    plain=st.integers(0, 3),
    keyword=st.integers(0, 2),
    variadic=st.tuples(st.booleans(), st.booleans()),
    decorator=st.sampled_from(["", "@staticmethod", "@classmethod"]),
)
def test_parameters_are_those_that_a_caller_passes(positional, plain, keyword, variadic, decorator):
    """The number of parameters is that of `inspect.signature` of the method of an instance."""
    names = [f"p{n}" for n in range(positional)] + (["/"] if positional else []) + [f"a{n}" for n in range(plain)]
    names += ["*rest"] if variadic[0] else ["*"] if keyword else []
    names += [f"k{n}" for n in range(keyword)] + (["**options"] if variadic[1] else [])
    takes_itself = positional or plain or variadic[0] or decorator == "@staticmethod"
    if not takes_itself:
        names.insert(0, "self")
    source = f"class C:\n    {decorator or 'pass'}\n    def f({', '.join(names)}): ...\n"

    namespace = {}
    exec(source, namespace)
    (function,) = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef))

    assert _count_parameters(function, in_class=True) == len(inspect.signature(namespace["C"]().f).parameters)


def test_the_library_is_large_and_its_ids_are_unique(library):
    """The running Python gives thousands of texts, with unique ids, for at least twelve collections."""
    assert len(library) > 3000
    assert len({text.id for text in library}) == len(library)
    assert len({collection_of(text.package) for text in library}) >= 12
    assert {collection_of(text.package) for text in library} <= set(COLLECTIONS)


def test_no_collection_is_the_place_of_most_texts(library):
    """The topics cover the library: few texts fall to the collection of everything else."""
    others = [text for text in library if collection_of(text.package) == "stdlib-other"]

    assert len(others) < len(library) / 20


@pytest.mark.parametrize("module", ["json.decoder", "textwrap", "shlex", "statistics"])
def test_documents_are_what_help_shows(library, module):
    """A document is the docstring of the very object that its id names."""
    texts = [text for text in library if text.module == module]

    assert texts
    for text in texts:
        found = importlib.import_module(module)
        for name in text.name.split(".") if text.kind != "module" else ():
            found = inspect.getattr_static(found, name)
        assert inspect.getdoc(found) == text.document


# Embedding


def test_vectors_have_length_one():
    """Each text becomes 256 numbers of length 1, the empty text zeros."""
    vectors = WordLlamaEmbeddingFunction()(["parse a date", "", "x" * 10_000])

    assert [len(vector) for vector in vectors] == [256, 256, 256]
    assert np.linalg.norm(vectors, axis=1) == pytest.approx([1, 0, 1], abs=1e-6)


@given(st.lists(st.text(max_size=30), min_size=1, max_size=5))
def test_a_vector_does_not_depend_on_its_company(texts):
    """A text embedded alone and among others gives the same vector, up to rounding."""
    embed = WordLlamaEmbeddingFunction()

    together = embed(texts)

    for text, vector in zip(texts, together, strict=True):
        assert np.allclose(embed([text])[0], vector, atol=1e-5)


def test_vectors_know_what_words_mean():
    """Texts of like meaning are nearer than others, without a word in common."""
    question, near, far = WordLlamaEmbeddingFunction()(["halt the program", "terminate a process", "draw a circle"])

    assert question @ near > question @ far


def test_without_wordllama_the_error_names_the_extra(monkeypatch, tmp_path):
    """Where WordLlama is not installed the error says what to install, and nothing is written."""
    monkeypatch.setitem(sys.modules, "wordllama", None)
    load_model.cache_clear()

    with pytest.raises(chromasql.ChromaSQLError, match=r'pip install "chromasql\[demo\]"'):
        build_store(tmp_path / "demo", TEXTS)

    assert not (tmp_path / "demo").exists()


def test_loading_the_model_leaves_logging_alone():
    """WordLlama sets up everyone's logging when it is imported; loading the model undoes that."""
    code = "import logging; from chromasql.cli.demo.embedding import load_model; load_model(); r = logging.getLogger(); print(r.handlers, r.level)"

    result = subprocess.run([sys.executable, "-c", code], env=ENVIRONMENT, capture_output=True, text=True, check=True)

    assert result.stdout == f"[] {logging.WARNING}\n"


# Store


def test_texts_go_to_the_collections_of_their_topics(tmp_path):
    """Each text is in the collection of its topic, in cosine space, with its metadata; progress ends at all of them."""
    progress = []

    build_store(tmp_path, TEXTS, on_progress=lambda done, total: progress.append((done, total)))

    assert is_complete(tmp_path)
    assert progress == [(1, 2), (2, 2)]
    with closing(chromadb.PersistentClient(str(tmp_path))) as client:
        stored = {collection.name: collection.get() for collection in client.list_collections()}
        spaces = {collection.configuration_json["hnsw"]["space"] for collection in client.list_collections()}
    assert spaces == {"cosine"}
    assert {name: records["ids"] for name, records in stored.items()} == {
        "stdlib-formats": ["json.loads"],
        "stdlib-net": ["socket.create_connection"],
    }
    assert stored["stdlib-net"]["metadatas"] == [TEXTS[1].metadata]
    assert stored["stdlib-net"]["documents"] == [TEXTS[1].document]


def test_many_texts_are_stored_in_batches(tmp_path):
    """A topic of more texts than one batch takes is stored whole."""
    texts = [Text(f"Text number {n} of many", "json", f"f{n}", "function", 1, 0) for n in range(2500)]
    progress = []

    build_store(tmp_path, texts, on_progress=lambda done, _: progress.append(done))

    assert progress == [1000, 2000, 2500]
    with chromasql.connect(tmp_path) as database:
        assert database.execute("SHOW COLLECTIONS").rows == [{"name": "stdlib-formats", "count": 2500}]


def test_an_interrupted_build_is_made_anew(tmp_path):
    """A build that stops half-way leaves no complete store; the next one starts afresh and completes it."""

    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_store(
            tmp_path, [*TEXTS, Text("Only in the first build.", "json", "old", "function", 1, 0)], on_progress=stop
        )
    assert not is_complete(tmp_path)

    build_store(tmp_path, TEXTS)

    assert is_complete(tmp_path)
    with chromasql.connect(tmp_path) as database:
        ids = database.execute("SELECT id FROM * ORDER BY id").rows
    assert ids == [{"id": "json.loads"}, {"id": "socket.create_connection"}]


def test_a_folder_of_others_is_left_alone(tmp_path):
    """A folder that holds something else is refused, and stays as it was."""
    (tmp_path / "thesis.txt").write_text("ten years of work")

    with pytest.raises(chromasql.ChromaSQLError, match="not empty and was not made by the demo"):
        build_store(tmp_path, TEXTS)

    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
    assert not is_complete(tmp_path)


@pytest.mark.parametrize("marker", ["", "{", "[]", '{"format": 0, "complete": true}'])
def test_a_marker_that_is_not_ours_does_not_count_as_complete(tmp_path, marker):
    """Only a marker of this format counts; a torn one or that of another version means another build, or a refusal."""
    (tmp_path / MARKER).write_text(marker)

    assert not is_complete(tmp_path)


def test_a_folder_that_cannot_be_written_is_an_error_of_ours(tmp_path):
    """A file in the place of the folder, or a database that is damaged, gives a clear error."""
    (tmp_path / "file").write_text("")
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    (damaged / MARKER).write_text(json.dumps({"format": 1, "complete": False}))
    (damaged / "chroma.sqlite3").write_text("no database" * 1000)

    with pytest.raises(chromasql.ChromaSQLError, match="cannot write to"):
        build_store(tmp_path / "file", TEXTS)
    with pytest.raises(chromasql.ChromaSQLError, match="cannot write to"):
        build_store(damaged, TEXTS)


# The demo itself


@pytest.fixture(scope="module")
def whole(tmp_path_factory, library):
    """The folder of the demo, and what its first run printed; the texts, slow to read, are those read already."""
    folder = tmp_path_factory.mktemp("whole") / "chromasql-demo"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("chromasql.cli.demo.corpus.read_standard_library", lambda: iter(library))
        return folder, CliRunner().invoke(app, ["demo", "--path", str(folder)])


def test_the_demo_runs_from_beginning_to_end(whole):
    """`chromasql demo` fills its folder and shows every statement with its answer."""
    folder, result = whole

    assert result.exit_code == 0, result.output
    assert is_complete(folder)
    assert len(STOPS) >= 6
    for number, stop in enumerate(STOPS, start=1):
        assert f"{number}. {stop.title}\n\n{stop.sql}\n" in result.stdout
    assert result.stdout.count(" collections searched (") == len(STOPS) - 1
    assert "2 collections searched (stdlib-data, stdlib-formats)" in result.stdout
    assert "asyncio.taskgroups.TaskGroup\t" in result.stdout
    assert "collections.Counter\t" in result.stdout
    assert "route: " in result.stdout
    assert "\x1b" not in result.stdout
    assert "Embedding the standard library's docstrings" in result.stderr


def test_a_second_run_uses_what_is_there(whole):
    """Another run, in the folder above, finds chromasql-demo, embeds nothing and shows the same answers."""
    folder, first = whole
    written = (folder / MARKER).stat().st_mtime_ns

    command = [sys.executable, "-m", "chromasql", "demo"]
    second = subprocess.run(command, cwd=folder.parent, env=ENVIRONMENT, capture_output=True, text=True, check=True)

    assert second.stderr == ""
    answers = without_times(first.stdout)
    assert without_times(second.stdout)[: len(answers) - 1] == answers[:-1]  # the last line names the folder
    assert (folder / MARKER).stat().st_mtime_ns == written


def without_times(text):
    return [line.rsplit(", ", 1)[0] for line in text.splitlines()]


def test_every_statement_of_the_tour_has_an_answer(whole):
    """Each statement gives rows, from all its collections, and no warning."""
    folder, _ = whole

    results = list(run_tour(folder))

    assert [stop for stop, _ in results] == list(STOPS)
    for stop, result in results:
        assert result.rows, stop.title
        assert result.complete, stop.title
        assert result.warnings == (), stop.title


def test_routing_changes_no_answer(whole):
    """The statement that is routed gives the rows that asking every collection gives."""
    folder, _ = whole
    (stop, routed), *_ = ((stop, result) for stop, result in run_tour(folder) if stop.routed)

    with chromasql.connect(folder) as database:
        everywhere = database.execute(stop.sql)

    assert routed.rows == everywhere.rows
    assert len(routed.outcomes) < len(everywhere.outcomes)


def test_the_embedding_function_is_known_by_its_name():
    """The embedding function is registered with chromadb under the name that collections store."""
    known = chromadb.utils.embedding_functions.known_embedding_functions

    assert known["chromasql_wordllama"] is WordLlamaEmbeddingFunction
    assert isinstance(WordLlamaEmbeddingFunction.build_from_config({}), WordLlamaEmbeddingFunction)
    assert WordLlamaEmbeddingFunction().default_space() in WordLlamaEmbeddingFunction().supported_spaces()
