"""What the system has too little of, where that made a command fail: files, processes, memory."""

import errno
from collections.abc import Iterator

NEEDS_LESS = "--workers 1 needs less, and so does a sweep with --executor threads"
TOO_FEW_FILES = (errno.EMFILE, errno.ENFILE)
NO_MEMORY = ("allocate memory", "out of memory", "failed to map segment")
"""What libraries say of too little memory, in small letters."""


def shortage(error: BaseException) -> str:
    """Say what is missing, with the limit, if an error or one of its causes shows that; otherwise return an empty text."""
    for one in _causes(error):
        number, text = getattr(one, "errno", None), str(one).lower()
        if number in TOO_FEW_FILES or "too many open files" in text:
            return f"too many open files{_limit('RLIMIT_NOFILE', 'ulimit -n')}; raise the limit, as by `ulimit -n 1024`"
        if isinstance(one, MemoryError) or number == errno.ENOMEM or any(words in text for words in NO_MEMORY):
            return f"not enough memory{_limit('RLIMIT_AS', 'ulimit -v', 1024)}; {NEEDS_LESS}"
        if isinstance(one, BlockingIOError) or (isinstance(one, RuntimeError) and "start new thread" in text):
            return f"no more processes or threads may be started{_limit('RLIMIT_NPROC', 'ulimit -u')}; {NEEDS_LESS}"
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
