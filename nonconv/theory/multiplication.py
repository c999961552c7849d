"""A stationary law without variance though data are bounded: SGD on a loss whose curvature depends on the datum.

Where the gradient is h(X) theta - b(X), a step is e_n = (1 - gamma h) e_{n-1} + gamma (b - h xi). By the theorem of Kesten and
Goldie iterates with E log|1 - gamma h| < 0 have a stationary law whose tails are powers: E|e|^k is finite for k below kappa,
where E|1 - gamma h|^kappa = 1. At a finite step all moments exist, and those beyond kappa grow without end, carried by paths
that are ever too rare to be drawn. So it is with least squares (a theta - y)^2 / 2 on features that are uniform on
[-sqrt 3, sqrt 3] and 10/9 < gamma < 2.09.
"""

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from nonconv.components.definitions import Configured
from nonconv.experiment.cell import Cell
from nonconv.experiment.expectation import expectation, marginal
from nonconv.numerics.arithmetic import Array
from nonconv.numerics.rng import key, uniforms
from nonconv.objectives.quadratic import QUADRATIC
from nonconv.optimizers.sgd import SGD
from nonconv.theory import least_squares

DRAWN, FEW, MOST_COUPLED = 4096, 32, 16
"""Examples over which the moments of a coupled objective are taken, or looked for; and most coordinates for which they are."""
MOST_BATCH = 256
"""Draws of a batch whose typical factor is taken; larger ones hardly vary."""
AFFINE = 1e-9
"""A second difference of gradients below this share of them is the rounding error of 0."""
MOST_COORDINATES = 64
"""Coordinates of a separable objective that are looked at; the others are alike but for their constants."""
POWER_STEPS = 100
"""Steps of the power method."""
TINY = 1e-300
"""Stands for a distance of 0 in logarithms."""
GROWN = 10.0
"""By how much a moment must have grown for it to matter."""


class Multiplied(NamedTuple):
    """By which factor the second and the fourth moment of a distance are multiplied per step, nan where it is not known.

    typical, error: by how much its logarithm changes, negative where paths come together, and the standard error of that.
    """

    second: float
    fourth: float
    typical: float
    error: float

    @property
    def returns(self) -> bool:
        """Whether the mean square grows, and paths that are far away come back all the same, or may."""
        return self.second > 1.0 and self.typical < 2.0 * self.error

    def lost_from(self) -> tuple[float, float]:
        """Return from which step on paths too rare to be drawn carry the mean, and the variance, of squares; inf if never."""
        if not self.typical < 0.0:
            return math.inf, math.inf
        mean, variance = (math.log(GROWN) / math.log(factor) if factor > 1.0 else math.inf for factor in self[:2])
        return mean, min(mean, variance)


@lru_cache(maxsize=16)
@np.errstate(all="ignore")
def multiplied(cell: Cell) -> Multiplied | None:
    """Return how distances are multiplied by SGD at a rate that tends to a constant; None where steps are not of this form."""
    p, rates, batches = cell.program, cell.learning_rate.limits, cell.batch_size.limits
    if not p.parts.is_plain or p.optimizer.component is not SGD or p.objective.component is QUADRATIC or p.orbit is not None:
        return None
    if not 0.0 < rates.low == rates.high < math.inf or not batches.low == batches.high < math.inf:
        return None
    if p.learning is not None:
        found_of_all, second = _of_coupled(cell, rates.high, batches.high), least_squares.growth(cell)
        return found_of_all if found_of_all is None or second is None else found_of_all._replace(second=second)
    if cell.law is None:
        return None
    found = [_of_coordinate(cell, j, rates.high, batches.high) for j in range(min(p.dim, MOST_COORDINATES))]
    known = [one for one in found if one is not None]
    # Of coordinates that are apart the one whose moments grow most.
    return max(known, key=lambda one: one.second) if len(known) == len(found) else None


def _of_coordinate(cell: Cell, j: int, rate: float, batch: float) -> Multiplied | None:
    """Return the factors of a coordinate of a separable objective by expectations over its datum."""
    p = cell.program
    objective, _, constants = p.objective
    own = objective.constants(*(field[j] for field in constants))
    assert cell.law is not None
    middle, length = float(cell.law.middle[j]), float(cell.law.length[j])
    length = length if 0.0 < length < math.inf else 1.0

    def slope(x: Array, at: float) -> Array:
        """Return the difference of gradients between two thetas a length apart, over that length, (n,)."""
        low, high = (objective.gradient(own, np.full(len(x), middle + (at + k) * length), x) for k in (0, 1))
        return np.asarray(np.broadcast_to((high - low) / length, x.shape))

    law = marginal(Configured(p.data.component, p.data.parameters, p.data.constants), p.dim, j)
    x = law.sample((np.arange(256) + 0.5) / 256)
    slopes = np.array([slope(x, at) for at in (-8.0, -1.0, 0.0, 3.0)])
    if not np.ptp(slopes, axis=0).max() <= AFFINE * np.abs(slopes).max() or not np.ptp(slopes) > 0.0:
        return None  # not affine, or all data have one curvature
    mean = float(expectation(lambda x: slope(x, 0.0), law).value)
    central = expectation(lambda x: (slope(x, 0.0) - mean) ** np.array([[2.0], [3.0], [4.0]]), law).value
    drawn = uniforms(key(0, "typical"), 0, int(min(batch, MOST_BATCH)), 0, DRAWN if batch > 1 else 16 * DRAWN)
    curvatures = slope(law.sample(drawn.ravel()), 0.0).reshape(drawn.shape).mean(axis=0)
    changes = np.log(np.maximum(np.abs(1.0 - rate * curvatures), TINY))
    return _factors(rate, batch, mean, central, *_mean_and_error(changes))


