"""How long the daemon's event loop lets a caller wait: `hello` every 20 ms, from outside.

    python -m benchmarks.probe SOCKET      until its input ends; prints the waits as JSON (ms)

Calls go out on time even when answers are late, so a stall counts for every call it delayed.
"""

from __future__ import annotations

import json
import socket
import sys
import threading
import time

_EVERY_S = 0.02
_PATIENCE_S = 60.0


def main(path: str) -> None:
    """Ask until the standard input ends, then print."""
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(path)
    connection.settimeout(_PATIENCE_S)
    over, waits = threading.Event(), []
    sending = threading.Thread(target=_send, args=(connection, over))
    sending.start()
    threading.Thread(target=lambda: (sys.stdin.read(), over.set()), daemon=True).start()
    for line in connection.makefile("rb"):
        waits.append((time.monotonic_ns() - json.loads(line)["id"]) / 1e6)
    sending.join()
    print(json.dumps(waits))


def _send(connection: socket.socket, over: threading.Event) -> None:
    due = time.monotonic()
    while not over.is_set():
        request = {"id": time.monotonic_ns(), "verb": "hello", "params": {}}
        connection.sendall(json.dumps(request).encode() + b"\n")
        due += _EVERY_S
        over.wait(max(0.0, due - time.monotonic()))
    connection.shutdown(socket.SHUT_WR)


if __name__ == "__main__":
    main(sys.argv[1])
