"""What the system has too little of, where that made a command fail: files, processes, memory."""

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import suppress

from nonconv.faults.errors import NonconvError, UsageError

NEEDS_LESS = "--workers 1 needs less, and so does a sweep with --executor threads"
TOO_FEW_FILES = (errno.EMFILE, errno.ENFILE)
NO_MEMORY = ("allocate memory", "out of memory", "failed to map segment")
"""What libraries say of too little memory, in small letters."""

LIMITS = {"RLIMIT_AS": ("ulimit -v", 1024), "RLIMIT_DATA": ("ulimit -d", 1024), "RLIMIT_NPROC": ("ulimit -u", 1)}
"""The shell's command for each limit that loading NumPy may meet, and its unit."""
TIGHT_MEMORY, TIGHT_PER_CPU, TIGHT_PROCESSES = 2**30, 2**26, 200
"""Limits below which NumPy may not load: bytes, bytes more per CPU, and processes. It needs about a tenth of each."""
SPARE_MEMORY = 2**25
"""Bytes that a command takes between the trial and the time when it loads NumPy, at most."""


def refuse_too_little() -> None:
    """Raise UsageError if a limit of this process is too low to load NumPy. Without low limits this does nothing.

    NumPy's BLAS starts a thread per CPU when it is loaded. Where it cannot, it ends the process or sends it SIGINT, and
    nothing can be said any more. So a fork of this process tries it first.
    """
    limits = _tight_limits()
    if not limits or "numpy" in sys.modules or _can_load_numpy():
        return
    told = ", ".join(f"`{command}` is {limits[name] // unit}" for name, (command, unit) in LIMITS.items() if name in limits)
    raise UsageError(
        f"NumPy cannot be loaded: not enough memory or threads ({told}).\n"
        "  Its BLAS takes most of both, for a thread per CPU; OPENBLAS_NUM_THREADS=1\n"
        "  starts none, and a sweep with --executor threads needs no more processes.\n"
        "  Otherwise raise the limit."
    )


def _tight_limits() -> dict[str, int]:
    """Return the limits that may be too low for NumPy, by name."""
    try:
        import resource
    except ImportError:  # not on Windows
        return {}
    cpus = os.cpu_count() or 1
    tight = {"RLIMIT_NPROC": TIGHT_PROCESSES + cpus}
    soft = {name: resource.getrlimit(getattr(resource, name))[0] for name in LIMITS if hasattr(resource, name)}
    return {
        name: value
        for name, value in soft.items()
        if value != resource.RLIM_INFINITY and value < tight.get(name, TIGHT_MEMORY + cpus * TIGHT_PER_CPU)
    }


def _can_load_numpy() -> bool:
    """Whether a fork of this process can load NumPy, with a little less memory than this process may have."""
    try:
        child = os.fork()
    except OSError:  # no process can be started, and so no thread
        return os.cpu_count() == 1
    if not child:
        _try_numpy()
    return os.waitpid(child, 0)[1] == 0


def _try_numpy() -> None:
    """Load NumPy and end this process: with code 0 if that succeeds. Nothing is printed."""
    code = 1
    with suppress(BaseException):  # BLAS sends SIGINT, which raises KeyboardInterrupt
        import resource

        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        for name in ("RLIMIT_AS", "RLIMIT_DATA"):
            soft, hard = resource.getrlimit(getattr(resource, name))
            if soft != resource.RLIM_INFINITY:
                resource.setrlimit(getattr(resource, name), (max(soft - SPARE_MEMORY, 0), hard))
        import numpy  # noqa: F401  # whether it loads is the question

        code = 0
    os._exit(code)


def shortage(error: BaseException) -> str:
    """Say what is missing, with the limit, if an error or one of its causes shows that; otherwise return an empty text."""
    for one in _causes(error):
        number = getattr(one, "errno", None)
        text = "" if isinstance(one, NonconvError) else str(one).lower()  # nonconv's own words are no evidence
        if number in TOO_FEW_FILES or "too many open files" in text:
            return f"too many open files{_limit('RLIMIT_NOFILE', 'ulimit -n')}; raise the limit, as by `ulimit -n 1024`"
        if isinstance(one, MemoryError) or number == errno.ENOMEM or any(words in text for words in NO_MEMORY):
            return f"not enough memory{_limit('RLIMIT_AS', 'ulimit -v', 1024)}; {NEEDS_LESS}"
        if isinstance(one, BlockingIOError) or (isinstance(one, RuntimeError) and "start new thread" in text):
            # A thread also needs memory for its stack.
            limits = (_limit("RLIMIT_NPROC", "ulimit -u") + _limit("RLIMIT_AS", "ulimit -v", 1024)).replace(") (", ", ")
            return f"no more processes or threads may be started{limits}; {NEEDS_LESS}"
    return ""


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and those that it was raised from or during."""
    seen: list[BaseException] = []
    while error is not None and error not in seen:
        seen.append(error)
        yield error
        error = error.__cause__ or error.__context__


def _limit(name: str, command: str, unit: int = 1) -> str:
    """Write a limit of this process as the shell's command shows it; empty where there is none."""
    try:
        import resource
    except ImportError:  # not on Windows
        return ""
    soft, _ = resource.getrlimit(getattr(resource, name))
    return "" if soft == resource.RLIM_INFINITY else f" (`{command}` is {soft // unit})"
