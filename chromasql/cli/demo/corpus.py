"""
The demo's texts: the docstrings of the Python standard library on this machine.

Sources are parsed, never imported, so reading them runs no code and needs no network. The same Python always
gives the same texts in the same order.
"""

from __future__ import annotations

import ast
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from chromasql.errors import ChromaSQLError

__all__ = ["COLLECTIONS", "PACKAGES", "Text", "collection_of", "read_standard_library"]

_FEWEST_WORDS = 4


_SKIPPED_FOLDERS = frozenset(
    {"test", "tests", "idlelib", "fixes", "pgen2", "site-packages", "dist-packages", "lib-dynload"}
)


_OTHER = "stdlib-other"


# Each collection and the top-level packages it holds. What no line names goes to `stdlib-other`, so a module
# that a later Python brings has a place too.
_TOPICS: dict[str, str] = {
    "stdlib-archives": "bz2 gzip lzma tarfile zipapp zipfile zipimport _compression compression",
    "stdlib-concurrency": """
        _threading_local asynchat asyncio asyncore concurrent contextvars multiprocessing queue sched
        selectors signal subprocess threading""",
    "stdlib-data": """
        _collections_abc _weakrefset abc array bisect collections copy copyreg dataclasses enum graphlib heapq
        pprint reprlib shelve pickle pickletools sqlite3 dbm types weakref""",
    "stdlib-debugging": """
        bdb cProfile cgitb doctest faulthandler pdb profile pstats timeit trace traceback tracemalloc unittest
        warnings""",
    "stdlib-files": """
        _pyio fileinput filecmp fnmatch genericpath glob io linecache ntpath nturl2path os pathlib posixpath
        shutil stat tempfile""",
    "stdlib-formats": "_markupbase configparser csv html json netrc plistlib tomllib xdrlib xml",
    "stdlib-gui": "_pyrepl cmd curses rlcompleter tkinter turtle turtledemo",
    "stdlib-imports": "imp importlib modulefinder pkgutil runpy",
    "stdlib-language": """
        __future__ _ast_unparse _py_abc annotationlib ast code codeop compileall contextlib dis functools
        inspect keyword lib2to3 opcode operator py_compile pyclbr symtable tabnanny token tokenize typing""",
    "stdlib-mail": "email imaplib mailbox mailcap mimetypes nntplib poplib quopri smtpd smtplib uu",
    "stdlib-math": "_pydecimal colorsys decimal fractions numbers random secrets statistics",
    "stdlib-net": "ftplib hashlib hmac ipaddress socket socketserver ssl telnetlib uuid",
    "stdlib-packaging": """
        _aix_support _distutils_system_mod _osx_support _sitebuiltins distutils ensurepip platform pydoc site
        sysconfig venv""",
    "stdlib-programs": "argparse getopt getpass gettext locale logging optparse pipes pty shlex tty",
    "stdlib-text": """
        base64 codecs difflib encodings re sre_compile sre_constants sre_parse string stringprep struct
        textwrap unicodedata""",
    "stdlib-time": "_pydatetime _strptime calendar datetime time zoneinfo",
    "stdlib-web": "cgi http urllib webbrowser wsgiref xmlrpc",
    _OTHER: "",
}


_COLLECTION_OF = {package: name for name, packages in _TOPICS.items() for package in packages.split()}


COLLECTIONS = tuple(_TOPICS)
"""The names of the demo's collections, in order."""


PACKAGES = tuple(_COLLECTION_OF)
"""The top-level packages that have a collection of their topic, in its order."""


_Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Text:
    """
    One docstring and what it belongs to.

    ``name`` is the qualified name within the module (of a module, its full name), ``lines`` counts the source
    lines of the whole definition, and ``parameters`` those a caller passes, so without ``self``; classes and
    modules have none.
    """

    document: str
    module: str
    name: str
    kind: str
    lines: int
    parameters: int | None = None

    @property
    def id(self) -> str:
        """The full name, unique in the corpus."""
        return self.module if self.kind == "module" else f"{self.module}.{self.name}"

    @property
    def package(self) -> str:
        """The top-level package or module."""
        return self.module.partition(".")[0]

    @property
    def metadata(self) -> dict[str, str | int | bool]:
        """What Chroma stores beside the document; a key without a value is absent."""
        known: dict[str, str | int | bool] = {
            "package": self.package,
            "module": self.module,
            "kind": self.kind,
            "name": self.name,
            "lines": self.lines,
            "has_example": ">>>" in self.document,
        }
        return known if self.parameters is None else known | {"parameters": self.parameters}


def collection_of(package: str) -> str:
    """Return the collection that holds the texts of a top-level package."""
    return _COLLECTION_OF.get(package, _OTHER)


def read_standard_library(folder: Path | None = None) -> Iterator[Text]:
    """
    Yield the texts of every source file under ``folder``, by default the running Python's own library.

    Tests, IDLE and installed packages are left out, as are docstrings of fewer than four words; of two
    definitions with one name the first counts. Raises `chromasql.ChromaSQLError` where the folder holds no sources.
    """
    root = folder or Path(sysconfig.get_path("stdlib"))
    sources = sorted(path.relative_to(root) for path in root.rglob("*.py"))
    if not sources:
        raise ChromaSQLError(
            f"{root} holds no Python sources to read; run the demo with a Python that ships its library as .py files",
            code="demo-failed",
        )
    for source in sources:
        # A folder with a hyphen is not a package: build files, not library.
        if not any(part in _SKIPPED_FOLDERS or "-" in part for part in source.parent.parts):
            yield from _read_source(root / source, _module_name(source))


def _module_name(source: Path) -> str:
    parts = source.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


def _read_source(path: Path, module: str) -> Iterator[Text]:
    code = path.read_bytes()
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError):  # a template or a sample of broken code, not a module
        return
    whole = _text_of(tree, module, module, "module", lines=code.count(b"\n"))
    if whole:
        yield whole
    seen = set()
    for text in _texts_within(tree, module, ()):
        if text.name not in seen:
            seen.add(text.name)
            yield text


def _texts_within(node: ast.AST, module: str, outer: tuple[str, ...]) -> Iterator[Text]:
    """Yield the documented definitions inside a module or class, those under ``if`` and ``try`` too."""
    for child in ast.iter_child_nodes(node):
        match child:
            case ast.ClassDef():
                inner = (*outer, child.name)
                lines = _line_count(child)
                text = _text_of(child, module, ".".join(inner), "class", lines=lines)
                if text:
                    yield text
                yield from _texts_within(child, module, inner)
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                text = _text_of(
                    child,
                    module,
                    ".".join((*outer, child.name)),
                    "method" if outer else "function",
                    lines=_line_count(child),
                    parameters=_count_parameters(child, in_class=bool(outer)),
                )
                if text:
                    yield text
            case ast.stmt() | ast.excepthandler():
                yield from _texts_within(child, module, outer)
            case _:
                pass


def _text_of(
    node: _Function | ast.ClassDef | ast.Module,
    module: str,
    name: str,
    kind: str,
    *,
    lines: int,
    parameters: int | None = None,
) -> Text | None:
    document = ast.get_docstring(node) or ""
    if len(document.split()) < _FEWEST_WORDS:
        return None
    return Text(document, module, name, kind, lines, parameters)


def _line_count(node: _Function | ast.ClassDef) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def _count_parameters(function: _Function, *, in_class: bool) -> int:
    arguments = function.args
    positional = len(arguments.posonlyargs) + len(arguments.args)
    decorators = [decorator.id for decorator in function.decorator_list if isinstance(decorator, ast.Name)]
    if in_class and positional and "staticmethod" not in decorators:
        positional -= 1
    variadic = (arguments.vararg is not None) + (arguments.kwarg is not None)
    return positional + len(arguments.kwonlyargs) + variadic
