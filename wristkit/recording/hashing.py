"""Hashes that tell contents apart, at the speed of memory: XXH3 of 128 bits.

They are no proof against a forger; what is downloaded, and what is shipped, is held against SHA-256.
"""

from collections.abc import Iterable
from typing import IO

from xxhash import xxh3_128

ContentHash = xxh3_128
_CHUNK_BYTES = 2**20


def hash_of(content: bytes) -> str:
    """Return 32 hex digits that another content does not have."""
    return ContentHash(content).hexdigest()


def hash_of_file(file: IO[bytes]) -> str:
    """Return the hash of what is left of an open file."""
    whole = ContentHash()
    while chunk := file.read(_CHUNK_BYTES):
        whole.update(chunk)
    return whole.hexdigest()


def hash_of_parts(parts: Iterable[tuple[str, str]]) -> str:
    """Return the hash of several files, of each its name and its own hash."""
    return hash_of("".join(f"{name} {own}\n" for name, own in parts).encode())
