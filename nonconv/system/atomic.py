"""Write files that are whole or not there, whoever else writes them and however a process ends.

The content goes to a temporary file in the same folder, which then takes the place of the target by one rename.
Readers see the old file or the new one, never a part. Two processes may write the same file at the same time: the last
rename wins.
"""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

HALF_WRITTEN = ".unfinished."
"""Names of files that are being written begin with this. A killed process leaves such a file behind."""
LONGEST_NAME = 255
"""Bytes of a name on every usual file system. An encrypted home may allow less; then the system's error is shown."""


def fitting_name(name: str, end: str) -> str:
    """Return a file's name: `name`, cut after a whole character so that it fits with its end, and `end`."""
    room = LONGEST_NAME - len(os.fsencode(end))
    return os.fsencode(name)[: max(room, 0)].decode(sys.getfilesystemencoding(), "ignore") + end


def write_whole(path: Path, content: bytes, sync: bool = False) -> None:
    """Write a file, and the folders above it, replacing what was there in one step.

    sync: wait until the content is on disk, so that the file is whole after a power failure as well. This takes
    milliseconds. It is needed where no digest would reveal a damaged file, and where files must reach the disk in order,
    as the manifest of a folder after all others.

    Raises OSError; the old file is then still there.
    """
    with writing_whole(path, sync) as file:
        file.write(content)


@contextmanager
def writing_whole(path: Path, sync: bool = False) -> Iterator[BinaryIO]:
    """Open a file that takes its place, as `write_whole` does, when the context ends without an exception."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # In the same folder, since a rename is atomic only within one file system.
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=HALF_WRITTEN)
    try:
        with os.fdopen(handle, "w+b") as file:
            yield file
            if sync:
                file.flush()
                os.fsync(file.fileno())
        Path(temporary).chmod(0o644)  # mkstemp makes files that nobody else may read
        Path(temporary).replace(path)
    # Ctrl-C as well must leave no temporary file behind.
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
