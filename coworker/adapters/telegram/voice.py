"""Voice notes as text, by a program that the configuration names."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path

from coworker.config import program_environment
from coworker.errors import Unavailable

_LIMIT_S = 120.0
_MAX_BYTES = 200_000


async def transcribe(program: Sequence[str], sound: bytes) -> bytes:
    """What the program prints for a sound file, as UTF-8. Raises Unavailable when it fails."""
    with tempfile.TemporaryDirectory(prefix="coworker-voice-") as folder:
        file = Path(folder) / "voice.ogg"
        await asyncio.to_thread(file.write_bytes, sound)
        argv = [word.replace("{file}", str(file)) for word in program]
        return await _output(argv)


async def _output(argv: Sequence[str]) -> bytes:
    try:
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=program_environment(),
        )
    except OSError as error:
        raise _failed(argv, f"cannot be started ({error.strerror})") from None
    try:
        async with asyncio.timeout(_LIMIT_S):
            text, _ = await process.communicate()
    except TimeoutError:
        raise _failed(argv, f"took longer than {_LIMIT_S:.0f} s") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise _failed(argv, f"ended with exit status {process.returncode}")
    return text[:_MAX_BYTES]


def _failed(argv: Sequence[str], how: str) -> Unavailable:
    return Unavailable(
        f"The voice note was not transcribed: {argv[0]} {how}. "
        "Try telegram.transcribe's command by hand, or write instead."
    )
