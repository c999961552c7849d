"""Object files on disk: a digest, a line about the function in it, and the code.

The digest stands first because a linker does not survive half a file.
"""

import json
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

from nonconv.atomic import write_whole

Kinds = tuple[Any, ...]
"""What arguments are: <f8, <i8 or <u8 for a number, a dtype with the dimensions behind it for an array, a tuple for a tuple."""


class Code(NamedTuple):
    """An object file, the name of the function in it, and of what it calls elsewhere."""

    symbol: str
    needs: list[str]
    content: bytes


def read_code(path: Path) -> Code | None:
    """The code in a file; None if there is none, or a damaged one."""
    with suppress(OSError, ValueError):
        known, whole = path.read_bytes().split(b"\n", 1)
        if known == _digest(whole):
            head, content = whole.split(b"\n", 1)
            symbol, needs = json.loads(head)
            return Code(symbol, needs, content)
    return None


def write_code(path: Path, code: Code) -> None:
    """Write the code, whole or not at all. Raises OSError."""
    whole = json.dumps((code.symbol, code.needs)).encode() + b"\n" + code.content
    # Not synced: what a power failure damages has another digest, and is compiled again.
    write_whole(path, _digest(whole) + b"\n" + whole)


def _digest(content: bytes) -> bytes:
    return blake2b(content).hexdigest().encode()
