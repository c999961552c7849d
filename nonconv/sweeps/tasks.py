"""What a worker does: whole cells, or some blocks of a cell that takes long. A function of the sweep and the task alone."""

import json
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nonconv.engine.blocks import block_size, most_together
from nonconv.engine.moving import Stopped
from nonconv.engine.program import companions
from nonconv.errors import NonconvError, UsageError
from nonconv.experiment.cell import Cell
from nonconv.faults.blame import blame
from nonconv.results.sweep_files import Ends, Result
from nonconv.statistics.stopping import is_enough
from nonconv.statistics.tally import Tally, ends
from nonconv.store.formats import packed
from nonconv.study import measured, measured_together, prepared, results
from nonconv.sweeps.cells import TALLY, with_manifest
from nonconv.sweeps.grid import Point
from nonconv.sweeps.sweep import Sweep, cell_id

NANOSECONDS = 2.5
"""About what one sample of one coordinate takes: only how work is cut into tasks depends on it."""
WITH_TWINS = 2.2
ANYTHING = (Exception, SystemExit)
"""That a plug-in may raise."""

Stop = NDArray[np.uint8]


class Order(NamedTuple):
    """A cell to be computed: its id, its point, and what is whole of it already, if anything."""

    name: str
    point: Point
    saved: dict[str, Any] | None


class Whole(NamedTuple):
    """Compute these cells."""

    orders: tuple[Order, ...]


class Part(NamedTuple):
    """Compute the blocks of a cell that begin with paths first, ..., last - 1; `ends` if these are its last."""

    order: Order
    first: int
    last: int

    @property
    def orders(self) -> tuple[Order, ...]:
        return (self.order,)


Task = Whole | Part


class Done(NamedTuple):
    """All files of a cell, how many path-steps it took, and what its line in the sweep's table is made of."""

    files: dict[str, bytes]
    path_steps: int
    result: Result


class Failed(NamedTuple):
    """Why a cell has no result."""

    reason: str


def work(sweep: Sweep, task: Task, stop: Stop) -> list[Done | Failed] | list[Tally] | Failed:
    """One result for each cell of a Whole; the tallies of a Part's blocks. Raises Stopped once stop[0] is nonzero."""
    if isinstance(task, Whole):
        return [_as_named(sweep, one) if isinstance(one, Failed) else one for one in _cells(sweep, task.orders, stop)]
    try:
        cell = _kept(_Asked(sweep, task.order.name, task.order.point))
        return [measured(cell, _engine(cell), start, stop) for start in range(task.first, task.last, block_size(cell.program))]
    except ANYTHING as error:  # the other cells go on
        return _as_named(sweep, _failure(error))


def _cells(sweep: Sweep, orders: Sequence[Order], stop: Stop) -> list[Done | Failed]:
    """Cells that can be moved together are: they share random numbers, which are a third of a step."""
    found: dict[str, Done | Failed] = {}
    companies: dict[Hashable, list[tuple[Order, Cell]]] = {}
    for order in orders:
        try:
            cell = _prepared(sweep, order.name, order.point)
        except ANYTHING as error:  # the other cells go on
            found[order.name] = _failure(error)
        else:
            companies.setdefault(_company(order, cell), []).append((order, cell))
    for company in companies.values():
        size = most_together(company[0][1].program)
        while company:  # cells that are done are let go: their timetables take memory
            some, company[:size] = company[:size], []
            found |= _together(some, stop) if len(some) > 1 else _alone(some, stop)
    return [found[order.name] for order in orders]


def _company(order: Order, cell: Cell) -> Hashable:
    """What cells have in common that can be moved together; nobody has it of a cell that may end early or has begun."""
    if cell.stopping or order.saved:
        return order.name
    return companions(cell.program), cell.paths, json.dumps(cell.resolved["batch_size"], sort_keys=True)


