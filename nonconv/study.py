"""The loop around the engine: skip what is stored, simulate block by block, merge in order, keep checkpoints, publish."""

import time
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nonconv.engine.blocks import block_size, simulate, simulate_together
from nonconv.errors import Interrupted
from nonconv.experiment.cell import Cell
from nonconv.faults.blame import blaming
from nonconv.numerics.arithmetic import Array
from nonconv.ready import Ready, compiled, make_ready
from nonconv.report.figures.catalogue import RUN_FIGURE_FILES
from nonconv.report.figures.drawing_process import Draw, Figures, draw_here
from nonconv.report.run import read_run
from nonconv.report.summary import markdown
from nonconv.results import counterexample
from nonconv.results.run_files import OPTIONAL_FILES, data_files
from nonconv.statistics.counterexample import evidence
from nonconv.statistics.stopping import is_enough
from nonconv.statistics.tally import Tally, measure
from nonconv.store.folder import Folder
from nonconv.store.formats import as_yaml
from nonconv.store.surroundings import surroundings

CHECKPOINT_SECONDS = 5.0
BLOCKS_AHEAD = 2
"""Blocks waiting per worker, so that no worker waits for the merge."""

Progress = Callable[[int], None]
"""Told how many paths are done."""


class Outcome(NamedTuple):
    """What `run` did: where the result lies, whether it was there already, and the seconds of simulation."""

    folder: Path
    reused: bool
    seconds: float


@blaming()
def run(
    cell: Cell,
    folder: Path,
    workers: int,
    force: bool = False,
    progress: Progress = lambda done: None,
    draw: Draw = draw_here,
) -> Outcome:
    """Bring the folder of a cell to its finished state. Raises UsageError, or Interrupted after saving what is whole."""
    store = Folder(folder, cell.identity)
    if not force and store.is_finished():
        return Outcome(folder, True, 0.0)
    with store.opened(force):
        started, tally = time.time(), None
        for enclosed in cell.enclosures():
            store.write(enclosed.place, enclosed.content())  # now: it may change while we compute
        try:
            ready = make_ready(cell)
            tally = simulate_cell(ready, store, workers, progress)
            simulated = time.time()
            figures = _publish(ready, tally, store, draw)
            around = surroundings()
            for name, content in figures().items():
                store.write(f"figures/{name}", content)
        except KeyboardInterrupt:
            raise _interrupted(cell, tally, store) from None
        store.seal(
            cell.portable,
            name=cell.name,
            claim=cell.claim,
            workers=workers,
            **counterexample.facts(ready.cell),
            **around,
            times={"started": started, "simulated": simulated, "finished": time.time()},
        )
    return Outcome(folder, False, simulated - started)


def _publish(ready: Ready, tally: Tally, store: Folder, draw: Draw) -> Callable[[], Figures]:
    """Write the data, then what is made of them. Returns what waits for the figures."""
    store.write("config.yaml", as_yaml(ready.cell.portable))
    for name in (*OPTIONAL_FILES, *RUN_FIGURE_FILES):
        store.discard(name)  # of what was here before --force
    for name, content in results(ready, tally).items():
        store.write(name, content)
    figures = draw(store.path)
    store.write("summary.md", markdown(read_run(store.path)).encode())
    return figures


def results(ready: Ready, tally: Tally) -> dict[str, bytes]:
    """All data files of a cell, by name."""
    return data_files(ready, tally, evidence(ready.program, compiled, tally.kept.paths))


@blaming()
def simulate_cell(ready: Ready, store: Folder, workers: int, progress: Progress) -> Tally:
    """The tally of all its paths, from the checkpoint on if there is one; the same bytes for any number of workers."""
    cell, saved = ready.cell, store.restore()
    tally = Tally.from_arrays(saved) if saved else None
    last_saved = time.monotonic()
    try:
        blocks = _measured_blocks(ready, workers, tally.paths if tally else 0, cell.paths)
        with closing(blocks):
            while tally is None or not is_enough(cell, tally):
                block = next(blocks)
                tally = tally + block if tally else block
                progress(tally.paths)
                if time.monotonic() - last_saved > CHECKPOINT_SECONDS and tally.paths < cell.paths:
                    store.checkpoint(tally.arrays())
                    last_saved = time.monotonic()
    except KeyboardInterrupt:
        raise _interrupted(cell, tally, store) from None
    return tally


def _interrupted(cell: Cell, tally: Tally | None, store: Folder) -> Interrupted:
    """What to raise when all that is whole is saved."""
    if tally:
        store.checkpoint(tally.arrays())
    return Interrupted(f"stopped; {tally.paths if tally else 0} of {cell.paths} paths are saved in {store.path}")


@blaming()
def first_paths(cell: Cell, paths: int, workers: int) -> Array:
    """The first recorded paths again, shape (paths, R, dim)."""
    blocks = _measured_blocks(make_ready(cell), workers, 0, paths)
    return np.concatenate([block.kept.joined for block in blocks])[:paths]


def _measured_blocks(ready: Ready, workers: int, first: int, last: int) -> Generator[Tally]:
    """The tallies of the blocks with paths first, ..., last - 1, in order, computed ahead by threads."""
    size, stop = block_size(ready.program), np.zeros(1, dtype=np.uint8)
    waiting: deque[Future[Tally]] = deque()
    pool = ThreadPoolExecutor(workers)
    try:
        for start in range(first, last, size):
            waiting.append(pool.submit(measured, ready, start, stop))
            if len(waiting) >= BLOCKS_AHEAD * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        stop[0] = 1
        pool.shutdown(wait=False, cancel_futures=True)  # a thread that is compiling cannot be stopped, and need not be


def measured(ready: Ready, start: int, stop: NDArray[np.uint8]) -> Tally:
    """The tally of the block that begins with this path. Raises Stopped once stop[0] is nonzero."""
    paths = min(block_size(ready.program), ready.cell.paths - start)
    return measure(ready.cell, simulate(ready.program, ready.engine, start, paths, stop), ready.bound)


def measured_together(cells: Sequence[Ready], start: int, stop: NDArray[np.uint8]) -> list[Tally]:
    """`measured` of each of some cells with as many paths whose programs are companions."""
    paths = min(block_size(cells[0].program), cells[0].cell.paths - start)
    blocks = simulate_together([ready.program for ready in cells], compiled, start, paths, stop)
    return [measure(ready.cell, block, ready.bound) for ready, block in zip(cells, blocks, strict=True)]
