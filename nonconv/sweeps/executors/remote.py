"""A sweep as it is sent to workers that are no forks of the command, and what they do with it.

Such a worker may be on another machine, with other files and other versions of libraries: the files that cells read
travel with the sweep, and a worker with other code is refused.
"""

import os
import pickle
import sys
import tempfile
import time
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from multiprocessing import parent_process
from multiprocessing.process import BaseProcess
from pathlib import Path
from socket import gethostname
from threading import Thread
from typing import Any

import numpy as np

from nonconv.config.catalogue import BUILT_IN
from nonconv.config.plugins import load_named
from nonconv.faults.errors import UsageError
from nonconv.sweeps.same_code import code, differences
from nonconv.sweeps.sweep import Sweep
from nonconv.sweeps.tasks import Stop, Task, run_task

PARENT_SECONDS = 0.5
"""How often a worker looks whether the process that started it is still there."""


@dataclass(frozen=True, eq=False)
class SweepPayload:
    """A sweep as it is sent to another machine.

    files: the contents of the files that its config names, by name. code: what a worker must compute with (`same_code.code`).
    """

    sweep: Sweep
    files: dict[str, bytes]
    code: dict[str, str]


def refuse_difference(here: dict[str, str], there: dict[str, str], worker: str) -> None:
    """Raise UsageError if a worker computes with something else."""
    what = differences(here, there)
    if what:
        raise UsageError(f"worker {worker} would not write the same bytes: {what}; install the same there and here")


def pack_sweep(sweep: Sweep, files: dict[str, bytes]) -> SweepPayload:
    """Return what is sent of a sweep: without its loaded plug-ins, which cannot be pickled, and without cached cells.

    files: contents by the names that the config has for them.
    """
    document = replace(sweep.document, catalogue=BUILT_IN, contents={})
    return SweepPayload(replace(sweep, document=document, cached_cells={}), files, code())


@lru_cache(maxsize=2)
def unpack_sweep(payload: SweepPayload) -> Sweep:
    """Return the sweep, with the contents of its files and its plug-ins loaded.

    Cached: a worker gets the same payload object with every task.
    """
    # On disk only until they are loaded: of a worker that is killed nothing else would be removed.
    with tempfile.TemporaryDirectory(prefix="nonconv-") as folder:
        moved = {name: Path(folder) / str(k) / Path(name).name for k, name in enumerate(payload.files)}
        for name, place in moved.items():
            place.parent.mkdir()
            place.write_bytes(payload.files[name])
        contents = {place: payload.files[name] for name, place in moved.items()}
        document = replace(payload.sweep.document, moved=moved, contents=contents)
        document.catalogue, _ = load_named(document)
    return replace(payload.sweep, document=document)


def run_remotely(payload: SweepPayload, task: Task, stop: Stop | None = None) -> Any:
    """Do `run_task` on another machine. Raises UsageError if its code is not the command's: it may have joined later."""
    refuse_difference(payload.code, code(), gethostname())
    return run_task(unpack_sweep(payload), task, np.zeros(1, dtype=np.uint8) if stop is None else stop)


class Parcel:
    """A packed sweep as bytes, for workers that are sent it with every task. Each unpacks it once.

    stop: what simulations in this process poll, as those of threads. Elsewhere, each worker has its own.
    """

    def __init__(self, payload: SweepPayload) -> None:
        self.content = pickle.dumps(payload)
        self.stop, self.here = np.zeros(1, dtype=np.uint8), True

    def __reduce__(self) -> tuple[Any, ...]:
        """Send the bytes alone."""
        return _arrived, (self.content,)


def _arrived(content: bytes) -> Parcel:
    """Return a parcel in the process that it was sent to."""
    parcel = Parcel.__new__(Parcel)
    parcel.content, parcel.stop, parcel.here = content, np.zeros(1, dtype=np.uint8), False
    return parcel


@lru_cache(maxsize=2)
def _open_parcel(content: bytes) -> SweepPayload:
    """Unpack what was sent; the same object for the same bytes, so that plug-ins are loaded once."""
    found: SweepPayload = pickle.loads(content)
    return found


def run_parcel(parcel: Parcel, task: Task) -> Any:
    """Do `run_remotely` in a worker of any kind."""
    payload = _open_parcel(parcel.content)
    if parcel.here:
        return run_remotely(payload, task, parcel.stop)
    _end_with_parent()
    # What plug-ins print goes to stderr: stdout may be the command's, and holds its result.
    with redirect_stdout(sys.stderr):
        return run_remotely(payload, task, parcel.stop)


@cache
def _end_with_parent() -> None:
    """If this process was started by another Python process, end with it.

    The workers of a pool, each of which holds the other's end of a pipe, would outlive a command that is killed, and with
    them the lock of its folder, if they are forks.
    """
    if parent := parent_process():
        Thread(target=_exit_after, args=(parent,), daemon=True).start()


def _exit_after(parent: BaseProcess) -> None:
    """Wait until a process has ended, then end this one."""
    starter = os.getppid()  # another process, if that forks workers for its parent
    with suppress(ValueError):  # a library that starts processes in its own way need not say when their parent has ended
        while parent.is_alive() and os.getppid() == starter:
            time.sleep(PARENT_SECONDS)
        os._exit(1)
    while os.getppid() == starter:
        time.sleep(PARENT_SECONDS)
    os._exit(1)
