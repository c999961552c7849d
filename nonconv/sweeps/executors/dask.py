"""The workers of a Dask cluster: one that runs already, or one that is started on this machine."""

import signal
import time
from collections.abc import Iterator
from concurrent.futures import CancelledError, Future
from contextlib import ExitStack, contextmanager, suppress
from multiprocessing import resource_tracker
from typing import Any

from nonconv.faults.blame import in_one_line
from nonconv.faults.errors import UsageError
from nonconv.sweeps.executors.protocol import (
    TASKS_PER_WORKER,
    TELLING_SECONDS,
    WORKER_SECONDS,
    Executor,
    Lost,
    Tell,
    blocked,
    silence,
    telling,
)
from nonconv.sweeps.executors.remote import SweepPayload, refuse_difference, run_remotely
from nonconv.sweeps.same_code import code
from nonconv.sweeps.tasks import Task

DASK_SECONDS = 3.0
"""How long a task should take: on a cluster each one costs a message."""
SCHEDULER_SECONDS, CLOSING_SECONDS = 30, 5
"""How long to wait for a scheduler to answer, and for the end of the connection."""
LOOKING_SECONDS, ANSWER_SECONDS, POLLING_SECONDS = 2.0, 5.0, 0.2
"""How often to look how many workers a cluster has that computes, and how long its scheduler may take to say it."""
MOST_LOSSES = 3
"""How often all workers of a cluster may be lost without a result between: a task may be what ends them."""


class Cluster:
    """The workers of a Dask cluster. The sweep is sent to each once. If a worker dies, Dask gives its tasks to others.

    If all have died, the sweep that was sent is lost with them: it and the tasks are sent again once there is a new worker.
    """

    seconds, cells = DASK_SECONDS, 0

    def __init__(self, payload: SweepPayload, client: Any, tell: Tell = lambda text: None) -> None:
        self.client, self.content, self.tell = client, payload, tell
        self.cores = sum(client.nthreads().values()) or 1
        self.counted = time.monotonic()
        self.awaited: list[_Awaited] = []
        self.losses = 0
        self._send()

    def _send(self) -> None:
        """Send the sweep to every worker; a task then names it by a key of a few bytes."""
        self.payload = self.client.scatter(self.content, broadcast=True, hash=False)

    def submit(self, task: Task) -> "Future[Any]":
        """Hand a task to the scheduler."""
        self.awaited.append(_Awaited(self, task))
        future: Future[Any] = self.awaited[-1]  # type: ignore[assignment]  # it has the one method that is used
        return future

    @property
    def waiting(self) -> int:
        """How many tasks to hand out at a time: some for each core, also of workers that came later. Raises Lost."""
        if time.monotonic() - self.counted >= LOOKING_SECONDS:
            self.cores = self._cores() or self.cores
            self.counted = time.monotonic()
        return TASKS_PER_WORKER * self.cores

    def await_workers(self) -> None:
        """Return once there is a worker. Raises Lost if there is none in time, or no scheduler any more."""
        begun, told = time.monotonic(), False
        while not (cores := self._cores()):
            what = f"The Dask scheduler {'does not answer' if cores is None else 'has no worker left'}"
            waited = time.monotonic() - begun
            if waited > WORKER_SECONDS:
                raise Lost(f"{what}; {WORKER_SECONDS:.0f} s were waited.")
            if waited > TELLING_SECONDS and not told:
                self.tell(f"{what}. Waiting for a worker, for at most {WORKER_SECONDS:.0f} s.")
                told = True
            time.sleep(POLLING_SECONDS)

    def _cores(self) -> int | None:
        """Return how many cores the workers have; None if the scheduler does not say it. Raises Lost if that is gone."""
        if self.client.status != "running":
            raise Lost("The Dask cluster is gone.")
        try:
            found: dict[str, int] = self.client.sync(self.client.scheduler.ncores, callback_timeout=ANSWER_SECONDS)
        except TimeoutError:
            return None
        except Exception as error:  # Dask raises many types for what goes wrong at the other end
            raise Lost("The Dask cluster is gone.") from error
        return sum(found.values())

    def renew(self) -> None:
        """Send again what was lost with the workers. Raises Lost if no worker comes, or if they are lost again and again."""
        self.losses += 1
        if self.losses > MOST_LOSSES:
            raise Lost(f"All workers of the Dask cluster were lost {self.losses} times without a result.")
        self.await_workers()
        try:
            refuse_other_code(self.client)
            self._send()
        except (UsageError, Lost):
            raise
        except Exception as error:  # the worker is lost again, or the scheduler
            raise Lost(f"The Dask cluster is gone ({in_one_line(error)}).") from error
        for one in self.awaited:
            one.begin()


