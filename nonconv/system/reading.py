"""Read a user's file: whole, once, of bounded size, and never one that keeps a reader waiting for ever.

Configs, plug-ins and data files all come through here. What a name stands for is looked at before it is opened:
opening a named pipe waits for a writer, and /dev/zero has no end.
"""

import errno
import os
import select
import stat
from pathlib import Path

MEGABYTE = 10**6
MOST_CONFIG_BYTES = 4 * MEGABYTE
"""Size of a config or a plug-in; a text that people write is a thousandth of it."""
MOST_DATA_BYTES = 256 * MEGABYTE
"""Size of a data file. It is held in memory while it is used, beside its numbers."""
WRITER_SECONDS = 2.0
"""How long to wait until somebody opens the other end of a named pipe. Once it is open, the pipe is waited for."""
STANDARD_INPUT = ("-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0")
"""Names of the standard input; - is the usual short one."""
NON_BLOCKING = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def read_file(path: Path, most: int) -> bytes:
    """Read a regular file.

    Raises OSError, whose `strerror` says what is in the way: anything but a regular file, or more than `most` bytes. Raises
    ValueError for a name with a null character.
    """
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode):
        raise _refused(f"it is {KINDS.get(stat.S_IFMT(mode), 'something else')}, not a file")
    # Non-blocking: what has its name now may be a pipe, and some files of /proc wait for news.
    with os.fdopen(os.open(path, os.O_RDONLY | NON_BLOCKING), "rb") as file:
        # The file that was opened counts, not what had its name a moment ago.
        if os.fstat(file.fileno()).st_size > most:
            raise _too_large(most)
        content = file.read(most + 1) or b""
    # A file may grow while it is read, and those of /proc have size 0.
    if len(content) > most:
        raise _too_large(most)
    return content


def is_stream(path: Path) -> bool:
    """Whether a config has no folder of its own: it comes from the standard input, or from a shell's `<(command)`."""
    return str(path) in STANDARD_INPUT or path.parent in (Path("/dev/fd"), Path("/proc/self/fd"))


def read_text_source(path: Path, most: int) -> bytes:
    """Read a regular file, the standard input, or a pipe to its end. Raises as `read_file` does."""
    if str(path) in STANDARD_INPUT:
        return _drain(os.dup(0), most)
    mode = path.stat().st_mode
    if stat.S_ISFIFO(mode):
        return _drain(os.open(path, os.O_RDONLY | NON_BLOCKING), most)
    return read_file(path, most)


def _drain(handle: int, most: int) -> bytes:
    """Read an open stream to its end, and close it. Raises OSError if nobody writes to it, or it does not end in time."""
    with open(handle, "rb", buffering=0) as stream:
        mode = os.fstat(handle).st_mode
        if stat.S_ISDIR(mode) or stat.S_ISBLK(mode) or (stat.S_ISCHR(mode) and not _ends(handle)):
            raise _refused(f"it is {KINDS[stat.S_IFMT(mode)]}, not a file")
        content = bytearray()
        waited = False
        while len(content) <= most:
            part = stream.read(most + 1 - len(content))
            if part:
                content += part
            elif part is None:  # a writer has the pipe open and has not written yet
                _wait(handle, None)
            elif content or waited or not stat.S_ISFIFO(mode):
                break
            else:
                waited = True
                # A pipe whose writers are gone reports so at once; one that never had any reports nothing.
                if not _wait(handle, WRITER_SECONDS):
                    raise _refused("it is a pipe that nobody writes to")
    if len(content) > most:
        raise _too_large(most)
    return bytes(content)


def _wait(handle: int, seconds: float | None) -> bool:
    """Wait until a pipe has something to read or has lost its writers; return whether that happened in time."""
    poll = select.poll()
    poll.register(handle, select.POLLIN)
    return bool(poll.poll(None if seconds is None else seconds * 1000))


def _ends(handle: int) -> bool:
    """Whether a device comes to an end: a terminal at Ctrl-D, /dev/null at once."""
    return os.isatty(handle) or os.fstat(handle).st_rdev == Path(os.devnull).stat().st_rdev


def _refused(reason: str) -> OSError:
    """Return the error of a file that is none."""
    return OSError(errno.EINVAL, reason)


def _too_large(most: int) -> OSError:
    """Return the error of a file with more bytes than are read."""
    return OSError(errno.EFBIG, f"it has more than {most // MEGABYTE} MB")
