"""nonconv's own block loop, as `nonconv run` uses it: python nonconv_loop.py CONFIG WORKERS [KEY=VALUE ...]"""

import sys
import tempfile
import time
from pathlib import Path

from nonconv.experiment.binding import read_cell
from nonconv.experiment.cell import Cell
from nonconv.statistics.tally import Tally
from nonconv.store.folder import Folder
from nonconv.study.loop import simulate_cell
from nonconv.study.ready import make_ready

SECONDS = 2.0
"""Run again until so many have passed, which is what C and JAX take once: a machine's hiccups strike all alike."""


def simulate(cell: Cell, workers: int) -> tuple[Tally, float]:
    """The tally of an experiment and the seconds it took: simulated, measured at the recorded steps, merged."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        tally = simulate_cell(make_ready(cell), Folder(Path(folder), cell.identity), workers, lambda done: None)
        return tally, time.perf_counter() - start


def main() -> None:
    cell, workers = read_cell(Path(sys.argv[1]), sys.argv[3:]), int(sys.argv[2])
    tally, _ = simulate(cell, workers)  # compiles, and gives every thread its memory
    times: list[float] = []
    while sum(times) < SECONDS:
        times.append(simulate(cell, workers)[1])
    ns = sum(times) / len(times) / (cell.paths * cell.program.steps) * 1e9
    print(f"nonconv: {ns:.3f} ns/path-step, E |theta_T|^2 = {tally.errors.mean[0, -1]:.6f}")


if __name__ == "__main__":
    main()
