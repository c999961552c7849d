"""The engine alone on all cells of a sweep: python sweep_engine.py CONFIG WORKERS [KEY=VALUE ...]

Blocks are simulated by as many threads, and nothing is measured, merged or written: what a sweep cannot be faster than.
"""

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from nonconv.engine.blocks import block_size, simulate
from nonconv.engine.fused import Fused
from nonconv.experiment import Cell
from nonconv.study import prepared
from nonconv.sweeps.sweep import read_sweep


def blocks(cell: Cell) -> float:
    """Simulate all blocks of a cell; the seconds it took."""
    engine, stop, size = Fused(cell.program), np.zeros(1, dtype=np.uint8), block_size(cell.program)
    start = time.perf_counter()
    for first in range(0, cell.paths, size):
        simulate(cell.program, engine, first, min(size, cell.paths - first), stop)
    return time.perf_counter() - start


def main() -> None:
    sweep = read_sweep(Path(sys.argv[1]), sys.argv[3:])
    cells = [prepared(sweep.cell(point)) for point in sweep.points()]
    blocks(cells[0])
    start = time.perf_counter()
    with ThreadPoolExecutor(int(sys.argv[2])) as pool:
        list(pool.map(blocks, cells))
    seconds = time.perf_counter() - start
    print(f"{seconds:.3f} seconds")


if __name__ == "__main__":
    main()
