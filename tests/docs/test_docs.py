"""
The documentation is true: every block of code in it is run or checked, and it leaves nothing out.

A block of Python or of ``chromasql`` commands runs in an empty folder, all blocks of a page one after the other in one
process (in EXAMPLES.md all blocks of a section). The block of text right below is what it prints; with none below, it
prints nothing. ``pytest --update-golden`` writes those texts anew.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import itertools
import json
import os
import pkgutil
import re
import shlex
import stat
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import pytest
import typer

import chromasql
from chromasql import errors, protocols
from chromasql.cli.app import app
from chromasql.explain import OPERATOR_NAMES
from chromasql.grammar import keywords
from chromasql.operators.functions import groups_of_functions
from chromasql.parser.syntax_errors import NAMED_ARGUMENTS
from chromasql.plan.statements import CandidateSearch
from tests.support.ebnf import make_ebnf, pattern_terminals
from tests.support.warm_python import WarmPython, running

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
EXAMPLES = ROOT / "EXAMPLES.md"
README = ROOT / "README.md"
CI = ROOT / ".ci" / "run"
PAGES = (README, EXAMPLES, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted(DOCS.glob("*.md")))

_LANGUAGES = {"bash", "ebnf", "json", "python", "sql", "text"}
_MARK = "\f"  # printed before each block of a program


@dataclass(frozen=True)
class Block:
    """One fenced block; ``line`` is that of its opening fence, and ``output`` the text right below it."""

    page: Path
    section: str
    line: int
    language: str
    text: str
    output: str | None = None

    @property
    def place(self) -> str:
        """Where the block stands."""
        return f"{self.page.name}:{self.line}"

    @property
    def runs(self) -> bool:
        """Whether the block is executed; commands that need a server or build the whole demo are only parsed."""
        if self.language != "bash":
            return self.language == "python"
        commands = self.text.replace("\\\n", " ").splitlines()
        return all(
            line.startswith("chromasql ") and " --url " not in line and not line.startswith("chromasql demo")
            for line in commands
        )


def read_blocks(page: Path) -> list[Block]:
    """Return the blocks of a page in order."""
    blocks: list[Block] = []
    section, opened, end = "", None, -1
    lines = page.read_text("utf-8").splitlines()
    for number, line in enumerate(lines, start=1):
        if opened is None and line.startswith("## "):
            section = line[3:]
        elif opened is None and line.lstrip().startswith("```"):
            assert line.startswith("```"), f"{page.name}:{number}: a fence is not indented"
            opened = number
        elif opened is not None and line == "```":
            language, text = lines[opened - 1][3:], "".join(line + "\n" for line in lines[opened : number - 1])
            below = blocks and not "".join(lines[end : opened - 1]).strip()
            if language == "text" and below and blocks[-1].runs:
                last = blocks.pop()
                blocks.append(Block(page, last.section, last.line, last.language, last.text, text))
            else:
                blocks.append(Block(page, section, opened, language, text))
            opened, end = None, number
    assert opened is None, f"{page.name}:{opened}: this block does not end"
    return blocks


BLOCKS = [block for page in PAGES for block in read_blocks(page)]


def read_programs() -> Iterator[list[Block]]:
    """Yield the blocks that run together."""
    running = (block for block in BLOCKS if block.runs)
    for _, blocks in itertools.groupby(
        running, key=lambda block: (block.page, block.section if block.page == EXAMPLES else "")
    ):
        yield list(blocks)


PROGRAMS = list(read_programs())


def source_of(program: Sequence[Block]) -> str:
    """Return one Python program whose lines stand where they stand in the page."""
    lines: list[str] = []
    for block in program:
        lines += [""] * (block.line - 1 - len(lines))
        lines.append(f"print({_MARK!r}, end='', flush=True)")
        if block.language == "python":
            lines += block.text.splitlines()
        else:
            command = ["bash", "-euo", "pipefail", "-c", block.text]
            lines.append(f"__import__('subprocess').run({command!r}, check=True)")
    return "\n".join(lines) + "\n"


def name_of(program: Sequence[Block]) -> str:
    first = program[0]
    return f"{first.page.stem}: {first.section}" if first.page == EXAMPLES else first.page.stem


@pytest.fixture(scope="module")
def warm_python() -> Iterator[WarmPython]:
    """Give what starts programs without delay."""
    with running() as python:
        yield python


@pytest.mark.parametrize("program", PROGRAMS, ids=name_of)
def test_code_runs_and_prints_what_is_written_below_it(
    program: list[Block], tmp_path: Path, request: pytest.FixtureRequest, warm_python: WarmPython
):
    """Each program of the documentation runs as it stands, without a warning, and its output is the text below it."""
    folder, commands = tmp_path / "empty", tmp_path / "commands"
    folder.mkdir()
    commands.mkdir()
    warm_python.make_command(commands)
    (folder / "program.py").write_text(source_of(program), "utf-8")
    path = os.pathsep.join([str(commands), str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = os.environ | {"PATH": path, "ANONYMIZED_TELEMETRY": "False", "HAYSTACK_TELEMETRY_ENABLED": "False"}
    done = warm_python.run(Path("program.py"), folder=folder, environment=environment)

    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    printed = done.stdout.split(_MARK)[1:]
    if request.config.getoption("--update-golden", default=False):
        for block, output in zip(program, printed, strict=True):
            rewrite_output(block, output)
        return
    assert [(block.place, block.output or "") for block in program] == [
        (block.place, output) for block, output in zip(program, printed, strict=True)
    ]


def rewrite_output(block: Block, output: str) -> None:
    """Write the output of a block below it."""
    page = block.page.read_text("utf-8")
    code = f"```{block.language}\n{block.text}```\n"
    below = rf"{re.escape(code)}(?:\n+```text\n{re.escape(block.output)}```\n)?" if block.output else re.escape(code)
    shown = f"{code}\n```text\n{output}```\n" if output else code
    block.page.write_text(re.sub(below, lambda _: shown, page, count=1), "utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_block_has_a_language_that_is_checked(page: Path):
    """No block escapes these tests by an unknown or missing language."""
    unknown = [block.place for block in read_blocks(page) if block.language not in _LANGUAGES]

    assert unknown == []


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.language == "sql"], ids=lambda block: block.place)
def test_sql_is_in_the_language(block: Block):
    """Each statement that the documentation shows parses."""
    assert chromasql.parse_script(block.text)


@pytest.mark.parametrize(
    "block", [block for block in BLOCKS if block.language == "json"], ids=lambda block: block.place
)
def test_json_is_json(block: Block):
    """Each JSON document that is shown is one."""
    json.loads(block.text)


@pytest.mark.parametrize(
    "block", [block for block in BLOCKS if block.language == "bash"], ids=lambda block: block.place
)
def test_commands_are_commands(block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Each shell block is sound shell, and each ``chromasql`` command in it has options that exist."""
    monkeypatch.chdir(tmp_path)

    subprocess.run(["bash", "-n", "-c", block.text], check=True)
    for line in block.text.replace("\\\n", " ").splitlines():
        words = shlex.split(line.split(" <")[0].split(" | ")[0])
        if words and words[0] == "chromasql":
            check_command(words[1:])


