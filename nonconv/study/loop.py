"""Run one experiment: skip a finished one, simulate block by block, merge in order, save checkpoints, write results.

Paths are simulated in blocks of some hundred. Each block is reduced to a tally (statistics.tally) of bounded size, and
tallies are added in the order of the paths, since floating-point sums depend on their order. So the bytes of a result
depend neither on the number of workers nor on an interruption.
"""

import operator
import time
from collections import deque
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from functools import reduce
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nonconv.engine.blocks import block_size, simulate, simulate_together
from nonconv.experiment.cell import Cell
from nonconv.faults.blame import blaming_plugins
from nonconv.faults.errors import Interrupted
from nonconv.numerics.arithmetic import Array
from nonconv.readback import is_readable, read_object
from nonconv.report.figures.catalogue import RUN_FIGURE_FILES, read_undrawn
from nonconv.report.figures.drawing_process import Draw, Figures, draw_here
from nonconv.report.run import read_run
from nonconv.report.summary import markdown
from nonconv.results import counterexample
from nonconv.results.run_files import OPTIONAL_FILES, data_files
from nonconv.statistics.counterexample import evidence
from nonconv.statistics.measured_block import Again
from nonconv.statistics.stopping import is_enough
from nonconv.statistics.tally import Tally, measure
from nonconv.store.folder import SEALED, SUMMARY, Folder, tidy
from nonconv.store.formats import as_json, as_yaml
from nonconv.store.surroundings import surroundings
from nonconv.study.ready import Ready, compiled, make_ready
from nonconv.system.streams import visible
from nonconv.system.words import count

CHECKPOINT_SECONDS = 5.0
"""Time between checkpoints: what a power failure can cost."""
BLOCKS_PER_WORKER = 2
"""Blocks handed out per worker, so that no worker idles while blocks are merged."""

Progress = Callable[[int], None]
"""Called with the number of paths that are done."""


class Outcome(NamedTuple):
    """What `run` did.

    folder: where the result is. reused: its numbers were there before. seconds: of simulation. reworded: texts and figures
    were written again, since words of the config had changed.
    """

    folder: Path
    reused: bool
    seconds: float
    reworded: bool = False


@blaming_plugins
def run(
    cell: Cell,
    folder: Path,
    workers: int,
    force: bool = False,
    progress: Progress = lambda done: None,
    draw: Draw = draw_here,
) -> Outcome:
    """Bring the folder of a cell to its finished state.

    workers: number of threads. force: compute everything again. progress: called with the number of paths done.
    draw: makes the figures of a folder. Raises UsageError if the folder cannot be used, PluginError, or Interrupted once
    whole blocks are saved.
    """
    store = Folder(folder, cell.identity)
    if not force and (known := _find_known(store)):
        if _has_words(cell, known) and store.is_finished():
            tidy(folder)
            return Outcome(folder, True, 0.0)
        _reword(cell, store, known, draw)
        return Outcome(folder, True, 0.0, reworded=True)
    with store.opened(force):
        started, tally = time.time(), None
        for enclosed in cell.enclosures():
            store.write(enclosed.place, enclosed.content)
        try:
            ready = make_ready(cell)
            tally = simulate_cell(ready, store, workers, progress)
            simulated = time.time()
            figures = _publish(ready, tally, store, draw)
            around = surroundings()
            _write_figures(store, figures)
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


def is_current(cell: Cell, folder: Path) -> bool:
    """Whether the folder holds the finished result of a cell, with the words that its config has now."""
    known = Folder(folder, cell.identity).find_result()
    return known is not None and _has_words(cell, known) and is_readable(read_run, folder)


def _find_known(store: Folder) -> dict[str, Any] | None:
    """Return the manifest of a result whose numbers stay: of a finished folder, or of one whose texts were being written."""
    result = store.find_result()
    if result is not None:
        return result if is_readable(read_run, store.path) else None
    return store.find_kept()


def _has_words(cell: Cell, manifest: Mapping[str, Any]) -> bool:
    """Whether a result has the words of a cell's config: its name, its claim, the names of its files.

    Not `expect`, which no text shows.
    """
    now, then = ({k: v for k, v in config.items() if k != "expect"} for config in (cell.portable, manifest["config"]))
    return manifest.get("name") == cell.name and now == then


def _reword(cell: Cell, store: Folder, known: Mapping[str, Any], draw: Draw) -> None:
    """Write texts and figures of a finished result again, with the words of this cell. Its numbers stay.

    Raises Interrupted; the same command then goes on here.
    """
    with store.opened(force=False, keeping=known):
        try:
            store.keep(known)
            for enclosed in cell.enclosures():
                store.write(enclosed.place, enclosed.content)
            store.write("config.yaml", as_yaml(cell.portable))
            store.write(SUMMARY, as_json((read_object(store.path / SUMMARY) or {}) | {"name": cell.name, "claim": cell.claim}))
            for name in RUN_FIGURE_FILES:
                store.discard(name)
            _write_figures(store, _write_summary(store, draw))
        except KeyboardInterrupt:
            raise Interrupted(f"Stopped. The numbers in {store.path} are saved; its texts are not finished.") from None
        facts = {key: value for key, value in known.items() if key not in SEALED}
        store.seal(cell.portable, **facts | {"name": cell.name, "claim": cell.claim})


