"""
The command line: ``chromasql query``, ``explain``, ``collections``, ``recall``, ``mcp`` and ``demo``.

Exit codes: 0 all is well; 1 a ChromaSQL error; 2 wrong usage; 3 a partial result, printed all the same, while
standard error names the collections that are missing; 4 a recall below the threshold; 130 Ctrl-C; 141 the reader of
the output went away.
"""

from __future__ import annotations

import io
import sys

__all__ = ["main"]


def main() -> None:
    """Run the command line on ``sys.argv`` and exit."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # Files and pipes are UTF-8 whatever the locale; no character ends a command half-way.
            stream.reconfigure(encoding=stream.encoding if stream.isatty() else "utf-8", errors="backslashreplace")
    try:
        from chromasql.cli.app import app

        app(prog_name="chromasql")
    except KeyboardInterrupt:
        sys.exit(130)
