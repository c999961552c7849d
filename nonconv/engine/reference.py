"""The reference engine: the definitions run by NumPy on arrays over paths. Slow and obviously right.

`advance` has the signature and, for definitions that need only + - * / sqrt, the bits of the fused kernel.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from nonconv.arithmetic import Array
from nonconv.engine.program import Program
from nonconv.rng import Key, uniforms


class Reference:
    """Moves paths with plain NumPy."""

    def __init__(self, program: Program) -> None:
        self.program = program

    def advance(
        self,
        theta: Array,
        state: Array,
        average: Array,
        coefficients: Array,
        batch_size: NDArray[np.int64],
        marks: NDArray[np.int64],
        snapshots: Array,
        average_from: int,
        first_draw: int,
        first_replicate: int,
        key: Key,
        stop: NDArray[np.uint8],
    ) -> None:
        """Move theta (dim, paths) and state (slots, dim, paths) in place by the steps of a slice.

        marks are the indices into the slice after which theta is written to the next of snapshots (R, dim, paths);
        from index average_from on theta is added to average. A nonzero stop[0] makes it return early.
        """
        draw, per_sample = first_draw, self.program.draws_per_sample
        marked = {int(t): r for r, t in enumerate(marks)}
        with np.errstate(all="ignore"):
            for t, samples in enumerate(batch_size.tolist()):
                if stop[0]:
                    return
                u = uniforms(key, draw, samples * per_sample, first_replicate, theta.shape[1])
                draw += samples * per_sample
                self._step(theta, state, coefficients[:, t].tolist(), samples, u)
                if t >= average_from:
                    average += theta
                if t in marked:
                    snapshots[marked[t]] = theta

    def _step(self, theta: Array, state: Array, coefficients: list[float], samples: int, u: Array) -> None:
        optimizer = self.program.optimizer
        per_step, rate = optimizer.per_step(*coefficients[:-1]), coefficients[-1]
        for j in range(len(theta)):
            gradient = self._mean_gradient(j, theta[j], samples, u)
            direction, after = optimizer.update(per_step, optimizer.state(*state[:, j]), gradient)
            for slot, value in enumerate(after):
                state[slot, j] = value
            theta[j] -= rate * direction

    def _mean_gradient(self, j: int, theta: Array, samples: int, u: Array) -> Any:
        p = self.program
        data_constants = p.data.constants(*(field[j] for field in p.data_constants))
        constants = p.objective.constants(*(field[j] for field in p.objective_constants))
        total: Any = 0.0
        for m in range(samples):
            x = p.data.sample(data_constants, u[m * p.draws_per_sample + (0 if p.data.joint else j)])
            gradient = p.objective.gradient(constants, theta, x)
            if samples == 1:
                return gradient
            total = total + gradient
        return total / samples
