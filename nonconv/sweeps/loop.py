"""The loop of a sweep: skip what is there, hand out tasks, merge and land in the order of the grid, publish."""

import time
from collections import deque
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import BrokenExecutor, CancelledError, Future
from contextlib import AbstractContextManager, ExitStack, nullcontext
from pathlib import Path
from typing import Any, NamedTuple

from nonconv.config.grid import Point
from nonconv.engine.blocks import block_size
from nonconv.errors import Interrupted, UsageError
from nonconv.experiment import Cell
from nonconv.report.csv_text import as_lines
from nonconv.report.painter import Draw, draw_here
from nonconv.report.sweep_files import Ends, Result, columns, line, read_ends, read_result
from nonconv.report.sweep_summary import markdown
from nonconv.statistics.stopping import is_enough
from nonconv.statistics.tally import Tally
from nonconv.store import SCHEMA_VERSION, Folder, as_json, as_yaml, packed, surroundings
from nonconv.study import CHECKPOINT_SECONDS, prepared
from nonconv.sweeps.cells import Cells
from nonconv.sweeps.executors import Executor
from nonconv.sweeps.sweep import Survey, Sweep, label, labels_of, moved, text
from nonconv.sweeps.tasks import Done, Failed, Order, Part, Task, Whole, finished, seconds

LONG = 4.0
"""A cell that takes so many times as long as a task should is cut into tasks of its own."""
MOST_IN_TASK = 64
GOES_ON = "the same command goes on with what is saved"

MakeExecutor = Callable[[], AbstractContextManager[Executor]]


class News(NamedTuple):
    """What happened: to which cell, if it is settled; path-steps that were computed; what became of it in a word, and where.

    No status: it was there before.
    """

    cell: str
    path_steps: int
    status: str = ""
    label: str = ""


Tell = Callable[[News], None]
Progress = Callable[[], AbstractContextManager[Tell]]


class Outcome(NamedTuple):
    """What `run_sweep` did: where it lies, how many cells were computed, were there already, and why others failed."""

    folder: Path
    computed: int
    reused: int
    failures: dict[str, str]


def run_sweep(
    sweep: Sweep,
    survey: Survey,
    folder: Path,
    executor: MakeExecutor,
    force: bool = False,
    fail_fast: bool = False,
    progress: Progress = lambda: nullcontext(lambda news: None),
    draw: Draw = draw_here,
) -> Outcome:
    """Bring the folder of a sweep to its finished state. Raises UsageError, or Interrupted after saving what is whole."""
    store, cells = Folder(folder, survey.identity), Cells(folder)
    if not force:
        if is_finished(sweep, survey, store, cells):
            return Outcome(folder, 0, len(survey.ids), {})
        refuse_fewer_paths(sweep, survey, folder)
    with ExitStack() as opened:
        # First of all workers are forked: progress is shown by a thread, and they are not to hold the folder.
        workers = None if not force and _has_cells(sweep, survey, cells) else opened.enter_context(executor())
        tell = opened.enter_context(progress())
        opened.enter_context(store.opened(force))
        flow = _Flow(sweep, survey, cells, force, fail_fast, tell)
        try:
            if workers:
                flow.run(workers)
            else:
                flow.reuse()
            _publish(sweep, survey, store, flow.table, flow.failures, draw)
        except KeyboardInterrupt:
            flow.keep()
            done = flow.computed + flow.reused
            raise Interrupted(f"stopped; {done} of {len(survey.ids)} cells are saved in {folder}") from None
        cells.tidy()
        facts = {"cells": len(survey.ids), "digest": survey.digest, "failed": len(flow.failures)}
        store.seal(survey.config, name=sweep.name, claim=sweep.claim, **facts, **surroundings())
    return Outcome(folder, flow.computed, flow.reused, flow.failures)


def is_finished(sweep: Sweep, survey: Survey, store: Folder, cells: Cells) -> bool:
    """Whether everything is there: the tables of this very grid, and every cell."""
    if not store.is_finished():
        return False
    manifest = store.manifest()
    if manifest.get("digest") != survey.digest or manifest.get("config") != survey.config or manifest.get("failed"):
        return False
    return _has_cells(sweep, survey, cells)


def refuse_fewer_paths(sweep: Sweep, survey: Survey, folder: Path) -> None:
    """Raises UsageError where a cell would be computed again with fewer paths than its result has."""
    cells = Cells(folder)
    for name, point in zip(survey.ids, sweep.points(), strict=True):
        if cells.path(name).exists() and (paths := cells.larger(name, sweep.known(name, point))):
            what = f"{folder} holds {paths} paths of the cell {name}, more than are asked for now"
            raise UsageError(f"{what}; choose another --out, or --force")