def check_command(words: list[str]) -> None:
    """Parse the arguments of a command as the command line does, without running it."""
    for option, folder in itertools.pairwise(words):
        if option == "--path":
            Path(folder).mkdir()
    group: Any = typer.main.get_command(app)
    with group.make_context("chromasql", list(words)) as context:
        name, command, rest = group.resolve_command(context, words)
        command.make_context(name, rest, parent=context).close()


# Nothing is left out


def headings(page: Path) -> set[str]:
    """Return what stands in backticks in the headings of a page."""
    lines = (line for line in page.read_text("utf-8").splitlines() if line.startswith("#"))
    return {name for line in lines for name in re.findall(r"`([^`]+)`", line)}


def modules() -> Iterator[Any]:
    """Yield the modules of the package that need no extra."""
    for found in pkgutil.walk_packages(chromasql.__path__, "chromasql."):
        if found.name != "chromasql.__main__" and not found.name.startswith("chromasql.integrations"):
            yield importlib.import_module(found.name)


def test_every_keyword_is_described():
    """The language page speaks of each keyword, not only in its grammar."""
    page = (DOCS / "language.md").read_text("utf-8")
    prose = re.sub(r"```ebnf\n.*?```", "", page, flags=re.DOTALL)
    words = set(re.findall(r"[A-Z_0-9]+", prose))

    assert set() == keywords() - words


