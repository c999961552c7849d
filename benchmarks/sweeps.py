"""`nonconv sweep` as a whole, cold, beside the engine alone and the same grid in JAX; on a Dask cluster; its memory."""

import re
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from measure import MOST_AGAIN, PRINTED, STEADY, cost, pinned
from report import Table

HERE = Path(__file__).parent
GRID = HERE / "configs" / "adam_betas.yaml"
CELLS = 400
HOW = {"alone": "a cell at a time", "together": "cells together"}
"""How the engine takes the cells when it is measured by itself; a sweep takes them together, which is faster."""
WHEN = {"cold": "cold", "warm": "its kernel on disk"}
"""How a sweep finds the kernel cache, in this order."""
ALLOWED, COLD = 1.15, 2.0
"""A sweep may take so many times the engine's time, and so many seconds more where its kernel must be compiled."""
SECONDS = re.compile(r"([\d.]+) seconds")
FEW, MANY = 5, 20
"""Values of each beta where memory is compared."""


class Size(NamedTuple):
    """Paths and steps of each cell, and how many steps the slower programs do."""

    paths: int
    steps: int
    jax_steps: int
    rounds: int

    @property
    def settings(self) -> tuple[str, ...]:
        return f"paths={self.paths}", f"steps={self.steps}"

    @property
    def work(self) -> int:
        return CELLS * self.paths * self.steps


class Result(NamedTuple):
    """Medians of seconds, MB, and what was aimed at: (what, measured, bound, unit, whether it is to be at least that).

    steady: of each program, whether its rounds differ by no more than on an idle machine.
    """

    tables: list[Table]
    targets: list[tuple[str, float, float, str, bool]]
    steady: list[bool]


def measured(
    size: Size, nonconv: Sequence[str], folder: Path, environment: MutableMapping[str, str], tell: Callable[[str], None]
) -> Result:
    """All of it, in rounds, so that a slow minute strikes all alike."""
    engine: dict[tuple[int, str], list[float]] = {(workers, how): [] for workers in (1, 2) for how in HOW}
    whole: dict[tuple[int, str], list[float]] = {(workers, when): [] for when in WHEN for workers in (1, 2)}
    far: list[float] = []
    jax: list[list[float]] = []
    for number in range(size.rounds + MOST_AGAIN):
        if number >= size.rounds:
            if all(map(_steady, (*engine.values(), *whole.values(), *others(far, jax)))):
                break
            tell("one more round, since rounds differed")
        else:
            tell(f"round {number + 1} of {size.rounds}")
        for workers in (1, 2):
            for how in HOW:
                engine[workers, how].append(_engine(size, workers, how))
            environment["NONCONV_CACHE_DIR"] = str(folder / f"cold-{number}-{workers}")
            for when in WHEN:
                whole[workers, when].append(_sweep(size, nonconv, folder / f"{when}-{number}-{workers}", workers))
        if find_spec("distributed"):
            with _cluster() as address:
                options = ("--executor", "dask", "--scheduler", address)
                _sweep(size._replace(paths=64), nonconv, folder / f"near-{number}", 2, *options)
                far.append(_sweep(size, nonconv, folder / f"far-{number}", 2, *options))
        if find_spec("jax"):
            jax.append(_jax(size))
    return _result(size, engine, whole, far, jax, _memory(nonconv, folder))


def others(far: list[float], jax: list[list[float]]) -> list[list[float]]:
    """The rounds of the Dask cluster and of each generator of JAX, as far as they are installed."""
    return [*([far] if far else []), *(list(times) for times in zip(*jax, strict=True))]


def _steady(times: Sequence[float]) -> bool:
    """Whether rounds differ by no more than on an idle machine."""
    return max(times) / min(times) <= STEADY


def _engine(size: Size, workers: int, how: str) -> float:
    command = [sys.executable, str(HERE / "sweep_engine.py"), str(GRID), str(workers), how, *size.settings]
    with pinned(workers):
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(SECONDS.findall(done.stdout)[0])


def _sweep(size: Size, nonconv: Sequence[str], folder: Path, workers: int, *options: str) -> float:
    """Seconds from the shell to the heat map."""
    changes = [word for setting in size.settings for word in ("--set", setting)]
    where = options or ("--workers", str(workers))  # a cluster has its own
    command = [*nonconv, "sweep", str(GRID), *changes, "--out", str(folder), *where]
    with pinned(workers if not options else 2):
        return cost(command).seconds


