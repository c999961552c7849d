"""Jobs of SLURM by submitit, many tasks as one array; where there is no SLURM, or for a trial, processes of this machine.

The jobs and the command share a folder, `unfinished.jobs` in the output folder unless another is chosen. It holds the sweep,
and of each job its task, its result and its log. It is removed at the end, but for the logs of jobs that failed.
"""

import hashlib
import io
import os
import pickle
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager, redirect_stderr, suppress
from pathlib import Path
from socket import gethostname
from typing import Any

from nonconv.faults.blame import in_one_line
from nonconv.faults.errors import UsageError
from nonconv.sweeps.executors.job_options import for_submission, for_submitit
from nonconv.sweeps.executors.jobs import Refused, SweepJob, Unfinished
from nonconv.sweeps.executors.protocol import Executor, Lost, Tell, blocked, silence, unbroken
from nonconv.sweeps.executors.remote import SweepPayload
from nonconv.sweeps.tasks import CellJob, CellsTask, Failed, Task
from nonconv.system.processors import default_workers
from nonconv.system.signals import STOPPING

JOB_SECONDS, JOB_CELLS = 120.0, 1024
"""How long a task should take, and its most cells: a job waits for its turn, and then takes seconds to start."""
JOBS = 256
"""Jobs that are handed out at a time on a cluster; submitit runs as many of an array at once."""
MOST_LOSSES = 3
"""How often a task is submitted again whose job left no result."""
OUT_OF_MEMORY = "OUT_OF_ME"
"""How the state of a job begins that took too much memory."""
POLLING_SECONDS, CANCELLING_SECONDS = 0.2, 5.0
"""How often to look for a result, and how long to wait for the end of cancelled processes of this machine."""
JOBS_FOLDER, SWEEP_FILE = "unfinished.jobs", "sweep.pkl"
SUBMITTED = "_submission.sh"
"""How the name of the file ends, after the id of an array, that submitit writes once SLURM has taken its jobs."""


