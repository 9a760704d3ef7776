"""The local socket through which the command line speaks to whoever owns the state directory.

One JSON object per line. It knows lines, who is at the other end, and how an error is told.
"""

from __future__ import annotations

import asyncio
import json
import os
import pwd
import socket
import sqlite3
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from coworker.control import Client, Control
from coworker.errors import ConfigError, CoworkerError
from coworker.redact import Redactor
from coworker.types import Json

SOCKET = "coworker.sock"
_LINE_BYTES = 16 * 1024 * 1024
_MAX_UNSENT_BYTES = 1_000_000
"""Progress to a screen that does not read is dropped beyond this; replies never are."""
_DAMAGED = (
    "The database in the state directory is damaged ({error}). Put a backup in its place, "
    "or name another directory with --state-dir."
)


class Listener:
    """The socket and everybody who is connected to it."""

    def __init__(self, control: Control, redactor: Redactor) -> None:
        self._control = control
        self._redactor = redactor
        self._connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._server: asyncio.Server | None = None
        self._path = Path()

    async def listen(self, path: Path) -> None:
        """Answer on this socket; only for the user who runs us, and root. Raises ConfigError."""
        path.unlink(missing_ok=True)
        mask = os.umask(0o177)
        try:
            self._server = await asyncio.start_unix_server(self._connected, path, limit=_LINE_BYTES)
        except OSError as error:
            raise ConfigError(
                f"The control socket {path} cannot be made: {error.strerror or error}. "
                "A shorter or writable --state-dir helps."
            ) from None
        finally:
            os.umask(mask)
        self._path = path

    async def close(self) -> None:
        """Hang up on everybody."""
        self._control.close()
        if self._server:
            self._server.close()
            self._path.unlink(missing_ok=True)
        for writer in self._connections.values():
            writer.close()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task:
            self._connections[task] = writer
            task.add_done_callback(self._connections.pop)
        screen = _screen(writer)
        try:
            client = Client(_peer(writer), screen)
            while line := await reader.readline():
                answer = self._redactor.value(await self._answer(line, client))
                writer.write(_line(answer))
                await writer.drain()
        except (ConnectionError, ValueError):
            pass  # gone, a line beyond the limit, or somebody else: there is nobody to tell
        finally:
            self._control.leave(screen)
            writer.close()

    async def _answer(self, line: bytes, client: Client) -> Json:
        number: Any = None
        try:
            request = json.loads(line)
            number = request["id"]
            verb, params = request["verb"], request.get("params", {})
            return {"id": number, "result": await self._control.call(client, verb, params)}
        except CoworkerError as error:
            failure = {"message": str(error), "exit_status": error.exit_status}
        except (sqlite3.DatabaseError, msgspec.DecodeError) as error:
            failure = {"message": _DAMAGED.format(error=error), "exit_status": 78}
        except (ValueError, KeyError, TypeError) as error:
            failure = {"message": f"Not a request: {error}", "exit_status": 2}
        return {"id": number, "error": failure}


def _peer(writer: asyncio.StreamWriter) -> str:
    """`terminal:<user>` of the process at the other end, as the kernel tells it."""
    connection: socket.socket = writer.get_extra_info("socket")
    credentials = connection.getsockopt(
        socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")
    )
    _, uid, _ = struct.unpack("3i", credentials)
    if uid not in (0, os.getuid()):
        raise ConnectionError(f"user {uid} may not use this socket")
    try:
        return f"terminal:{pwd.getpwuid(uid).pw_name}"
    except KeyError:
        return f"terminal:{uid}"


def _screen(writer: asyncio.StreamWriter) -> Callable[[Json], None]:
    def show(event: Json) -> None:
        unsent = writer.transport.get_write_buffer_size()
        if not writer.is_closing() and (unsent < _MAX_UNSENT_BYTES or event["kind"] != "progress"):
            writer.write(_line({"event": event}))

    return show


def _line(message: Json) -> bytes:
    return json.dumps(message).encode() + b"\n"
