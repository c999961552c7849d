"""Hand a sweep's cells out as tasks, take results back, and write them in the order of the grid.

A sweep is a stream: a cell is made when it is due, and only a line of the table is kept of it, so memory does not grow
with the grid. Results are taken in the order in which tasks were handed out, although later ones may be ready: so a split
cell's blocks can be added as they come, and the bytes do not depend on who computed what.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Future
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

from nonconv.faults.blame import in_one_line
from nonconv.faults.errors import UsageError
from nonconv.statistics.tally import Tally
from nonconv.study.loop import CHECKPOINT_SECONDS
from nonconv.study.ready import make_ready
from nonconv.sweeps.cells import Cells
from nonconv.sweeps.executors.protocol import Executor, Lost
from nonconv.sweeps.sweep import Survey, Sweep, label
from nonconv.sweeps.table import Table
from nonconv.sweeps.tasks import (
    SPLIT_FACTOR,
    CellJob,
    CellsTask,
    Done,
    Failed,
    PartialCell,
    Task,
    has_enough_saved,
    split_cell,
)

MOST_CELLS_PER_TASK = 64
"""Cells of a task are written together, once all are computed."""
HOW_TO_CONTINUE = "Finished cells are saved; run the same command to continue."


class Event(NamedTuple):
    """What happened in a sweep: path-steps were computed, a cell was settled, or both.

    cell: the id of the settled cell, or empty. status: its verdict, or `failed`; empty for a cell that was finished before.
    label: the cell's point, for people.
    """

    cell: str
    path_steps: int
    status: str = ""
    label: str = ""


OnEvent = Callable[[Event], None]


class Flow:
    """Hands out a sweep's tasks and takes their results back in the same order, which is the grid's.

    failures: why cells failed, by id. lost: those of them whose workers died, and of which there is something to continue.
    computed, reused: how many cells were computed, and were finished before.
    split: the cell whose blocks are coming in, and split_name its id. settled: the id of the last split cell that is done.
    """

    def __init__(self, sweep: Sweep, survey: Survey, cells: Cells, force: bool, fail_fast: bool, on_event: OnEvent) -> None:
        self.sweep, self.survey, self.cells = sweep, survey, cells
        self.force, self.fail_fast, self.on_event = force, fail_fast, on_event
        self.table = Table(sweep, survey, cells)
        self.failures: dict[str, str] = {}
        self.lost: set[str] = set()
        self.computed = self.reused = 0
        self.split: PartialCell | None = None
        self.split_name = self.settled = ""
        self.saved_at = 0.0

    def missing(self) -> Iterator[tuple[CellJob, float]]:
        """Yield the cells to compute, with the seconds that each takes, roughly; count and report the finished ones.

        A cell is made only where something of it is there: its worker makes it, and of a large sweep that takes long enough.
        """
        self.reused = 0
        for number, (name, point) in enumerate(zip(self.survey.ids, self.sweep.points(), strict=True)):
            make = partial(self.sweep.get_cell, name, point)
            begun = not self.force and self.cells.has_begun(name)
            if begun and self.cells.is_finished(name, self.survey.each.identity(number), make):
                self.sweep.drop_cell(name)
                self.reused += 1
                self.on_event(Event(name, 0))
                continue
            job = CellJob(name, point, self.cells.load_saved(name, make()) if begun else None)
            yield job, 0.0 if job.saved and has_enough_saved(job, make()) else self.survey.each.seconds[number]

    def reuse(self) -> None:
        """Count the cells of a sweep in which every cell is finished."""
        deque(self.missing(), maxlen=0)

    def tasks(self, seconds: float, most_cells: int = 0) -> Iterator[Task]:
        """Yield the work in tasks of about this many seconds: several short cells per task, several tasks per long cell.

        Lazily: what results say while tasks are still handed out, as that a cell has enough paths, saves the rest of it.
        """
        bundle: list[CellJob] = []
        total = 0.0
        for job, cost in self.missing():
            is_long = cost > SPLIT_FACTOR * seconds
            # Cells keep the order of the grid: a bundle ends where a long cell comes.
            if is_long or total + cost > seconds or len(bundle) == (most_cells or MOST_CELLS_PER_TASK):
                if bundle:
                    yield CellsTask(tuple(bundle), self.cells.packs)
                bundle, total = [], 0.0
            if is_long:
                for task in split_cell(job, self.sweep.get_cell(job.name, job.point), seconds):
                    if self.settled == job.name:  # it failed, or has enough paths
                        break
                    yield task
            else:
                bundle.append(job)
                total += cost
        if bundle:
            yield CellsTask(tuple(bundle), self.cells.packs)

    def run(self, executor: Executor) -> None:
        """Hand out all tasks, at most `executor.waiting` at a time, and take their results.

        Raises UsageError if the workers are gone, or with fail_fast if a cell fails.
        """
        waiting: deque[tuple[Task, Future[Any]]] = deque()
        try:
            for task in self.tasks(executor.seconds, executor.cells):
                waiting.append((task, executor.submit(task)))
                if len(waiting) >= executor.waiting:
                    self._take_result(executor, *waiting.popleft())
            while waiting:
                self._take_result(executor, *waiting.popleft())
        except Lost as lost:
            self.save_checkpoint()
            raise UsageError(f"{lost} {HOW_TO_CONTINUE}") from None
        except BrokenExecutor:
            self.save_checkpoint()
            why = "A worker process died (out of memory, or a plug-in ended it)."
            raise UsageError(f"{why} {HOW_TO_CONTINUE}") from None

    def _take_result(self, executor: Executor, task: Task, future: "Future[Any]") -> None:
        """Wait for a task, and settle its cells or add its blocks."""
        result = _result(executor, task, future)
        try:
            self._settle_task(task, result)
        finally:
            self.cells.flush()  # of the cells of a task, those that are small are written together

    def _settle_task(self, task: Task, result: Any) -> None:
        """Settle the cells of a task, or add its blocks."""
        if isinstance(task, CellsTask):
            for job, one in zip(task.jobs, result, strict=True):
                self._settle(job, one)
        # Tasks of a split cell that were handed out before it had enough paths.
        elif task.job.name != self.settled:
            self._add_blocks(task.job, result)

    def _add_blocks(self, job: CellJob, result: "list[Tally] | Failed") -> None:
        """Add blocks to the cell that is split into tasks; settle it once it failed or has enough paths."""
        if isinstance(result, Failed):
            self._end_split(job, result)
            return
        if self.split is None:
            # Made here and not by a worker: blocks come from several workers, and only this process adds them.
            cell = replace(self.sweep.cell(job.point), name=job.name)
            self.split, self.split_name = PartialCell(make_ready(cell), job.saved), job.name
            self.saved_at = time.monotonic()
        partial = self.split
        for block in result:
            partial.add(block)
            self.on_event(Event("", block.paths * partial.cell.program.steps))
            if partial.has_enough():
                self._end_split(job, partial.finish()._replace(path_steps=0))  # reported block by block
                return
        if time.monotonic() - self.saved_at > CHECKPOINT_SECONDS:
            self.save_checkpoint()

    def _end_split(self, job: CellJob, result: Done | Failed) -> None:
        """Settle the cell that is split into tasks; results of its tasks that come later are ignored."""
        blocks = self.split.resumable if self.split else None
        self.settled, self.split = job.name, None
        self._settle(job._replace(saved=blocks.arrays()) if blocks else job, result)

    def save_checkpoint(self) -> None:
        """Save the whole blocks of the cell that is split into tasks."""
        if self.split and self.split.resumable:
            self.cells.save_checkpoint(self.split_name, self.split.cell, self.split.resumable.arrays())
            self.saved_at = time.monotonic()

    def _settle(self, job: CellJob, result: Done | Failed) -> None:
        """Write a finished cell, or record why one failed. Raises UsageError for a failed one with fail_fast."""
        name, at = job.name, label(job.point)
        if isinstance(result, Failed):
            self.cells.remove(name)
            if result.lost and job.saved:
                self.cells.save_checkpoint(name, self.sweep.get_cell(name, job.point), job.saved)
                self.lost.add(name)
            self.failures[name] = result.reason
            self.table.add(job, result.reason)
            self.on_event(Event(name, 0, "failed", at))
            if self.fail_fast:
                raise UsageError(f"cell {name} failed ({at}): {result.reason}")
            return
        self.cells.publish(name, result.identity, result.files)
        self.computed += 1
        self.table.add(job, result.entry)
        self.on_event(Event(name, result.path_steps, result.entry.columns["verdict"], at))


def _result(executor: Executor, task: Task, future: "Future[Any]") -> Any:
    """Wait for a task. If its executor gave up on it, each of its cells is tried alone: one may be what kills the workers.

    Raises Lost, BrokenExecutor or UsageError, which concern every task and not this one.
    """
    try:
        return future.result()
    except (Lost, BrokenExecutor, UsageError):
        raise
    except Exception as error:  # Dask's, where the workers of a task kept dying
        failed = Failed(in_one_line(error), lost=True)
    if not isinstance(task, CellsTask):
        return failed
    if len(task.jobs) == 1:
        return [failed]
    alone = [CellsTask((job,), task.packs) for job in task.jobs]
    return [one for part in alone for one in _result(executor, part, executor.submit(part))]
