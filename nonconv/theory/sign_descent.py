"""Sign descent on uniform data, exactly: the one rule with a direction of fixed size whose mean square is known.

Let data be uniform on [m - w, m + w], the batch size 1, and theta = m + e on a lattice of spacing gamma that holds m - w and
m + w. The next datum is below theta with probability (1 + e/w)/2, so a step is -gamma s with a sign s of mean e/w, and with
g = gamma/w
    E e_n = (1 - g) E e_{n-1}          E e_n^2 = (1 - 2g) E e_{n-1}^2 + gamma^2
At m - w and m + w the step leads inwards for certain, so that theta never leaves. From this follow the plateau gamma w/2 and
the twin floor E Var(theta_{n+k} | F_n) = ((1 - 2g)^k - (1 - g)^(2k)) V_n + (gamma w/2) (1 - (1 - 2g)^k).
A running average moves linearly with e, which is (1 - g) e_{n-1} but for a noise of variance gamma^2 - g^2 E e_{n-1}^2.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nonconv.components.definitions import Law
from nonconv.data.continuous import UNIFORM
from nonconv.experiment.cell import Cell
from nonconv.numerics.arithmetic import Array
from nonconv.numerics.rng import key, uniforms
from nonconv.objectives.quadratic import QUADRATIC
from nonconv.theory.affine import Moves, follow

TRIED = 32
"""Steps on which a rule is tried."""
WHOLE = 1e-9
"""How far from a whole number the quotient of two decimal numbers may be."""

Weights = Callable[[Array], Array]
"""The weights of an average at steps n, (steps,) each."""


class Lattice(NamedTuple):
    """The middle of the data, half their width w and the start e_0 of each coordinate, (dim,) each; the spacing gamma."""

    middle: Array
    width: Array
    start: Array
    spacing: float

    @property
    def pull(self) -> Array:
        """g = gamma/w of each coordinate, (dim,)."""
        return np.asarray(self.spacing / self.width)

    def mean(self, n: Array) -> Array:
        """Return E e_n at steps n (k,), shape (dim, k)."""
        return np.asarray(_powers(1.0 - self.pull, n) * self.start[:, None])

    def square(self, n: Array) -> Array:
        """Return E e_n^2 at steps n (k,), shape (dim, k)."""
        plateau = self.plateau[:, None]
        return np.asarray(plateau + _powers(1.0 - 2.0 * self.pull, n) * (self.start[:, None] ** 2 - plateau))

    @property
    def plateau(self) -> Array:
        """gamma w/2 of each coordinate, (dim,): where E e_n^2 tends to, if g < 1."""
        return np.asarray(self.spacing * self.width / 2.0)

    def average(self, weight: Weights, steps: NDArray[np.int64]) -> tuple[Array, Array]:
        """Return E a_n and E a_n^2 of a running average a of e at rising steps, (dim, steps) each. weight: its weights at n."""
        each = [self._average(j, weight, start, steps, 0) for j, start in enumerate(self.start.tolist())]
        first, variance = np.moveaxis(np.array(each), 1, 0)
        return first, variance + first**2

    def average_twin(self, weight: Weights, first: int, lags: NDArray[np.int64]) -> Array:
        """Return E tr Var(a_{first + lag} | F_first) at rising lags (k,)."""
        each = [self._average(j, weight, 0.0, first + lags, first)[1] for j in range(len(self.start))]
        return np.asarray(np.sum(each, axis=0))

    def _average(self, j: int, weight: Weights, mean: float, steps: NDArray[np.int64], done: int) -> Array:
        """Return E a_n and the variance of a_n at rising steps, (2, steps), of coordinate j given what is known at `done`."""
        own = Lattice(self.middle[j : j + 1], self.width[j : j + 1], self.start[j : j + 1], self.spacing)
        kept = 1.0 - float(own.pull[0])

        def moves(n: Array) -> Moves:
            """Return the steps n (steps,) of (e, a)."""
            w, still = weight(n), np.zeros_like(n)
            maps = np.moveaxis(np.array([[still + kept, still], [w * kept, 1.0 - w]]), 2, 0)
            noise = np.stack([np.ones_like(n), w], axis=1)
            variance = self.spacing**2 - (1.0 - kept) ** 2 * own.square(n - 1.0)[0]
            return Moves(maps, np.zeros((len(n), 2)), noise[:, :, None] * noise[:, None, :] * variance[:, None, None])

        moments = follow(moves, np.full(2, mean), np.zeros((2, 2)), steps, done)
        return np.array([(first[1], second[1, 1]) for first, second in moments]).T

    def gap(self, first: int, lags: NDArray[np.int64]) -> Array:
        """Return E|theta_{first + lag} - theta_first|^2 at lags (k,)."""
        n = lags.astype(np.float64)
        later, begin = self.square(first + n), self.square(np.array([float(first)]))
        return np.asarray((later + begin - 2.0 * _powers(1.0 - self.pull, n) * begin).sum(axis=0))

    def twin(self, first: int, lags: Array) -> Array:
        """Return E tr Var(theta_{first + lag} | F_first) at lags (k,)."""
        doubled, single = _powers(1.0 - 2.0 * self.pull, lags), _powers(1.0 - self.pull, lags)
        known = self.square(np.array([float(first)]))
        return np.asarray(((doubled - single**2) * known + self.plateau[:, None] * (1.0 - doubled)).sum(axis=0))


def predicted_gaps(cell: Cell) -> list[Array]:
    """Return the exact Cauchy floors E|theta_{m + lag} - theta_m|^2 / 4, an array per span (m, l] over lags; [] if unknown."""
    on, plan = lattice(cell), cell.program.plan
    return [on.gap(span.first, span.lags) / 4.0 for span in plan.spans] if on and plan.wanted.cauchy else []


def lattice(cell: Cell) -> Lattice | None:
    """Return the lattice that the iterates of a cell live on; None where the recursion does not hold."""
    p, law = cell.program, cell.law
    if p.objective.component is not QUADRATIC or p.data.component is not UNIFORM or law is None:
        return None
    # Clipping leaves signs as they are.
    if not p.parts._replace(clip_value=False, clip_norm=False, domain=False).is_plain or not _is_inside(p.domain, law):
        return None
    rate, start = cell.learning_rate.constant, p.start
    if not rate or cell.learning_rate.warmup or cell.batch_size.constant != 1 or not isinstance(start, np.ndarray):
        return None
    middle, width = (law.low + law.high) / 2.0, (law.high - law.low) / 2.0
    found = Lattice(middle, width, start - middle, rate)
    # A lattice that holds both ends holds every iterate.
    ends = _are_whole(2.0 * width / rate) and _are_whole((found.start + width) / rate)
    inside = bool(np.all(np.abs(found.start) <= width * (1.0 + WHOLE)))
    return found if ends and inside and _takes_signs(cell) else None


def _is_inside(domain: tuple[Array, Array] | None, law: Law) -> bool:
    """Return whether a domain holds all data, so that no projection moves an iterate of the lattice."""
    return domain is None or bool(np.all(domain[0] <= law.low) and np.all(law.high <= domain[1]))


def _are_whole(quotients: Array) -> bool:
    """Return whether quotients are whole numbers, up to the rounding of decimal numbers."""
    return bool(np.all(np.abs(quotients - np.rint(quotients)) <= WHOLE * np.maximum(1.0, np.abs(quotients))))


def _powers(base: Array, n: Array) -> Array:
    """Return base^n for bases (dim,) of either sign and whole n (k,), shape (dim, k)."""
    return np.asarray(np.power(base[:, None], n))


def _takes_signs(cell: Cell) -> bool:
    """Return whether the rule's direction is the sign of the gradient and nothing else, as adam's without averages and eps."""
    rule, h, _ = cell.program.optimizer
    n = np.arange(1.0, TRIED + 1.0)
    gradients = (uniforms(key(0, "signs"), 0, TRIED, 0, 4) - 0.5) * np.array([1e-6, 1.0, 1.0, 1e6])
    with np.errstate(all="ignore"):
        columns = [column.tolist() for column in rule.coefficients(h, n, cell.program.learning_rate(n))]
        state = rule.state(*(np.full(4, value) for value in rule.start(h)))
        for t, gradient in enumerate(gradients):
            direction, state = rule.update(rule.per_step(*(column[t] for column in columns)), state, gradient)
            if not np.allclose(direction, np.sign(gradient), rtol=1e-12, atol=0.0):
                return False
    return True
