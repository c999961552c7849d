"""What a job of submitit computes: one task, part by part. It is pickled, and unpickled where the job runs.

A job may be preempted, or run out of time. submitit then asks it for its successor, which has the parts that are done.
"""

import pickle
from pathlib import Path
from threading import Thread
from typing import Any, NamedTuple

import numpy as np

from nonconv.faults.blame import in_one_line
from nonconv.faults.errors import UsageError
from nonconv.sweeps.executors.remote import run_remotely, unpack_sweep
from nonconv.sweeps.tasks import Failed, Stop, Task, in_parts

PART_CELLS = 64
"""Cells of a part. They are simulated together where they can be, and a preempted job loses one part at most."""
JOINING_SECONDS = 0.2
"""How often a job looks for signals while it computes."""


class Refused(NamedTuple):
    """Why no job of this sweep can compute anything: what a UsageError says, which submitit would wrap in a traceback."""

    reason: str


class Unfinished(NamedTuple):
    """Why a job ended too early, for no fault of its task: it was out of time too often, or the queue did not take it back."""

    reason: str


class SweepJob:
    """A task of a sweep that lies in a file. done: the results of the parts that are computed."""

    def __init__(self, sweep: Path, task: Task, done: tuple[Any, ...] = ()) -> None:
        self.sweep, self.task, self.done = sweep, task, list(done)

    def __call__(self) -> Any:
        """Do what is left of the task; return as `tasks.run_task`, or Refused, or Unfinished. Raises what else goes wrong."""
        stop, raised = np.zeros(1, dtype=np.uint8), list[BaseException]()
        # In another thread: a signal that preempts the job raises SystemExit in this one, which is not to pass for a plug-in's.
        thread = Thread(target=self._compute, args=(stop, raised), daemon=True)
        thread.start()
        try:
            while thread.is_alive():
                thread.join(JOINING_SECONDS)
        except Exception as error:  # submitit's, at a signal, after it has saved the checkpoint
            return Unfinished(in_one_line(error).rstrip("."))
        finally:
            stop[0] = 1
        if raised:
            if isinstance(raised[0], UsageError):
                return Refused(str(raised[0]))
            raise raised[0]
        failed = next((part for part in self.done if isinstance(part, Failed)), None)
        return failed or [one for part in self.done for one in part]

    def _compute(self, stop: Stop, raised: list[BaseException]) -> None:
        """Compute the parts that are not done."""
        try:
            payload = pickle.loads(self.sweep.read_bytes())
            for part in in_parts(unpack_sweep(payload), self.task, PART_CELLS)[len(self.done) :]:
                self.done.append(run_remotely(payload, part, stop))
        except BaseException as error:
            raised.append(error)

    def checkpoint(self) -> Any:
        """Return the job that continues this one, as submitit asks."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(SweepJob(self.sweep, self.task, tuple(self.done)))