class _Awaited:
    """A task that a cluster computes. It is handed out again if it is lost with all workers."""

    def __init__(self, cluster: Cluster, task: Task) -> None:
        self.cluster, self.task = cluster, task
        self.future: Any = None
        self.begin()

    def begin(self) -> None:
        """Hand the task out, unless the cluster has it."""
        if self.future is None or self.future.cancelled():
            try:
                # Not pure: Dask would otherwise hash the task and might return the result of an equal one.
                self.future = self.cluster.client.submit(run_remotely, self.cluster.payload, self.task, pure=False)
            except CancelledError:  # the sweep that was sent is lost: `result` sends it again
                self.future = None
            except Exception as error:  # Dask raises many types if the scheduler is gone
                raise Lost(f"The Dask cluster is gone ({in_one_line(error)}).") from error

    def result(self) -> Any:
        """Wait for the result. Raises Lost if the cluster cannot compute it, and what the task raised."""
        while True:
            self._wait()
            try:
                result = self.future.result()
            except CancelledError:  # the result was lost before it came here
                self.future = None
            except Exception:  # what the task raised: its cell failed, and it is not sent again
                self.cluster.awaited.remove(self)
                raise
            else:
                self.cluster.awaited.remove(self)
                self.cluster.losses = 0
                return result

    def _wait(self) -> None:
        """Wait for the end of the task; see to it meanwhile that there are workers."""
        while True:
            try:
                if self.future is not None:
                    self.future.exception(timeout=LOOKING_SECONDS)
            except TimeoutError:
                self.cluster.await_workers()
                continue
            if self.future is not None and not self.future.cancelled():
                return
            self.cluster.renew()


@contextmanager
def open_cluster(
    payload: SweepPayload, address: str | None, workers: int, tell: Tell = lambda text: None
) -> Iterator[Executor]:
    """Connect to the cluster whose scheduler has this address, or start one of this many single-thread workers on this machine.

    tell: called with a sentence if something is waited for. Raises UsageError if Dask is not installed, no scheduler answers,
    there are no workers, or they run another nonconv.
    """
    try:
        import distributed
    except ImportError:
        raise UsageError("--executor dask needs Dask: pip install 'nonconv[dask]'") from None
    library: Any = distributed  # it is not typed
    with ExitStack() as opened:
        silence("distributed", "tornado", "asyncio")
        local = opened.enter_context(_local_workers(library, workers, tell)) if address is None else None
        where = f"the scheduler {address}" if address else "the workers that this command has started"
        named = f"--scheduler {address}" if address else "--executor dask"
        with telling(f"Waiting for {where} to answer, for at most {SCHEDULER_SECONDS:.0f} s.", tell):
            try:
                client = library.Client(address or local, timeout=SCHEDULER_SECONDS, set_as_default=False)
            except Exception as error:  # of many types: no such host, no such protocol, no such port, no certificate
                why = in_one_line(error)
                if "ssl_context" in why:
                    why = "tls needs certificates, in distributed.comm.tls of Dask's configuration"
                raise UsageError(f"{named}: no scheduler answered ({why})") from None
        opened.callback(_close, client)
        with telling(f"Waiting for a worker of {where}, for at most {WORKER_SECONDS:.0f} s.", tell):
            try:
                client.wait_for_workers(1, timeout=WORKER_SECONDS)
            except TimeoutError:
                raise UsageError(f"{named}: the cluster has no workers; {WORKER_SECONDS:.0f} s were waited") from None
            except Exception as error:  # the scheduler is gone again
                raise UsageError(f"{named}: the cluster is gone ({in_one_line(error)})") from None
        refuse_other_code(client)
        yield connect(payload, client, tell)


@contextmanager
def _local_workers(library: Any, workers: int, tell: Tell) -> Iterator[Any]:
    """Start a Dask cluster of processes on this machine. Raises UsageError if they cannot be started."""
    # A terminal sends Ctrl-C to all processes of the command; only this one handles it. The thread of this loop starts
    # the others, which inherit that SIGINT is blocked.
    resource_tracker.ensure_running()  # the first call of it, which else would come later, unblocks SIGINT
    with blocked({signal.SIGINT}):
        runner = library.utils.LoopRunner()
        runner.start()
    try:
        with telling(f"Waiting for {workers} Dask workers of this machine to start.", tell):
            kind = {"n_workers": workers, "threads_per_worker": 1, "dashboard_address": None, "silence_logs": 50}
            local = library.LocalCluster(**kind, loop=runner.loop)
    except Exception as error:  # of many types: no more processes, memory, files or ports
        raise UsageError(f"Dask workers cannot be started ({in_one_line(error)}); --executor threads needs none") from error
    with local:
        yield local


def _close(client: Any) -> None:
    """Leave a cluster, which may be gone."""
    with suppress(Exception):  # of many types, and nothing is lost any more
        client.close(timeout=CLOSING_SECONDS)


def connect(payload: SweepPayload, client: Any, tell: Tell = lambda text: None) -> Cluster:
    """Send the sweep to a cluster. Raises UsageError if that fails, as where the scheduler has no nonconv."""
    try:
        return Cluster(payload, client, tell)
    except Exception as error:  # Dask raises many types for what goes wrong at the other end
        raise UsageError(f"the sweep cannot be sent to the cluster ({in_one_line(error)})") from None


def refuse_other_code(client: Any) -> None:
    """Raise UsageError if a worker computes with other files of nonconv, or other libraries, than this command."""
    try:
        found: dict[str, dict[str, str]] = client.run(code)
    except Exception as error:  # Dask raises many types for what goes wrong at the other end
        raise UsageError(f"the workers do not say which nonconv they run ({in_one_line(error)})") from None
    for worker, there in sorted(found.items()):
        refuse_difference(code(), there, worker)
