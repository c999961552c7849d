"""Object files on disk: a digest, a line about the function, and the machine code.

The digest comes first because the linker crashes on a damaged file. The name goes into it: a whole file of another kernel
under this name is damaged too.
"""

import json
import shutil
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

from nonconv.system.atomic import HALF_WRITTEN

Kinds = tuple[Any, ...]
"""The kinds of arguments: <f8, <i8 or <u8 for a number, `dtype:dimensions` for an array, a tuple for a tuple."""


class Code(NamedTuple):
    """An object file with its function's name, and the names of the symbols that it needs from elsewhere."""

    symbol: str
    needs: list[str]
    content: bytes


def read_code(path: Path) -> Code | None:
    """Read the code in a file; None if the file is missing or damaged, or something else has its name."""
    with suppress(OSError, ValueError):
        if not path.is_file():  # reading a pipe would never end
            return None
        # One read: the file may be replaced by another process at any time.
        known, whole = path.read_bytes().split(b"\n", 1)
        if known == _digest(path, whole):
            head, content = whole.split(b"\n", 1)
            symbol, needs = json.loads(head)
            return Code(symbol, needs, content)
    return None


def write_code(path: Path, code: Code) -> None:
    """Write the code atomically. Raises OSError if the cache is not writable."""
    whole = json.dumps((code.symbol, code.needs)).encode() + b"\n" + code.content
    write_cached(path, _digest(path, whole) + b"\n" + whole)


def write_cached(path: Path, content: bytes) -> None:
    """Write a file of the cache in one step, in place of whatever has its name. Raises OSError if that cannot be done.

    Half-written it has one name, which whoever compiles it next replaces: a killed process leaves nothing for good.
    """
    half = path.with_name(f"{HALF_WRITTEN}{path.name}")
    path.parent.mkdir(parents=True, exist_ok=True)
    for name in (half, path):
        if name.is_dir() and not name.is_symlink():  # a rename does not replace a folder
            shutil.rmtree(name)
    half.unlink(missing_ok=True)
    # Not synced: what a power failure damages has another digest, and is compiled again. So is what two processes write at
    # once, where there are no locks. Opened before the `try`: what another one writes is not removed.
    file = half.open("xb")
    try:
        with file:
            file.write(content)
        half.replace(path)
    except BaseException:  # Ctrl-C as well must leave nothing half-written
        half.unlink(missing_ok=True)
        raise


def _digest(path: Path, content: bytes) -> bytes:
    """Return a digest of the file's name and content, as text in bytes: it has no line break, which ends it in the file."""
    return blake2b(path.name.encode() + b"\n" + content).hexdigest().encode()