def _has_cells(sweep: Sweep, survey: Survey, cells: Cells) -> bool:
    named = zip(survey.ids, sweep.points(), strict=True)
    return all(cells.is_finished(name, sweep.known(name, point)) for name, point in named)


class _Flow:
    """Cells on their way: what is handed out comes back in the same order, which is the grid's."""

    def __init__(self, sweep: Sweep, survey: Survey, cells: Cells, force: bool, fail_fast: bool, tell: Tell) -> None:
        self.sweep, self.survey, self.cells = sweep, survey, cells
        self.force, self.fail_fast, self.tell = force, fail_fast, tell
        self.table = _Table(sweep, survey, cells)
        self.failures: dict[str, str] = {}
        self.computed = self.reused = 0
        self.growing: _Growing | None = None
        self.settled = ""

    def missing(self) -> Iterator[tuple[Order, Cell]]:
        """The cells that are to be computed; others are counted."""
        self.reused = 0
        for name, point in zip(self.survey.ids, self.sweep.points(), strict=True):
            cell = self.sweep.known(name, point)
            if not self.force and self.cells.is_finished(name, cell):
                self.sweep.kept.pop(name, None)
                self.reused += 1
                self.tell(News(name, 0))
            else:
                yield Order(name, point, None if self.force else self.cells.saved(name, cell)), cell

    def reuse(self) -> None:
        """Every cell is there."""
        deque(self.missing(), maxlen=0)

    def tasks(self, lasting: float) -> Iterator[Task]:
        """What is to be done, in tasks of about so many seconds: short cells together, a long one in parts."""
        bundle: list[Order] = []
        total = 0.0
        for order, cell in self.missing():
            cost = 0.0 if _has_all(order, cell) else seconds(cell)
            if cost > LONG * lasting or total + cost > lasting or len(bundle) == MOST_IN_TASK:
                if bundle:
                    yield Whole(tuple(bundle))
                bundle, total = [], 0.0
            if cost > LONG * lasting:
                yield from self._parts(order, cell, cost, lasting)
            else:
                bundle.append(order)
                total += cost
        if bundle:
            yield Whole(tuple(bundle))

    def _parts(self, order: Order, cell: Cell, cost: float, lasting: float) -> Iterator[Part]:
        size = block_size(cell.program)
        step = size * max(1, round(lasting / (cost * size / cell.paths)))
        for first in range(int(order.saved["paths"]) if order.saved else 0, cell.paths, step):
            if self.settled == order.name:  # it failed, or has paths enough
                return
            yield Part(order, first, min(first + step, cell.paths))

    def run(self, executor: Executor) -> None:
        """Hand out all tasks, never too many at a time, and take in what comes back."""
        waiting: deque[tuple[Task, Future[Any]]] = deque()
        try:
            for task in self.tasks(executor.seconds):
                waiting.append((task, executor.submit(task)))
                if len(waiting) >= executor.waiting:
                    self._take(*waiting.popleft())
            while waiting:
                self._take(*waiting.popleft())
        except CancelledError:
            raise UsageError(f"the cluster is gone; {GOES_ON}") from None
        except BrokenExecutor:
            self.keep()
            raise UsageError(
                f"a worker is gone, killed, as systems do where memory is short, or by a plug-in; {GOES_ON}"
            ) from None

    def _take(self, task: Task, future: "Future[Any]") -> None:
        try:
            result = future.result()
        except (CancelledError, BrokenExecutor):  # of all tasks, not of this one
            raise
        except Exception as error:  # a worker that died again and again; its cells have no result, others have
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            result = [Failed(reason)] * len(task.orders) if isinstance(task, Whole) else Failed(reason)
        if isinstance(task, Whole):
            for order, one in zip(task.orders, result, strict=True):
                self._land(order, one)
        elif task.order.name != self.settled:
            self._grow(task.order, result)

    def _grow(self, order: Order, result: "list[Tally] | Failed") -> None:
        """More blocks of the cell that is computed in parts."""
        if isinstance(result, Failed):
            self.settled, self.growing = order.name, None
            self._land(order, result)
            return
        if self.growing is None:
            self.growing = _Growing(order, prepared(self.sweep.cell(order.point)))
        growing = self.growing
        for block in result:
            growing.add(block)
            self.tell(News("", block.paths * growing.cell.program.steps))
            if growing.has_all():
                self.settled, self.growing = order.name, None
                self._land(order, growing.done()._replace(path_steps=0))
                return
        if growing.age() > CHECKPOINT_SECONDS:
            self.keep()

    def keep(self) -> None:
        """Keep what is whole of the cell that is computed in parts."""
        if self.growing and self.growing.whole:
            self.cells.keep(self.growing.order.name, self.growing.cell, packed(self.growing.whole.arrays()))
            self.growing.kept = time.monotonic()

    def _land(self, order: Order, result: Done | Failed) -> None:
        name = order.name
        if isinstance(result, Failed):
            self.cells.forget(name)
            self.failures[name] = result.reason
            self.table.add(order, result.reason)
            self.tell(News(name, 0, "failed", label(order.point)))
            if self.fail_fast:
                raise UsageError(f"the cell {name} failed, where {label(order.point)}: {result.reason}")
            return
        self.cells.land(name, result.files)
        self.computed += 1
        self.table.add(order, result.result)
        self.tell(News(name, result.path_steps, result.result.verdict["verdict"], label(order.point)))


