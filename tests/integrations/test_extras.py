"""What an optional library costs those who do not use it, and what is said where it is missing."""

from __future__ import annotations

import subprocess
import sys

import pytest

_MODULES = [
    ("langchain", "langchain_core", "langchain"),
    ("llamaindex", "llama_index", "llama-index"),
    ("haystack", "haystack", "haystack"),
    ("mcp", "mcp", "mcp"),
]


@pytest.mark.parametrize(("module", "library", "extra"), _MODULES)
def test_a_missing_extra(module: str, library: str, extra: str) -> None:
    """Where the library is missing, the import fails with the line for pip, and the name of what is missing."""
    code = (
        f"import sys; sys.modules['{library}'] = None\n"
        f"try:\n    import chromasql.integrations.{module}\n"
        "except ImportError as error:\n    print(error.name, error, sep='|')"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)

    name, _, message = done.stdout.partition("|")
    assert name.startswith(library)
    assert f"pip install 'chromasql[{extra}]'" in message


def test_nothing_imports_them() -> None:
    """Neither the package nor an embedder of any kind imports a framework."""
    code = (
        "import chromasql, sys\n"
        "chromasql.connect(chromasql.MemoryProvider({}), embed_fn=len)\n"
        f"print([name for name in {[library for _, library, _ in _MODULES]} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)

    assert done.stdout == "[]\n"
