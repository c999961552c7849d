"""Directions along which a loss of constant curvature moves linear rules, and all numbers that their moments there rest on."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nonconv.components.definitions import Configured, Law
from nonconv.experiment.cell import Cell
from nonconv.numerics.arithmetic import Array
from nonconv.objectives.linear import LINEAR
from nonconv.objectives.power import POWER
from nonconv.theory.modes import modes
from nonconv.theory.moments import start_law


class Direction(NamedTuple):
    """The numbers on which the moments along a direction depend; equal ones are computed once.

    curvature, slope: of the gradient in theta and in the datum. variance: of one datum. centre: the point that t counts from.
    force: what is added to every gradient at the centre. drift: what a unit of the drift adds. noise: variance of the
    gradient noise. mean, square: E t and Var t before the first step. values: what the rows of an order are, centred.
    """

    curvature: float
    slope: float
    variance: float
    centre: float
    force: float
    drift: float
    noise: float
    mean: float
    square: float
    values: tuple[float, ...] = ()


class Directions(NamedTuple):
    """The directions of a loss.

    axes (dim, dim): one per row; None for the coordinates. distinct: those that differ. which (dim,): the number of each among
    them. centre (dim,): the point that t counts from, along them.
    """

    axes: Array | None
    distinct: list[Direction]
    which: NDArray[np.int64]
    centre: Array

    def along(self, vector: Array) -> Array:
        """Return the parts of a vector (dim,) along the directions."""
        return vector if self.axes is None else np.asarray(self.axes @ vector)


def noise_law(cell: Cell) -> Law | None:
    """Return the law of the gradient noise; None without it."""
    noise = cell.program.noise
    return None if noise is None else noise.component.law(noise.parameters, cell.program.dim)


@lru_cache(maxsize=8)
@np.errstate(over="ignore", invalid="ignore")
def directions(cell: Cell) -> Directions | None:
    """Return the directions of a loss with a constant curvature; None for other losses, or data without a known covariance."""
    p, law = cell.program, cell.law
    loss, h, _ = p.objective
    if law is None:
        return None
    nothing, one = np.zeros(p.dim), np.ones(p.dim)
    along = modes(cell)
    axes = None if along is None else along.axes
    if along is not None:
        curvature, slope, variance, centre, force = along.curvature, -along.curvature, along.variance, law.mean, nothing
    elif loss is POWER and h.exponent == 2.0:
        curvature, slope, variance, centre, force = one, -one, law.variance, law.mean, nothing
    elif loss is LINEAR:
        curvature, slope, variance, centre, force = nothing, one, law.variance, nothing, law.mean
    else:
        return None

    def turned(vector: Array) -> Array:
        """Return the parts of a vector (dim,) along the directions."""
        return vector if axes is None else np.asarray(axes @ vector)

    def spread(variances: Array) -> Array:
        """Return variances (dim,) of independent coordinates along the directions."""
        return variances if axes is None else np.asarray(np.square(axes) @ variances)

    noise, start = noise_law(cell), start_law(cell)
    centre = turned(centre)
    begin = p.start if isinstance(p.start, np.ndarray) else None if start is None else start.mean
    if begin is None:
        return None
    fields = [
        curvature,
        slope,
        variance,
        centre,
        force + (0.0 if noise is None else turned(noise.mean)),
        slope * turned(one),
        nothing if noise is None else spread(noise.variance),
        turned(begin) - centre,
        nothing if start is None else spread(start.variance),
    ]
    rows = _rows(cell, law) if p.supply.order == "cyclic" else np.empty((0, p.dim))
    values = rows if axes is None else rows @ axes.T
    table = np.column_stack([*fields, values.T])
    same = bool((table == table[0]).all())  # as is usual, and quick to see
    rows_of, which = (table[:1], np.zeros(p.dim, dtype=np.int64)) if same else np.unique(table, axis=0, return_inverse=True)
    distinct = [Direction(*own) for own in zip(*rows_of.T[:9].tolist(), map(tuple, rows_of[:, 9:].tolist()), strict=True)]
    return Directions(axes, distinct, which.ravel(), centre)


def _rows(cell: Cell, law: Law) -> Array:
    """Return the rows that an order passes through, (N, dim), less their mean."""
    p = cell.program
    own = Configured(getattr(p.data.component, "each", None) or p.data.component, *p.data[1:])
    u = (np.arange(p.supply.rows) + 0.5) / p.supply.rows  # as engine.deck has it
    columns = [own.component.sample(own.component.constants(*(field[j] for field in own.constants)), u) for j in range(p.dim)]
    return np.column_stack([np.broadcast_to(column, u.shape) for column in columns]) - law.mean
