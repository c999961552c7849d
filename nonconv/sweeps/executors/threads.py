"""Worker threads of this process, where it cannot be forked."""

import sys
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, closing
from typing import Any

import numpy as np

from nonconv.sweeps.executors.protocol import TASK_SECONDS, TASKS_PER_WORKER, Executor
from nonconv.sweeps.sweep import Sweep
from nonconv.sweeps.tasks import Task, run_task

SWITCH_SECONDS = 1e-5
"""How long a thread waits for the interpreter lock before it asks for it. With Python's default, 5e-3, a
thread that leaves a kernel waits most of the time of a short cell; with this value two threads do a sixth more work."""


class Threads:
    """Threads of this process, for systems without safe forks. Kernels run without the interpreter lock.

    stop: what running simulations poll.
    """

    seconds, cells = TASK_SECONDS, 0

    def __init__(self, sweep: Sweep, workers: int) -> None:
        self.sweep, self.waiting = sweep, TASKS_PER_WORKER * workers
        self.stop = np.zeros(1, dtype=np.uint8)
        self.pool = ThreadPoolExecutor(workers)
        self.usual_switch_seconds = sys.getswitchinterval()
        # Restored by `close`.
        sys.setswitchinterval(SWITCH_SECONDS)

    def submit(self, task: Task) -> "Future[Any]":
        """Hand a task to the next free thread."""
        return self.pool.submit(run_task, self.sweep, task, self.stop)

    def close(self) -> None:
        """Stop running simulations. A thread that is compiling cannot be stopped, and need not be."""
        sys.setswitchinterval(self.usual_switch_seconds)
        self.stop[0] = 1
        self.pool.shutdown(wait=False, cancel_futures=True)


def open_threads(sweep: Sweep, workers: int) -> AbstractContextManager[Executor]:
    """Start this many threads; they are stopped with the context."""
    return closing(Threads(sweep, workers))
