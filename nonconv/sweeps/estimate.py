"""How long a sweep will take: a short trial of a cell of each kind, scaled."""

import time
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from nonconv.engine.blocks import block_size, most_together, simulate_together
from nonconv.engine.plan import NO_PLAN
from nonconv.errors import NonconvError
from nonconv.ready import Ready, compiled, make_ready
from nonconv.sweeps.cells import Cells
from nonconv.sweeps.executors import TASK_SECONDS
from nonconv.sweeps.sweep import Survey, Sweep, label
from nonconv.sweeps.tasks import NANOSECONDS, computed, seconds

MOST_TRIALS, TRIAL_STEPS, FEW_PATHS = 4, 2000, 8
MOST_SECONDS = 1.0
"""A trial that would take longer is not made."""


class Guess(NamedTuple):
    """Cells that are done, path-steps and seconds that are left, and what was tried."""

    done: int
    path_steps: int
    seconds: float
    tried: str


class _Trial(NamedTuple):
    """How many times as long a step takes as `tasks.seconds` has it; seconds of a cell beside its steps; what was tried."""

    slowness: float
    beside: float
    tried: str


def estimate(sweep: Sweep, survey: Survey, folder: Path, workers: int) -> Guess:
    """From one block of a cell of each pair of objective and optimizer.

    A cell that cannot be prepared will fail at once, and is tried no further.
    """
    cells, done, left, cost = Cells(folder), 0, 0, 0.0
    trials: dict[tuple[str, str], _Trial] = {}
    for name, point in zip(survey.ids, sweep.points(), strict=True):
        cell = sweep.cell(point)
        if cells.is_finished(name, cell):
            done += 1
            continue
        kind = cell.program.objective.component.name, cell.program.optimizer.component.name
        if kind not in trials and len(trials) < MOST_TRIALS:
            try:
                whole = make_ready(cell)
                trials[kind] = _Trial(_slowness(whole), _beside(whole), label(point))
            except NonconvError:
                continue
        saved = cells.saved(name, cell)
        paths = cell.paths - (int(saved["paths"]) if saved else 0)
        left += paths * cell.program.steps
        trial = trials.get(kind) or next(iter(trials.values()))
        cost += seconds(cell) * paths / cell.paths * trial.slowness + trial.beside
    return Guess(done, left, cost / workers, "; ".join(trial.tried for trial in trials.values()))


def _slowness(ready: Ready) -> float:
    """With as many cells at a time as a task holds."""
    cell, program = ready.cell, ready.program
    steps = min(program.steps, TRIAL_STEPS)
    trial = replace(program, steps=steps, record=np.array([steps]), plan=NO_PLAN, average_after=None)
    number = max(1, min(most_together(program), int(TASK_SECONDS / seconds(cell))))
    paths, stop = min(cell.paths, block_size(trial)), np.zeros(1, dtype=np.uint8)
    simulate_together([trial] * number, compiled, 0, 1, stop)  # compiles
    started = time.perf_counter()
    simulate_together([trial] * number, compiled, 0, paths, stop)
    return (time.perf_counter() - started) / (number * paths * steps * trial.samples * NANOSECONDS * 1e-9)


def _beside(ready: Ready) -> float:
    """What one of a few paths takes, the second time."""
    few = replace(ready, cell=replace(ready.cell, paths=min(ready.cell.paths, FEW_PATHS), stopping=None))
    if seconds(few.cell) > MOST_SECONDS:
        return 0.0
    for _ in range(2):
        started = time.perf_counter()
        computed(few, None, np.zeros(1, dtype=np.uint8))
    return time.perf_counter() - started
