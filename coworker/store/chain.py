"""How an entry is bound to what it says and to the entry before it: salted, hashed, chained."""

from __future__ import annotations

import hashlib
import os

import msgspec

NO_HASH = b"\0" * 32
"""What the first entry of a conversation follows."""
SALT_BYTES = 16
"""With any other length, words could be moved into the salt and the hash would stay."""


def salted(text: str) -> tuple[bytes, bytes]:
    """A new salt, and the hash of these words with it."""
    salt = os.urandom(SALT_BYTES)
    return salt, sha(salt + text.encode())


def link(before: bytes, conversation: str, head: tuple[object, ...], body_hash: bytes) -> bytes:
    """The hash of an entry: over the one before, its own head and its body's hash."""
    return sha(before + msgspec.json.encode([conversation, *head]) + body_hash)


def sha(data: bytes) -> bytes:
    """SHA-256."""
    return hashlib.sha256(data).digest()
