"""One step looked at closely: what its numbers come from, and where it would lead in a wider range of numbers."""

from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nonconv.engine.causes import UNKNOWN, Codes, causes, traced
from nonconv.engine.program import Motion, Program
from nonconv.engine.reference import Reference, Step
from nonconv.numerics.arithmetic import Array

IS_WIDE = np.finfo(np.longdouble).maxexp > np.finfo(np.float64).maxexp
"""Whether the processor has a wider range of numbers."""
MOST_NUMBERS = 2**24
"""Most numbers that the gradients of a network may take here."""


class Inspected(NamedTuple):
    """What a step did, (dim, paths) each.

    why: the cause of each iterate that is not finite (causes.CAUSES). gradient: nan where it is not known. way: by how much
    theta would change, computed in a wider range of numbers; None where there is none.
    """

    why: Codes
    gradient: Array
    way: NDArray[np.longdouble] | None


class Inspector(Reference):
    """The reference engine for single steps."""

    def __init__(self, program: Program) -> None:
        """Bind it to a program."""
        super().__init__(program)
        self._found: Inspected | None = None

    def inspect(self, motion: Motion) -> Inspected:
        """Look at the one step of a motion, which is not made."""
        self._found = None
        with suppress(Exception):  # a definition may not run on such arrays: then nothing is known, and the run goes on
            self.advance(motion._replace(theta=motion.theta.copy(), state=motion.state.copy()))
        shape = motion.theta.shape
        return self._found or Inspected(np.full(shape, UNKNOWN, dtype=np.int8), np.full(shape, np.nan), None)

    def _step(self, step: Step) -> None:
        """Find out about one step of all paths; nothing moves."""
        learning, rule, theta, state = self.program.learning, self.program.optimizer.component, step.theta, step.state
        if learning and step.samples * theta.shape[1] * (learning.work + sum(learning.shape[:2])) > MOST_NUMBERS:
            return
        rows: Any = theta if learning else [traced(row) for row in theta]
        per_step, rate = rule.per_step(*step.coefficients[: len(rule.per_step._fields)]), step.coefficients[-1]
        step = step._replace(theta=rows)
        found = self._changed_gradients(step, self._mean_gradients(step))
        gradient = np.array([np.asarray(row) for row in found])
        # All coordinates as lanes: the update of one depends on no other.
        g = traced(gradient.ravel(), np.concatenate([causes(row) for row in found]))
        flat = state.reshape(len(state), theta.size)
        pulls = [step.between["pull"] * np.ravel(theta)] if self.program.parts.pull else []
        direction, _ = rule.update(per_step, rule.state(*map(traced, flat)), g, *map(traced, pulls))
        ways, why = rate * direction, np.empty(theta.shape, dtype=np.int8)
        codes = causes(ways).reshape(theta.shape)
        for j, way in enumerate(np.asarray(ways).reshape(theta.shape)):
            why[j] = causes(self._moved(step, j, traced(theta[j]), traced(way, codes[j])))
        way = None
        if IS_WIDE:
            wider = (row.astype(np.longdouble) for row in (gradient.ravel(), *pulls))
            wide, _ = rule.update(per_step, rule.state(*flat.astype(np.longdouble)), *wider)
            lead = (np.longdouble(rate) * wide).reshape(theta.shape)
            way = np.array([self._moved(step, j, row.astype(np.longdouble), lead[j]) - row for j, row in enumerate(theta)])
        self._found = Inspected(why, gradient, way)
