"""Programs as child processes: their own ns per path-step in alternating rounds, their wall time, their peak memory."""

import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

BYTES = 1 if sys.platform == "darwin" else 1024
"""The unit of getrusage's memory."""

STEADY = 1.3
"""The slowest round over the fastest, on an idle machine."""
MOST_AGAIN = 2
"""How often a program that was not steady is measured again, all rounds of it."""

PRINTED = re.compile(r"([\d.]+) ns/path-step, E .* = ([\d.]+)")


class Job(NamedTuple):
    """A child process. programs: those whose times it prints, in order. absent: why it cannot run here, or nothing."""

    programs: tuple[str, ...]
    cores: int
    steps: int
    command: tuple[str, ...]
    absent: str = ""


class Speed(NamedTuple):
    """A program's ns per path-step, one a round, and its E |theta_T|^2; or why there are none."""

    program: str
    cores: int
    steps: int
    times: tuple[float, ...] = ()
    check: str = ""
    absent: str = ""

    @property
    def median(self) -> float:
        return statistics.median(self.times)

    @property
    def spread(self) -> float:
        """The slowest round over the fastest."""
        return max(self.times) / min(self.times) if self.times else 1.0


def speeds(jobs: Sequence[Job], rounds: int, tell: Callable[[str], None]) -> list[Speed]:
    """All jobs one after the other, and that again `rounds` times, so that a slow minute strikes all alike.

    Jobs that were not steady are measured again, at most MOST_AGAIN times; the steadiest measurement counts.
    """
    found = _rounds(jobs, rounds, tell)
    for _ in range(MOST_AGAIN):
        noisy = [k for k, own in enumerate(found) if _spread(own) > STEADY]
        if not noisy:
            break
        tell(f"measured again, since rounds differed: {', '.join(' and '.join(jobs[k].programs) for k in noisy)}")
        for k, own in zip(noisy, _rounds([jobs[k] for k in noisy], rounds, tell), strict=True):
            found[k] = min(found[k], own, key=_spread)
    return [speed for own in found for speed in own]


def _spread(found: Sequence[Speed]) -> float:
    return max(speed.spread for speed in found)


def _rounds(jobs: Sequence[Job], rounds: int, tell: Callable[[str], None]) -> list[list[Speed]]:
    """What the programs of each job took in so many rounds of all jobs."""
    printed: list[list[list[tuple[str, str]]]] = [[] for _ in jobs]
    for number in range(rounds):
        tell(f"round {number + 1} of {rounds}")
        for job, results in zip(jobs, printed, strict=True):
            if not job.absent:
                results.append(_run(job))
    return [_collect(job, results) for job, results in zip(jobs, printed, strict=True)]


def _run(job: Job) -> list[tuple[str, str]]:
    """What the job printed: a time and a check for each of its programs."""
    with pinned(job.cores):
        done = subprocess.run(job.command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(job.command)} failed:\n{done.stderr}")
    return PRINTED.findall(done.stdout)


def _collect(job: Job, results: list[list[tuple[str, str]]]) -> list[Speed]:
    if job.absent:
        return [Speed(program, job.cores, job.steps, absent=job.absent) for program in job.programs]
    return [
        Speed(program, job.cores, job.steps, tuple(float(time) for time, _ in printed), printed[-1][1])
        for program, printed in zip(job.programs, zip(*results, strict=True), strict=True)
    ]


@contextmanager
def pinned(cores: int) -> Iterator[None]:
    """Children started here run on that many processors, always the same ones."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(allowed)[:cores])
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def processors() -> int:
    """The processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Cost(NamedTuple):
    """What a child process took: seconds from start to end, and MB at the peak of its largest process."""

    seconds: float
    megabytes: float


def cost(command: Sequence[str]) -> Cost:
    """Run a command to its end, its output thrown away."""
    start = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as child:
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - start
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"{' '.join(command)} failed with exit code {child.returncode}")
    return Cost(seconds, usage.ru_maxrss * BYTES / 1e6)
