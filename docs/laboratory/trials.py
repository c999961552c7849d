"""Simulate instances of processes and judge them with nonconv's verdict."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any, NamedTuple

import numpy as np

from laboratory.catalogue import PROCESSES
from laboratory.process import BASE, Changes, cell_of
from nonconv.engine.blocks import block_size, simulate
from nonconv.experiment.cell import Cell
from nonconv.results.verdict_files import verdict_of
from nonconv.statistics.tally import Tally, measure
from nonconv.study.ready import compiled


class Trial(NamedTuple):
    """One instance and its verdict."""

    process: int
    number: int
    config: Changes
    answer: str
    reason: str

    @property
    def wrong(self) -> bool:
        """Whether the verdict is a false statement."""
        return self.answer not in (*PROCESSES[self.process].allowed, "undecided")


class Task(NamedTuple):
    """Which instance to try. base: what its process changes."""

    process: int
    number: int
    seed: int
    base: Changes


def tally_of(cell: Cell, first: int = 0) -> Tally:
    """Simulate the cell's paths, numbered from `first` on, block by block."""
    engine, stop, size = compiled(cell.program), np.zeros(1, dtype=np.uint8), block_size(cell.program)
    starts = range(first, first + cell.paths, size)
    blocks = (simulate(cell.program, engine, at, min(size, first + cell.paths - at), stop) for at in starts)
    tallies = (measure(cell, block) for block in blocks)
    total = next(tallies)
    for tally in tallies:
        total = total + tally
    return total


def judged(config: Changes) -> tuple[str, str]:
    """Simulate a config and return the verdict on its last iterate, or on the average that it lists last, with the reason."""
    cell = cell_of(config)
    iterate = len(cell.iterates) - 1
    found = verdict_of(cell, tally_of(cell).views[iterate], iterate)
    return str(found.answer), str(found.reason)


def try_out(task: Task) -> Trial:
    """Simulate and judge one instance."""
    config = PROCESSES[task.process].config(task.seed, task.number, task.base)
    return Trial(task.process, task.number, config, *judged(config))


def tasks(processes: Iterable[int], instances: int, seed: int, **base: Any) -> list[Task]:
    """Return the tasks of these processes, given by index; base: what replaces entries of BASE."""
    return [Task(process, number, seed, {**BASE, **base}) for process in processes for number in range(instances)]


def trials(wanted: list[Task], workers: int) -> Iterator[Trial]:
    """Yield the trials in order of the tasks, from this process or from `workers` others."""
    if workers == 1:
        yield from map(try_out, wanted)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        yield from pool.map(try_out, wanted, chunksize=4)
