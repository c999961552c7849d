"""The reference engine: the definitions run by NumPy on arrays over paths. Slow and obviously right.

For definitions made of + - * / sqrt and numerics.elementary it gives the same bits as the fused engine. To do so it adds
in the kernels' order: sample after sample, example after example.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from nonconv.engine.deck import deal
from nonconv.engine.program import LARGEST_BLOCK, Learning, Motion, Program
from nonconv.numerics.arithmetic import Array
from nonconv.numerics.rng import uniforms


class Reference:
    """engine.program.Engine with plain NumPy: the oracle that compiled kernels are tested against."""

    tile = LARGEST_BLOCK

    def __init__(self, program: Program) -> None:
        """Bind the engine to a program; nothing is compiled."""
        self.program = program

    def advance(self, motion: Motion) -> None:
        """Move the paths of a block in place, until all steps are made or stop[0] is set."""
        m, draw, per_sample = motion, motion.first_draw, self.program.draws_per_sample
        deck = self._deck(m)
        marked = {int(t): r for r, t in enumerate(m.marks)}
        with np.errstate(all="ignore"):
            for t, samples in enumerate(m.batch_size.tolist()):
                if m.stop[0]:
                    return
                u = uniforms(m.key, draw, samples * per_sample, m.first_replicate, m.theta.shape[1])
                if deck.size:
                    deal(deck, draw, samples, u.reshape(1, -1), deck.shape[1])
                draw += samples * per_sample
                self._step(m.theta, m.state, m.coefficients[t].tolist(), samples, u)
                if t >= m.average_from:
                    m.average[:] += m.theta
                if m.lowest.size:
                    np.fmin(m.lowest, m.theta, out=m.lowest)
                    np.fmax(m.highest, m.theta, out=m.highest)
                if m.due >= 0 and t >= m.due and (t - m.due) % m.every == 0:
                    np.fmin(m.least, m.state[m.watched], out=m.least)
                if t in marked:
                    m.snapshots[marked[t]] = m.theta
                if len(m.sampled):
                    _sample(m, t)

    def risks(
        self,
        theta: Array,
        stop: NDArray[np.uint8],  # noqa: ARG002  # it is quick enough
        examples: tuple[Array, Array] | None = None,
    ) -> Array:
        """Return mean loss and share of wrong classes on examples (Engine.risks), shape (2, R, paths)."""
        p, learning = self.program, self._learning
        paths = theta.shape[2]
        x, y = (np.repeat(table, paths, axis=1) for table in examples or learning.held_out)
        n = x.shape[1]
        out, work = np.empty((2, n)), np.empty((learning.work, n))
        found = np.empty((2, len(theta), paths))
        with np.errstate(all="ignore"):
            for r, at in enumerate(theta):
                p.objective.component.loss(p.objective.constants, n, at, x, y, out, work)
                # Accumulated, since numpy's sum may add in another order than the kernel: one example after another.
                found[:, r] = np.add.accumulate(out.reshape(2, -1, paths), axis=1)[:, -1] / (n // paths)
        return found

    def noises(self, theta: Array, stop: NDArray[np.uint8]) -> Array:  # noqa: ARG002  # it is quick enough
        """Return the mean gradient's square and the gradient's noise (Engine.noises), shape (2, R, paths)."""
        return np.array([self._noise(at) for at in theta]).transpose(1, 0, 2)

    @property
    def _learning(self) -> Learning:
        """The part of the program about examples; used for networks alone."""
        assert self.program.learning is not None
        return self.program.learning

    def _noise(self, theta: Array) -> tuple[Array, Array]:
        """Return |G|^2 and tr Var(g), (paths,) each, of networks theta (dim, paths)."""
        p, learning = self.program, self._learning
        (dim, paths), (features, targets) = theta.shape, learning.held_out
        number, work = features.shape[1], np.empty((learning.work, paths))
        gradients = np.zeros((number, dim, paths))
        with np.errstate(all="ignore"):
            for h in range(number):
                x, y = (np.repeat(table[:, h : h + 1], paths, axis=1) for table in (features, targets))
                p.objective.component.add_gradient(p.objective.constants, paths, theta, x, y, gradients[h], work)
            mean = gradients.mean(axis=0)
            whole = mean + p.objective.component.penalty(p.objective.constants, theta)
            return np.square(whole).sum(axis=0), gradients.var(axis=0, ddof=min(1, number - 1)).sum(axis=0)

    def _deck(self, m: Motion) -> NDArray[np.int32]:
        """Return the deck (rows, paths) of a table read in epochs, restored by dealing the running epoch again."""
        rows = self.program.learning.rows if self.program.learning else 0
        deck = np.empty((rows, m.theta.shape[1]), dtype=np.int32)
        for draw in range(m.first_draw - m.first_draw % rows if rows else m.first_draw, m.first_draw):
            # Draws before a twin branched off were made with the key of the path it branched from.
            u = uniforms(m.before if draw < m.branched else m.key, draw, 1, m.first_replicate, deck.shape[1])
            deal(deck, draw, 1, u, deck.shape[1])
        return deck

    def _step(self, theta: Array, state: Array, coefficients: list[float], samples: int, u: Array) -> None:
        """Make one step of all paths in place.

        coefficients: the PerStep fields of this step, then the learning rate. u (samples * draws, paths): the step's uniforms.
        """
        optimizer = self.program.optimizer.component
        per_step, rate = optimizer.per_step(*coefficients[:-1]), coefficients[-1]
        gradients = self._mean_gradients(theta, samples, u)
        for j in range(len(theta)):
            direction, after = optimizer.update(per_step, optimizer.state(*state[:, j]), gradients[j])
            for slot, value in enumerate(after):
                state[slot, j] = value
            theta[j] -= rate * direction

    def _mean_gradients(self, theta: Array, samples: int, u: Array) -> Any:
        """Return the gradient averaged over a batch, coordinate by coordinate; u (samples * draws, paths)."""
        if self.program.learning:
            return self._coupled_gradient(theta, samples, u)
        return [self._mean_gradient(j, theta[j], samples, u) for j in range(len(theta))]

    def _mean_gradient(self, j: int, theta: Array, samples: int, u: Array) -> Any:
        """Return the gradient of coordinate j of a separable objective, averaged over the batch, (paths,)."""
        p = self.program
        data_constants = p.data.component.constants(*(field[j] for field in p.data.constants))
        constants = p.objective.component.constants(*(field[j] for field in p.objective.constants))
        # -0.0 is the neutral start of a sum: 0.0 + -0.0 would be 0.0, and a gradient of -0.0 lose its sign.
        each, total = p.data.component.draws == "each", -0.0
        for m in range(samples):
            x = p.data.component.sample(data_constants, u[m * p.draws_per_sample + (j if each else 0)] if len(u) else u)
            total = total + p.objective.component.gradient(constants, theta, x)
        return total / samples

    def _coupled_gradient(self, theta: Array, samples: int, u: Array) -> Array:
        """Return the gradient of a network, averaged over the batch, with its penalty, (dim, paths)."""
        p, learning = self.program, self._learning
        n = samples * theta.shape[1]
        x, y = np.empty((learning.shape.features, n)), np.empty((learning.shape.targets, n))
        # Uniforms come example by example; `sample` takes a row per draw, and columns example by example.
        by_draw = u.reshape(samples, learning.draws, -1).transpose(1, 0, 2).reshape(learning.draws, n)
        p.data.component.sample(p.data.constants, n, by_draw, x, y)
        total = np.zeros_like(theta)
        p.objective.component.add_gradient(p.objective.constants, n, theta, x, y, total, np.empty((learning.work, n)))
        # Times 1 / samples, not divided by samples: so does the kernel, and the last bit differs.
        return np.asarray(total * (1.0 / samples) + p.objective.component.penalty(p.objective.constants, theta))


def _sample(m: Motion, t: int) -> None:
    """Write theta of the paths that are looked at after step t of the slice to `sampled`."""
    step, row, lane = m.hits
    # The strata that `sampled` leaves out are the first ones.
    skipped = len(step) // m.theta.shape[1] - len(m.sampled)
    now = np.flatnonzero((step == m.first_step + t) & (row >= skipped))
    m.sampled[row[now] - skipped, :, lane[now]] = m.theta[:, lane[now]].T
