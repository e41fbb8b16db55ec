"""Real Chroma servers on loopback."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

import pytest

_PATIENCE = 600


@dataclass
class ChromaServer:
    """A real `chroma run` on a free port of loopback, over one folder; it may be killed and started again."""

    path: Path
    host: str = "127.0.0.1"
    port: int = 0
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        """What a client is given."""
        return f"http://{self.host}:{self.port}"

    @property
    def log(self) -> Path:
        """What the server said."""
        return self.path / "server.log"

    def start(self) -> ChromaServer:
        """Start it and wait until it answers; another process may take the free port first, so try a few."""
        for _ in range(5):
            port = self.port or _find_free_port(self.host)
            if self._launch(port):
                self.port = port
                return self
        pytest.fail(f"chroma run did not start:\n{self.log.read_text()}")

    def kill(self) -> None:
        """End it at once, as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def restart(self) -> ChromaServer:
        """Kill it and start it again on the same port, over the same records."""
        self.kill()
        return self.start()

    def _launch(self, port: int) -> bool:
        command = [
            str(Path(sys.executable).parent / "chroma"),
            "run",
            *("--path", str(self.path / "db")),
            *("--host", self.host),
            *("--port", str(port)),
        ]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                env=os.environ | {"ANONYMIZED_TELEMETRY": "False"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        for _ in range(_PATIENCE):
            if _answers(f"http://{self.host}:{port}/api/v2/heartbeat"):
                return True
            try:
                self._process.wait(timeout=0.1)
            except subprocess.TimeoutExpired:
                continue
            self._process = None
            return False
        self.kill()
        return False


def _find_free_port(host: str) -> int:
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def _answers(url: str) -> bool:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(url, timeout=5) as response:
            return bool(response.status == 200)
    except OSError:
        return False
