"""The objective as a function of theta: F(theta) - F* and its gradient, exactly, for many theta at once.

    F(theta) - F* = E sum_j (loss(theta_j, X_j) - loss(theta*_j, X_j))

The expectation is taken of the difference: it loses no digits near theta*, and exists for some laws where F does not. Where
the mean of X is enough (Objective.mean_is_enough) it is a formula. A finite law is summed over, any other one integrated.
"""

import math
from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from typing import Any

import numpy as np

from nonconv.experiment.cell import Cell
from nonconv.experiment.expectation import Marginal, expectation, marginal
from nonconv.experiment.quantities import exact_examples
from nonconv.numerics.arithmetic import Array
from nonconv.theory.moments import finite_moments

MOST_NUMBERS = 2**21
"""Numbers in memory at once: values of theta times values of x."""
NODES = 2048
"""Values of x that a quadrature uses, about."""
DEGREE, PER_LENGTH, MOST_INTERVALS, CONVERGED = 15, 4.0, 2.0**40, 1e-12
"""Of the interpolation: degree, intervals per length of the problem, their largest number, share of the last coefficients."""
_PLACES = np.cos(np.pi * (np.arange(DEGREE + 1) + 0.5) / (DEGREE + 1))
_TO_SERIES = np.polynomial.chebyshev.chebvander(_PLACES, DEGREE) * np.where(np.arange(DEGREE + 1) == 0, 1.0, 2.0) / (DEGREE + 1)


def excess_risk(cell: Cell, theta: Array) -> Array:
    """Return F(theta) - F* for theta (R, dim, paths), shape (R, paths)."""
    assert cell.best is not None
    if cell.program.learning:
        best = cell.best[None, :, None]
        return _mean_loss(cell, theta) - _mean_loss(cell, best)
    loss = cell.program.objective.component.loss
    found = np.zeros((len(theta), theta.shape[2]))
    for j, best in enumerate(cell.best.tolist()):
        own = _constants(cell, j)

        def gap(at: Array, x: Array, own: Any = own, best: float = best) -> Array:
            """Return the loss at theta minus that at the minimizer."""
            return np.asarray(loss(own, at, x) - loss(own, best, x))

        found += _mean(cell, j, gap, theta[:, j])
    return found


def squared_gradient(cell: Cell, theta: Array) -> Array:
    """Return |grad F(theta)|^2 for theta (R, dim, paths), shape (R, paths)."""
    with np.errstate(over="ignore", invalid="ignore"):
        if cell.program.learning:
            return np.array([np.square(_mean_gradient(cell, at)).sum(axis=0) for at in theta])
        gradient = cell.program.objective.component.gradient
        found = np.zeros((len(theta), theta.shape[2]))
        for j in range(theta.shape[1]):
            own = _constants(cell, j)

            def slope(at: Array, x: Array, own: Any = own) -> Array:
                """Return the gradient of one sample."""
                return np.asarray(gradient(own, at, x))

            found += np.square(_mean(cell, j, slope, theta[:, j]))
        return found


FAR, FARTHER = 1e6, 1e9
"""Distances, in lengths of the problem, between which the growth of a quantity is measured."""
SLOW, MOST_COORDINATES = 0.1, 64
"""A power below which nothing grows, and the coordinates that are looked at; others are alike but for constants."""


@lru_cache(maxsize=16)
@np.errstate(all="ignore")
def power(cell: Cell, of_gradient: bool) -> float:
    """Return the power of the distance with which the excess risk grows, or the squared gradient; 2 where that is not seen."""
    away = (cell.length or 1.0) * np.array([FAR, FARTHER, -FAR, -FARTHER])[:, None, None]
    center = np.zeros(cell.program.dim) if cell.best is None else cell.best
    theta = center[None, :, None] + np.broadcast_to(away, (4, cell.program.dim, 1))
    found = (squared_gradient if of_gradient else excess_risk)(cell, theta)[:, 0]
    return round(_growth(found), 2) if np.isfinite(found).any() else 2.0


@np.errstate(all="ignore")
def order_of_losses(cell: Cell) -> float:
    """Return the order below which differences of losses on a path have moments; nan if a law does not say.

    One grows with a power of the datum, and with a power of the iterate, which may go together.
    """
    if cell.law is None:
        return math.inf
    loss, far = cell.program.objective.component.loss, (cell.length or 1.0) * np.array([FAR, FARTHER, -FAR, -FARTHER])
    by_datum = by_iterate = 0.0
    for j in range(min(cell.program.dim, MOST_COORDINATES)):
        own, near = _constants(cell, j), far[0] * 1e-6
        of_datum = np.abs(loss(own, near, far) - loss(own, 0.0, far))
        of_iterate = np.abs(loss(own, far, near) - loss(own, 0.0, near))
        # A loss without x, or without theta, gives one number for all.
        of_datum, of_iterate = np.broadcast_to(of_datum, far.shape), np.broadcast_to(of_iterate, far.shape)
        by_datum, by_iterate = max(by_datum, _growth(of_datum)), max(by_iterate, _growth(of_iterate))
    data = cell.law.finite_moments / by_datum if by_datum > SLOW else math.inf
    iterate = finite_moments(cell).order / by_iterate if by_iterate > SLOW else math.inf
    # Both may be large together, which halves what each has.
    return min(data, iterate) / 2.0 if math.isfinite(data) and math.isfinite(iterate) else min(data, iterate)


