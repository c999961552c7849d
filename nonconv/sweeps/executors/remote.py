"""A sweep as it is sent to workers that are no forks of the command, and what they do with it.

Such a worker may be on another machine, with other files and other versions of libraries: the files that cells read
travel with the sweep, and a worker with other code is refused.
"""

import tempfile
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from socket import gethostname
from typing import Any

import numpy as np

from nonconv.config.catalogue import BUILT_IN
from nonconv.config.plugins import load_named
from nonconv.faults.errors import UsageError
from nonconv.sweeps.same_code import code, differences
from nonconv.sweeps.sweep import Sweep
from nonconv.sweeps.tasks import Task, run_task


@dataclass(frozen=True, eq=False)
class SweepPayload:
    """A sweep as it is sent to another machine.

    files: the contents of the files that its config names, by name. code: what a worker must compute with (`same_code.code`).
    """

    sweep: Sweep
    files: dict[str, bytes]
    code: dict[str, str] = field(default_factory=dict)


def refuse_difference(here: dict[str, str], there: dict[str, str], worker: str) -> None:
    """Raise UsageError if a worker computes with something else."""
    what = differences(here, there)
    if what:
        raise UsageError(f"worker {worker} would compute other numbers: {what}; install the same there and here")


def pack_sweep(sweep: Sweep, files: dict[str, bytes]) -> SweepPayload:
    """Return what is sent of a sweep: without its loaded plug-ins, which cannot be pickled, and without cached cells.

    files: contents by the names that the config has for them.
    """
    document = replace(sweep.document, catalogue=BUILT_IN, contents={})
    return SweepPayload(replace(sweep, document=document, cached_cells={}), files, code())


@lru_cache(maxsize=2)
def _unpack_sweep(payload: SweepPayload) -> Sweep:
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


def run_remotely(payload: SweepPayload, task: Task) -> Any:
    """Do `run_task` on another machine. Raises UsageError if its code is not the command's: it may have joined later."""
    if payload.code:
        refuse_difference(payload.code, code(), gethostname())
    return run_task(_unpack_sweep(payload), task, np.zeros(1, dtype=np.uint8))
