"""Another process that compiles parts of a network while this one compiles the rest, where there are processors for both.

It begins with the last part, this one with the first. Each looks on disk before it compiles, and waits for what the other is
just compiling (`kernel_files.alone`), so they meet somewhere in the middle. If it fails, this process compiles everything.
"""

import atexit
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib import import_module
from operator import attrgetter
from typing import Any

from nonconv.engine.kernel_files import alone_or_not_at_all, cache_folder
from nonconv.engine.machine import Function, Part
from nonconv.engine.object_files import Kinds
from nonconv.faults.blame import is_foreign
from nonconv.system.processors import default_workers

LEAST_PARTS = 3
"""Fewer parts are compiled before another process has started."""
COMMAND = f"from {__name__} import compile_parts; compile_parts()"


def compile_ahead(parts: Sequence[Part]) -> None:
    """Start a process that compiles parts that are not on disk, from the last one on.

    It has not begun when this returns, and ends when all is compiled, or when this process exits. Parts that it could not make
    alike are left to this one.
    """
    with suppress(OSError):  # no process, or no cache that it could write to
        missing = [part for part in reversed(parts) if not part.function.is_compiled(part.kinds)]
        named = [_named(part) for part in missing if not any(map(is_foreign, part.function.definitions))]
        if len(named) < LEAST_PARTS or default_workers() < 2:
            return
        cache_folder().mkdir(parents=True, exist_ok=True)
        path = os.pathsep.join(folder for folder in sys.path if folder)
        process = subprocess.Popen(
            [sys.executable, "-P", "-c", COMMAND],  # without -P it would import what lies in the user's folder
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"PYTHONPATH": path},
            start_new_session=True,  # Ctrl-C is for the command alone, which ends this process as it ends
        )
        atexit.register(_end, process)
        with process.stdin as work:  # type: ignore[union-attr]  # it is a pipe
            pickle.dump(named, work)


def _named(part: Part) -> tuple[str, str, list[tuple[str, str]], Kinds]:
    """Return a part as what can be sent: its definitions by their names."""
    names = [(function.__module__, function.__qualname__) for function in part.function.definitions]
    return part.function.name, part.function.text, names, part.kinds


def compile_parts() -> None:
    """Compile the parts that are read from standard input, unless another process is doing so for someone else."""
    with alone_or_not_at_all("ahead") as free:
        for name, text, definitions, kinds in pickle.load(sys.stdin.buffer) if free else ():
            Function(name, text, *(_definition(*names) for names in definitions)).compile(kinds)


def _definition(module: str, name: str) -> Callable[..., Any]:
    """Return the definition of this name."""
    found: Callable[..., Any] = attrgetter(name)(import_module(module))
    return found


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End the process; what it has not finished leaves nothing behind."""
    process.kill()
    process.wait()