def _growth(values: Array) -> float:
    """Return the power with which values at FAR, FARTHER and beyond 0 grow; 0 where they do not."""
    seen = np.log(values[1::2] / values[::2]) / np.log(FARTHER / FAR)
    return max(float(seen[np.isfinite(seen)].max(initial=0.0)), 0.0)


@lru_cache(maxsize=8)
def _examples(cell: Cell) -> tuple[Array, Array]:
    """Return the examples over which F is a mean: those that are exact, or else the held-out ones."""
    learning, (component, h, _) = cell.program.learning, cell.program.objective
    assert learning is not None
    return exact_examples(component, h, cell.known) or learning.held_out


def _parts(cell: Cell, paths: int) -> Iterator[tuple[int, Array, Array]]:
    """Yield how many examples there are in a part of them, and each path's copy of it, example by example."""
    x, y = _examples(cell)
    assert cell.program.learning is not None
    length = max(1, MOST_NUMBERS // (paths * max(cell.program.learning.work, 1)))
    for first in range(0, y.shape[1], length):
        here = y[:, first : first + length]
        yield here.shape[1], np.repeat(x[:, first : first + length], paths, axis=1), np.repeat(here, paths, axis=1)


@np.errstate(all="ignore")
def _mean_loss(cell: Cell, theta: Array) -> Array:
    """Return the mean loss of theta (R, dim, paths), penalty included, (R, paths)."""
    component, _, constants = cell.program.objective
    assert cell.program.learning is not None
    rows, paths, number = cell.program.learning.work, theta.shape[2], _examples(cell)[1].shape[1]
    found = np.zeros((len(theta), paths))
    for examples, x, y in _parts(cell, paths):
        n = examples * paths
        out, work = np.empty((2, n)), np.empty((rows, n))
        for r, at in enumerate(theta):
            component.loss(constants, n, np.ascontiguousarray(at), x, y, out, work)
            found[r] += out[0].reshape(examples, paths).sum(axis=0)
    # The penalty is weight decay, whose gradient is linear in theta.
    penalty = np.array([(0.5 * at * component.penalty(constants, at)).sum(axis=0) for at in theta])
    return np.asarray(found / number + penalty)


def _mean_gradient(cell: Cell, theta: Array) -> Array:
    """Return the gradient of the mean loss of theta (dim, paths), penalty included, (dim, paths)."""
    component, _, constants = cell.program.objective
    assert cell.program.learning is not None
    at, rows, number = np.ascontiguousarray(theta), cell.program.learning.work, _examples(cell)[1].shape[1]
    found = np.zeros_like(at)
    with np.errstate(all="ignore"):
        for examples, x, y in _parts(cell, theta.shape[1]):
            n = examples * theta.shape[1]
            component.add_gradient(constants, n, at, x, y, found, np.empty((rows, n)))
        return np.asarray(found / number + component.penalty(constants, at))


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
    found = np.full(len(flat), np.nan)
    finite = np.flatnonzero(np.isfinite(flat))
    found[finite] = _by_intervals(f, law, flat[finite], cell.length or 1.0)
    return found.reshape(theta.shape)


def _by_intervals(f: Callable[[Array, Array], Array], law: Marginal, theta: Array, length: float) -> Array:
    """Return E f(theta, X) for each theta (n,), by Chebyshev's interpolation where a law is continuous and theta are many.

    On each interval of a fixed grid that has many theta the expectation is taken at DEGREE + 1 places. Where the last
    coefficients show that these do not determine it to rounding, as at a kink, every theta has its own.
    """
    found, alone = np.empty(len(theta)), np.ones(len(theta), dtype=np.bool_)
    width = length / PER_LENGTH
    if law.values is None:
        number = np.floor(theta / width)
        order = np.argsort(number, kind="stable")
        for own in np.split(order, np.flatnonzero(np.diff(number[order])) + 1):
            if len(own) > 2 * (DEGREE + 1) and abs(number[own[0]]) < MOST_INTERVALS:
                middle = (number[own[0]] + 0.5) * width
                series = np.einsum("km,k->m", _TO_SERIES, _directly(f, law, middle + 0.5 * width * _PLACES))
                if np.abs(series[-2:]).max() <= CONVERGED * np.abs(series).max():
                    found[own] = np.polynomial.chebyshev.chebval((theta[own] - middle) / (0.5 * width), series)
                    alone[own] = False
    found[alone] = _directly(f, law, theta[alone])
    return found


def _directly(f: Callable[[Array, Array], Array], law: Marginal, theta: Array) -> Array:
    """Return E f(theta, X) for each theta (n,), a few at a time."""
    length, found = max(1, MOST_NUMBERS // (NODES if law.values is None else len(law.values))), np.empty(len(theta))
    for first in range(0, len(theta), length):
        here = slice(first, first + length)
        found[here] = expectation(partial(f, theta[here, None]), law).value
    return found


@lru_cache(maxsize=64)
def _marginal(cell: Cell, j: int) -> Marginal:
    """Return the law of coordinate j of the data."""
    return marginal(cell.program.data, cell.program.dim, j)