def _factors(rate: float, batch: float, mean: float, central: Array, typical: float, error: float) -> Multiplied:
    """Return E(1 - rate H)^2 and ^4 of a batch's mean curvature H, from mean and central moments (3,) of one datum's."""
    second, third, fourth = (float(moment) for moment in central)
    # Cumulants of a mean of M: those of one datum over M, M^2 and M^3.
    c2, c3, c4 = second / batch, third / batch**2, 3.0 * (second / batch) ** 2 + (fourth - 3.0 * second**2) / batch**3
    a = 1.0 - rate * mean
    square = a * a + rate**2 * c2
    fourth_power = a**4 + 6.0 * a * a * rate**2 * c2 - 4.0 * a * rate**3 * c3 + rate**4 * c4
    return Multiplied(square, fourth_power, typical, error)


def _of_coupled(cell: Cell, rate: float, batch: float) -> Multiplied | None:
    """Return the factors of an objective whose coordinates are coupled, over drawn examples: each has a matrix of its own.

    The fourth moment is known of one coordinate alone.
    """
    p = cell.program
    if p.dim > MOST_COUPLED:
        return None
    # A few examples tell whether the loss is a quadratic, which that of a network is not.
    curvatures = None if _curvatures(cell, FEW) is None else _curvatures(cell, DRAWN)
    if curvatures is None:
        return None
    steps = np.eye(p.dim) - rate * curvatures
    together = min(int(batch), MOST_BATCH)
    typical = _typical(steps[: DRAWN // together * together].reshape(-1, together, *steps.shape[1:]).mean(axis=1))
    if p.dim == 1:
        h = curvatures[:, 0, 0]
        central = np.array([float(((h - h.mean()) ** k).mean()) for k in (2, 3, 4)])
        return _factors(rate, batch, float(h.mean()), central, *typical)
    mean, squares, flat = steps.mean(axis=0), np.eye(p.dim), steps.reshape(len(steps), -1)
    # E A_ij A_lk as one matrix product, with the indices i, l before j, k: the map of second moments of a datum alone.
    products = (flat.T @ flat / len(steps)).reshape((p.dim,) * 4).transpose(0, 2, 1, 3).reshape(p.dim**2, p.dim**2)
    for _ in range(POWER_STEPS):
        squares /= np.trace(squares)
        alone = (products @ squares.ravel()).reshape(p.dim, p.dim)
        # Two data of a batch are the same with probability 1 / batch.
        squares = alone / batch + (1.0 - 1.0 / batch) * mean @ squares @ mean.T
    return Multiplied(float(np.trace(squares)), math.nan, *typical)


def _curvatures(cell: Cell, n: int) -> Array | None:
    """Return the second derivatives of n examples, (n, dim, dim); None where they depend on theta, or not on the example."""
    p, learning = cell.program, cell.program.learning
    assert learning is not None
    x, y = np.empty((learning.shape.features, n)), np.empty((learning.shape.targets, n))
    # Each uniform is spread evenly over (0, 1), in an order of its own, so that moments of single features are nearly exact.
    order = np.argsort(uniforms(key(0, "multiplied"), 0, learning.draws, 0, n), axis=1)
    p.data.component.sample(p.data.constants, n, (order + 0.5) / n, x, y)

    def gradient(theta: Array) -> Array:
        """Return the gradient of each example at theta (dim,), (dim, n)."""
        out, at = np.zeros((p.dim, n)), np.repeat(theta[:, None], n, axis=1)
        p.objective.component.add_gradient(p.objective.constants, n, at, x, y, out, np.empty((learning.work, n)))
        return np.asarray(out + p.objective.component.penalty(p.objective.constants, at))

    at_zero, units = gradient(np.zeros(p.dim)), np.eye(p.dim)
    found = np.array([gradient(unit) - at_zero for unit in units])
    further = np.array([(gradient(-3.0 * unit) - at_zero) / -3.0 for unit in units])
    size = float(np.abs(found).max())
    if not np.abs(further - found).max() <= AFFINE * (size + float(np.abs(at_zero).max())):
        return None
    each = np.moveaxis(found, 2, 0)
    return each if float(np.ptp(each, axis=0).max()) > AFFINE * size else None


def _typical(steps: Array) -> tuple[float, float]:
    """Return the mean change of the logarithm of a distance along a product of matrices (n, dim, dim), and its error."""
    direction, changes = np.ones(steps.shape[1]), np.empty(len(steps))
    for k, step in enumerate(steps):
        direction = step @ direction / np.linalg.norm(direction)
        changes[k] = math.log(max(float(np.linalg.norm(direction)), TINY))
        if not direction.any():
            direction = np.ones(len(direction))
    return _mean_and_error(changes)


def _mean_and_error(changes: Array) -> tuple[float, float]:
    """Return the mean of numbers (n,) and its standard error."""
    return float(changes.mean()), float(changes.std() / math.sqrt(len(changes)))
