"""Where tasks are carried out: processes or threads of this machine, or a Dask cluster. All give the same results."""

import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from multiprocessing import Pipe, active_children, get_context
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Thread
from typing import Any, Protocol

import numpy as np

import nonconv
from nonconv.config.catalogue import BUILT_IN
from nonconv.config.plugins import load_named
from nonconv.errors import UsageError
from nonconv.sweeps.sweep import Sweep
from nonconv.sweeps.tasks import Task, work

TASK_SECONDS, DASK_SECONDS = 0.3, 3.0
"""About how long a task lasts: short ones share processors evenly, on a cluster each one costs a message."""
PATIENCE = 1e-5
"""Seconds a thread waits for the interpreter while another holds it. Python's 5e-3 are most of what a short cell's own Python
takes, and a kernel could be running meanwhile: two threads then do a sixth more."""
AHEAD = 3
"""Tasks waiting per worker, so that none waits for results to be merged and written."""
ANSWER_SECONDS, WORKER_SECONDS = 30, 120
"""How long a scheduler may take to answer, and its first worker to come."""


class Executor(Protocol):
    """`submit` gives a future of `tasks.work`; so many are to wait at a time, each lasting about `seconds`."""

    seconds: float
    waiting: int

    def submit(self, task: Task) -> "Future[Any]": ...


class Processes:
    """Forks of this process, made before it has other threads or holds the folder.

    Each has an interpreter of its own: what Python does with a short cell takes as long as its kernel.
    """

    seconds = TASK_SECONDS

    def __init__(self, sweep: Sweep, workers: int) -> None:
        import nonconv.engine.fused  # noqa: F401  # once for all workers

        self.sweep, self.waiting = sweep, AHEAD * workers
        theirs, self.line = Pipe(duplex=False)
        fork = get_context("fork")
        self.pool = ProcessPoolExecutor(workers, fork, initializer=_serve, initargs=(sweep, theirs, self.line))
        usual = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})  # an interrupt is ours to handle
        try:
            self.pool.submit(int)  # the workers are made now
            self.workers = active_children()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, usual)
        theirs.close()

    def submit(self, task: Task) -> "Future[Any]":
        for order in task.orders:
            self.sweep.kept.pop(order.name, None)  # only what was kept before the fork is the workers' as well
        return self.pool.submit(work_in_fork, task)

    def close(self) -> None:
        """Hang up, which ends the workers whatever they do."""
        self.line.close()
        for worker in self.workers:
            worker.kill()  # it may be suspended
        self.pool.shutdown(wait=False, cancel_futures=True)


_of_worker: list[Sweep] = []


def _serve(sweep: Sweep, line: Connection, other_end: Connection) -> None:
    """Become a worker, which ends with the process that made it, however that ends. SIGINT stays blocked.

    What plug-ins print goes to stderr: stdout is the command's.
    """
    other_end.close()
    os.dup2(2, 1)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    _of_worker[:] = [sweep]
    Thread(target=_end_with, args=(line,), daemon=True).start()


def _end_with(line: Connection) -> None:
    line.poll(None)
    os._exit(0)


def work_in_fork(task: Task) -> Any:
    """`work` on the sweep that this worker was made for."""
    return work(_of_worker[0], task, np.zeros(1, dtype=np.uint8))


def processes(sweep: Sweep, workers: int) -> AbstractContextManager[Executor]:
    """So many forks of this process, ended at the end."""
    return closing(Processes(sweep, workers))


class Threads:
    """Threads of this process: kernels hold no lock of the interpreter."""

    seconds = TASK_SECONDS

    def __init__(self, sweep: Sweep, workers: int) -> None:
        self.sweep, self.waiting = sweep, AHEAD * workers
        self.stop = np.zeros(1, dtype=np.uint8)
        self.pool = ThreadPoolExecutor(workers)
        self.patience = sys.getswitchinterval()
        sys.setswitchinterval(PATIENCE)

    def submit(self, task: Task) -> "Future[Any]":
        return self.pool.submit(work, self.sweep, task, self.stop)

    def close(self) -> None:
        """Stop what is running; a thread that compiles cannot be stopped, and need not be."""
        sys.setswitchinterval(self.patience)
        self.stop[0] = 1
        self.pool.shutdown(wait=False, cancel_futures=True)


