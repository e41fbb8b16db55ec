"""
Run the contract tests against other releases of Chroma: ``python -m tests.contract chromadb==1.5.2 chromadb==1.5.4``.

Each release is installed in a virtual environment of its own, which is removed again, and gets a line that says where it
differs from the page. With ``--write`` its column of the table in docs/chroma.md is written anew.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import venv
import xml.etree.ElementTree as ET
from pathlib import Path

from tests.contract.page import read_behaviours, read_columns, write_columns

ROOT = Path(__file__).parents[2]


def main() -> None:
    """Run the tests against each release that is named, and print where it differs from the page."""
    parser = argparse.ArgumentParser(prog="python -m tests.contract", description=__doc__)
    parser.add_argument(
        "requirements", nargs="*", help="such as chromadb==1.5.2; without any, the Chroma of this Python"
    )
    parser.add_argument("--write", action="store_true", help="write the columns of docs/chroma.md anew")
    arguments = parser.parse_args()
    columns = {}
    for requirement in arguments.requirements or [""]:
        version, column = run(requirement)
        columns[version] = column
        print(format_row(version, column), flush=True)
    if arguments.write:
        write_columns(read_columns() | columns)


def run(requirement: str) -> tuple[str, dict[str, str]]:
    """Return the version that was installed, and for each anchor of the page "yes" or "no"."""
    with tempfile.TemporaryDirectory() as folder:
        python = _install(requirement, Path(folder)) if requirement else Path(sys.executable)
        version = _output(python, "-W", "ignore", "-c", "import chromadb; print(chromadb.__version__)")
        report, ini = Path(folder, "report.xml"), Path(folder, "pytest.ini")
        ini.write_text("[pytest]\n")
        # Without the ini file and the fixtures of the other tests, whose libraries are not installed there.
        command = [python, "-m", "pytest", "-q", "-c", ini, "--rootdir", ROOT, "--confcutdir", Path(__file__).parent]
        command += ["-p", "no:cacheprovider", "--import-mode=importlib", f"--junitxml={report}", Path(__file__).parent]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if not report.exists():
            sys.exit(f"the tests did not run against {requirement}:\n{done.stdout}{done.stderr}")
        passed = {
            str(case.get("name")): not ({"failure", "error"} & {child.tag for child in case})
            for case in ET.parse(report).iter("testcase")
        }
    return version, {
        known.anchor: "yes" if passed[known.test] else "**no**" for known in read_behaviours() if known.test in passed
    }


def format_row(version: str, column: dict[str, str]) -> str:
    """Return one line on a release: how many behaviours it has, and which it has not."""
    others = [anchor for anchor, cell in column.items() if cell != "yes"]
    return f"| {version} | {len(column) - len(others)} of {len(column)} | {', '.join(others) or 'none'} |"


def _install(requirement: str, folder: Path) -> Path:
    venv.create(folder / "venv", with_pip=True)
    python = folder / "venv" / "bin" / "python"
    command = [python, "-m", "pip", "install", "-q", requirement, "pytest"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{requirement} could not be installed:\n{done.stderr}")
    return python


def _output(*command: str | Path) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    main()
