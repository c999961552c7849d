"""Where tasks run: processes or threads of this machine, or a Dask cluster. All give the same results.

An executor has `submit(task)`, which returns a future. A worker returns a cell's files as bytes, and the command writes
them, so a cluster needs no disk in common with it.

Processes are the default on Linux. Python's part of a short cell, about as long as its kernel, holds the interpreter
lock: 400 short cells take two threads as long as one, and two forks a third of that time. For long ones, as in
configs/adam_betas.yaml, forks save a seventh.
"""

import logging
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError, Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import lru_cache
from multiprocessing import Pipe, active_children, get_context, resource_tracker
from multiprocessing.connection import Connection
from pathlib import Path
from socket import gethostname
from threading import Thread, Timer
from typing import Any, Protocol

import numpy as np

from nonconv.config.catalogue import BUILT_IN
from nonconv.config.plugins import load_named
from nonconv.faults.blame import in_one_line
from nonconv.faults.errors import UsageError
from nonconv.sweeps.same_code import code, differences
from nonconv.sweeps.sweep import Sweep
from nonconv.sweeps.tasks import Task, run_task
from nonconv.system.signals import STOPPING

TASK_SECONDS, DASK_SECONDS = 0.3, 3.0
"""How long a task should take: short tasks spread evenly over CPUs, but on a cluster each one costs a message."""
SWITCH_SECONDS = 1e-5
"""How long a thread waits for the interpreter lock before it asks for it. With Python's default, 5e-3, a
thread that leaves a kernel waits most of the time of a short cell; with this value two threads do a sixth more work."""
TASKS_PER_WORKER = 3
"""Tasks handed out per worker, so that no worker idles while results are merged and written."""
SCHEDULER_SECONDS, WORKER_SECONDS, CLOSING_SECONDS = 30, 120, 5
"""How long to wait for a Dask scheduler to answer, for its first worker, and for the end of the connection."""
TELLING_SECONDS = 2.0
"""After how long to say what is waited for."""
LOOKING_SECONDS, ANSWER_SECONDS, POLLING_SECONDS = 2.0, 5.0, 0.2
"""How often to look whether a cluster that computes still has workers, and how long its scheduler may take to say it."""
MOST_LOSSES = 3
"""How often all workers of a cluster may be lost without a result between: a task may be what ends them."""
Tell = Callable[[str], None]


class Executor(Protocol):
    """Runs tasks elsewhere.

    seconds: how long a task should take. waiting: how many tasks to hand out at a time.
    """

    seconds: float
    waiting: int

    def submit(self, task: Task) -> "Future[Any]":
        """Begin a task; return a future of `tasks.run_task`."""
        ...


class Processes:
    """Forks of this process, made before it has other threads or holds the output folder's lock.

    A fork shares the loaded engine, the plug-ins and the cells of the survey, which need not be sent. A fork made
    later would copy the lock, which would then outlive this process, and whatever state another thread was in.

    Workers end with this process, however it ends: each waits for the end of a pipe whose other end only this process holds.
    """

    seconds = TASK_SECONDS

    def __init__(self, sweep: Sweep, workers: int) -> None:
        self.sweep, self.waiting = sweep, TASKS_PER_WORKER * workers
        theirs, self.line = Pipe(duplex=False)
        fork = get_context("fork")
        self.pool = ProcessPoolExecutor(workers, fork, initializer=_start_worker, initargs=(sweep, theirs, self.line))
        # A terminal sends Ctrl-C to all processes of the command. Only this one handles it, and saves what is whole. A signal
        # that is blocked at the fork stays blocked in the fork; here it is delivered once it is unblocked.
        with _blocked(STOPPING):
            first = self.pool.submit(int)  # this forks the workers
            self.workers = active_children()
        theirs.close()  # the workers have their own copies
        # Where no more threads may be started, the pool may have none that hands out tasks: it would be waited for forever.
        first.result(timeout=WORKER_SECONDS)

    def submit(self, task: Task) -> "Future[Any]":
        """Hand a task to the next free worker."""
        for job in task.jobs:
            self.sweep.drop_cell(job.name)  # the workers have their own copies, from before the fork
        return self.pool.submit(run_in_fork, task)

    def close(self) -> None:
        """Close the pipe, which ends the workers whatever they are doing."""
        self.line.close()
        # The pipe ends a worker only if it runs; it may be suspended.
        for worker in self.workers:
            worker.kill()
        self.pool.shutdown(wait=False, cancel_futures=True)


