"""What the package shows: names, modules, weight, errors, version."""

from __future__ import annotations

import ast
import importlib
import inspect
import pickle
import pkgutil
import subprocess
import sys
import textwrap
import tomllib
from collections.abc import Iterator
from enum import Enum
from importlib import metadata, resources
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any, get_type_hints

import pytest

import chromasql
from chromasql._source import Span
from chromasql.errors import ChromaSQLError, ChromaSQLExecutionError, Failure

ROOT = Path(__file__).parents[1]


def modules() -> list[str]:
    """Return the names of all modules of the package but those that run something or need an extra."""
    found = pkgutil.walk_packages(chromasql.__path__, "chromasql.")
    return [each.name for each in found if not each.name.endswith("__main__") and "integrations" not in each.name]


@pytest.fixture(scope="module")
def loaded() -> dict[str, ModuleType]:
    """Give all modules of the package, imported."""
    return {name: importlib.import_module(name) for name in modules()}


def test_all_is_what_is_exported() -> None:
    """__all__ is sorted and names what type checkers see in the package, and all of it is there at run time."""
    tree = ast.parse(Path(chromasql.__file__).read_text())
    checked = [each for each in tree.body if isinstance(each, ast.If)]
    seen = [name.name for each in ast.walk(checked[0]) if isinstance(each, ast.ImportFrom) for name in each.names]
    assert chromasql.__all__ == sorted(seen)
    assert set(chromasql.__all__) <= set(dir(chromasql))
    for name in chromasql.__all__:
        value = getattr(chromasql, name)
        assert isinstance(value, ModuleType | Enum) or value.__name__ == name


def test_nothing_else_is_exported() -> None:
    """A name that the package does not have is an AttributeError, as anywhere."""
    with pytest.raises(AttributeError, match="no attribute 'planner_of_dreams'"):
        _ = chromasql.planner_of_dreams


def test_all_of_modules(loaded: dict[str, ModuleType]) -> None:
    """What a module names in __all__ exists, each once."""
    for name, module in loaded.items():
        listed = getattr(module, "__all__", [])
        assert len(set(listed)) == len(listed), name
        assert all(hasattr(module, each) for each in listed), name


def test_star_import() -> None:
    """From chromasql import * gives exactly __all__."""
    space: dict[str, Any] = {}
    exec("from chromasql import *", space)
    assert sorted(set(space) - {"__builtins__"}) == chromasql.__all__


def test_no_function_hides_a_module(loaded: dict[str, ModuleType]) -> None:
    """No exported name is that of a public module, so every module can be reached as an attribute."""
    for name, module in loaded.items():
        parent, _, last = name.rpartition(".")
        assert getattr(sys.modules[parent], last) is module, name


@pytest.mark.parametrize("name", sorted(set(chromasql.__all__) - {"ast"}))
def test_everything_is_documented(name: str) -> None:
    """Each exported name has a docstring of its own."""
    value = getattr(chromasql, name)
    if inspect.isclass(value) or callable(value):
        assert inspect.getdoc(value), name


# Where names say that they live


FACES = (
    "chromasql",
    "chromasql.adapters",
    "chromasql.adapters.http",
    "chromasql.analysis",
    "chromasql.ast",
    "chromasql.executor",
    "chromasql.grammar",
    "chromasql.multi_collection",
    "chromasql.parser",
    "chromasql.plan",
    "chromasql.planner",
)
"""The modules that code of callers imports from, beside those at the root of the package."""


def exported(face: str) -> list[tuple[str, Any]]:
    """Return the classes and functions that a public module exports, by name."""
    module = importlib.import_module(face)
    values = ((name, getattr(module, name)) for name in module.__all__)
    return [(name, value) for name, value in values if isinstance(value, type | FunctionType)]


@pytest.mark.parametrize("face", FACES)
def test_names_live_where_they_are_imported_from(face: str) -> None:
    """``__module__`` of a public class or function is a public module, which has that very object under that name."""
    for name, value in exported(face):
        home = value.__module__
        public = home in FACES or (home.count(".") == 1 and not home.startswith("chromasql._"))
        assert public, (name, home)
        assert getattr(importlib.import_module(home), name) is value


@pytest.mark.parametrize("face", FACES)
def test_public_names_pickle(face: str) -> None:
    """A public class or function comes out of a pickle as itself."""
    for _, value in exported(face):
        assert pickle.loads(pickle.dumps(value)) is value


@pytest.mark.parametrize("face", FACES)
def test_annotations_of_public_classes_resolve(face: str) -> None:
    """``typing.get_type_hints`` evaluates the annotations of a public class, as pydantic does."""
    for name, value in exported(face):
        if isinstance(value, type):
            assert isinstance(get_type_hints(value), dict), name


def test_homes_of_some_names() -> None:
    """Errors, nodes, plugs and functions carry the path of the documentation."""
    homes = {
        chromasql.ast.Query: "chromasql.ast",
        chromasql.parse: "chromasql.parser",
        chromasql.bind_parameters: "chromasql.analysis",
        chromasql.QueryPlan: "chromasql.plan",
        chromasql.execute_plan: "chromasql.executor",
        chromasql.execute_multi_collection: "chromasql.multi_collection",
        chromasql.MemoryProvider: "chromasql.adapters",
        chromasql.HttpProvider: "chromasql.adapters.http",
        chromasql.Scope: "chromasql",
        chromasql.RerankRequest: "chromasql",
        chromasql.batch_embedder: "chromasql",
        chromasql.register_reranker: "chromasql",
        ChromaSQLError: "chromasql.errors",
    }

    assert {value: value.__module__ for value in homes} == homes


def test_the_root_is_imported_for_the_tree_and_for_publishing_alone() -> None:
    """No module imports a public name from the root, which would import the layers above its own."""
    package = Path(chromasql.__file__).parent
    folders = {path.name for path in package.iterdir() if path.is_dir()}
    for path in set(package.rglob("*.py")) - {package / "__init__.py"}:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module == "chromasql":
                assert {found.name for found in node.names} <= {"__version__", "_publish", *folders}, path


def test_import_is_light() -> None:
    """Importing chromasql loads no heavy library and compiles no grammar."""
    program = """
        import sys
        import chromasql
        heavy = {"aiohttp", "anyio", "chromadb", "lark", "numpy", "orjson", "re2", "rich", "typer"}
        print(sorted(heavy & set(sys.modules)))
    """
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(program)]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"


def test_parsing_is_light() -> None:
    """Parsing and planning load neither chromadb nor numpy."""
    program = """
        import sys
        import chromasql
        chromasql.build_plan(chromasql.parse("SELECT id FROM docs WHERE year > 2020 USING EMBEDDING (TEXT 'a')"))
        print(sorted({"aiohttp", "chromadb", "numpy", "typer"} & set(sys.modules)))
    """
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(program)]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"


# Errors


def errors(kind: type[ChromaSQLError] = ChromaSQLError) -> Iterator[type[ChromaSQLError]]:
    """Yield a class of errors and all that are made from it."""
    yield kind
    for each in kind.__subclasses__():
        yield from errors(each)


def example(kind: type[ChromaSQLError]) -> ChromaSQLError:
    """Return an error of a class, with everything it can hold."""
    given: dict[str, Any] = {
        "source": "SELECT x",
        "span": Span(7, 8),
        "failures": [Failure("docs", "OSError", "disk full")],
        "status": 404,
        "kind": "NotFoundError",
    }
    parameters = inspect.signature(kind).parameters
    return kind("it went wrong", **{name: value for name, value in given.items() if name in parameters})


def test_errors_pickle(loaded: dict[str, ModuleType]) -> None:
    """Every class of errors survives pickling with its type, text and facts, so that it crosses processes."""
    kinds = list(errors())
    assert len(kinds) >= 6
    for kind in kinds:
        error = example(kind)
        again = pickle.loads(pickle.dumps(error))
        assert type(again) is kind
        assert str(again) == str(error)
        assert vars(again) == vars(error)
        assert again.args == error.args


def test_errors_are_exported(loaded: dict[str, ModuleType]) -> None:
    """The errors of chromasql.errors are exported from the package, and are all ChromaSQLError."""
    own = [kind.__name__ for kind in errors() if kind.__module__ == "chromasql.errors"]
    assert set(own) <= set(chromasql.__all__)


def test_the_same_failure_is_said_once() -> None:
    """A server that is down is named once, with the number of its collections; before, once for each of them."""
    down = [Failure(f"c{n}", "OSError", "cannot connect") for n in range(12)]
    error = ChromaSQLExecutionError("13 failed", failures=[*down, Failure("d", "OSError", "disk full")])

    assert str(error).splitlines() == [
        "13 failed",
        "  12 collections (c0, c1, c2, ..): OSError: cannot connect",
        "  d: OSError: disk full",
    ]
    assert len(error.failures) == 13


def test_execution_error_lists_some_failures() -> None:
    """An error of many failures shows the first five and counts the rest."""
    error = ChromaSQLExecutionError("all failed", failures=[Failure(f"c{n}", "OSError", f"x{n}") for n in range(8)])
    assert str(error).splitlines()[-2:] == ["  c4: OSError: x4", "  and 3 more"]
    assert str(Failure(None, "OSError", "x")) == "OSError: x"


# The distribution


def test_typed() -> None:
    """The package tells type checkers that it is typed."""
    assert resources.files("chromasql").joinpath("py.typed").is_file()


def test_version() -> None:
    """The version is that of the project file, and of what is installed."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert chromasql.__version__ == project["version"] == metadata.version("chromasql")