def threads(sweep: Sweep, workers: int) -> AbstractContextManager[Executor]:
    """So many threads, stopped at the end."""
    return closing(Threads(sweep, workers))


@dataclass(frozen=True, eq=False)
class Parcel:
    """A sweep as it travels, with the contents of the files it names, which may not be where a worker is."""

    sweep: Sweep
    files: dict[str, bytes]


class Cluster:
    """The workers of a Dask cluster. The sweep is sent to each once; a worker that dies costs the tasks it had."""

    seconds = DASK_SECONDS

    def __init__(self, parcel: Parcel, client: Any) -> None:
        self.client = client
        cores = sum(client.nthreads().values())
        self.waiting = AHEAD * max(cores, 1)
        self.parcel = client.scatter(parcel, broadcast=True, hash=False)

    def submit(self, task: Task) -> "Future[Any]":
        future: Future[Any] = self.client.submit(work_far_away, self.parcel, task, pure=False)
        return future


@contextmanager
def cluster(parcel: Parcel, address: str | None, workers: int) -> Iterator[Executor]:
    """The cluster whose scheduler has this address, or one of so many single-thread workers on this machine."""
    try:
        import distributed
    except ImportError:
        raise UsageError("--executor dask needs Dask: pip install 'nonconv[dask]'") from None
    library: Any = distributed  # it is not typed
    with ExitStack() as opened:
        if address is None:
            kind = {"n_workers": workers, "threads_per_worker": 1, "dashboard_address": None, "silence_logs": 50}
            local = opened.enter_context(library.LocalCluster(**kind))
        try:
            client = library.Client(address or local, timeout=ANSWER_SECONDS, set_as_default=False)
        except (OSError, ValueError) as error:
            raise UsageError(f"--scheduler {address}: no scheduler answers there ({error})") from None
        opened.callback(client.close)
        try:
            client.wait_for_workers(1, timeout=WORKER_SECONDS)
        except TimeoutError:
            raise UsageError(f"--scheduler {address}: the cluster has no workers") from None
        yield _equipped(parcel, client)


def _equipped(parcel: Parcel, client: Any) -> Cluster:
    """The cluster with the sweep. Raises UsageError where nonconv is not what it is here: results would not be the same."""
    try:
        found = set(client.run(_version).values())
        made = Cluster(parcel, client)
    except Exception as error:  # the library's own types do not tell what was wrong at the other end
        found, made, why = {"none"}, None, f" ({error})"
    else:
        why = ""
    if made is None or found != {nonconv.__version__}:
        theirs = ", ".join(sorted(found))
        raise UsageError(f"the scheduler and all workers need nonconv {nonconv.__version__}; they have {theirs}{why}")
    return made


def _version() -> str:
    return nonconv.__version__


def packed(sweep: Sweep, files: dict[str, bytes]) -> Parcel:
    """The sweep without what only this process knows: its plug-ins as they were loaded here."""
    return Parcel(replace(sweep, document=replace(sweep.document, catalogue=BUILT_IN), kept={}), files)


@lru_cache(maxsize=2)
def _unpacked(parcel: Parcel) -> Sweep:
    """The sweep, with its files on this machine's disk. A worker has one parcel object for all tasks of a sweep."""
    moved = {}
    for k, (name, content) in enumerate(parcel.files.items()):
        moved[name] = Path(tempfile.mkdtemp(prefix=f"nonconv-{k}-")) / Path(name).name
        moved[name].write_bytes(content)
    document = replace(parcel.sweep.document, moved=moved)
    document.catalogue, _ = load_named(document)
    return replace(parcel.sweep, document=document)


def work_far_away(parcel: Parcel, task: Task) -> Any:
    """`work`, on another machine."""
    return work(_unpacked(parcel), task, np.zeros(1, dtype=np.uint8))
