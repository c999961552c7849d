"""The way of a sweep's cells: handed out as tasks, taken back in the order of the grid."""

import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, CancelledError, Future
from typing import Any, NamedTuple

from nonconv.engine.blocks import block_size
from nonconv.errors import UsageError
from nonconv.experiment.cell import Cell
from nonconv.ready import Ready, make_ready
from nonconv.statistics.stopping import is_enough
from nonconv.statistics.tally import Tally
from nonconv.store.formats import packed
from nonconv.study import CHECKPOINT_SECONDS
from nonconv.sweeps.cells import Cells
from nonconv.sweeps.executors import Executor
from nonconv.sweeps.sweep import Survey, Sweep, label
from nonconv.sweeps.table import Table
from nonconv.sweeps.tasks import Done, Failed, Order, Part, Task, Whole, finished, seconds

LONG = 4.0
"""A cell that takes so many times as long as a task should is cut into tasks of its own."""
MOST_IN_TASK = 64
GOES_ON = "the same command goes on with what is saved"


class News(NamedTuple):
    """What happened: to which cell, if it is settled; path-steps that were computed; what became of it in a word, and where.

    No status: it was there before.
    """

    cell: str
    path_steps: int
    status: str = ""
    label: str = ""


Tell = Callable[[News], None]


class Flow:
    """Cells on their way: what is handed out comes back in the same order, which is the grid's."""

    def __init__(self, sweep: Sweep, survey: Survey, cells: Cells, force: bool, fail_fast: bool, tell: Tell) -> None:
        self.sweep, self.survey, self.cells = sweep, survey, cells
        self.force, self.fail_fast, self.tell = force, fail_fast, tell
        self.table = Table(sweep, survey, cells)
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
            self.growing = _Growing(order, make_ready(self.sweep.cell(order.point)))
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

    def __init__(self, order: Order, ready: Ready) -> None:
        self.order, self.ready, self.cell = order, ready, ready.cell
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
        return finished(self.ready, self.tally, self.before)

    def age(self) -> float:
        return time.monotonic() - self.kept