class Jobs:
    """Hands tasks out as jobs: collects them, and submits them together once there are many or one is waited for.

    make: makes submitit's executor, for the job folder. here: whether jobs are processes of this machine, one for each CPU;
    otherwise half of `waiting` are submitted as soon as they are due, as one array.
    """

    seconds, cells = JOB_SECONDS, JOB_CELLS

    def __init__(self, payload: SweepPayload, make: Callable[[Path], Any], here: bool, workers: int, folder: Path, tell: Tell):
        self.payload, self.make, self.here, self.folder, self.tell = payload, make, here, folder, tell
        self.waiting = workers or (default_workers() if here else JOBS)
        self.together = 1 if here else self.waiting
        self.executor: Any = None
        self.awaited: list[_Awaited] = []
        self.collected: list[_Awaited] = []
        self.arrays: set[str] = set()
        self.has_result = False
        self.logs: set[Path] = set()

    def submit(self, task: Task) -> "Future[Any]":
        """Collect a task."""
        self.awaited.append(_Awaited(self, task))
        self.collect(self.awaited[-1])
        future: Future[Any] = self.awaited[-1]  # type: ignore[assignment]  # it has the one method that is used
        return future

    def collect(self, one: "_Awaited") -> None:
        """Collect a task for the next submission."""
        self.collected.append(one)
        if len(self.collected) >= self.together:
            self.submit_collected()

    def submit_collected(self) -> None:
        """Submit what is collected, as one array. Raises Lost if that fails."""
        try:
            if self.executor is None:
                self._begin()
            with _quiet(self.folder, self.here):
                unbroken(self._submit)  # or else ids of jobs would be lost
        except Exception as error:  # of many types: sbatch refuses, the disk is full, the folder is gone
            raise Lost(f"No job could be submitted ({in_one_line(error)}).") from error
        self.collected.clear()
        if not self.here:
            self.together = max(1, self.waiting // 2)

    def _submit(self) -> None:
        """Submit what is collected."""
        works = [SweepJob(self.folder / SWEEP_FILE, one.task, one.done) for one in self.collected]
        if self.here:
            for one, work in zip(self.collected, works, strict=True):
                one.job = self.executor.submit(work)
            return
        with blocked(STOPPING):  # Ctrl-C reaches sbatch too, which then would not say the ids
            jobs = self.executor.submit_array(works)
        for one, job in zip(self.collected, jobs, strict=True):
            one.job = job
        self.arrays.add(_array(jobs[0]))

    def _begin(self) -> None:
        """Make the job folder, with the sweep in it, in place of what a killed command has left."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        (self.folder / SWEEP_FILE).write_bytes(pickle.dumps(self.payload))
        self.executor = self.make(self.folder)

    def close(self) -> None:
        """Cancel what is not finished, and remove the job folder, but for the logs of jobs that failed."""
        with suppress(Exception):  # of many types, and nothing is lost any more
            unbroken(self._cancel)
        if self.executor is not None:
            for path in self.folder.glob("*"):
                if path not in self.logs:
                    path.unlink(missing_ok=True)
            with suppress(OSError):
                self.folder.rmdir()
        if kept := sorted(path for path in self.logs if path.exists()):
            self.tell(f"Logs of failed jobs: {kept[0]}" + (f" and {len(kept) - 1} more there." if len(kept) > 1 else "."))

    def _cancel(self) -> None:
        """Cancel what is not finished. Of arrays all jobs at once."""
        left = [one.job for one in self.awaited if one.job is not None]
        if self.here:
            _end_processes([job for job in left if not job.done()])
            return
        # Also of those that SLURM had taken before their submission failed.
        taken = {path.name.removesuffix(SUBMITTED) for path in self.folder.glob(f"*{SUBMITTED}")}
        if arrays := {_array(job) for job in left} | (taken - self.arrays):
            with blocked(STOPPING):
                subprocess.run(["scancel", *sorted(arrays)], check=False)


class _Awaited:
    """A task that a job computes. It is submitted again if the job leaves no result.

    done: the results of the parts that jobs had saved before they were lost.
    """

    def __init__(self, jobs: Jobs, task: Task) -> None:
        self.jobs, self.task = jobs, task
        self.job: Any = None
        self.done: tuple[Any, ...] = ()
        self.losses = 0

    def result(self) -> Any:
        """Wait for the result. Raises Lost if jobs cannot compute, and UsageError if they would write other bytes."""
        from submitit.core.utils import FailedJobError, UncompletedJobError

        while True:
            if self.job is None:
                self.jobs.submit_collected()
            while not self.job.done():
                time.sleep(POLLING_SECONDS)
            try:
                found = self.job.result()
            except FailedJobError as error:
                return self._end(self._fail(f"failed: {_last_line(str(error))}"))
            except UncompletedJobError:
                found = self._lose(self.job.state)
            if isinstance(found, Unfinished):
                found = self._lose(found.reason)
            if isinstance(found, Refused):
                raise UsageError(found.reason)
            if found is not None:
                return self._end(found)

    def _end(self, found: Any) -> Any:
        """Return the result, after which the job is nobody's any more."""
        self.jobs.awaited.remove(self)
        self.jobs.has_result = True
        for path in (self.job.paths.result_pickle, self.job.paths.submitted_pickle):
            path.unlink(missing_ok=True)
        return found

    def _lose(self, state: str) -> Any:
        """Submit the task again, unless that was done several times: then return why its cells fail.

        state: how the job ended.
        """
        self.losses += 1
        self._keep_logs()
        with suppress(Exception):  # of many types: what the job was to do next is not there, or damaged
            self.done = tuple(self.job.submission().function.done)
        if self.losses > MOST_LOSSES:
            own = state.startswith(OUT_OF_MEMORY)  # the task's fault, not the cluster's
            if len(self._cells_left()) > 1 and (own or self.jobs.has_result):
                return self._halve()
            return self._fail(f"left no result, {self.losses} times ({state})", own)
        self.jobs.tell(f"Job {self.job.job_id} left no result ({state}). It is submitted again. Its log: {self._log()}")
        self.job = None
        self.jobs.collected.append(self)
        return None

    def _found(self) -> list[Any]:
        """Return the results of cells that jobs had saved."""
        return [one for part in self.done for one in part] if isinstance(self.task, CellsTask) else []

    def _cells_left(self) -> tuple[CellJob, ...]:
        """Return the cells of which no job had saved a result."""
        return self.task.jobs[len(self._found()) :] if isinstance(self.task, CellsTask) else ()

    def _halve(self) -> Any:
        """Submit the cells that are left in two jobs, each half that is lost in two again: one bad cell is to cost no other."""
        assert isinstance(self.task, CellsTask)
        left = self._cells_left()
        middle = len(left) // 2
        halves = [_Awaited(self.jobs, self.task._replace(jobs=some)) for some in (left[:middle], left[middle:])]
        for half in halves:
            half.losses = self.losses - 1
        self.jobs.awaited += halves
        self.jobs.collected += halves
        self.jobs.submit_collected()
        return self._found() + [one for half in halves for one in half.result()]

    def _fail(self, how: str, own: bool = False) -> Any:
        """Return why the cells of the task fail.

        own: whether it is the task's fault. If it need not be, and no job has had a result, raises Lost.
        """
        self._keep_logs()
        if not own and not self.jobs.has_result:
            raise Lost(f"Job {self.job.job_id} {how}. Its log: {self._log()}.")
        failed = Failed(f"its job {how}", lost=True)
        return self._found() + [failed] * len(self._cells_left()) if isinstance(self.task, CellsTask) else failed

    def _log(self) -> Path:
        """Return the log that says most."""
        paths = self.job.paths
        return Path(paths.stderr if paths.stderr.exists() and paths.stderr.stat().st_size else paths.stdout)

    def _keep_logs(self) -> None:
        """Keep the logs of the job when the folder is removed."""
        self.jobs.logs |= {Path(self.job.paths.stdout), Path(self.job.paths.stderr)}


def _last_line(text: str) -> str:
    """Return the last line of the traceback in the message of a FailedJobError."""
    trace = text.partition("-\n")[2].rpartition("\n--")[0]
    lines = [line for line in trace.splitlines() if line.strip()]
    return lines[-1].strip() if lines else "for an unknown reason"


def _array(job: Any) -> str:
    """Return the id of a job's array, or of a job that is in none."""
    array: str = job.job_id.partition("_")[0]
    return array


def _end_processes(jobs: list[Any]) -> None:
    """End jobs that are processes of this machine."""
    for job in jobs:
        job.cancel(check=False)
    until = time.monotonic() + CANCELLING_SECONDS
    while not all(job.done() for job in jobs) and time.monotonic() < until:
        time.sleep(POLLING_SECONDS / 4)


@contextmanager
def _quiet(folder: Path, here: bool) -> Iterator[None]:
    """Keep what submitit and the processes that it starts print off the terminal."""
    if not here:
        with redirect_stderr(io.StringIO()):  # the errors of sbatch, which its exception has too
            yield
        return
    # The process that controls a job has this one's streams. Ctrl-C reaches it too, and it would print a traceback.
    sys.stdout.flush()
    saved = os.dup(1), os.dup(2)
    log = os.open(folder / "controllers.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        os.dup2(log, 1)
        os.dup2(log, 2)
        yield
    finally:
        os.dup2(saved[0], 1)
        os.dup2(saved[1], 2)
        for one in (log, *saved):
            os.close(one)


def _name(out: Path) -> str:
    """Name the job folder of an output folder where others have theirs too: folders so called, also of other machines."""
    place = out.resolve()
    return f"nonconv-{place.name}-{hashlib.sha256(f'{gethostname()}:{place}'.encode()).hexdigest()[:8]}"


def check_options(options: Mapping[str, Any]) -> None:
    """Raise UsageError if submitit is not installed, or does not take these options."""
    with tempfile.TemporaryDirectory(prefix="nonconv-") as folder:
        _make(options, Path(folder))


def _make(options: Mapping[str, Any], folder: Path) -> Any:
    """Make submitit's executor. Raises UsageError."""
    try:
        import submitit
    except ImportError:
        raise UsageError('--executor submitit needs submitit: pip install "nonconv[slurm]"') from None
    silence("submitit")
    try:
        executor = submitit.AutoExecutor(folder, **for_submitit(options))
        executor.update_parameters(**for_submission(options))
    except UsageError:
        raise
    except Exception as error:  # of many types, as AssertionError and NameError
        raise UsageError(f"--executor-option: {str(error).splitlines()[0].partition('. Valid arg')[0]}") from None
    return executor


@contextmanager
def open_jobs(
    payload: SweepPayload, options: Mapping[str, Any], workers: int, out: Path, tell: Tell = lambda text: None
) -> Iterator[Executor]:
    """Hand tasks out as jobs while the context is open. out: the output folder. See Jobs. Raises UsageError."""
    with tempfile.TemporaryDirectory(prefix="nonconv-") as trial:
        cluster = _make(options, Path(trial)).cluster
    here = cluster == "local"
    if here and not options.get("cluster"):
        tell("There is no SLURM here: jobs are processes of this machine.")
    folder = Path(options["folder"]) / _name(out) if options.get("folder") else out / JOBS_FOLDER
    if "%" in str(folder.absolute()):  # SLURM and submitit put numbers of jobs in their place
        raise UsageError(
            f"--executor submitit: no job folder may have a % in its name: {folder}\n  --executor-option folder=DIR"
        )
    jobs = Jobs(payload, lambda place: _make(options, place), here, workers, folder.absolute(), tell)
    try:
        yield jobs
    finally:
        jobs.close()
