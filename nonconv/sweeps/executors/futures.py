"""Any `concurrent.futures.Executor` as workers: process pools, MPI, loky, a Dask client's, Parsl's.

It needs `submit` alone. If it breaks, as when a worker is killed, one that was made here is made again, a few times.
"""

import signal
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, CancelledError, Future
from contextlib import contextmanager, suppress
from typing import Any

from nonconv.faults.blame import in_one_line
from nonconv.faults.errors import UsageError
from nonconv.sweeps.executors.protocol import TASKS_PER_WORKER, Executor, Lost, Tell, blocked, telling
from nonconv.sweeps.executors.remote import Parcel, SweepPayload, refuse_difference, run_parcel
from nonconv.sweeps.executors.watch import Watch, shut_down
from nonconv.sweeps.same_code import code
from nonconv.sweeps.tasks import Task

FUTURE_SECONDS = 3.0
"""How long a task should take: each one is sent with its sweep, perhaps to another machine."""
MOST_LOSSES = 3
"""How often an executor may break without a result between: a task may be what breaks it."""


class Futures:
    """An executor that is given or made. It gets the sweep, as bytes, with every task.

    make: makes an executor, which is then shut down at the end and made again if it breaks; None where it was given.
    told: what it is called.
    """

    seconds, cells = FUTURE_SECONDS, 0

    def __init__(
        self, payload: SweepPayload, make: Callable[[], Any], owned: bool, workers: int, told: str, tell: Tell
    ) -> None:
        self.parcel, self.make, self.owned, self.told, self.tell = Parcel(payload), make, owned, told, tell
        self.sentence_start = told[0].upper() + told[1:]
        self.waiting = TASKS_PER_WORKER * workers
        self.awaited: list[_Awaited] = []
        self.watch = Watch()
        self.losses = 0
        self.pool: Any = None

    def open(self) -> None:
        """Make the executor, and wait for its first worker. Raises UsageError for one that computes with other code."""
        self.pool = self._starting(self.make)
        try:
            with telling(f"Waiting for a worker of {self.told}.", self.tell):
                there = self._starting(self.pool.submit, code).result()
        except Exception as error:  # of any type: it may be a broken pool, or a worker that has no nonconv
            raise UsageError(f"{self.told}: a worker does not say which nonconv it runs ({in_one_line(error)})") from error
        refuse_difference(code(), there, f"of {self.told}")

    def submit(self, task: Task) -> "Future[Any]":
        """Hand a task to the executor."""
        self.awaited.append(_Awaited(self, task))
        future: Future[Any] = self.awaited[-1]  # type: ignore[assignment]  # it has the one method that is used
        return future

    def begin(self, task: Task) -> Any:
        """Return a future of a task. Raises BrokenExecutor, or Lost if the executor takes no more tasks."""
        try:
            return self._starting(self.pool.submit, run_parcel, self.parcel, task)
        except BrokenExecutor:
            raise
        except Exception as error:  # of any type: it was shut down, or is no longer connected
            raise Lost(f"{self.sentence_start} takes no more tasks ({in_one_line(error)}).") from error

    def renew(self, error: BaseException) -> None:
        """Make the executor again, and hand out what was lost. Raises the error if that does not help."""
        self.losses += 1
        if not self.owned or self.losses > MOST_LOSSES:
            raise error
        self.tell("A worker process died; its executor is started again.")
        self._end()
        self.pool = self._starting(self.make)
        for one in self.awaited:
            one.begin_again()

    def _starting(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call what may start workers: signals from a terminal are not for them, and they end with the executor."""
        with self.watch.starting(), blocked({signal.SIGINT}):
            return function(*arguments)

    def _end(self) -> None:
        """End an executor that was made here; at once, unless all its tasks are done, whatever its workers are doing."""
        if not self.awaited and not self.losses:
            with suppress(Exception):  # of any type, and nothing is lost any more
                self.pool.shutdown()
                return
        self.watch.end()
        with suppress(Exception):  # of any type, and nothing is lost any more
            try:
                shut_down(self.pool)
            except TypeError:  # it does not follow the standard library's interface
                self.pool.shutdown()

    def close(self) -> None:
        """Take tasks back that have not begun; stop running simulations of this process; end what was made here."""
        self.parcel.stop[0] = 1
        for one in self.awaited:
            one.cancel()
        if self.owned and self.pool is not None:
            self._end()


class _Awaited:
    """A task of an executor. It is handed out again if that breaks."""

    def __init__(self, owner: Futures, task: Task) -> None:
        self.owner, self.task = owner, task
        self.future: Any = None
        self.begin()

    def begin(self) -> None:
        """Hand the task out; if the executor is broken, `result` finds that out."""
        try:
            self.future = self.owner.begin(self.task)
        except BrokenExecutor as error:
            self.future = Future()
            self.future.set_exception(error)

    def begin_again(self) -> None:
        """Hand the task out to a new executor, unless the old one has computed it."""
        try:
            if self.future.done():
                self.future.result()
                return
        except (BrokenExecutor, CancelledError):
            pass
        except Exception:  # what the task raised: `result` raises it again
            return
        self.begin()

    def result(self) -> Any:
        """Wait for the result. Raises BrokenExecutor if workers die again and again, Lost, and what the task raised."""
        while True:
            try:
                found = self.owner.watch.result(self.future)
            except BrokenExecutor as error:
                self.owner.renew(error)
            except CancelledError:
                raise Lost(f"{self.owner.sentence_start} was shut down.") from None
            except Exception:  # what the task raised: its cells failed, and it is not sent again
                self.owner.awaited.remove(self)
                raise
            else:
                self.owner.awaited.remove(self)
                self.owner.losses = 0
                return found

    def cancel(self) -> None:
        """Take the task back, if it has not begun."""
        with suppress(Exception):  # of any type: it may be another library's future
            self.future.cancel()


@contextmanager
def open_futures(
    payload: SweepPayload, make: Callable[[], Any], owned: bool, workers: int, told: str, tell: Tell = lambda text: None
) -> Iterator[Executor]:
    """Make an executor, or take the one that is given, and use it while the context is open. See Futures."""
    futures = Futures(payload, make, owned, workers, told, tell)
    try:
        futures.open()
        yield futures
    finally:
        futures.close()
