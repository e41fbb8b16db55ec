"""
What other libraries leave in a collection, and how ChromaSQL reads it: ``python -m tests.written_elsewhere [name ..]``.

Each library is installed in a virtual environment of its own, which is removed again, and writes two records: the first
with text, numbers and lists, the second with nothing but its text. Then the statements of ``expected.py`` are run. It
needs a package index, and node with npm for the JavaScript client, so it is not a part of the tests.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from typing import Any

import chromasql
from tests.support.servers import ChromaServer
from tests.written_elsewhere.expected import STATEMENTS, WRITERS

_HERE = Path(__file__).parent


def main() -> None:
    """Run the writers that are named, or all, and exit with 1 where a statement has another answer than expected."""
    names = sys.argv[1:] or list(WRITERS)
    wrong = [name for name in names if not check(name)]
    if wrong:
        sys.exit(f"not as expected: {', '.join(wrong)}")


def check(name: str) -> bool:
    """Let a library write, and tell whether each statement has its expected answer."""
    with tempfile.TemporaryDirectory() as folder:
        right = True
        for (sql, expected), answer in zip(STATEMENTS[name].items(), ask(name, Path(folder)), strict=True):
            right = right and answer == expected
            print(f"{name}: {sql}\n  {answer}{'' if answer == expected else f'  EXPECTED {expected}'}", flush=True)
    return right


def ask(name: str, folder: Path) -> list[Any]:
    """Return the rows of the statements of a library, after it has written."""
    packages, script = WRITERS[name]
    if script.endswith(".mjs"):
        (folder / "server").mkdir()
        server = ChromaServer(folder / "server").start()
        try:
            _run("npm", "install", "--silent", "--prefix", str(folder), *packages)
            shutil.copy(_HERE / script, folder / script)
            _run("node", str(folder / script), str(server.port))
            with chromasql.connect(server.url) as database:
                return [database.execute(sql).rows for sql in STATEMENTS[name]]
        finally:
            server.kill()
    venv.create(folder / "venv", with_pip=True)
    python = str(folder / "venv" / "bin" / "python")
    _run(python, "-m", "pip", "install", "--quiet", *packages)
    _run(python, "-W", "ignore", str(_HERE / script), str(folder / "chroma"))
    with chromasql.connect(folder / "chroma") as database:
        return [database.execute(sql).rows for sql in STATEMENTS[name]]


def _run(*command: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | {
        "NO_PROXY": "127.0.0.1"
    }
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")


if __name__ == "__main__":
    main()
