"""What quantities see of a block's first paths (components.quantity.Seen), some of it by simulating them again."""

from collections.abc import Iterator
from functools import cached_property

import numpy as np

from nonconv.components.quantity import Regret, Steps
from nonconv.engine.moving import Moving, every_step
from nonconv.engine.program import SLICE_STEPS
from nonconv.numerics.arithmetic import Array
from nonconv.statistics import regrets
from nonconv.statistics.measured_block import Again, MeasuredBlock, lengths
from nonconv.theory import risk

MOST_NUMBERS = 2**20
"""Most coordinates of iterates in memory, where every step is looked at."""


class Observed:
    """The first `paths` paths of a block, as quantities see them (Seen)."""

    def __init__(self, seen: MeasuredBlock, paths: int) -> None:
        """Take the first `paths` paths of a block."""
        self._seen, self._paths = seen, paths
        program = seen.cell.program
        self.record: Steps = program.record
        self.steps = program.steps
        self.start, self.theta = seen.block.start[:, :paths], seen.block.theta[..., :paths]

    @property
    def _again(self) -> Again:
        """What simulates the paths again; averages are not."""
        assert self._seen.again is not None
        return self._seen.again

    def iterates(self, coordinate: int) -> Array:
        """Return a coordinate, from 1 on, of theta_n at the recorded steps, (R, paths)."""
        return self._marked(self.theta[:, coordinate - 1].copy(), self.record)

    def distances(self, xi: str) -> Array:
        """Return |theta_n - xi| at the recorded steps, (R, paths)."""
        k = self._number(xi)
        return lengths(self._seen.errors[k, :, : self._paths], self.theta, self._target(k))

    def excess_risk(self) -> Array:
        """Return F(theta_n) - F* at the recorded steps, (R, paths)."""
        return self._marked(risk.excess_risk(self._seen.cell, self.theta), self.record)

    def squared_gradient(self) -> Array:
        """Return |grad F(theta_n)|^2 at the recorded steps, (R, paths)."""
        return self._marked(risk.squared_gradient(self._seen.cell, self.theta), self.record)

    def course(self, of: str) -> Iterator[tuple[int, Array]]:
        """Yield a distance, or the excess risk, at every step from 0 on: see Seen.course. Raises Stopped."""
        k = None if of == "excess_risk" else self._number(of)
        for first, theta in self._every_step():
            with np.errstate(over="ignore", invalid="ignore"):
                if k is None:
                    found = risk.excess_risk(self._seen.cell, theta)
                else:
                    found = lengths(np.square(theta - self._target(k)).sum(axis=1), theta, self._target(k))
            yield first, self._marked(found, np.arange(first, first + len(theta)))

    def regret(self) -> Regret:
        """Return the losses of the run. Raises Stopped."""
        return self._regret

    @cached_property
    def _regret(self) -> Regret:
        """The losses, which two quantities read."""
        cell, again = self._seen.cell, self._again
        program = cell.program
        largest = int(program.batch_size(np.unique(np.linspace(1.0, self.steps, 33).round())).max())
        length = piece_length(program.dim * largest, self._paths)
        # Both are made of the same pieces.
        pieces = zip(program.slices(length), self._moved(length), strict=True)
        moving = Moving([program], again.engine, self._seen.block.first, self._paths, again.stop)
        return regrets.measured(cell, moving, ((piece, theta) for piece, (_, theta) in pieces))

    def _every_step(self) -> Iterator[tuple[int, Array]]:
        """Yield all iterates, piece by piece, the start first: the first step of a piece, and theta (steps, dim, paths)."""
        yield 0, self.start[None]
        yield from self._moved(piece_length(self._seen.cell.program.dim, self._paths))

    def _moved(self, length: int) -> Iterator[tuple[int, Array]]:
        """Yield all iterates after step 0, in pieces of at most so many steps. Raises Stopped."""
        program, block = self._seen.cell.program, self._seen.block
        yield from every_step(program, self._again.engine, block.first, self._paths, self._again.stop, length)

    def _number(self, xi: str) -> int:
        """Return the number of a xi by its label."""
        return [each.label for each in self._seen.cell.xi].index(xi)

    def _target(self, k: int) -> Array:
        """Return xi k for these paths, broadcastable against (dim, paths)."""
        return self._seen.targets[k][:, : self._paths]

    def _marked(self, numbers: Array, steps: Steps) -> Array:
        """Set numbers (steps, paths) of failed paths from their failure on: infinite after an overflow, else nan."""
        for failed in self._seen.block.failed:
            lane = failed.replicate - self._seen.block.first
            if lane < self._paths:
                numbers[steps >= failed.step, lane] = np.inf if failed.how == "overflow" else np.nan
        return numbers


def piece_length(dim: int, paths: int) -> int:
    """Return how many steps are looked at together."""
    return max(1, min(SLICE_STEPS, MOST_NUMBERS // max(dim * paths, 1)))
