"""What a worker does: compute whole cells, or some blocks of a long one. A result depends on the sweep and the task alone.

A worker has the sweep; a task names cells by their points. Short cells come several per task and are simulated together
where they can share random numbers. The blocks of a long cell are spread over tasks; `flow` adds their tallies.
"""

import json
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nonconv.engine.blocks import block_size, most_together
from nonconv.engine.moving import Stopped
from nonconv.engine.program import batch_key
from nonconv.experiment.cell import Cell
from nonconv.faults.blame import PLUGIN_ERRORS, blame, in_one_line
from nonconv.faults.errors import NonconvError, UsageError
from nonconv.results import quantities
from nonconv.results.sweep_files import Entry, Result, as_ends, entry_of
from nonconv.statistics.measured_block import end_names
from nonconv.statistics.stopping import is_enough
from nonconv.statistics.tally import Tally
from nonconv.store.formats import packed
from nonconv.store.pack import Bundle
from nonconv.study.loop import measured, measured_together, results
from nonconv.study.ready import Ready, make_ready
from nonconv.sweeps.cells import TALLY_FILE, add_manifest, bundled_if_small
from nonconv.sweeps.costs import estimate_seconds
from nonconv.sweeps.grid import Point
from nonconv.sweeps.sweep import Sweep, cell_id

SPLIT_FACTOR = 4.0
"""A cell that takes this many times as long as a task should is split into several tasks."""

Stop = NDArray[np.uint8]
"""One entry; once it is nonzero, running simulations raise Stopped."""


class CellJob(NamedTuple):
    """A cell to compute: its id, its point of the grid, and the arrays of a tally to continue from, if there are any."""

    name: str
    point: Point
    saved: dict[str, Any] | None


class CellsTask(NamedTuple):
    """Compute these cells from start to end. packs: whether small ones are packed, which is then done by the worker."""

    jobs: tuple[CellJob, ...]
    packs: bool = False


class BlocksTask(NamedTuple):
    """Simulate the blocks of one cell that begin with paths first, ..., last - 1."""

    job: CellJob
    first: int
    last: int

    @property
    def jobs(self) -> tuple[CellJob, ...]:
        """The cell, as the jobs of a CellsTask."""
        return (self.job,)


Task = CellsTask | BlocksTask


class Done(NamedTuple):
    """A computed cell: its identity, all its files, the path-steps it took, and what its row of sweep.csv is made of.

    files: by name, or already packed.
    """

    identity: str
    files: dict[str, bytes] | Bundle
    path_steps: int
    entry: Entry


class Failed(NamedTuple):
    """Why a cell has no result. lost: its workers died, so what there is of it may be continued."""

    reason: str
    lost: bool = False


class PartialCell:
    """A cell while its blocks come in, in order.

    saved: the arrays of a tally to continue from. tally: of all paths so far. resumable: of the whole blocks among them; a
    last block that is not whole cannot be extended, since blocks are simulated and reduced as a whole.
    """

    def __init__(self, ready: Ready, saved: dict[str, Any] | None = None) -> None:
        self.ready, self.cell = ready, ready.cell
        self.tally = self.resumable = Tally.from_arrays(saved) if saved else None
        self.paths_before = self.paths

    @property
    def paths(self) -> int:
        """How many paths there are so far."""
        return self.tally.paths if self.tally else 0

    def add(self, block: Tally) -> None:
        """Add the block that begins with path `self.paths`."""
        self.tally = self.tally + block if self.tally else block
        if self.ready.can_be_continued and self.tally.paths % block_size(self.cell.program) == 0:
            self.resumable = self.tally

    def has_enough(self) -> bool:
        """Whether the cell has all paths it needs."""
        return self.tally is not None and is_enough(self.cell, self.tally)

    def finish(self) -> Done:
        """Make all files of the cell, once it has enough paths."""
        assert self.tally is not None
        cell, files = self.cell, results(self.ready, self.tally)
        if self.resumable:
            files[TALLY_FILE] = packed(self.resumable.arrays())
        files |= {enclosed.place: enclosed.content for enclosed in cell.enclosures()}
        # Read back from the JSON, so that a line is the same as for a cell that is read from its folder.
        summary, verdict = (json.loads(files[f"{name}.json"]) for name in ("summary", "verdict"))
        others = zip(cell.iterates[1:], self.tally.views[1:], strict=True)
        iterates = {iterate: own.ends.joined for iterate, own in others}
        ends = as_ends(end_names(cell), self.tally.ends.joined, summary, quantities.last_of(cell, self.tally), iterates)
        entry = entry_of(Result(summary, verdict, ends))
        return Done(cell.identity, add_manifest(cell, files), (self.paths - self.paths_before) * cell.program.steps, entry)


