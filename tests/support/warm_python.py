"""
Programs in fresh processes that need not import everything anew.

`running` starts one Python that has imported chromadb and the command line, and nothing has happened in it since. It
forks for each program, which so has a process, a folder, an environment, an input and outputs of its own after a few
milliseconds instead of a second or two. Shell scripts start ``chromasql`` in the same way where `make_command` put it.
"""

from __future__ import annotations

import gc
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_MOST = 1 << 20  # bytes of a request that are read at once

_COMMAND = """#!{python} -IS
import json, os, socket, sys
connection = socket.socket(socket.AF_UNIX)
connection.connect({address!r})
request = {{"argv": ["chromasql", *sys.argv[1:]], "folder": os.getcwd(), "environment": dict(os.environ)}}
socket.send_fds(connection, [json.dumps(request).encode() + b"\\n"], [0, 1, 2])
code = int(connection.makefile().readline() or 1)
if code < 0:
    os.kill(os.getpid(), -code)
sys.exit(code)
"""


@dataclass(frozen=True)
class WarmPython:
    """What starts programs; ``address`` is a socket in the file system."""

    address: str

    def run(self, program: Path, *, folder: Path, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        """Run a program in a folder without any input, and return its exit code and its two outputs."""
        request = {"argv": [str(program)], "folder": str(folder), "environment": dict(environment)}
        with (
            socket.socket(socket.AF_UNIX) as connection,
            Path(os.devnull).open("rb") as nothing,
            tempfile.TemporaryFile() as output,
            tempfile.TemporaryFile() as errors,
        ):
            connection.connect(self.address)
            files = [nothing.fileno(), output.fileno(), errors.fileno()]
            socket.send_fds(connection, [json.dumps(request).encode() + b"\n"], files)
            with connection.makefile() as answer:
                code = int(answer.readline() or 1)
            texts = []
            for file in (output, errors):
                file.seek(0)
                texts.append(file.read().decode())
        return subprocess.CompletedProcess(request["argv"], code, *texts)

    def make_command(self, folder: Path) -> None:
        """Put a ``chromasql`` into a folder that is to come first in PATH."""
        command = folder / "chromasql"
        command.write_text(_COMMAND.format(python=sys.executable, address=self.address), "utf-8")
        command.chmod(0o755)


@contextmanager
def running() -> Iterator[WarmPython]:
    """Have one for a while."""
    with tempfile.TemporaryDirectory() as folder:
        address = f"{folder}/socket"
        environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
        command = [sys.executable, __file__, address]
        with subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as server:
            assert server.stdout is not None
            assert server.stdout.readline() == b"ready\n"
            yield WarmPython(address)
            server.terminate()


def _serve(address: str) -> None:
    """Fork for each connection; return in the process that has run its program, so that it ends like any other."""
    import chromadb  # noqa: F401 - to have it

    import chromasql.cli.app  # noqa: F401 - to have it

    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address)
    listener.listen()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    gc.freeze()  # what is imported stays shared between the processes
    os.write(1, b"ready\n")
    while True:
        connection, _ = listener.accept()
        if os.fork():
            connection.close()
            continue
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        listener.close()
        data, files, _, _ = socket.recv_fds(connection, _MOST, 3)
        while not data.endswith(b"\n"):
            data += connection.recv(_MOST)
        program = os.fork()
        if program:
            _, status = os.waitpid(program, 0)
            connection.sendall(b"%d\n" % os.waitstatus_to_exitcode(status))
            os._exit(0)
        connection.close()
        for target, file in enumerate(files):
            os.dup2(file, target)
            os.close(file)
        _run(**json.loads(data))
        return


def _run(argv: list[str], folder: str, environment: dict[str, str]) -> None:
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv, sys.path[0] = argv, folder
    if argv[0] == "chromasql":
        from chromasql.cli import main

        main()
    else:
        runpy.run_path(argv[0], run_name="__main__")


if __name__ == "__main__":
    _serve(sys.argv[1])
