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
from importlib import metadata, resources
from pathlib import Path
from types import ModuleType
from typing import Any

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
        assert isinstance(value, ModuleType) or value.__name__ == name


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


def test_execution_error_lists_some_failures() -> None:
    """An error of many failures shows the first five and counts the rest."""
    error = ChromaSQLExecutionError("all failed", failures=[Failure(f"c{n}", "OSError", "x") for n in range(8)])
    assert str(error).splitlines()[-2:] == ["  c4: OSError: x", "  and 3 more"]
    assert str(Failure(None, "OSError", "x")) == "OSError: x"


# The distribution


def test_typed() -> None:
    """The package tells type checkers that it is typed."""
    assert resources.files("chromasql").joinpath("py.typed").is_file()


def test_version() -> None:
    """The version is that of the project file, and of what is installed."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert chromasql.__version__ == project["version"] == metadata.version("chromasql")