def test_the_grammar_of_the_docs_is_that_of_the_parser(request: pytest.FixtureRequest):
    """The grammar printed in the language page is grammar.lark, rule by rule, at the end of the page."""
    (block,) = (block for block in BLOCKS if block.language == "ebnf")
    if request.config.getoption("--update-golden", default=False):
        page = block.page.read_text("utf-8")
        block.page.write_text(page.replace(f"```ebnf\n{block.text}```", f"```ebnf\n{make_ebnf()}```"), "utf-8")
        return

    assert block.text == make_ebnf()
    assert block.section == "Grammar"
    assert [found.section for found in read_blocks(block.page)][-1] == "Grammar"


def test_the_docs_explain_each_token_of_the_grammar():
    """Below the grammar of the language page stands a row for each token that is a pattern, and for no other."""
    page = (DOCS / "language.md").read_text("utf-8").partition("\n## Grammar\n")[2]

    assert re.findall(r"^\| `([A-Z_]+)` \|", page, re.MULTILINE) == pattern_terminals()


def test_every_named_argument_of_a_rank_function_is_described():
    """The language page writes each named argument of KNN, BM25 and RRF as ``name =`` or in backticks."""
    page = (DOCS / "language.md").read_text("utf-8")
    names = {name for names in NAMED_ARGUMENTS.values() for name in names}

    assert set() == {name for name in names if not re.search(rf"\b{name} =|`{name}\b", page)}


def test_every_error_class_is_in_the_catalogue():
    """Each exception of the package, and each class of chromasql.errors, has a heading in the errors page."""
    classes = {
        member.__name__
        for module in modules()
        for _, member in inspect.getmembers(module, inspect.isclass)
        if issubclass(member, errors.ChromaSQLError)
    }
    public = {name for name in errors.__all__ if inspect.isclass(getattr(errors, name))}

    assert set() == (classes | public) - headings(DOCS / "errors.md")


def warning_codes() -> set[str]:
    """Return the code of each ``PlanWarning(..)`` in the source."""
    calls = (
        node
        for path in (ROOT / "chromasql").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "PlanWarning"
    )
    return {ast.literal_eval(call.args[0]) for call in calls}


def test_every_warning_is_in_the_catalogue():
    """Each code of a warning has a heading in the errors page."""
    codes = warning_codes()

    assert codes
    assert set() == codes - headings(DOCS / "errors.md")


def codes_of_errors() -> set[str]:
    """Return the codes that the package writes out: arguments called ``code`` of errors, and defaults of classes."""
    codes = set()
    for path in (ROOT / "chromasql").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            match node:
                case ast.Call(func=ast.Name(name) | ast.Attribute(attr=name)) if name != "PlanWarning":
                    values = [keyword.value for keyword in node.keywords if keyword.arg == "code"]
                case (
                    ast.Assign(targets=[ast.Name("default_code")], value=value)
                    | ast.AnnAssign(target=ast.Name("default_code"), value=value)
                ):
                    values = [value]
                case _:
                    continue
            constants = (part for value in values for part in ast.walk(value) if isinstance(part, ast.Constant))
            codes |= {constant.value for constant in constants if isinstance(constant.value, str)}
    return codes


def test_every_code_of_an_error_is_documented():
    """Each code of an error has a row in the errors page, and each row is a code, in alphabetical order."""
    section = (DOCS / "errors.md").read_text("utf-8").partition("## Codes of errors")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `([a-z-]+)` \|", section, re.MULTILINE)

    assert rows == sorted(codes_of_errors())


def test_every_error_has_a_code_of_its_own():
    """Each place that makes an error of chromasql.errors names its code: none has only the default of its class."""
    kinds = {name for name in errors.__all__ if inspect.isclass(getattr(errors, name)) and name.startswith("ChromaSQL")}
    without = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in (ROOT / "chromasql").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call)
        and getattr(node.func, "id", getattr(node.func, "attr", None)) in kinds
        and not any(keyword.arg == "code" for keyword in node.keywords)
    ]

    assert kinds
    assert without == []


def test_every_warning_of_the_catalogue_is_shown_at_work():
    """Below the heading of a warning stands a program that gives it: the code is in what it prints."""
    printed = "".join(block.output or "" for block in read_blocks(DOCS / "errors.md"))

    assert set() == {code for code in warning_codes() if code not in printed}