def _together(company: Sequence[tuple[Order, Cell]], stop: Stop) -> dict[str, Done | Failed]:
    cells = [cell for _, cell in company]
    tallies: list[Tally] = []
    wholes: list[Tally | None] = [None] * len(cells)
    try:
        for start in range(0, cells[0].paths, block_size(cells[0].program)):
            blocks = measured_together(cells, start, stop)
            wholes = list(tallies) or wholes
            tallies = [tally + block for tally, block in zip(tallies, blocks, strict=True)] if tallies else blocks
        results = zip(company, tallies, wholes, strict=True)
        return {order.name: finished(cell, tally, whole) for (order, cell), tally, whole in results}
    except Stopped:
        raise
    except ANYTHING:  # it may be the fault of one
        return _alone(company, stop)


def _alone(company: Sequence[tuple[Order, Cell]], stop: Stop) -> dict[str, Done | Failed]:
    return {order.name: _attempted(order, cell, stop) for order, cell in company}


def _attempted(order: Order, cell: Cell, stop: Stop) -> Done | Failed:
    try:
        return computed(cell, order.saved, stop)
    except ANYTHING as error:  # the other cells go on
        return _failure(error)


def _failure(error: BaseException) -> Failed:
    if isinstance(error, Stopped):
        raise error
    problem = None if isinstance(error, NonconvError) else blame(error)  # where in a plug-in it was raised
    if problem or isinstance(error, NonconvError):
        return Failed(str(problem or error).partition("\n")[0])
    return Failed(" ".join(f"{type(error).__name__}: {error}".split()))


def _as_named(sweep: Sweep, failed: Failed) -> Failed:
    """With plug-ins called by their names alone, as in the output folder: each worker may have them in another place."""
    reason = failed.reason
    for plugin in sweep.document.catalogue.plugins:
        reason = reason.replace(str(plugin.path), plugin.path.name)
    return Failed(reason)


@dataclass(frozen=True)
class _Asked:
    """A cell of a sweep; what it is called says which."""

    sweep: Sweep
    name: str
    point: Point = field(compare=False)


@lru_cache(maxsize=8)
def _kept(asked: _Asked) -> Cell:
    """`_prepared`, kept for a while: a worker computes several parts of a cell."""
    return _prepared(asked.sweep, asked.name, asked.point)


def _prepared(sweep: Sweep, name: str, point: Point) -> Cell:
    """Raises UsageError where the cell is another one by now."""
    cell = sweep.taken(name, point)
    if cell_id(cell) != name:
        raise UsageError("a file that the config names has changed since the sweep began")
    return prepared(cell)


def _engine(cell: Cell) -> Any:
    from nonconv.engine.fused import Fused  # heavy

    return Fused(cell.program)


def computed(cell: Cell, saved: dict[str, Any] | None, stop: Stop) -> Done:
    """What a prepared cell leaves behind, computed alone, from what is saved of it on."""
    engine, tally = _engine(cell), Tally.from_arrays(saved) if saved else None
    begun = tally.paths if tally else 0
    whole = tally
    while tally is None or not is_enough(cell, tally):
        whole = tally
        block = measured(cell, engine, tally.paths if tally else 0, stop)
        tally = tally + block if tally else block
    return finished(cell, tally, whole, begun)


def finished(cell: Cell, tally: Tally, whole: Tally | None, begun: int = 0) -> Done:
    """What a cell leaves behind. whole: its tally without the last block, if that is no whole one."""
    if tally.paths % block_size(cell.program) == 0:
        whole = tally
    files = results(cell, tally)
    if whole:
        files[TALLY] = packed(whole.arrays())
    for file in cell.files.values():
        files[f"data/{file.name}"] = file.read_bytes()
    files |= {f"plugins/{plugin.path.name}": plugin.content for plugin in cell.plugins}
    summary, verdict = (json.loads(files[f"{name}.json"]) for name in ("summary", "verdict"))
    result = Result(summary, verdict, Ends(ends(cell), tally.ends))
    return Done(with_manifest(cell, files), (tally.paths - begun) * cell.program.steps, result)


def seconds(cell: Cell) -> float:
    """About how long a cell takes one core."""
    floors = WITH_TWINS if cell.program.plan.wanted.twin else 1.0
    return cell.paths * cell.program.steps * cell.program.samples * NANOSECONDS * floors * 1e-9
