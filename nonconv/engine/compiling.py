"""Tells whoever listens that a kernel is being compiled: it takes seconds, once per machine, and would look like a hang."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

Listener = Callable[[bool], None]
"""Called with True when a kernel begins to be compiled and with False when that ends, by whichever thread compiles."""

_listeners: list[Listener] = []
"""Only the last one hears: a display of progress takes the place of what the command would say itself."""


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Tell this listener while the context is open. Processes that are forked meanwhile tell their copy of it."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


@contextmanager
def compiling() -> Iterator[None]:
    """Tell that a kernel is compiled, here or by another process that is waited for, while the context is open."""
    heard_by = _listeners[-1:]
    for listener in heard_by:
        listener(True)
    try:
        yield
    finally:
        for listener in heard_by:
            listener(False)
