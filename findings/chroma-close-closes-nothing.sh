#!/usr/bin/env bash
# Closing Chroma's HTTP client closes none of its two pools of connections.
#
# Seen with chromadb 1.5.9, against its own server on loopback.
# Expected: close(), "release all resources" in its docstring, closes the connections.
# Behaviour: the client and the administration inside it have a pool of connections each; both are open after close().
# Output:
#     after close(): pools 2, closed 0
# For ChromaSQL: docs/chroma.md, "Closing a client leaves its connections open".
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet chromadb==1.5.9
"$work/venv/bin/python" -W ignore - "$work" <<'PYTHON'
import os
import socket
import subprocess
import sys
import time

os.environ["NO_PROXY"] = "127.0.0.1"
import chromadb
import httpx

with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]
command = [os.path.dirname(sys.executable) + "/chroma", "run", "--path", sys.argv[1] + "/db", "--port", str(port)]
server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
try:
    for _ in range(300):
        try:
            httpx.get(f"http://127.0.0.1:{port}/api/v2/heartbeat")
            break
        except httpx.TransportError:
            time.sleep(0.1)
    client = chromadb.HttpClient(host="127.0.0.1", port=port)
    client.heartbeat()
    client.close()
    pools = {client._server._session, client._admin_client._server._session}
    closed = sum(pool.is_closed for pool in pools)
    print(f"after close(): pools {len(pools)}, closed {closed}")
    assert (len(pools), closed) == (2, 0)
finally:
    server.kill()
    server.wait()
PYTHON