def _publish(ready: Ready, tally: Tally, store: Folder, draw: Draw) -> Callable[[], Figures]:
    """Write data files, then the summary; return a function that waits for the figures and returns them."""
    store.write("config.yaml", as_yaml(ready.cell.portable))
    for name in (*OPTIONAL_FILES, *RUN_FIGURE_FILES):
        store.discard(name)  # left from a run before --force
    for name, content in results(ready, tally).items():
        store.write(name, content)
    return _write_summary(store, draw)


def _write_summary(store: Folder, draw: Draw) -> Callable[[], Figures]:
    """Write summary.md from the data files; return a function that waits for the figures and returns them."""
    # Another process draws from the data files, while the summary and the surroundings are found here.
    figures = draw(store.path)
    _write_text(store)
    return figures


def _write_figures(store: Folder, figures: Callable[[], Figures]) -> None:
    """Wait for the figures, and write them."""
    for name, content in figures().items():
        store.write(f"figures/{name}", content)
    if read_undrawn(store.path):  # the summary, written meanwhile, could not know
        _write_text(store)


def _write_text(store: Folder) -> None:
    """Write summary.md from the data files."""
    store.write("summary.md", visible(markdown(read_run(store.path))).encode())


@np.errstate(all="ignore")
def results(ready: Ready, tally: Tally) -> dict[str, bytes]:
    """Make the contents of all data files of a cell, by name; numbers beyond the range of doubles are results too."""
    return data_files(ready.cell, tally, ready.bound, evidence(ready.program, compiled, tally.kept.paths))


@blaming_plugins
def simulate_cell(ready: Ready, store: Folder, workers: int, progress: Progress) -> Tally:
    """Simulate the paths of a cell and return their tally, continued from a checkpoint if there is one.

    It does not depend on the number of workers. Raises Interrupted once whole blocks are saved.
    """
    cell, saved = ready.cell, store.restore()
    tally = Tally.from_arrays(saved) if saved else None
    last_saved = time.monotonic()
    try:
        blocks = _measured_blocks(ready, workers, tally.paths if tally else 0, cell.paths)
        # Closed at once, so that threads stop when there are enough paths, and not when Python collects the generator.
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
    """Save a checkpoint of whole blocks, and return the error to raise."""
    if tally:
        store.checkpoint(tally.arrays())
    return Interrupted(f"Stopped. Saved in {store.path}: {tally.paths if tally else 0} of {count(cell.paths, 'path')}.")


@blaming_plugins
def first_tally(ready: Ready, paths: int, workers: int) -> Tally:
    """Measure the first blocks of a cell again, as many as have these paths."""
    return reduce(operator.add, _measured_blocks(ready, workers, 0, paths))


def first_paths(cell: Cell, paths: int, workers: int) -> Array:
    """Recompute the first recorded paths, shape (paths, R, dim)."""
    kept: Array = first_tally(make_ready(cell), paths, workers).kept.joined
    return kept[:paths]


def _measured_blocks(ready: Ready, workers: int, first: int, last: int) -> Generator[Tally]:
    """Yield the tallies of the blocks with paths first, ..., last - 1, in order; threads compute them ahead.

    Threads suffice: a kernel runs without the interpreter lock and leaves Python little to do. Only a few blocks are handed
    out at a time, so memory does not grow with the number of paths.
    """
    size, stop = block_size(ready.program), np.zeros(1, dtype=np.uint8)
    waiting: deque[Future[Tally]] = deque()
    pool = ThreadPoolExecutor(workers)
    try:
        for start in range(first, last, size):
            waiting.append(pool.submit(measured, ready, start, stop))
            if len(waiting) >= BLOCKS_PER_WORKER * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        # Kernels poll this every few draws, so that Ctrl-C need not wait for a whole block.
        stop[0] = 1
        pool.shutdown(wait=False, cancel_futures=True)  # a thread that is compiling cannot be stopped


def measured(ready: Ready, start: int, stop: NDArray[np.uint8]) -> Tally:
    """Simulate the block that begins with this path, and return its tally. Raises Stopped once stop[0] is nonzero."""
    paths = min(block_size(ready.program), ready.cell.paths - start)
    block = simulate(ready.program, ready.engine, start, paths, stop)
    return measure(ready.cell, block, ready.bound, _again(ready, stop))


def _again(ready: Ready, stop: NDArray[np.uint8]) -> Again | None:
    """Return what simulates paths again, where quantities or states are asked for."""
    return Again(ready.engine, stop) if ready.cell.quantities or ready.cell.states else None


def measured_together(cells: Sequence[Ready], start: int, stop: NDArray[np.uint8]) -> list[Tally]:
    """Do as `measured` for each of several cells, which share the random numbers.

    All have as many paths and the same `program.batch_key`; the tallies have the same bits as one by one.
    """
    paths = min(block_size(cells[0].program), cells[0].cell.paths - start)
    blocks = simulate_together([ready.program for ready in cells], compiled, start, paths, stop)
    return [measure(ready.cell, block, ready.bound, _again(ready, stop)) for ready, block in zip(cells, blocks, strict=True)]