def _has_all(order: Order, cell: Cell) -> bool:
    """Whether nothing is left to be simulated: what is there was all there is to be, but its cell did not land, or broke."""
    return order.saved is not None and is_enough(cell, Tally.from_arrays(order.saved))


class _Growing:
    """A cell that is computed in parts."""

    def __init__(self, order: Order, cell: Cell) -> None:
        self.order, self.cell = order, cell
        self.tally = Tally.from_arrays(order.saved) if order.saved else None
        self.before: Tally | None = None
        self.kept = time.monotonic()

    def add(self, block: Tally) -> None:
        self.before, self.tally = self.tally, self.tally + block if self.tally else block

    def has_all(self) -> bool:
        return self.tally is not None and is_enough(self.cell, self.tally)

    @property
    def whole(self) -> Tally | None:
        """What whole blocks gave: the last one of all need not be whole, and nothing can go on from there."""
        return self.tally if self.tally and self.tally.paths % block_size(self.cell.program) == 0 else self.before

    def done(self) -> Done:
        assert self.tally is not None
        return finished(self.cell, self.tally, self.before)

    def age(self) -> float:
        return time.monotonic() - self.kept


class _Table:
    """The lines of sweep.csv: of cells that land, made at once; of others, that were there before, read from their folders."""

    def __init__(self, sweep: Sweep, survey: Survey, cells: Cells) -> None:
        self.sweep, self.survey, self.cells = sweep, survey, cells
        self.header = columns(sweep.grid.keys, *labels_of(survey.measured))
        self.known: dict[str, bytes] = {}
        self.reference: Ends | None = None

    def add(self, order: Order, result: Result | str) -> None:
        """A cell has landed, or failed. Where it cannot yet be compared with the baseline it is read again in the end."""
        if order.name == self.survey.baseline and not isinstance(result, str):
            self.reference = result.ends
        elif not (self.reference or isinstance(result, str)):
            return
        self.known[order.name] = self._line(order.name, order.point, result)

    def _line(self, name: str, point: Point, result: Result | str) -> bytes:
        keys = {setting.key: text(moved(setting.value, self.survey.files)) for setting in point}
        return line(self.header, name, keys, result, self.reference if name != self.survey.baseline else None)

    def csv(self, failed: Collection[str]) -> bytes:
        """All of it, in the order of the grid."""
        if self.reference is None and self.survey.baseline not in failed:
            self.reference = read_ends(self.cells.path(self.survey.baseline))
        return b"".join([as_lines([self.header]), *self._lines()])

    def _lines(self) -> Iterator[bytes]:
        for name, point in zip(self.survey.ids, self.sweep.points(), strict=True):
            yield self.known.get(name) or self._line(name, point, read_result(self.cells.path(name)))


def _publish(sweep: Sweep, survey: Survey, store: Folder, table: _Table, failures: dict[str, str], draw: Draw) -> None:
    """Everything but the manifest: the table first, then what is made of it."""
    for file in survey.files.values():
        store.write(file.place, file.content)
    store.write("config.yaml", as_yaml(survey.config))
    xi, floors = labels_of(survey.measured)
    store.write("sweep.csv", table.csv(failures))
    facts = {
        "schema_version": SCHEMA_VERSION,
        "name": sweep.name,
        "identity": survey.identity,
        "claim": sweep.claim,
        "keys": list(sweep.grid.keys),
        "xi": xi,
        "floors": floors,
        "curves": list(sweep.grid.curves),
        "baseline": survey.baseline,
        "cells": len(survey.ids),
        "failed": len(failures),
        "paths": survey.paths,
        "steps": survey.steps,
    }
    store.write("sweep.json", as_json(facts))
    store.discard_folder("figures")  # of another extent of the grid
    figures = draw(store.path)()
    for name, content in figures.items():
        store.write(f"figures/{name}", content)
    store.write("summary.md", markdown(store.path, figures).encode())