def run_task(sweep: Sweep, task: Task, stop: Stop) -> list[Done | Failed] | list[Tally] | Failed:
    """Do a task of a sweep.

    Returns one result per cell of a CellsTask; one tally per block of a BlocksTask, or why it failed. Raises Stopped once
    stop[0] is nonzero.
    """
    if isinstance(task, CellsTask):
        found = _compute_cells(sweep, task.jobs, stop)
        return [_strip_plugin_folders(sweep, one) if isinstance(one, Failed) else _as_sent(one, task.packs) for one in found]
    try:
        ready = _make_ready_once(_Request(sweep, task.job.name, task.job.point))
        return [measured(ready, start, stop) for start in range(task.first, task.last, block_size(ready.program))]
    except PLUGIN_ERRORS as error:
        return _strip_plugin_folders(sweep, _explain_failure(error))


def in_parts(sweep: Sweep, task: Task, cells: int) -> list[Task]:
    """Cut a task into parts of so many cells, or of one block each. Their results, one after the other, are the task's."""
    if isinstance(task, CellsTask):
        return [task._replace(jobs=task.jobs[k : k + cells]) for k in range(0, len(task.jobs), cells)]
    try:
        size = block_size(_make_ready_once(_Request(sweep, task.job.name, task.job.point)).program)
    except PLUGIN_ERRORS:
        return [task]  # which will say it
    return [task._replace(first=first, last=min(first + size, task.last)) for first in range(task.first, task.last, size)]


def _as_sent(done: Done, packs: bool) -> Done:
    """Return a cell as it goes to the command: a small one packed, if it is to be."""
    assert isinstance(done.files, dict)
    return done._replace(files=bundled_if_small(done.identity, done.files)) if packs else done


def _compute_cells(sweep: Sweep, jobs: Sequence[CellJob], stop: Stop) -> list[Done | Failed]:
    """Simulate cells together where possible: they share random numbers, which take a third of a step."""
    found: dict[str, Done | Failed] = {}
    batches: dict[Hashable, list[tuple[CellJob, Ready]]] = {}
    for job in jobs:
        try:
            ready = _make_ready(sweep, job.name, job.point)
        except PLUGIN_ERRORS as error:
            found[job.name] = _explain_failure(error)
        else:
            batches.setdefault(_cell_batch_key(job, ready), []).append((job, ready))
    for batch in batches.values():
        size = most_together(batch[0][1].program)
        while batch:  # finished cells are dropped from the list: their timetables take memory
            some, batch[:size] = batch[:size], []
            found |= _compute_together(some, stop) if len(some) > 1 else _compute_each(some, stop)
    return [found[job.name] for job in jobs]


def _cell_batch_key(job: CellJob, ready: Ready) -> Hashable:
    """Return what cells must have in common to be simulated together.

    A cell that has begun, or may stop early, has a separate key: it need not have the same blocks as others.
    """
    if ready.cell.stopping or job.saved:
        return job.name
    return batch_key(ready.program), ready.cell.paths


