"""What an executor is, and what all of them use: signals that are not for workers, and what is said of waiting."""

import logging
import signal
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError, Future, wait
from contextlib import contextmanager
from threading import Thread, Timer
from typing import Any, Protocol

from nonconv.sweeps.tasks import Task

TASK_SECONDS = 0.3
"""How long a task of a worker of this machine should take: short tasks spread evenly over CPUs."""
TASKS_PER_WORKER = 3
"""Tasks handed out per worker, so that no worker idles while results are merged and written."""
WORKER_SECONDS = 120
"""How long to wait for a first worker, or for one that replaces those that were lost."""
TELLING_SECONDS = 2.0
"""After how long to say what is waited for."""
Tell = Callable[[str], None]


class Executor(Protocol):
    """Runs tasks elsewhere.

    seconds: how long a task should take. cells: the most cells of a task, 0 for the usual number.
    """

    seconds: float
    cells: int

    @property
    def waiting(self) -> int:
        """How many tasks to hand out at a time. May change. Raises Lost if the workers are gone."""
        ...

    def submit(self, task: Task) -> "Future[Any]":
        """Begin a task; return a future of `tasks.run_task`."""
        ...


class Lost(CancelledError):
    """The workers cannot compute any more. Its text is a sentence that says why."""


@contextmanager
def blocked(signals: Iterable[signal.Signals]) -> Iterator[None]:
    """Block signals in this thread, and in what it starts, while the context is open."""
    if not hasattr(signal, "pthread_sigmask"):  # not on Windows
        yield
        return
    usual = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, usual)


def unbroken(function: Callable[[], None]) -> None:
    """Call a function that an interrupt is not to break: it is raised when the function has returned; a second one at once.

    In another thread, since signals raise in the main one.
    """
    future: Future[None] = Future()

    def work() -> None:
        if future.set_running_or_notify_cancel():
            try:
                function()
            except BaseException as error:
                future.set_exception(error)
            else:
                future.set_result(None)

    try:
        Thread(target=work, daemon=True).start()
        future.result()
    except KeyboardInterrupt:
        if not future.cancel():  # it has begun
            wait([future])
        raise


@contextmanager
def telling(sentence: str, tell: Tell) -> Iterator[None]:
    """Tell what is waited for, if this takes longer than a few seconds."""
    timer = Timer(TELLING_SECONDS, tell, [sentence])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def silence(*libraries: str) -> None:
    """Discard what these libraries log, from now on: as the tracebacks of a lost scheduler."""
    for name in [*logging.root.manager.loggerDict]:
        if name.partition(".")[0] in libraries:
            logging.getLogger(name).disabled = True
