"""The reference engine: the definitions run by NumPy on arrays over paths. Slow and obviously right.

For definitions made of + - * / sqrt and numerics.elementary it gives the same bits as the fused engine. To do so it adds
in the kernels' order: sample after sample, example after example.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nonconv.engine.deck import CODES, deal, to_restore
from nonconv.engine.program import LARGEST_BLOCK, Learning, Motion, Program
from nonconv.numerics.arithmetic import Array, select
from nonconv.numerics.rng import Key, uniforms


class Reference:
    """engine.program.Engine with plain NumPy: the oracle that compiled kernels are tested against."""

    tile = LARGEST_BLOCK

    def __init__(self, program: Program) -> None:
        """Bind the engine to a program; nothing is compiled."""
        self.program = program

    def advance(self, motion: Motion) -> None:
        """Move the paths of a block in place, until all steps are made or stop[0] is set."""
        m, p, columns = motion, self.program, self.program.parts.columns
        draws = Draws(p, m)
        marked = {int(t): r for r, t in enumerate(m.marks)}
        with np.errstate(all="ignore"):
            for t, samples in enumerate(m.batch_size.tolist()):
                if m.stop[0]:
                    return
                row = m.coefficients[t].tolist()
                between = dict(zip(columns, row[len(p.optimizer.component.per_step._fields) :], strict=False))
                u, noise = draws.of_step(m.first_step + t, samples), draws.noise_of_step(m.first_step + t)
                self._step(Step(m.theta, m.state, row, between, samples, u, noise))
                for k in range(len(m.averages)):
                    m.averages[k] = between[f"keep{k}"] * m.averages[k] + between[f"weight{k}"] * m.theta
                if t >= m.average_from:
                    m.average[:] += m.theta
                if m.lowest.size:
                    # As in the kernel, which of 0.0 and -0.0 keeps the first.
                    m.lowest[:] = select(m.theta < m.lowest, m.theta, m.lowest)
                    m.highest[:] = select(m.theta > m.highest, m.theta, m.highest)
                if m.due >= 0 and t >= m.due and (t - m.due) % m.every == 0:
                    np.fmin(m.least, m.state[m.watched], out=m.least)
                if t in marked:
                    m.snapshots[marked[t]] = m.theta
                    if m.seen_averages.size:
                        m.seen_averages[marked[t]] = self._more_iterates(m, row)
                if len(m.sampled):
                    _sample(m, t, self._more_iterates(m, row) if m.sampled_averages.size else m.averages)

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
        mean, squares = np.zeros((dim, paths)), np.zeros(paths)
        with np.errstate(all="ignore"):
            for h in range(number):
                x, y = (np.repeat(table[:, h : h + 1], paths, axis=1) for table in (features, targets))
                gradient = np.zeros((dim, paths))
                p.objective.component.add_gradient(p.objective.constants, paths, theta, x, y, gradient, work)
                # As in the kernel: Welford (1962), coordinate after coordinate.
                away, share = gradient - mean, 1.0 / (h + 1)
                mean += away * share
                for one in away * (gradient - mean):
                    squares += one
            whole = mean + p.objective.component.penalty(p.objective.constants, theta)
            return np.add.accumulate(np.square(whole))[-1], squares / max(number - 1, 1)

    def _step(self, step: "Step") -> None:
        """Make one step of all paths in place."""
        optimizer, state = self.program.optimizer.component, step.state
        per_step, rate = optimizer.per_step(*step.coefficients[: len(optimizer.per_step._fields)]), step.coefficients[-1]
        gradients = self._changed_gradients(step, self._mean_gradients(step))
        for j in range(len(step.theta)):
            pull = (step.between["pull"] * step.theta[j],) if self.program.parts.pull else ()
            direction, after = optimizer.update(per_step, optimizer.state(*state[:, j]), gradients[j], *pull)
            for slot, value in enumerate(after):
                state[slot, j] = value
            step.theta[j] = self._moved(step, j, step.theta[j], rate * direction)

    def _more_iterates(self, m: Motion, coefficients: list[float]) -> Array:
        """Return the iterates besides the last after a step with these coefficients, (K, dim, paths)."""
        rule = self.program.optimizer.component
        if not self.program.own or rule.own is None:
            return m.averages
        per_step = rule.per_step(*coefficients[: len(rule.per_step._fields)])
        own = [rule.own(per_step, rule.state(*m.state[:, j]), theta) for j, theta in enumerate(m.theta)]
        return np.concatenate([m.averages, np.array(own)[None]])

    def _changed_gradients(self, step: "Step", gradients: Any) -> Any:
        """Return what the rule gets of mean gradients, coordinate by coordinate: with noise, clipped, with L2."""
        p, column, found = self.program, step.between, list(gradients)
        for j, theta in enumerate(step.theta):
            if p.noise:
                constants = p.noise.component.constants(*(field[j] for field in p.noise.constants))
                found[j] = found[j] + p.noise.component.sample(constants, step.noise[j])
            if p.parts.clip_value:
                most = column["clip_value"]
                found[j] = select(found[j] > most, most, select(found[j] < -most, -most, found[j]))
            if p.parts.l2 and not p.parts.clip_norm:
                found[j] = found[j] + column["l2"] * theta
        if p.parts.clip_norm:
            share = column["clip_norm"] / (_norm(found) + column["clip_eps"])
            share = select(share < 1.0, share, select(share >= 1.0, 1.0, share))
            found = [g * share for g in found]
            if p.parts.l2:
                found = [g + column["l2"] * theta for g, theta in zip(found, step.theta, strict=True)]
        return found

    def _moved(self, step: "Step", j: int, theta: Any, way: Any) -> Any:
        """Return coordinate j after its way, from theta: less what it decays by, projected on the domain."""
        p = self.program
        kept = step.between["decay"] * theta if p.parts.decay else theta
        moved = kept - way
        if p.domain is not None:
            low, high = p.domain[0][j], p.domain[1][j]
            moved = select(moved < low, low, select(moved > high, high, moved))
        return moved

    def _mean_gradients(self, step: "Step") -> Any:
        """Return the gradient averaged over a batch, coordinate by coordinate."""
        if self.program.learning:
            return self._coupled_gradient(step)
        return [self._mean_gradient(step, j) for j in range(len(step.theta))]

    def _mean_gradient(self, step: "Step", j: int) -> Any:
        """Return the gradient of coordinate j of a separable objective, averaged over the batch, (paths,)."""
        p, u = self.program, step.u
        data_constants = p.data.component.constants(*(field[j] for field in p.data.constants))
        constants = p.objective.component.constants(*(field[j] for field in p.objective.constants))
        # -0.0 is the neutral start of a sum: 0.0 + -0.0 would be 0.0, and a gradient of -0.0 lose its sign.
        each, total = p.data.component.draws == "each", -0.0
        for m in range(step.samples):
            x = p.data.component.sample(data_constants, u[m * p.draws_per_sample + (j if each else 0)] if len(u) else u)
            if p.parts.drift:
                x = x + step.between["drift"]
            total = total + p.objective.component.gradient(constants, step.theta[j], x)
        return total / step.samples

    def _coupled_gradient(self, step: "Step") -> Array:
        """Return the gradient of a network, averaged over the batch, with its penalty, (dim, paths)."""
        p, learning, theta, samples = self.program, self._learning, step.theta, step.samples
        n = samples * theta.shape[1]
        x, y = np.empty((learning.shape.features, n)), np.empty((learning.shape.targets, n))
        # Uniforms come example by example; `sample` takes a row per draw, and columns example by example.
        by_draw = step.u.reshape(samples, learning.draws, -1).transpose(1, 0, 2).reshape(learning.draws, n)
        p.data.component.sample(p.data.constants, n, by_draw, x, y)
        if p.parts.drift:
            y += step.between["drift"]
        total = np.zeros_like(theta)
        p.objective.component.add_gradient(p.objective.constants, n, theta, x, y, total, np.empty((learning.work, n)))
        # Times 1 / samples, not divided by samples: so does the kernel, and the last bit differs.
        return np.asarray(total * (1.0 / samples) + p.objective.component.penalty(p.objective.constants, theta))


class Step(NamedTuple):
    """One step of all paths: theta (dim, paths) and state (slots, dim, paths), which it moves in place, and what it needs.

    coefficients: a row of the timetable; between: its columns between the fields of PerStep and the learning rate, by name.
    u (samples * draws, paths): the uniforms of the batch. noise (dim, paths): those of the gradient noise, if there is any.
    """

    theta: Array
    state: Array
    coefficients: list[float]
    between: dict[str, float]
    samples: int
    u: Array
    noise: Array


class Ahead:
    """The uniforms of a stream, read in order: many are drawn at once, since a call takes longer than a few numbers."""

    ENOUGH = 1024
    """Numbers that take longer than the call."""

    def __init__(self, stream: Key, motion: Motion, end: int) -> None:
        """Draw nothing yet. end: the draw before which reading ends."""
        self._stream, self._end = stream, end
        self._first_replicate, self._paths = motion.first_replicate, motion.theta.shape[1]
        self._first, self._drawn = 0, np.empty((0, self._paths))

    def read(self, first: int, number: int) -> Array:
        """Return these draws, (number, paths); first is the one after the last that was read."""
        if first + number > self._first + len(self._drawn):
            at_once = max(number, min(self.ENOUGH // self._paths, self._end - first))
            self._drawn = uniforms(self._stream, first, at_once, self._first_replicate, self._paths)
            self._first = first
        return self._drawn[first - self._first :][:number]


class Draws:
    """The uniforms of a motion, step by step: those of batches that are held, and of rows in an order."""

    def __init__(self, program: Program, motion: Motion) -> None:
        """Restore what the batches before the motion leave: the deck, and the batch that is held."""
        self._program, self._motion, self._next = program, motion, motion.first_draw
        supply, samples, steps = program.supply, int(motion.batch_size.sum()), len(motion.batch_size)
        self._data = Ahead(motion.key, motion, motion.first_draw + samples * program.draws_per_sample)
        self._noise = Ahead(motion.noise_key, motion, (motion.first_step - 1 + steps) * program.dim)
        # A deck for each coordinate that draws its own data.
        self._decks = np.empty((program.draws_per_sample, supply.rows, motion.theta.shape[1]), dtype=np.int32)
        self._held = np.empty((0, motion.theta.shape[1]))
        for draw in to_restore(supply.order, supply.rows, program.draws_per_sample, motion.first_draw):
            # Draws before a twin branched off were made with the key of the path it branched from.
            own = motion.before if draw < motion.branched else motion.key
            self._deal(draw, uniforms(own, draw, 1, motion.first_replicate, motion.theta.shape[1]))

    def of_step(self, step: int, samples: int) -> Array:
        """Return the uniforms of a step, (samples * draws, paths); the steps of the motion in order."""
        if (step - 1) % self._program.supply.hold == 0 or step == self._motion.first_step:
            self._held = self.of_batches(samples * self._program.draws_per_sample)
        return self._held

    def of_batches(self, number: int) -> Array:
        """Return the uniforms of the next draws, (number, paths), those of rows replaced by the rows that are dealt."""
        m, first = self._motion, self._next
        self._next += number
        if self._program.supply.order == "cyclic":  # nothing is random
            rows, serial = self._program.supply.rows, (first + np.arange(number)) // self._program.draws_per_sample
            return np.repeat(((serial % rows + 0.5) / rows)[:, None], m.theta.shape[1], axis=1)
        u = self._data.read(first, number)
        if self._program.supply.order != "with_replacement":
            for k in range(number):
                self._deal(first + k, u[k : k + 1])
        return u

    def noise_of_step(self, step: int) -> Array:
        """Return the uniforms of a step's gradient noise, (dim, paths); empty where there is none."""
        dim = self._program.dim if self._program.noise else 0
        return self._noise.read((step - 1) * dim, dim)

    def _deal(self, draw: int, u: Array) -> None:
        """Replace the uniforms of a draw, (1, paths), by those of the rows that come."""
        supply = self._program.supply
        serial, own = divmod(draw, self._program.draws_per_sample)
        deal(self._decks[own], serial, 1, u, u.shape[1], CODES[supply.order], supply.rows)


def _norm(gradients: list[Any]) -> Any:
    """Return the Euclidean norm over coordinates, (paths,), in units of the largest so that no square overflows."""
    largest: Any = 0.0
    for g in gradients:
        largest = select(np.abs(g) > largest, np.abs(g), largest)
    unit, total = select(largest > 0.0, largest, 1.0), 0.0
    for g in gradients:
        total = total + (g / unit) * (g / unit)
    return unit * np.sqrt(total)


def _sample(m: Motion, t: int, more: Array) -> None:
    """Write theta of the paths that are looked at after step t of the slice to `sampled`, and more iterates (K, dim, paths)."""
    step, row, lane = m.hits
    # The strata that `sampled` leaves out are the first ones.
    skipped = len(step) // m.theta.shape[1] - len(m.sampled)
    now = np.flatnonzero((step == m.first_step + t) & (row >= skipped))
    m.sampled[row[now] - skipped, :, lane[now]] = m.theta[:, lane[now]].T
    if m.sampled_averages.size:
        m.sampled_averages[row[now] - skipped, :, :, lane[now]] = more[:, :, lane[now]].transpose(2, 0, 1)
