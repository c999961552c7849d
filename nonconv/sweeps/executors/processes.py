"""Worker processes of this machine: forks of the command.

They are the default on Linux. Python's part of a short cell, about as long as its kernel, holds the interpreter
lock: 400 short cells take two threads as long as one, and two forks a third of that time. For long ones, as in
configs/adam_betas.yaml, forks save a seventh.
"""

import os
import signal
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import AbstractContextManager, closing
from multiprocessing import Pipe, get_context
from multiprocessing.connection import Connection
from threading import Thread
from typing import Any

import numpy as np

from nonconv.faults.errors import UsageError
from nonconv.sweeps.executors.protocol import TASK_SECONDS, TASKS_PER_WORKER, WORKER_SECONDS, Executor, blocked
from nonconv.sweeps.executors.watch import Watch, Watched, shut_down
from nonconv.sweeps.sweep import Sweep
from nonconv.sweeps.tasks import Task, run_task
from nonconv.system.signals import STOPPING


class Processes:
    """Forks of this process, made before it has other threads or holds the output folder's lock.

    A fork shares the loaded engine, the plug-ins and the cells of the survey, which need not be sent. A fork made
    later would copy the lock, which would then outlive this process, and whatever state another thread was in.

    Workers end with this process, however it ends: each waits for the end of a pipe whose other end only this process holds.
    """

    seconds, cells = TASK_SECONDS, 0

    def __init__(self, sweep: Sweep, workers: int) -> None:
        self.sweep, self.waiting, self.watch = sweep, TASKS_PER_WORKER * workers, Watch()
        theirs, self.line = Pipe(duplex=False)
        fork = get_context("fork")
        self.pool = ProcessPoolExecutor(workers, fork, initializer=_start_worker, initargs=(sweep, theirs, self.line))
        # A terminal sends Ctrl-C to all processes of the command. Only this one handles it, and saves what is whole. A signal
        # that is blocked at the fork stays blocked in the fork; here it is delivered once it is unblocked.
        with self.watch.starting(), blocked(STOPPING):
            first = self.pool.submit(int)  # this forks the workers
        theirs.close()  # the workers have their own copies
        # Where no more threads may be started, the pool may have none that hands out tasks: it would be waited for forever.
        first.result(timeout=WORKER_SECONDS)

    def submit(self, task: Task) -> "Future[Any]":
        """Hand a task to the next free worker."""
        for job in task.jobs:
            self.sweep.drop_cell(job.name)  # the workers have their own copies, from before the fork
        future: Future[Any] = Watched(self.pool.submit(run_in_fork, task), self.watch)  # type: ignore[assignment]  # all that is used
        return future

    def close(self) -> None:
        """Close the pipe, which ends the workers whatever they are doing."""
        self.line.close()
        # The pipe ends a worker only if it runs; it may be suspended.
        self.watch.end()
        shut_down(self.pool, cancel_futures=True)


_worker_sweep: list[Sweep] = []


def _start_worker(sweep: Sweep, line: Connection, other_end: Connection) -> None:
    """Become a worker that exits when its parent does, however that ends. SIGINT stays blocked."""
    # The fork copied both ends of the pipe. While any worker held the other end, none would see the pipe close.
    other_end.close()
    # What plug-ins print goes to stderr: stdout holds the command's result.
    os.dup2(2, 1)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    _worker_sweep[:] = [sweep]
    try:
        Thread(target=_exit_with_parent, args=(line,), daemon=True).start()
    except RuntimeError:  # no more threads may be started; the command says that a worker died
        os._exit(1)


def _exit_with_parent(line: Connection) -> None:
    """Wait until the parent closes the pipe or ends, then exit, whatever the main thread is doing."""
    line.poll(None)
    os._exit(0)


def run_in_fork(task: Task) -> Any:
    """Do `run_task` on the sweep that this worker was forked for."""
    return run_task(_worker_sweep[0], task, np.zeros(1, dtype=np.uint8))


def open_processes(sweep: Sweep, workers: int) -> AbstractContextManager[Executor]:
    """Start this many forks of this process; they are ended with the context.

    Raises UsageError where the system has too little for them: shared memory, processes or files.
    """
    import nonconv.engine.fused  # noqa: F401  # before the forks, which then share it

    try:
        return closing(Processes(sweep, workers))
    except (OSError, RuntimeError, NotImplementedError, ImportError) as error:
        why = getattr(error, "strerror", None) or str(error) or "no worker answers"
        raise UsageError(f"worker processes cannot be started ({why}); --executor threads needs none") from error
