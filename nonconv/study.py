"""The loop around the engine: skip what is stored, simulate block by block, merge in order, keep checkpoints, publish."""

import time
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nonconv.engine.blocks import block_size, simulate, simulate_together
from nonconv.engine.orbit import with_orbit
from nonconv.engine.program import Engine
from nonconv.errors import Interrupted, UsageError
from nonconv.experiment.cell import Cell
from nonconv.experiment.identity import portable
from nonconv.faults.blame import blaming_plugins
from nonconv.numerics.arithmetic import Array
from nonconv.report.figures.painter import Draw, Figures, draw_here
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
from nonconv.theory.predictions import adam_zeros, bound, is_bounded

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


@blaming_plugins
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
        for file in cell.files.values():
            store.write(f"data/{file.name}", file.read_bytes())  # now: it may change while we compute
        for plugin in cell.plugins:
            store.write(f"plugins/{plugin.path.name}", plugin.content)
        try:
            cell = prepared(cell)
            tally = simulate_cell(cell, store, workers, progress)
            simulated = time.time()
            figures = _publish(cell, tally, store, draw)
            around = surroundings()
            for name, content in figures().items():
                store.write(f"figures/{name}", content)
        except KeyboardInterrupt:
            raise _interrupted(cell, tally, store) from None
        store.seal(
            portable(cell.resolved),
            name=cell.name,
            claim=cell.claim,
            workers=workers,
            **counterexample.facts(cell),
            **around,
            times={"started": started, "simulated": simulated, "finished": time.time()},
        )
    return Outcome(folder, False, simulated - started)


def _publish(cell: Cell, tally: Tally, store: Folder, draw: Draw) -> Callable[[], Figures]:
    """The data, then what is made of them; of the figures, what waits for them."""
    store.write("config.yaml", as_yaml(portable(cell.resolved)))
    for name in OPTIONAL_FILES:
        store.discard(name)  # of what was here before --force
    for name, content in results(cell, tally).items():
        store.write(name, content)
    figures = draw(store.path)
    store.write("summary.md", markdown(read_run(store.path)).encode())
    return figures


def results(cell: Cell, tally: Tally) -> dict[str, bytes]:
    """All data files of a prepared cell, by name."""
    from nonconv.engine.fused import Fused

    return data_files(cell, tally, evidence(cell.program, Fused, len(tally.kept)))


@blaming_plugins
def simulate_cell(cell: Cell, store: Folder, workers: int, progress: Progress) -> Tally:
    """The tally of all its paths, from the checkpoint on if there is one; the same bytes for any number of workers."""
    from nonconv.engine.fused import Fused  # heavy; an import error of numba must not break `nonconv list`

    cell = prepared(cell)
    saved = store.restore()
    tally = Tally.from_arrays(saved) if saved else None
    last_saved = time.monotonic()
    try:
        blocks = _measured_blocks(cell, Fused(cell.program), workers, tally.paths if tally else 0, cell.paths)
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


def prepared(cell: Cell) -> Cell:
    """The cell with what must be computed before it runs: an orbit, a zero of Adam's vector field, whether it is watched."""
    from nonconv.engine.fused import Fused

    program = with_orbit(cell.program, Fused)
    if not program.watched and is_bounded(cell):
        program = replace(program, watched=True)
    cell = cell if program is cell.program else replace(cell, program=program)
    return _with_adam_zero(cell) if any(xi.label == "adam_zero" and xi.point is None for xi in cell.xi) else cell


def _with_adam_zero(cell: Cell) -> Cell:
    try:
        zero, se = adam_zeros(cell)
    except ValueError as error:
        raise UsageError(f"xi: adam_zero: {error}") from None
    xi = tuple(x._replace(point=zero) if x.label == "adam_zero" else x for x in cell.xi)
    return replace(cell, xi=xi, adam_zero_se=se)


@blaming_plugins
def first_paths(cell: Cell, paths: int, workers: int) -> Array:
    """The first recorded paths again, shape (paths, R, dim)."""
    from nonconv.engine.fused import Fused

    cell = prepared(cell)
    blocks = _measured_blocks(cell, Fused(cell.program), workers, 0, paths)
    return np.concatenate([block.kept for block in blocks])[:paths]


def _measured_blocks(cell: Cell, engine: Engine, workers: int, first: int, last: int) -> Generator[Tally]:
    """The tallies of the blocks with paths first, ..., last - 1, in order, computed ahead by threads."""
    size, stop = block_size(cell.program), np.zeros(1, dtype=np.uint8)
    waiting: deque[Future[Tally]] = deque()
    pool = ThreadPoolExecutor(workers)
    try:
        for start in range(first, last, size):
            waiting.append(pool.submit(measured, cell, engine, start, stop))
            if len(waiting) >= BLOCKS_AHEAD * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        stop[0] = 1
        pool.shutdown(wait=False, cancel_futures=True)  # a thread that is compiling cannot be stopped, and need not be


def measured(cell: Cell, engine: Engine, start: int, stop: NDArray[np.uint8]) -> Tally:
    """The tally of the block of a prepared cell that begins with this path. Raises Stopped once stop[0] is nonzero."""
    paths = min(block_size(cell.program), cell.paths - start)
    return measure(cell, simulate(cell.program, engine, start, paths, stop), bound(cell))


def measured_together(cells: Sequence[Cell], start: int, stop: NDArray[np.uint8]) -> list[Tally]:
    """`measured` of each of some prepared cells with as many paths whose programs are companions."""
    from nonconv.engine.fused import Fused  # heavy

    paths = min(block_size(cells[0].program), cells[0].paths - start)
    blocks = simulate_together([cell.program for cell in cells], Fused, start, paths, stop)
    return [measure(cell, block, bound(cell)) for cell, block in zip(cells, blocks, strict=True)]
