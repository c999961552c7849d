"""Estimate how long a sweep will take: time a short trial of one cell of each kind, and scale it.

`costs.estimate_seconds` knows how the time grows with paths, steps and coordinates, but not how slow an optimizer or this
machine is. A trial finds that factor, and what a cell costs apart from its steps.
"""

import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from nonconv.engine.blocks import block_size, most_together, simulate_together
from nonconv.engine.plan import NO_PLAN
from nonconv.experiment.cell import Cell
from nonconv.faults.blame import PLUGIN_ERRORS
from nonconv.study.ready import Ready, compiled, make_ready
from nonconv.sweeps.cells import Cells
from nonconv.sweeps.costs import NANOSECONDS_PER_SAMPLE, estimate_seconds
from nonconv.sweeps.executors.protocol import TASK_SECONDS
from nonconv.sweeps.sweep import Survey, Sweep, label
from nonconv.sweeps.tasks import compute_cell

MOST_TRIALS, TRIAL_STEPS, TRIAL_PATHS = 4, 2000, 8
"""Kinds of cells that are tried, at most; steps of a trial; and paths of the trial of what else a cell costs."""
MOST_TRIAL_SECONDS = 1.0
"""The overhead of a cell is not tried if that would take longer; beside such a cell it does not matter."""


class Estimate(NamedTuple):
    """What a sweep will take.

    done: finished cells. path_steps, seconds: what is left. tried: the points of the cells that were timed.
    """

    done: int
    path_steps: int
    seconds: float
    tried: str


class _Trial(NamedTuple):
    """What the trial of a cell found.

    slowness: measured time per step, relative to `costs.estimate_seconds`. overhead: seconds per cell apart from its steps.
    """

    slowness: float
    overhead: float
    tried: str


def estimate(sweep: Sweep, survey: Survey, folder: Path, workers: int, force: bool = False) -> Estimate:
    """Estimate what is left of a sweep, timing one cell per pair of objective and optimizer.

    A cell that cannot be prepared costs nothing: it will fail at once. force: nothing that is there counts.
    """
    cells, done, left, cost = Cells(folder, len(survey.ids)), 0, 0, 0.0
    trials: dict[tuple[str, str], _Trial] = {}
    for number, (name, point) in enumerate(zip(survey.ids, sweep.points(), strict=True)):
        make, begun = partial(sweep.cell, point), not force and cells.has_begun(name)
        if begun and cells.is_finished(name, survey.each.identity(number), make):
            done += 1
            continue
        kind = survey.each.kind(number)
        if kind not in trials and len(trials) < MOST_TRIALS:
            try:
                ready = make_ready(make())
                trials[kind] = _Trial(_measure_slowness(ready), _measure_overhead(ready), label(point))
            except PLUGIN_ERRORS:  # the sweep tells it, as the reason of a cell that failed
                continue
        share = _share_left(cells, name, make()) if begun else 1.0
        left += round(share * survey.each.path_steps[number])
        # Kinds beyond MOST_TRIALS are estimated by the first one.
        trial = trials.get(kind) or next(iter(trials.values()))
        cost += survey.each.seconds[number] * share * trial.slowness + trial.overhead
    return Estimate(done, left, cost / workers, "; ".join(trial.tried for trial in trials.values()))


def _share_left(cells: Cells, name: str, cell: Cell) -> float:
    """Return the share of a cell's paths that are still to be computed."""
    saved = cells.load_saved(name, cell)
    return 1.0 - int(saved["paths"]) / cell.paths if saved else 1.0


def _measure_slowness(ready: Ready) -> float:
    """Measure the time per step, relative to `costs.estimate_seconds`.

    As many copies of the cell are simulated together as a task would hold, since they share random numbers.
    """
    cell, program = ready.cell, ready.program
    steps = min(program.steps, TRIAL_STEPS)
    trial = replace(program, steps=steps, record=np.array([steps]), plan=NO_PLAN, average_after=None)
    number = max(1, min(most_together(program), int(TASK_SECONDS / estimate_seconds(cell))))
    paths, stop = min(cell.paths, block_size(trial)), np.zeros(1, dtype=np.uint8)
    simulate_together([trial] * number, compiled, 0, 1, stop)  # compiles
    started = time.perf_counter()
    simulate_together([trial] * number, compiled, 0, paths, stop)
    return (time.perf_counter() - started) / (number * paths * steps * trial.samples * NANOSECONDS_PER_SAMPLE * 1e-9)


def _measure_overhead(ready: Ready) -> float:
    """Measure the seconds of a cell with a few paths, in the second of two runs, since the first may compile."""
    few = replace(ready, cell=replace(ready.cell, paths=min(ready.cell.paths, TRIAL_PATHS), stopping=None))
    if estimate_seconds(few.cell) > MOST_TRIAL_SECONDS:
        return 0.0
    for _ in range(2):
        started = time.perf_counter()
        compute_cell(few, None, np.zeros(1, dtype=np.uint8))
    return time.perf_counter() - started
