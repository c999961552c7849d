"""The minimizer of a convex loss on a domain, where coordinates act on each other: Newton's method on those not at an end.

Bertsekas (1982), Projected Newton methods. Examples are those over which the mean loss is known exactly.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from nonconv.components.definitions import Configured, Coupled, Shape
from nonconv.experiment.minima import Domain
from nonconv.numerics.arithmetic import Array

MOST_COORDINATES, MOST_NUMBERS = 500, 2**22
"""Most coordinates, and coordinates times examples, for which it is computed."""
MOST_STEPS, MOST_HALVINGS = 200, 60
"""Steps of Newton's method, which needs a dozen, and how often one is halved."""
ARRIVED = 1e-13
"""A step of this share of the iterate is rounding."""
NEAR = 1e-4
"""The step of a difference quotient, relative to the iterate."""
NONE = "that on the domain is not computed"
SEVERAL = "that on the domain is not one point"
Gradient = Callable[[Array], Array]
"""From points (dim, k) to the mean gradients there (dim, k)."""


@np.errstate(all="ignore")  # what is not finite is looked at
def minimizer_on(
    loss: Configured[Coupled], shape: Shape, work: int, examples: tuple[Array, Array] | None, start: Array, domain: Domain
) -> Array | str:
    """Return the point of the domain (dim,) at which a mean loss is least; a text says why it is not known.

    work: rows of scratch of the loss. examples: x (features, n), y (targets, n). start (dim,): where the search begins.
    """
    component, h, _ = loss
    small = examples is not None and len(start) <= MOST_COORDINATES and len(start) * examples[1].shape[1] <= MOST_NUMBERS
    if not component.convex(h) or examples is None or not small:
        return NONE
    return _descend(_mean_gradient(loss, shape, work, *examples), start, *domain)


def _mean_gradient(loss: Configured[Coupled], shape: Shape, work: int, x: Array, y: Array) -> Gradient:
    """Return the gradient of the mean loss of examples, penalty included."""
    component, _, constants = loss
    n = y.shape[1]
    features = x if len(x) else np.empty((shape.features, n))

    def gradient(points: Array) -> Array:
        """Return mean gradients at points (dim, k), (dim, k): one lane for each example."""
        found = np.empty_like(points)
        for k, point in enumerate(points.T):
            at, out = np.repeat(point[:, None], n, axis=1), np.zeros((len(point), n))
            component.add_gradient(constants, n, at, features, y, out, np.empty((work, n)))
            found[:, k] = out.mean(axis=1) + component.penalty(constants, point)
        return found

    return gradient


def _descend(gradient: Gradient, start: Array, low: Array, high: Array) -> Array | str:
    """Return the minimizer between low and high, from a start, all (dim,)."""
    theta = np.clip(start, low, high)
    slope = gradient(theta[:, None])[:, 0]
    for _ in range(MOST_STEPS):
        held = ((theta <= low) & (slope >= 0.0)) | ((theta >= high) & (slope <= 0.0))
        free = np.flatnonzero(~held)
        if not free.size:
            return theta
        way = _newton_step(gradient, theta, slope, free)
        if way is None:
            return SEVERAL
        after, slope = _shortened(gradient, theta, slope, way, low, high)
        if np.all(np.abs(after - theta) <= ARRIVED * (1.0 + np.abs(theta))):
            return after
        theta = after
    return NONE


def _newton_step(gradient: Gradient, theta: Array, slope: Array, free: NDArray[np.intp]) -> Array | None:
    """Return the step (dim,) to where the free coordinates have no slope; None where the loss is flat along some direction."""
    step = NEAR * (1.0 + float(np.abs(theta).max()))
    away = np.zeros((len(theta), len(free)))
    away[free, range(len(free))] = step
    bent = (gradient(theta[:, None] + away) - gradient(theta[:, None] - away))[free] / (2.0 * step)
    way = np.zeros_like(theta)
    try:
        factor = np.linalg.cholesky((bent + bent.T) / 2.0)
    except np.linalg.LinAlgError:
        return None
    diagonal = np.diag(factor)
    if not diagonal.min() > 1e-7 * diagonal.max():
        return None
    way[free] = -np.linalg.solve(factor.T, np.linalg.solve(factor, slope[free]))
    return way


def _shortened(gradient: Gradient, theta: Array, slope: Array, way: Array, low: Array, high: Array) -> tuple[Array, Array]:
    """Return the point of the first half, quarter, ... of a way, projected, that is lower, and the slope there.

    A convex loss is lower at a point from which it does not fall on the way back.
    """
    for _ in range(MOST_HALVINGS):
        after = np.clip(theta + way, low, high)
        there = gradient(after[:, None])[:, 0]
        back = float(there @ (after - theta))
        if back <= ARRIVED * float(np.abs(slope) @ np.abs(after - theta)):
            return after, there
        way = way / 2.0
    return theta, slope
