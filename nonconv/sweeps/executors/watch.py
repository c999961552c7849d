"""Workers that are killed without their pool noticing.

A pool of the standard library waits for the end of a result whose worker was killed while it wrote it: forever, since the
pool holds the other end of that pipe too. So whoever waits for a result also looks at the workers, now and then.
"""

import os
import signal
from collections.abc import Iterable, Iterator
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor
from contextlib import contextmanager, suppress
from multiprocessing import active_children
from multiprocessing.process import BaseProcess
from typing import Any

KILL = getattr(signal, "SIGKILL", signal.SIGTERM)
LOOKING_SECONDS = 2.0
"""How often to look at the workers. One that was killed is told at the second look, if the pool has not noticed it."""

ENDING_SECONDS = 1.0
"""How long a pool may take to notice that its workers have ended."""


class Watch:
    """Looks at the processes of a pool while it is waited for."""

    def __init__(self, workers: Iterable[BaseProcess] = ()) -> None:
        self.workers = set(workers)
        self.suspected = False

    @contextmanager
    def starting(self) -> Iterator[None]:
        """Look at what is started while the context is open. The program may have other processes, which are not ours."""
        before = set(active_children())
        try:
            yield
        finally:
            self.workers |= set(active_children()) - before

    def result(self, future: Any) -> Any:
        """Wait for a result. Raises BrokenExecutor if a worker was killed, and what the future raises."""
        while True:
            try:
                return future.result(timeout=LOOKING_SECONDS)
            except TimeoutError:
                if future.done():  # the task's own
                    raise
                self._look()

    def _look(self) -> None:
        """Raise BrokenExecutor if a worker was killed before the last look."""
        if self.suspected:
            raise BrokenExecutor("a worker was killed")
        self.suspected = any(map(_was_killed, self.workers))

    def end(self) -> None:
        """Kill the workers, whatever they are doing."""
        for worker in self.workers:
            with suppress(ValueError, OSError):  # its object is closed, since it has ended
                if worker.is_alive():
                    os.kill(int(worker.pid or 0), KILL)  # not `worker.kill()`: loky's have none
        self.workers.clear()
        self.suspected = False


def shut_down(pool: Any, **options: Any) -> None:
    """Shut down a pool whose workers were ended, without waiting for tasks.

    The thread of a pool of processes may wait for the rest of a result, and Python waits for the thread when it exits. The
    pool's own end of the pipe is the last one: closed, it tells the thread that nothing more comes.
    """
    thread, results = getattr(pool, "_executor_manager_thread", None), getattr(pool, "_result_queue", None)
    pool.shutdown(wait=False, **options)
    if isinstance(pool, ProcessPoolExecutor) and thread is not None:
        thread.join(ENDING_SECONDS)
        if thread.is_alive():
            with suppress(AttributeError, OSError):  # of another version of Python, or closed
                results._writer.close()  # type: ignore[union-attr]


def _was_killed(worker: BaseProcess) -> bool:
    """Whether a process was ended by a signal. One that ended by itself may have been idle for too long."""
    with suppress(ValueError):
        return not worker.is_alive() and (worker.exitcode or 0) < 0
    return False


class Watched:
    """A future of a pool of which there is a watch."""

    def __init__(self, future: "Future[Any]", watch: Watch) -> None:
        self.future, self.watch = future, watch

    def result(self) -> Any:
        """Wait for the result, as `Watch.result`."""
        return self.watch.result(self.future)
