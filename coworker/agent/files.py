"""Files that came with a message, as the model may see them: pictures, text, or a word why not.

A file is what its bytes say, whatever its name; nothing is ever unpacked.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Awaitable, Callable, Sequence

from coworker.errors import CoworkerError
from coworker.repos.text import one_line, visible
from coworker.types import Json

Fetch = Callable[[Json], Awaitable[bytes]]
_MOST = 10
_IMAGE_BYTES = 5_000_000
_IMAGE_SIDE = 8_000
"""What the Messages API takes at most."""
_TEXT_BYTES = 100_000
_JPEG_SIZES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})


async def attached(files: Sequence[Json], fetch: Fetch) -> list[Json]:
    """Content blocks for these files ([{id, name, mime, size}]), each labelled as material."""
    blocks = [block for file in files[:_MOST] for block in await _blocks(file, fetch)]
    if len(files) > _MOST:
        blocks.append(_note(f"{len(files) - _MOST} more files came with this; I took {_MOST}."))
    return blocks


async def _blocks(file: Json, fetch: Fetch) -> list[Json]:
    name = one_line(str(file["name"]), 120)
    try:
        data = await fetch(file)
    except CoworkerError as error:
        return [_note(f"The file {name} could not be fetched: {error}")]
    if kind := _image_kind(data):
        return _image(name, kind, data)
    if text := _text(data):
        return [_note(f"The file {name} that came with this:\n{visible(text)}")]
    return [_note(f"The file {name} ({len(data):,} bytes) is neither a picture nor short text.")]


def _image(name: str, kind: str, data: bytes) -> list[Json]:
    width, height = _size(kind, data)
    if len(data) > _IMAGE_BYTES or not 0 < max(width, height) <= _IMAGE_SIDE:
        what = f"{width} × {height} pixels, {len(data):,} bytes"
        return [_note(f"The picture {name} is too large or damaged to be seen ({what}).")]
    source = {
        "type": "base64",
        "media_type": f"image/{kind}",
        "data": base64.b64encode(data).decode(),
    }
    return [_note(f"The picture {name} that came with this:"), {"type": "image", "source": source}]


def _note(text: str) -> Json:
    inner = text.replace("</context>", "<\\/context>")
    return {"type": "text", "text": f'<context from="a file">\n{inner}\n</context>'}


def _text(data: bytes) -> str:
    if len(data) > _TEXT_BYTES or b"\0" in data:
        return ""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return ""


def _image_kind(data: bytes) -> str:
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if data.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if data[:6] in (b"GIF87a", b"GIF89a"):
        return "gif"
    return "webp" if data[:4] == b"RIFF" and data[8:12] == b"WEBP" else ""


def _size(kind: str, data: bytes) -> tuple[int, int]:
    """Width and height in pixels as the header tells; (0, 0) for a damaged one."""
    try:
        match kind:
            case "png":
                return _pair(struct.unpack_from(">II", data, 16))
            case "gif":
                return _pair(struct.unpack_from("<HH", data, 6))
            case "jpeg":
                return _jpeg_size(data)
            case _:
                return _webp_size(data)
    except (struct.error, IndexError):
        return 0, 0


def _jpeg_size(data: bytes) -> tuple[int, int]:
    at = 2
    while data[at] == 0xFF:
        marker, length = data[at + 1], struct.unpack_from(">H", data, at + 2)[0]
        if marker in _JPEG_SIZES:
            height, width = struct.unpack_from(">HH", data, at + 5)
            return width, height
        at += 2 + length
    return 0, 0


def _webp_size(data: bytes) -> tuple[int, int]:
    match data[12:16]:
        case b"VP8 ":
            width, height = struct.unpack_from("<HH", data, 26)
            return width & 0x3FFF, height & 0x3FFF
        case b"VP8L":
            (bits,) = struct.unpack_from("<I", data, 21)
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        case b"VP8X":
            side = [int.from_bytes(data[at : at + 3], "little") + 1 for at in (24, 27)]
            return side[0], side[1]
    return 0, 0


def _pair(values: tuple[int, ...]) -> tuple[int, int]:
    return values[0], values[1]
