"""Run several functions at once, in forks of a process that has loaded what they need; in turn where forks are unsafe.

Threads would not do: matplotlib keeps the interpreter busy and is not made for several threads.
"""

import os
import pickle
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from nonconv.faults.blame import in_one_line

_forks = False


def fork_from_now_on() -> None:
    """Let `at_once` fork from now on. Only for a process without other threads, but for one that waits and holds no lock."""
    global _forks  # noqa: PLW0603  # a property of the whole process
    _forks = hasattr(os, "fork")


class ForkError(Exception):
    """A function failed in a fork, or the fork died; says how."""


def at_once(work: Mapping[str, Callable[[], Any]], instead: Callable[[str, Exception], Any] | None = None) -> dict[str, Any]:
    """Call each function and return the results by name; in forks they are pickled.

    instead: makes the result of a function that failed, from its name and the exception. Without it the exception is raised;
    that of a fork is a ForkError.
    """
    waiting: dict[str, Callable[[], bytes]] = {}
    # The last one is done here: this process would only wait.
    for name in list(work)[:-1] if _forks else ():
        with suppress(OSError):  # no more processes: it is done here as well
            waiting[name] = _fork(work[name])
    found: dict[str, Any] = {}
    for name in (*(name for name in work if name not in waiting), *waiting):
        try:
            found[name] = _result(waiting[name]()) if name in waiting else work[name]()
        except Exception as error:  # whatever it is: `instead` says what becomes of it
            if instead is None:
                raise
            found[name] = instead(name, error)
    return {name: found[name] for name in work}


def _result(output: bytes) -> Any:
    """Return the result of a fork from what it has written. Raises ForkError."""
    if not output:
        raise ForkError("its process died")
    good, result = pickle.loads(output)
    if not good:
        raise ForkError(result)
    return result


def _fork(do: Callable[[], Any]) -> Callable[[], bytes]:
    """Call `do` in a fork. Returns a function that waits for its output, which is empty if the fork died."""
    reading, writing = os.pipe()
    try:
        child = os.fork()
    except OSError:  # there are too many processes: what is short already is not kept
        os.close(reading)
        os.close(writing)
        raise
    if child == 0:
        try:
            os.close(reading)  # if the parent is gone, writing must fail, not wait for this end to be read
            with os.fdopen(writing, "wb") as pipe:
                pipe.write(pickle.dumps(_outcome(do)))
        finally:
            os._exit(0)
    os.close(writing)

    def finish() -> bytes:
        with os.fdopen(reading, "rb") as pipe:
            output = pipe.read()
        os.waitpid(child, 0)  # or it would count as a process until this one ends
        return output

    return finish


def _outcome(do: Callable[[], Any]) -> tuple[bool, Any]:
    """Call `do`; return whether that succeeded, and its result or the text of its exception."""
    try:
        return True, do()
    except Exception as error:  # whatever it is: it is told to the process that waits
        return False, describe(error)


def describe(error: Exception) -> str:
    """Write an exception in one line: `IndexError: index 0 is out of bounds`."""
    return str(error) if isinstance(error, ForkError) else in_one_line(error)
