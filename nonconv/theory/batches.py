"""The batch means that a linear rule meets, as numbers that move linearly: drawn anew, held, within a pass, in a fixed order.

Within a pass through N rows, of which j are drawn, with T the sum of their deviations, the sum of the next b is
-b T / (N - j) + u, where u has the mean 0 given all before, and the variance
    s^2 (b (N - b) / (N - 1) - b^2 j / ((N - 1) (N - j)))
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nonconv.experiment.cell import Cell
from nonconv.numerics.arithmetic import Array
from nonconv.theory.directions import Direction

NUMBERS = 5
T, M, A, Z, SUM = range(NUMBERS)
"""Places in the state: t, m, the average of t, the batch mean in use, and the sum of what a pass has drawn."""
Steps = NDArray[np.int64]


class Batches(NamedTuple):
    """The batches of steps, (steps,) each: whether one is drawn at this step, its size, and how many data were drawn before."""

    drawn: NDArray[np.bool_]
    size: Array
    before: Steps


def batches_of(cell: Cell, n: Array) -> Batches:
    """Return the batches of steps n (steps,); how many data were drawn before is 0 where it does not matter."""
    supply = cell.program.supply
    number = np.floor((n - 1.0) / supply.hold)
    begun = number * supply.hold + 1.0
    shared = supply.order == "with_replacement"
    before = np.zeros(len(n), dtype=np.int64) if shared else _drawn_before(cell)[number.astype(np.int64)]
    return Batches(n == begun, cell.program.batch_size(begun), before)


@lru_cache(maxsize=8)
def _drawn_before(cell: Cell) -> Steps:
    """Return for each batch of the run how many data are drawn before it."""
    p = cell.program
    sizes = p.batch_size(np.arange(1.0, p.steps + 1.0, p.supply.hold)).astype(np.int64)
    return np.concatenate([[0], np.cumsum(sizes)[:-1]])


def draw(cell: Cell, at: Direction, n: Array) -> tuple[Array, Array]:
    """Return how the draws of steps n (steps,) change the state, and the covariance of what they add, (steps, k, k) each."""
    supply = cell.program.supply
    maps, spread = np.zeros((len(n), NUMBERS, NUMBERS)), np.zeros((len(n), NUMBERS, NUMBERS))
    maps[:, range(NUMBERS), range(NUMBERS)] = 1.0
    batches = batches_of(cell, n)
    maps[batches.drawn, Z, Z] = 0.0
    if supply.order == "with_replacement":
        spread[batches.drawn, Z, Z] = at.variance / batches.size[batches.drawn]
    elif supply.order == "epochs" and supply.rows > 1:
        _pass_through(supply.rows, at.variance, batches, maps, spread)
    return maps, spread


def _pass_through(rows: int, variance: float, batches: Batches, maps: Array, spread: Array) -> None:
    """Write what `_draw` returns of rows that are shuffled for every pass.

    A batch takes some rows of the pass that runs, whole passes, whose deviations add up to 0, and some rows of a new pass.
    """
    drawn = batches.drawn
    size, before = batches.size[drawn], batches.before[drawn] % rows
    first = np.minimum(size, rows - before)
    new = (size - first) % rows
    ends = before + first == rows
    of_first = _uncertainty(rows, before, first)
    of_new = np.where(ends, _uncertainty(rows, np.zeros_like(before), new), 0.0)
    share = first / (rows - before)
    maps[drawn, Z, SUM] = -share / size
    maps[drawn, SUM, SUM] = np.where(ends, 0.0, 1.0 - share)
    spread[drawn, Z, Z] = variance * (of_first + of_new) / size**2
    spread[drawn, Z, SUM] = spread[drawn, SUM, Z] = variance * np.where(ends, of_new, of_first) / size
    spread[drawn, SUM, SUM] = variance * np.where(ends, of_new, of_first)


def _uncertainty(rows: int, before: Steps, number: Array) -> Array:
    """Return the variance of the sum of the next rows of a pass, given those before, in units of that of one row."""
    return number * (rows - number) / (rows - 1.0) - number**2 * before / ((rows - 1.0) * (rows - before))


def fixed(cell: Cell, at: Direction, n: Array) -> Array:
    """Return what is added to gradients at steps n (steps,) that is not random: the drift, and rows in a fixed order."""
    supply, found = cell.program.supply, np.zeros_like(n)
    if supply.drift is not None:
        found = found + at.drift * supply.drift(n)
    if supply.order == "cyclic":
        batches, sums = batches_of(cell, n), np.concatenate([[0.0], np.cumsum(at.values)])
        sums[-1] = 0.0  # but for rounding
        after = batches.before + batches.size.astype(np.int64)
        found = found + at.slope * (sums[after % supply.rows] - sums[batches.before % supply.rows]) / batches.size
    return found
