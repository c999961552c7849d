"""nonconv's own block loop, as `nonconv run` uses it: python nonconv_loop.py CONFIG WORKERS [KEY=VALUE ...]"""

import sys
import tempfile
import time
from pathlib import Path

from nonconv.experiment import read_cell
from nonconv.statistics.tally import Tally
from nonconv.store import Folder
from nonconv.study import simulate_cell


def simulate(config: Path, workers: int, settings: list[str]) -> tuple[Tally, float]:
    """The tally of an experiment and its ns per path-step: simulated, measured at the recorded steps, merged."""
    cell = read_cell(config, settings)
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        tally = simulate_cell(cell, Folder(Path(folder), cell.identity), workers, lambda done: None)
        seconds = time.perf_counter() - start
    return tally, seconds / (cell.paths * cell.program.steps) * 1e9


def main() -> None:
    config, workers, settings = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    simulate(config, workers, settings)  # compiles, and gives every thread its memory
    tally, ns = simulate(config, workers, settings)
    print(f"nonconv: {ns:.3f} ns/path-step, E |theta_T|^2 = {tally.errors.mean[0, -1]:.6f}")


if __name__ == "__main__":
    main()
