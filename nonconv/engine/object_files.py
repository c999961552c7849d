"""Object files on disk: a digest, a line about the function, and the machine code.

The digest comes first because the linker crashes on a damaged file.
"""

import json
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

from nonconv.atomic import write_whole

Kinds = tuple[Any, ...]
"""The kinds of arguments: <f8, <i8 or <u8 for a number, `dtype:dimensions` for an array, a tuple for a tuple."""


class Code(NamedTuple):
    """An object file with its function's name, and the names of the symbols that it needs from elsewhere."""

    symbol: str
    needs: list[str]
    content: bytes


def read_code(path: Path) -> Code | None:
    """Read the code in a file; None if the file is missing or damaged."""
    with suppress(OSError, ValueError):
        # One read: the file may be replaced by another process at any time.
        known, whole = path.read_bytes().split(b"\n", 1)
        if known == _digest(whole):
            head, content = whole.split(b"\n", 1)
            symbol, needs = json.loads(head)
            return Code(symbol, needs, content)
    return None


def write_code(path: Path, code: Code) -> None:
    """Write the code atomically. Raises OSError if the cache is not writable."""
    whole = json.dumps((code.symbol, code.needs)).encode() + b"\n" + code.content
    # Not synced: what a power failure damages has another digest, and is compiled again.
    write_whole(path, _digest(whole) + b"\n" + whole)


def _digest(content: bytes) -> bytes:
    """Return a digest of the content, as text in bytes: it has no line break, which ends it in the file."""
    return blake2b(content).hexdigest().encode()
