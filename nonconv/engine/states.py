"""The optimizer's state on a few paths, at given steps: the paths are moved once more from their start."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nonconv.engine.moving import Moving
from nonconv.engine.program import Engine, Program
from nonconv.numerics.arithmetic import Array


class State(NamedTuple):
    """What the optimizer had after a step.

    per_step: the coefficients of the step. rate: its learning rate. state: the optimizer's NamedTuple of arrays (dim, paths),
    which the next step changes. shape: (dim, paths).
    """

    per_step: Any
    rate: float
    state: Any
    shape: tuple[int, ...]


def every_state(
    program: Program, engine: Engine, first: int, paths: int, steps: NDArray[np.int64], stop: NDArray[np.uint8]
) -> Iterator[State]:
    """Yield the state of paths first, ..., first + paths - 1 after each of these steps, which rise. Raises Stopped."""
    moving, rule = Moving([program], engine, first, paths, stop), program.optimizer.component
    nothing: Array = np.empty((0, *moving.theta.shape))
    for piece in moving.slices(last=int(steps[-1])):
        end = piece.first_step + len(piece.batch_size)
        low, high = np.searchsorted(steps, (piece.first_step, end))
        ends = [*(steps[low:high] + 1 - piece.first_step).tolist(), len(piece.batch_size)]
        for part in program.cut(piece, ends):
            moving.advance(part, np.arange(0), nothing)
            if low < high and part.first_step + len(part.batch_size) - 1 == steps[low]:
                low += 1
                *numbers, rate = part.coefficients[-1].tolist()
                per_step = rule.per_step(*numbers[: len(rule.per_step._fields)])
                yield State(per_step, rate, rule.state(*moving.state), moving.theta.shape)