@contextmanager
def _cluster() -> Iterator[str]:
    """The address of a cluster of two single-thread workers on this machine, in a process of its own."""
    code = (
        "from distributed import LocalCluster\nif __name__ == '__main__':\n"
        "    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as c:\n"
        "        print(c.scheduler_address, flush=True)\n        input()\n"
    )
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", code], stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.stdin.write("\n")


def _jax(size: Size) -> list[float]:
    """ns per path-step of each generator."""
    command = [sys.executable, str(HERE / "peers" / "adam_betas_jax.py"), str(size.paths), str(size.jax_steps)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [float(time) for time, _ in PRINTED.findall(done.stdout)]


def _memory(nonconv: Sequence[str], folder: Path) -> list[float]:
    """MB at the peak with few and with many cells."""
    found = []
    for number in (FEW, MANY):
        grids = [word for beta in ("beta1", "beta2") for word in ("--grid", f"optimizer.{beta}=0.1:0.99:{number}")]
        small = ["--set", "paths=256", "--set", "steps=1000", "--out", str(folder / f"memory-{number}")]
        found.append(cost([*nonconv, "sweep", str(GRID), *grids, *small]).megabytes)
    return found


def _result(size: Size, engine: Any, whole: Any, far: list[float], jax: list[list[float]], memory: list[float]) -> Result:
    by_itself = {found: statistics.median(times) for found, times in engine.items()}
    sweep = {found: statistics.median(times) for found, times in whole.items()}
    noisy = {found for found, times in (engine | whole).items() if not _steady(times)}
    rows = [
        *(
            _row(f"the engine by itself, {HOW[how]}, {_cores(n)}", by_itself[n, how], size, (n, how) in noisy)
            for n, how in engine
        ),
        *(_row(f"`nonconv sweep`, {WHEN[when]}, {_cores(n)}", sweep[n, when], size, (n, when) in noisy) for n, when in whole),
    ]
    targets = [
        (
            "sweep, its kernel on disk, 2 cores: time over the engine's",
            sweep[2, "warm"] / by_itself[2, "together"],
            ALLOWED,
            "×",
            False,
        ),
        ("sweep, 2 cores: seconds more where it must compile", sweep[2, "cold"] - sweep[2, "warm"], COLD, "s", False),
        *(
            (f"sweep, {WHEN[when]}: two cores faster than one", sweep[1, when] / sweep[2, when], 1.9, "×", True)
            for when in WHEN
        ),
        (f"sweep, memory, {FEW**2} -> {MANY**2} cells", memory[1] / memory[0], 1.2, "×", False),
    ]
    if jax:
        # Not slower, as far as the rounds can tell: their lowest ratio.
        ratios = [seconds / size.work * 1e9 / min(own) for seconds, own in zip(whole[2, "warm"], jax, strict=True)]
        targets.append(
            ("sweep, its kernel on disk, 2 cores: over JAX's bare loop, lowest of the rounds", min(ratios), 1.0, "×", False)
        )
    if far:
        rows.append(_row("`nonconv sweep`, Dask, two single-thread workers", statistics.median(far), size, not _steady(far)))
        # Its workers have their kernels too.
        targets.append(
            ("sweep: Dask over workers of this machine", statistics.median(far) / sweep[2, "warm"], 1.15, "×", False)
        )
    for name, times in zip(("rbg", "threefry (default)"), zip(*jax, strict=True), strict=False):
        mark = "" if _steady(times) else " (noisy)"
        rows.append((f"JAX scan, {name}, {size.jax_steps} steps, 2 cores", "", f"{statistics.median(times):.2f}{mark}"))
    title = f"The grid of adam_betas, {CELLS} cells × {size.paths} paths × {size.steps} steps, from the shell to the heat map"
    steady = list(map(_steady, (*engine.values(), *whole.values(), *others(far, jax))))
    return Result([Table(title, ("program", "seconds", "ns per path-step"), tuple(rows))], targets, steady)


def _row(program: str, seconds: float, size: Size, noisy: bool = False) -> tuple[str, ...]:
    return program, f"{seconds:.2f}{' (noisy)' if noisy else ''}", f"{seconds / size.work * 1e9:.2f}"


def _cores(number: int) -> str:
    return "1 core" if number == 1 else f"{number} cores"
