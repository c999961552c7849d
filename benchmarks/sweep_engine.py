"""The engine alone on all cells of a sweep: python sweep_engine.py CONFIG WORKERS alone|together [KEY=VALUE ...]

Blocks are simulated by as many threads, of one cell at a time or of as many together as a sweep moves, and nothing is
measured, merged or written.
"""

import sys
import time
from collections.abc import Hashable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from nonconv.engine.blocks import block_size, most_together, simulate_together
from nonconv.engine.fused import Fused
from nonconv.engine.program import batch_key
from nonconv.experiment.cell import Cell
from nonconv.study.ready import make_ready
from nonconv.sweeps.sweep import read_sweep


def simulate(cells: Sequence[Cell]) -> None:
    """All blocks of some cells."""
    programs, paths, stop = [cell.program for cell in cells], cells[0].paths, np.zeros(1, dtype=np.uint8)
    size = block_size(programs[0])
    for first in range(0, paths, size):
        simulate_together(programs, Fused, first, min(size, paths - first), stop)


def batches(cells: Sequence[Cell], together: bool) -> Iterator[list[Cell]]:
    """Cells that can be moved together, as many as are, or each on its own."""
    by_kind: dict[Hashable, list[Cell]] = {}
    for cell in cells:
        by_kind.setdefault(batch_key(cell.program), []).append(cell)
    for kind in by_kind.values():
        size = most_together(kind[0].program) if together else 1
        yield from (kind[first : first + size] for first in range(0, len(kind), size))


def main() -> None:
    sweep = read_sweep(Path(sys.argv[1]), sys.argv[4:])
    cells = [make_ready(sweep.cell(point)).cell for point in sweep.points()]
    simulate(cells[:1])
    start = time.perf_counter()
    with ThreadPoolExecutor(int(sys.argv[2])) as pool:
        list(pool.map(simulate, batches(cells, sys.argv[3] == "together")))
    seconds = time.perf_counter() - start
    print(f"{seconds:.3f} seconds")


if __name__ == "__main__":
    main()
