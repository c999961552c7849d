"""The reference engine: the definitions run by NumPy on arrays over paths. Slow and obviously right.

For definitions that need only + - * / sqrt it gives the bits of the fused kernel.
"""

from typing import Any

import numpy as np

from nonconv.arithmetic import Array
from nonconv.engine.program import Motion, Program
from nonconv.rng import uniforms


class Reference:
    """Moves paths with plain NumPy."""

    def __init__(self, program: Program) -> None:
        self.program = program

    def advance(self, motion: Motion) -> None:
        """Move the paths of a block."""
        m, draw, per_sample = motion, motion.first_draw, self.program.draws_per_sample
        marked = {int(t): r for r, t in enumerate(m.marks)}
        with np.errstate(all="ignore"):
            for t, samples in enumerate(m.batch_size.tolist()):
                if m.stop[0]:
                    return
                u = uniforms(m.key, draw, samples * per_sample, m.first_replicate, m.theta.shape[1])
                draw += samples * per_sample
                self._step(m.theta, m.state, m.coefficients[:, t].tolist(), samples, u)
                if t >= m.average_from:
                    m.average[:] += m.theta
                if m.lowest.size:
                    m.lowest[:] = np.where(m.theta < m.lowest, m.theta, m.lowest)
                    m.highest[:] = np.where(m.theta > m.highest, m.theta, m.highest)
                if t in marked:
                    m.snapshots[marked[t]] = m.theta

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
        each, total = p.data.draws == "each", 0.0
        for m in range(samples):
            x = p.data.sample(data_constants, u[m * p.draws_per_sample + (j if each else 0)] if len(u) else u)
            gradient = p.objective.gradient(constants, theta, x)
            if samples == 1:
                return gradient
            total = total + gradient
        return total / samples
