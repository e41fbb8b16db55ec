"""Programs in processes of their own."""

from __future__ import annotations

import subprocess
import sys
import textwrap

__all__ = ["run"]


def run(head: str, program: str) -> str:
    """Run a program that has to end by itself within a minute and to print no error, and return what it prints."""
    command = [sys.executable, "-c", head + textwrap.dedent(program)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout
