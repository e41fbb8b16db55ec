"""What comes before the first answer: imports, the first statement, and parsing, beside 1.8.0 where there is one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

_EXAMPLES = Path(__file__).parents[1] / "language" / "data" / "examples.json"
_FIRST = "import chromasql; chromasql.parse('SELECT id FROM docs WHERE year > 2020 LIMIT 3')"
_PROCESSES = 5


def measure(rounds: int, peer: Path | None) -> dict[str, Any]:
    """Return the times of imports and of parsing; those of ``peer`` (a folder with 1.8.0) where it is given."""
    return {"imports": _imports(rounds, peer), "parsing": _parsing(peer)}


def _imports(rounds: int, peer: Path | None) -> dict[str, float]:
    programs = {
        "interpreter": ("pass", None),
        "chromasql": ("import chromasql", None),
        "chromasql and its first statement": (_FIRST, None),
        "chromadb": ("import chromadb", None),
    }
    if find_spec("langchain_chroma") is not None:
        programs["langchain_chroma"] = ("import langchain_chroma", None)
    if peer is not None:
        programs["chromasql 1.8.0"] = ("import chromasql", peer)
    samples: dict[str, list[float]] = {name: [] for name in programs}
    for _ in range(rounds):
        for name, (program, folder) in programs.items():
            started = time.perf_counter()
            _python("-c", program, folder=folder)
            samples[name].append((time.perf_counter() - started) * 1000)
    return {name: median(times) for name, times in samples.items()}


def _parsing(peer: Path | None) -> dict[str, Any]:
    """Parse the examples of the language in turn by this package and by the older one."""
    statements = [each["sql"] for each in json.loads(_EXAMPLES.read_text("utf-8"))["accept"]]
    ours: list[list[Any]] = []
    theirs: list[list[Any]] = []
    for _ in range(_PROCESSES):
        ours.append(_parsed(statements, None))
        if peer is not None:
            theirs.append(_parsed(statements, peer))
    found: dict[str, Any] = {
        "statements": len(statements),
        "cold": _mean(ours, "cold"),
        "repeated": _mean(ours, "repeated"),
    }
    if peer is not None:
        both = [at for at in range(len(statements)) if ours[0][at] is not None and theirs[0][at] is not None]
        found["both"] = {
            "statements": len(both),
            "cold": _mean(ours, "cold", both),
            "1.8.0": _mean(theirs, "cold", both),
        }
    return found


def _parsed(statements: list[str], folder: Path | None) -> list[Any]:
    program = Path(__file__).with_name("parse_times.py")
    found: list[Any] = json.loads(_python(str(program), folder=folder, given=json.dumps(statements)))
    return found


def _mean(runs: list[list[Any]], which: str, chosen: list[int] | None = None) -> float:
    """Return the mean over statements of the median over processes, in microseconds."""
    places = range(len(runs[0])) if chosen is None else chosen
    medians = [median(run[at][which] for run in runs) for at in places if runs[0][at] is not None]
    return sum(medians) / len(medians) * 1e6


def _python(*arguments: str, folder: Path | None = None, given: str | None = None) -> str:
    """Run the interpreter where no package but the installed ones and those of the folder can be imported."""
    path = [] if folder is None else [str(folder.resolve())]
    path += filter(None, [os.environ.get("PYTHONPATH")])
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path)}
    with tempfile.TemporaryDirectory() as empty:
        done = subprocess.run(
            [sys.executable, "-P", *arguments],
            check=True,
            capture_output=True,
            text=True,
            input=given,
            cwd=empty,
            env=environment,
        )
    return done.stdout
