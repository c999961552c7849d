"""Files that are whole or not there, whoever else writes them and however a process ends."""

import os
import tempfile
from pathlib import Path

HALF_WRITTEN = ".unfinished."
"""Names of files that are being written begin with this. A killed process leaves such a file behind."""


def write_whole(path: Path, content: bytes, sync: bool = False) -> None:
    """Write a file, and the folders above it, replacing what was there in one step. Raises OSError.

    sync: wait until the content is on disk, for files that are not checked by a digest, or whose order counts, so that they
    are whole after a power failure as well. It takes milliseconds.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=HALF_WRITTEN)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            if sync:
                file.flush()
                os.fsync(file.fileno())
        Path(temporary).chmod(0o644)  # mkstemp makes files that nobody else may read
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
