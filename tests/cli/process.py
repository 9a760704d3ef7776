"""The command line as a person has it: processes with pipes, or at a real pseudo-terminal."""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import re
import signal
import struct
import sys
import termios
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

DEADLINE_S = 30
_ESCAPES = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|[ -/]*[0-~])")


@dataclass(frozen=True)
class Ended:
    """How a process ended."""

    status: int
    out: str
    err: str


class Shell:
    """A home of its own; `cwd` is a git checkout unless it is changed."""

    def __init__(self, home: Path) -> None:
        self.state = home / "state"
        self.cwd = home / "shop"
        self.environment = {
            "HOME": str(home),
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
            "COWORKER_CONFIG": str(home / "config.toml"),
            "LC_ALL": "C.UTF-8",
            "TERM": "xterm-256color",
            "PROMPT_TOOLKIT_NO_CPR": "1",
        }
        (home / "config.toml").touch()
        self.state.mkdir()
        (self.cwd / ".git").mkdir(parents=True)
        self._started: list[asyncio.subprocess.Process] = []

    async def __aenter__(self) -> Shell:
        return self

    async def __aexit__(self, *_: object) -> None:
        for process in self._started:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()

    async def run(self, *arguments: str | bytes, stdin: bytes = b"") -> Ended:
        """Run to the end with everything piped."""
        process = await self.start(*arguments)
        async with asyncio.timeout(DEADLINE_S):
            out, err = await process.communicate(stdin)
        assert process.returncode is not None
        return Ended(process.returncode, out.decode(), err.decode())

    async def start(self, *arguments: str | bytes, **streams: int) -> asyncio.subprocess.Process:
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), asyncio.subprocess.PIPE)
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "coworker", "--state-dir", str(self.state)),
            *arguments,
            cwd=self.cwd,
            env=self.environment,
            **{**pipes, **streams},
        )
        self._started.append(process)
        return process

    async def at_terminal(self, *arguments: str, columns: int = 80) -> Terminal:
        """Run with a terminal as all three streams."""
        ours, theirs = pty.openpty()
        fcntl.ioctl(ours, termios.TIOCSWINSZ, struct.pack("4H", 24, columns, 0, 0))
        process = await self.start(*arguments, stdin=theirs, stdout=theirs, stderr=theirs)
        os.close(theirs)
        return Terminal(process, ours)


class Terminal:
    """What a person sees and types.

    `seen` is all that was ever written, raw; `echoes` whether it was left as a shell expects it.
    """

    def __init__(self, process: asyncio.subprocess.Process, descriptor: int) -> None:
        self.process = process
        self.seen = b""
        self.echoes = False
        self._descriptor = descriptor
        self._changed = asyncio.Event()
        self._open = True
        asyncio.get_running_loop().add_reader(descriptor, self._read)

    @property
    def text(self) -> str:
        """All that was written, without what moves the cursor or colours."""
        return _ESCAPES.sub(b"", self.seen).replace(b"\r", b"").decode(errors="replace")

    def type(self, keys: str) -> None:
        os.write(self._descriptor, keys.encode(errors="surrogateescape"))

    async def sees(self, *texts: str, after: int = 0) -> int:
        """Wait until the texts are there, in this order; the position behind the last of them."""
        for text in texts:
            await self._until(lambda text=text, start=after: text in self.text[start:], text)
            after = self.text.index(text, after) + len(text)
        return after

    async def ends(self) -> int:
        async with asyncio.timeout(DEADLINE_S):
            status = await self.process.wait()
        self._read()
        self.close()
        return status

    def interrupt(self) -> None:
        """As Ctrl-C where the terminal itself makes a signal of it."""
        self.process.send_signal(signal.SIGINT)

    def close(self) -> None:
        if self._open:
            self._open = False
            self.echoes = bool(termios.tcgetattr(self._descriptor)[3] & termios.ECHO)
            asyncio.get_running_loop().remove_reader(self._descriptor)
            os.close(self._descriptor)

    def _read(self) -> None:
        try:
            data = os.read(self._descriptor, 65536) if self._open else b""
        except OSError:  # nobody holds the other end any more
            data = b""
        self.seen += data
        self._changed.set()
        if not data:
            self.close()

    async def _until(self, condition, what: str) -> None:
        try:
            async with asyncio.timeout(DEADLINE_S):
                while not condition() and self._open:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            pass
        assert condition(), f"never saw {what!r} in:\n{self.text}"