@contextmanager
def _blocked(signals: Iterable[signal.Signals]) -> Iterator[None]:
    """Block signals in this thread, and in what it starts, while the context is open."""
    if not hasattr(signal, "pthread_sigmask"):  # not on Windows
        yield
        return
    usual = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, usual)


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


class Threads:
    """Threads of this process, for systems without safe forks. Kernels run without the interpreter lock.

    stop: what running simulations poll.
    """

    seconds = TASK_SECONDS

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


@dataclass(frozen=True, eq=False)
class SweepPayload:
    """A sweep as it is sent to another machine.

    files: the contents of the files that its config names, by name. code: what a worker must compute with (`same_code.code`).
    """

    sweep: Sweep
    files: dict[str, bytes]
    code: dict[str, str] = field(default_factory=dict)


class Lost(CancelledError):
    """A cluster cannot compute any more. Its text is a sentence that says why."""


class Cluster:
    """The workers of a Dask cluster. The sweep is sent to each once. If a worker dies, Dask gives its tasks to others.

    If all have died, the sweep that was sent is lost with them: it and the tasks are sent again once there is a new worker.
    """

    seconds = DASK_SECONDS

    def __init__(self, payload: SweepPayload, client: Any, tell: Tell = lambda text: None) -> None:
        self.client, self.content, self.tell = client, payload, tell
        cores = sum(client.nthreads().values())
        self.waiting = TASKS_PER_WORKER * max(cores, 1)
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
        _silence("distributed", "tornado", "asyncio")
        local = opened.enter_context(_local_workers(library, workers, tell)) if address is None else None
        where = f"the scheduler {address}" if address else "the workers that this command has started"
        named = f"--scheduler {address}" if address else "--executor dask"
        with _telling(f"Waiting for {where} to answer, for at most {SCHEDULER_SECONDS:.0f} s.", tell):
            try:
                client = library.Client(address or local, timeout=SCHEDULER_SECONDS, set_as_default=False)
            except Exception as error:  # of many types: no such host, no such protocol, no such port, no certificate
                why = in_one_line(error)
                if "ssl_context" in why:
                    why = "tls needs certificates, in distributed.comm.tls of Dask's configuration"
                raise UsageError(f"{named}: no scheduler answered ({why})") from None
        opened.callback(_close, client)
        with _telling(f"Waiting for a worker of {where}, for at most {WORKER_SECONDS:.0f} s.", tell):
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
    with _blocked({signal.SIGINT}):
        runner = library.utils.LoopRunner()
        runner.start()
    try:
        with _telling(f"Waiting for {workers} Dask workers of this machine to start.", tell):
            kind = {"n_workers": workers, "threads_per_worker": 1, "dashboard_address": None, "silence_logs": 50}
            local = library.LocalCluster(**kind, loop=runner.loop)
    except Exception as error:  # of many types: no more processes, memory, files or ports
        raise UsageError(f"Dask workers cannot be started ({in_one_line(error)}); --executor threads needs none") from error
    with local:
        yield local


@contextmanager
def _telling(sentence: str, tell: Tell) -> Iterator[None]:
    """Tell what is waited for, if this takes longer than a few seconds."""
    timer = Timer(TELLING_SECONDS, tell, [sentence])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _silence(*libraries: str) -> None:
    """Discard what these libraries log, from now on: of a lost scheduler tracebacks, also after the command has given up."""
    for name in [*logging.root.manager.loggerDict]:
        if name.partition(".")[0] in libraries:
            logging.getLogger(name).disabled = True


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