def test_every_protocol_is_described():
    """Each Protocol that callers implement, and each alias beside them, has a heading in the page on extending."""
    assert set() == set(protocols.__all__) - {"Vector"} - headings(DOCS / "extending.md")


def test_every_option_of_with_is_described():
    """The language page speaks of each option that WITH (..) knows, as the planner lists them."""
    with pytest.raises(chromasql.ChromaSQLPlanningError) as raised:
        chromasql.build_plan(chromasql.parse("SELECT id FROM docs WITH (zzzz = 1)"))
    options = re.findall(r"\w+", raised.value.message.partition("the options are ")[2])
    page = (DOCS / "language.md").read_text("utf-8")

    assert options
    assert [option for option in options if f"`{option}`" not in page] == []


def test_every_public_name_is_described():
    """A page of the documentation other than the generated reference speaks of each name that the package exports."""
    text = "".join(page.read_text("utf-8") for page in sorted(DOCS.glob("*.md")) if page.name != "reference.md")

    assert [name for name in chromasql.__all__ if not re.search(rf"\b{name}\b", text)] == []


def glossary_terms(section: str) -> set[str]:
    """Return the terms below a heading of the glossary, down to the next heading of any level."""
    page = (DOCS / "glossary.md").read_text("utf-8")
    below = re.split(r"^#", page.partition(f"# {section}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]
    return set(re.findall(r"^\*\*(.+)\*\*$", below, flags=re.MULTILINE))


def test_the_glossary_has_the_operators_of_explain():
    """The glossary explains each operator that EXPLAIN can print, and no other."""
    assert glossary_terms("Operators") == set(OPERATOR_NAMES)


def test_the_glossary_has_the_facts_of_explain():
    """Each label in lower case that EXPLAIN prints in a golden case or a documented output is in the glossary."""
    plans = [path.read_text("utf-8") for path in (ROOT / "tests" / "golden").glob("*/explain.txt")]
    plans += [block.output for block in BLOCKS if block.output and block.output.startswith("Project: ")]
    found = {
        label for plan in plans for label in re.findall(r"^ *([a-z][a-z -]*)(?:, \d+ of \d+)?: ", plan, re.MULTILINE)
    }

    assert {"route", "pushed down", "candidates", "materialization", "on error"} <= found
    assert set() == found - glossary_terms("Facts")


def test_the_reference_has_every_public_name_and_each_exists():
    """The reference generates an entry for each exported name, protocol, check and error, and each entry is importable."""
    entries = set(re.findall(r"^::: chromasql\.(\S+)$", (DOCS / "reference.md").read_text("utf-8"), flags=re.MULTILINE))
    plugs = {name for name in protocols.__all__ if name != "Vector"}

    assert set() == {name for name in chromasql.__all__ if name != "ast"} - entries
    assert set() == plugs - {entry.rpartition(".")[2] for entry in entries}
    for entry in entries:
        module, _, name = f"chromasql.{entry}".rpartition(".")
        assert hasattr(importlib.import_module(module), name), entry


def test_every_method_of_a_database_and_of_its_result_is_described():
    """The page on Python speaks of each public attribute of what an application holds."""
    page = (DOCS / "python.md").read_text("utf-8")
    members = {
        name
        for kind in (chromasql.Database, chromasql.AsyncDatabase, chromasql.ExecutionResult)
        for name in dir(kind)
        if not name.startswith("_")
    }

    assert set() == {name for name in members if not re.search(rf"`{name}\b", page)}


def test_every_command_is_described():
    """The page on the command line speaks of each command and each of its options."""
    group: Any = typer.main.get_command(app)
    page = (DOCS / "command-line.md").read_text("utf-8")
    named = {f"chromasql {name}" for name in group.commands}
    named |= {
        option
        for command in (group, *group.commands.values())
        for parameter in command.params
        for option in parameter.opts
        if option.startswith("--")
    }

    assert set() == {name for name in named if name not in page}


# The map of the package


def stages() -> set[str]:
    """Return the folders and modules at the root of the package."""
    found = (ROOT / "chromasql").iterdir()
    return {path.stem for path in found if path.suffix == ".py" or (path / "__init__.py").exists()} - {"__init__"}


def test_the_table_of_layers_is_the_import_contract():
    """CONTRIBUTING's table has the layers of pyproject.toml, in their order, and so every folder and root module."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    (contract,) = [contract for contract in contracts if contract["type"] == "layers"]
    table = (ROOT / "CONTRIBUTING.md").read_text("utf-8").partition("| layer | what it holds |")[2].partition("\n\n")[0]
    rows = [re.findall(r"`(\w+)`", row.split("|")[1]) for row in table.splitlines()[2:]]

    assert rows == [layer.split(" | ") for layer in contract["layers"]]
    assert {name for row in rows for name in row} == stages()


def test_the_design_passes_through_every_stage():
    """The page that follows a statement names each folder and each root module of the package."""
    page = (DOCS / "design.md").read_text("utf-8")

    assert set() == {name for name in stages() if f"`{name}/" not in page and f"`{name}.py`" not in page}


def test_the_design_describes_each_way_to_find_candidates():
    """Each value of `candidates` in a plan is an item of the page on the design."""
    page = (DOCS / "design.md").read_text("utf-8")

    assert [name for name in get_args(CandidateSearch) if f"- **{name}**:" not in page] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_paths_of_the_package_exist(page: Path):
    """Each file or folder of the package that a page names is there."""
    text = page.read_text("utf-8")
    named = set(re.findall(r"`chromasql/([\w/.]+)`", text))
    if page.name == "design.md":
        named |= {path for path in re.findall(r"`(\w+/[\w/.]*|\w+\.py)`", text) if not path.startswith("chromasql/")}

    assert [path for path in sorted(named) if not (ROOT / "chromasql" / path).exists()] == []


# README and .ci/run


def fresh_machine_commands() -> list[str]:
    """Return the README's commands that make a virtual environment."""
    blocks = (block.text for block in read_blocks(README) if block.language == "bash")
    return [block for block in blocks if block.startswith("python3 -m venv ")]


def test_readme_starts_with_two_commands_for_a_fresh_machine():
    """On the first screen stand two commands, each one line: one ends in the demo, the other runs the tests."""
    demo, tests = fresh_machine_commands()
    top = "".join(README.read_text("utf-8").splitlines(keepends=True)[:60])

    assert [demo.count("\n"), tests.count("\n")] == [1, 1]
    assert demo.endswith("chromasql demo\n")
    assert ".venv/bin/pytest" in tests.split("&&")[-1]
    assert demo in top
    assert tests in top


def test_ci_runs_the_test_command_of_the_readme():
    """What .ci/run reads out of README.md is the test command to the letter."""
    printed = subprocess.run([CI, "--print-tests"], check=True, capture_output=True, text=True).stdout

    assert fresh_machine_commands()[1] == printed
    assert CI.stat().st_mode & stat.S_IXUSR


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path):
    """Each relative link names a file that exists; mkdocs checks those of the site once more, with their anchors."""
    targets = re.findall(r"\]\((?!https?://|#)([^)#\s]+)", page.read_text("utf-8"))

    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_the_table_of_functions_is_that_of_the_registry(request: pytest.FixtureRequest):
    """The functions of the language page are those that the planner knows, with what each is for and an example."""
    page = DOCS / "language.md"
    text = page.read_text("utf-8")
    head, _, rest = text.partition("<!-- functions -->\n")
    shown, _, tail = rest.partition("<!-- end of functions -->")
    tables = []
    for heading, functions in groups_of_functions().items():
        rows = [f"| `{function.name}` | {function.doc} | `{function.example}` |" for function in functions]
        tables += [
            f"\n**{heading}**\n\n| function | what it returns | example |\n| --- | --- | --- |\n"
            + "\n".join(rows)
            + "\n"
        ]
    wanted = "".join(tables).replace("||", r"\|\|") + "\n"
    if request.config.getoption("--update-golden", default=False):
        page.write_text(f"{head}<!-- functions -->\n{wanted}<!-- end of functions -->{tail}", "utf-8")
        return

    assert shown == wanted


@pytest.mark.parametrize(
    "example", [function.example for group in groups_of_functions().values() for function in group]
)
def test_the_example_of_each_function_is_true(example: str):
    """What the table of functions says of a function is so."""
    db = chromasql.connect(chromasql.MemoryProvider({"docs": [{"id": "a"}]}))

    assert db.execute(f"SELECT {example} AS holds FROM docs").rows == [{"holds": True}]
