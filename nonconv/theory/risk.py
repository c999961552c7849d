"""The objective as a function of theta: F(theta) - F* and its gradient, exactly, for many theta at once.

    F(theta) - F* = E sum_j (loss(theta_j, X_j) - loss(theta*_j, X_j))

The expectation is taken of the difference: it loses no digits near theta*, and exists for some laws where F does not. Where
the mean of X is enough (Objective.mean_is_enough) it is a formula. A finite law is summed over, any other one integrated.
"""

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

import numpy as np

from nonconv.experiment.cell import Cell
from nonconv.experiment.expectation import Marginal, expectation, marginal
from nonconv.numerics.arithmetic import Array

MOST_NUMBERS = 2**21
"""Numbers in memory at once: values of theta times values of x."""
NODES = 2048
"""Values of x that a quadrature uses, about."""


def excess_risk(cell: Cell, theta: Array) -> Array:
    """Return F(theta) - F* for theta (..., dim, paths), shape (..., paths)."""
    assert cell.minimizer is not None
    loss = cell.program.objective.component.loss
    found = np.zeros((*theta.shape[:-2], theta.shape[-1]))
    for j, best in enumerate(cell.minimizer.tolist()):
        own = _constants(cell, j)

        def gap(at: Array, x: Array, own: Any = own, best: float = best) -> Array:
            """Return the loss at theta minus that at the minimizer."""
            return np.asarray(loss(own, at, x) - loss(own, best, x))

        found += _mean(cell, j, gap, theta[..., j, :])
    return found


def squared_gradient(cell: Cell, theta: Array) -> Array:
    """Return |grad F(theta)|^2 for theta (..., dim, paths), shape (..., paths)."""
    gradient = cell.program.objective.component.gradient
    found = np.zeros((*theta.shape[:-2], theta.shape[-1]))
    for j in range(theta.shape[-2]):
        own = _constants(cell, j)

        def slope(at: Array, x: Array, own: Any = own) -> Array:
            """Return the gradient of one sample."""
            return np.asarray(gradient(own, at, x))

        with np.errstate(over="ignore"):
            found += np.square(_mean(cell, j, slope, theta[..., j, :]))
    return found


def _constants(cell: Cell, j: int) -> Any:
    """Return the constants of coordinate j of the objective."""
    component, _, constants = cell.program.objective
    return component.constants(*(field[j] for field in constants))


@np.errstate(all="ignore")  # paths that leave the finite numbers have no risk
def _mean(cell: Cell, j: int, f: Callable[[Array, Array], Array], theta: Array) -> Array:
    """Return E f(theta, X_j) for each theta, of coordinate j."""
    assert cell.law is not None
    if cell.program.objective.component.mean_is_enough or cell.law.constant:
        return np.asarray(f(theta, cell.law.mean[j : j + 1]))
    law, flat = _marginal(cell, j), theta.ravel()
    length = max(1, MOST_NUMBERS // (NODES if law.values is None else len(law.values)))
    found = np.full(len(flat), np.nan)
    finite = np.flatnonzero(np.isfinite(flat))
    for first in range(0, len(finite), length):
        here = finite[first : first + length]
        found[here] = expectation(partial(f, flat[here, None]), law).value
    return found.reshape(theta.shape)


@lru_cache(maxsize=64)
def _marginal(cell: Cell, j: int) -> Marginal:
    """Return the law of coordinate j of the data."""
    return marginal(cell.program.data, cell.program.dim, j)
