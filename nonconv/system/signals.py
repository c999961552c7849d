"""Ctrl-C and its like: SIGINT, SIGTERM (of batch systems) and SIGHUP (of a terminal that closes) stop a command alike.

While a command runs, the first one raises KeyboardInterrupt, so that whole blocks and finished cells are saved. Before and
after, there is nothing to save: the process ends at once. Either way the exit code is 130, without a traceback.
"""

import os
import signal
import sys
import time
from _thread import interrupt_main
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Timer
from typing import Any

EXIT_CODE = 130
STOPPING = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
SAME_SECONDS = 1.0
"""Signals within this time are one: a terminal that closes, and a batch system, send several."""
_active: set[Any] = set()
"""The signals that are handled here, once `stop_at_once` was called: not those that are to be ignored, as with nohup."""
_last = [float("-inf")]


def stop_at_once() -> None:
    """End this process at every signal, until a command begins. For a process that is a command, and nothing else."""
    for one in STOPPING:
        if signal.getsignal(one) is not signal.SIG_IGN:
            _active.add(one)
    _handle(_leave)
    sys.unraisablehook = _report_unraisable


@contextmanager
def stopping_commands() -> Iterator[None]:
    """Raise KeyboardInterrupt at a signal while the context is open, if this process was started as a command."""
    _handle(_interrupt)
    try:
        yield
    finally:
        _handle(_leave)


def _handle(handler: Callable[[int, Any], None]) -> None:
    """Call this at every signal."""
    for one in _active:
        signal.signal(one, handler)


def _leave(number: int, frame: Any) -> None:
    """End the process. Its helpers end with it: they wait for the end of a pipe."""
    with suppress(OSError):
        os.write(2, b"Stopped.\n")
    os._exit(EXIT_CODE)


def _interrupt(number: int, frame: Any) -> None:
    """Raise KeyboardInterrupt, once for signals that come together."""
    now = time.monotonic()
    if now - _last[0] > SAME_SECONDS:
        _last[0] = now
        raise KeyboardInterrupt


def _report_unraisable(unraisable: Any) -> None:
    """Do what Python does with an exception that cannot be raised, as in a destructor; but raise KeyboardInterrupt again.

    Otherwise a signal that comes at such a moment would be printed with a traceback, and lost.
    """
    if not _active or unraisable.exc_type is None or not issubclass(unraisable.exc_type, KeyboardInterrupt):
        sys.__unraisablehook__(unraisable)
        return
    _last[0] = float("-inf")
    again = Timer(0.01, interrupt_main, [min(_active)])
    again.daemon = True
    again.start()
