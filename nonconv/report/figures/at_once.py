"""Run several functions at once, in forks of a process that has loaded what they need; in turn where forks are unsafe.

Threads would not do: matplotlib keeps the interpreter busy and is not made for several threads.
"""

import os
import pickle
from collections.abc import Callable, Mapping
from typing import Any

_forks = False


def fork_from_now_on() -> None:
    """Let `at_once` fork from now on. Only for a process without other threads."""
    global _forks  # noqa: PLW0603  # a property of the whole process
    _forks = hasattr(os, "fork")


def at_once(work: Mapping[str, Callable[[], Any]]) -> dict[str, Any]:
    """Call each function and return the results by name; in forks they are pickled.

    Raises EOFError if one fails in a fork.
    """
    if not _forks or not work:
        return {name: do() for name, do in work.items()}
    # The last one is done here: this process would only wait.
    *others, last = work
    waiting = {name: _fork(work[name]) for name in others}
    found = {last: work[last]()}
    return {name: pickle.loads(waiting[name]()) if name in waiting else found[name] for name in work}


def _fork(do: Callable[[], Any]) -> Callable[[], bytes]:
    """Call `do` in a fork. Returns a function that waits for its pickled result, which is empty if the fork failed."""
    reading, writing = os.pipe()
    if os.fork() == 0:
        try:
            os.close(reading)  # if the parent is gone, writing must fail, not wait for this end to be read
            with os.fdopen(writing, "wb") as pipe:
                pipe.write(pickle.dumps(do()))
        finally:
            os._exit(0)
    os.close(writing)
    return os.fdopen(reading, "rb").read
