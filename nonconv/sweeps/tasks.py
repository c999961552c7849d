"""What a worker does: whole cells, or some blocks of a cell that takes long. A function of the sweep and the task alone."""

import json
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nonconv.config.grid import Point
from nonconv.config.plugins import blame
from nonconv.engine.blocks import block_size
from nonconv.engine.moving import Stopped
from nonconv.errors import NonconvError, UsageError
from nonconv.experiment import Cell
from nonconv.report.sweep_files import Ends, Result
from nonconv.statistics.stopping import is_enough
from nonconv.statistics.tally import Tally, ends
from nonconv.store import packed
from nonconv.study import measured, prepared, results
from nonconv.sweeps.cells import TALLY, with_manifest
from nonconv.sweeps.sweep import Sweep, cell_id

NANOSECONDS = 4.0
"""About what one sample of one coordinate takes: only how work is cut into tasks depends on it."""
WITH_TWINS = 2.2

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
        return [_attempted(sweep, order, stop) for order in task.orders]
    try:
        cell = _prepared(_Asked(sweep, task.order.name, task.order.point))
        return [measured(cell, _engine(cell), start, stop) for start in range(task.first, task.last, block_size(cell.program))]
    except Exception as error:  # whatever it is, the other cells go on
        return _failure(error)


def _attempted(sweep: Sweep, order: Order, stop: Stop) -> Done | Failed:
    try:
        return _computed(_prepared(_Asked(sweep, order.name, order.point)), order.saved, stop)
    except Exception as error:  # whatever it is, the other cells go on
        return _failure(error)


def _failure(error: Exception) -> Failed:
    if isinstance(error, Stopped):
        raise error
    problem = None if isinstance(error, NonconvError) else blame(error)  # where in a plug-in it was raised
    said = str(problem or error) if problem or isinstance(error, NonconvError) else f"{type(error).__name__}: {error}"
    return Failed(" ".join(said.split()))


@dataclass(frozen=True)
class _Asked:
    """A cell of a sweep; what it is called says which."""

    sweep: Sweep
    name: str
    point: Point = field(compare=False)


@lru_cache(maxsize=8)
def _prepared(asked: _Asked) -> Cell:
    """Kept for a while: a worker computes several parts of a cell. Raises UsageError where it is another one by now."""
    cell = asked.sweep.taken(asked.name, asked.point)
    if cell_id(cell) != asked.name:
        raise UsageError("a file that the config names has changed since the sweep began")
    return prepared(cell)


def _engine(cell: Cell) -> Any:
    from nonconv.engine.fused import Fused  # heavy

    return Fused(cell.program)


def _computed(cell: Cell, saved: dict[str, Any] | None, stop: Stop) -> Done:
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