def _compute_together(batch: Sequence[tuple[CellJob, Ready]], stop: Stop) -> dict[str, Done | Failed]:
    """Simulate cells of one batch together; if that fails, each alone."""
    cells = [ready for _, ready in batch]
    partials = [PartialCell(ready) for ready in cells]
    try:
        for start in range(0, cells[0].cell.paths, block_size(cells[0].program)):
            for partial, block in zip(partials, measured_together(cells, start, stop), strict=True):
                partial.add(block)
        return {job.name: partial.finish() for (job, _), partial in zip(batch, partials, strict=True)}
    except Stopped:
        raise
    except PLUGIN_ERRORS:  # perhaps only one of them fails
        return _compute_each(batch, stop)


def _compute_each(batch: Sequence[tuple[CellJob, Ready]], stop: Stop) -> dict[str, Done | Failed]:
    """Simulate cells one after the other."""
    return {job.name: _try_cell(job, ready, stop) for job, ready in batch}


def _try_cell(job: CellJob, ready: Ready, stop: Stop) -> Done | Failed:
    """Simulate one cell; return why it failed if a plug-in raises."""
    try:
        return compute_cell(ready, job.saved, stop)
    except PLUGIN_ERRORS as error:
        return _explain_failure(error)


def compute_cell(ready: Ready, saved: dict[str, Any] | None, stop: Stop) -> Done:
    """Simulate one cell, continued from `saved`. Raises Stopped, and whatever a plug-in raises."""
    partial = PartialCell(ready, saved)
    while not partial.has_enough():
        partial.add(measured(ready, partial.paths, stop))
    return partial.finish()


def _explain_failure(error: BaseException) -> Failed:
    """Return why a cell failed, in one line, with a plug-in's line if it raised. Raises Stopped again."""
    if isinstance(error, Stopped):
        raise error
    problem = None if isinstance(error, NonconvError) else blame(error)  # the plug-in's line that raised it
    if problem or isinstance(error, NonconvError):
        return Failed(str(problem or error).partition("\n")[0])
    return Failed(in_one_line(error))


def _strip_plugin_folders(sweep: Sweep, failed: Failed) -> Failed:
    """Name plug-ins by their file name alone.

    Their folder may differ from worker to worker, and the reason is written to sweep.csv, whose bytes must not.
    """
    reason = failed.reason
    for plugin in sweep.document.catalogue.plugins:
        reason = reason.replace(str(plugin.path), plugin.path.name)
    return Failed(reason)


@dataclass(frozen=True)
class _Request:
    """A cell of a sweep as a key of the cache below; cells differ by id."""

    sweep: Sweep
    name: str
    point: Point = field(compare=False)


@lru_cache(maxsize=8)
def _make_ready_once(request: _Request) -> Ready:
    """Do as `_make_ready`, cached: a worker gets several tasks of the same cell."""
    return _make_ready(request.sweep, request.name, request.point)


def _make_ready(sweep: Sweep, name: str, point: Point) -> Ready:
    """Make a cell ready to run. Raises UsageError if its id has changed, as with a file that it reads."""
    cell = sweep.take_cell(name, point)
    if cell_id(cell) != name:
        raise UsageError("a file named in the config changed after the sweep started")
    # A cell is named by its id: the sweep's name is a word that may change.
    return make_ready(replace(cell, name=name).with_lineage(cell.lineage))


def has_enough_saved(job: CellJob, cell: Cell) -> bool:
    """Whether nothing is left to simulate: all paths are saved, though the cell's result is missing or damaged."""
    return job.saved is not None and is_enough(cell, Tally.from_arrays(job.saved))


def split_cell(job: CellJob, cell: Cell, seconds: float) -> Iterator[BlocksTask]:
    """Yield the blocks of a cell that are still missing, in tasks of about this many seconds.

    A task has at least one block.
    """
    size = block_size(cell.program)
    step = size * max(1, round(seconds * cell.paths / (estimate_seconds(cell) * size)))
    for first in range(int(job.saved["paths"]) if job.saved else 0, cell.paths, step):
        yield BlocksTask(job, first, min(first + step, cell.paths))
