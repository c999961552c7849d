"""Which moments of |Theta_n - xi| exist: by the laws of data, gradient noise and start, the growth of gradients, and the step.

A rule that passes gradients on in proportion to them, as SGD and momentum do, gives an iterate the tails of one gradient. Where
directions are bounded whatever the gradients are, or gradients are clipped, steps have all moments for any data. The start
keeps its tails for ever, but for a bounded domain, in which iterates have all moments.
"""

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from nonconv.components.definitions import Chosen, Law
from nonconv.experiment.cell import Cell
from nonconv.numerics.arithmetic import Array
from nonconv.numerics.rng import key, uniforms
from nonconv.objectives.quadratic import QUADRATIC

TRIED, LARGE = 16, 2.0**20
"""Steps on which a rule is tried, and by how much larger its gradients are the second time; beside both eps is small."""
MOST_COORDINATES = 64
"""Coordinates of a separable objective that are looked at; the others are alike but for their constants."""
FAR, FARTHER = 1e6, 1e9
"""Distances of data, in lengths of the problem, between which the growth of gradients is measured."""
BOUNDED = 0.1
"""A power below which gradients do not grow, or as a logarithm, which leaves all moments."""


class Moments(NamedTuple):
    """E|Theta_n - xi|^k is finite for k below order: inf for every k, nan where a law does not say.

    culprit: whose law limits it: data, noise or start.

    certain: whether it is infinite above; elsewhere the rule may keep moments that it does not promise to keep.
    """

    order: float
    culprit: str
    certain: bool


@lru_cache(maxsize=16)
def finite_moments(cell: Cell, *, with_start: bool = True) -> Moments:
    """Return up to which order |Theta_n - xi| has moments, xi being a point; without the start, of how far twins part."""
    found = Moments(math.inf, "", certain=False)
    if is_confined(cell):
        return found
    for culprit in ("data", "noise", *(("start",) if with_start else ())):
        law = law_of(cell, culprit)
        if law is None or law.finite_moments == math.inf or (culprit == "data" and keeps_moments(cell)):
            continue
        if culprit == "noise" and is_bounded(cell):
            continue
        at_first = first_order(cell, culprit)
        order = 0.0 if culprit != "start" and growth(cell).superlinear else at_first
        if math.isnan(order) or order < found.order:
            found = Moments(order, culprit, _is_certain(cell, culprit) and (order == at_first or at_first < 2.0))
    return found


def law_of(cell: Cell, culprit: str) -> Law | None:
    """Return the law of the data, of the gradient noise or of the start; None where there is none, or it is a point."""
    noise = cell.program.noise
    if culprit == "noise":
        return None if noise is None else noise.component.law(noise.parameters, cell.program.dim)
    return start_law(cell) if culprit == "start" else cell.law


def _is_certain(cell: Cell, culprit: str) -> bool:
    """Return whether the tails of a law are surely those of every iterate."""
    if culprit == "start":
        # It is in every iterate, and a rule with bounded directions does not make it any smaller.
        return _passes(cell) or keeps_moments(cell)
    law = law_of(cell, culprit)
    # Half a domain may cut the one tail that a law has.
    cut = cell.program.domain is not None and law is not None and not (np.isinf(law.low).all() and np.isinf(law.high).all())
    return _passes(cell) and not cut and (culprit == "noise" or _moves_at_start(cell))


def is_confined(cell: Cell) -> bool:
    """Return whether every step is projected on a bounded domain."""
    domain = cell.program.domain
    return domain is not None and bool(np.isfinite(domain).all())


def is_bounded(cell: Cell) -> bool:
    """Return whether steps are bounded whatever gradients are: directions are, or gradients are clipped and passed on."""
    rule, h, _ = cell.program.optimizer
    modifiers = cell.program.modifiers
    clipped = modifiers.clip_value is not None or modifiers.clip_norm is not None
    return bool(rule.bounded_direction(h)) or (clipped and power_of_size(cell) == 1)


def first_order(cell: Cell, culprit: str) -> float:
    """Return up to which order a start or the noise has moments, or the gradient of one datum."""
    law = law_of(cell, culprit)
    assert law is not None
    power = growth(cell).power if culprit == "data" else 1.0
    return law.finite_moments / power if power else math.inf


def squares_are_infinite(cell: Cell, *, with_start: bool = True) -> str:
    """Return whose law makes E|Theta_n - xi|^2 infinite for every n and every point xi; empty if none does.

    Without the start: the same of the distance of twins.
    """
    order, culprit, certain = finite_moments(cell, with_start=with_start)
    return culprit if certain and (order < 2.0 or (order == 2.0 and not _has_squares(cell, culprit))) else ""


def power_is_infinite(cell: Cell, power: float) -> str:
    """Return whose law makes E|Theta_n - xi|^power infinite for every n and every point xi; empty if none does."""
    order, culprit, certain = finite_moments(cell)
    if power == 2.0:
        return squares_are_infinite(cell)
    return culprit if certain and order < power else ""


def infinite_errors(cell: Cell) -> list[str]:
    """Return for each xi of the cell whose law makes the mean square infinite, data, noise or start; empty where none does."""
    at_points, moving = squares_are_infinite(cell), infinite_steps(cell)
    law = start_law(cell)
    if is_confined(cell) and law is not None and law.finite_moments <= 2.0 and not law.has_variance:
        return ["start" if xi.label == "start" else "" for xi in cell.xi]
    return [moving if is_away_from_start(cell, xi.label) else at_points for xi in cell.xi]


def is_away_from_start(cell: Cell, label: str) -> bool:
    """Return whether the distance from the xi of this label is a sum of steps that do not grow with the start."""
    return label in ("start", "path_mean", "last") and keeps_moments(cell)


def infinite_steps(cell: Cell) -> str:
    """Return whose law makes the mean square between two iterates of a path infinite; empty if none does."""
    return squares_are_infinite(cell, with_start=not keeps_moments(cell))


def keeps_moments(cell: Cell) -> bool:
    """Return whether steps have all moments, whatever the tails of the data: steps are bounded, or gradients."""
    if is_bounded(cell) or is_confined(cell):
        return True
    # Of data with all moments nothing is asked; most objectives then need not be looked at.
    return cell.law is not None and cell.law.finite_moments != math.inf and growth(cell).power == 0.0


def start_law(cell: Cell) -> Law | None:
    """Return the law of the start; None if it is a point, or has all moments where nothing is known of the data either."""
    start = cell.program.start
    if not isinstance(start, Chosen):
        return None
    law: Law = start.component.law(start.parameters, cell.program.dim)
    return None if cell.law is None and law.finite_moments == math.inf else law


def _has_squares(cell: Cell, culprit: str) -> bool:
    """Return whether a law whose moments end at order 2 has a variance all the same, and its gradients do."""
    law = law_of(cell, culprit)
    return law is None or law.has_variance


def _passes(cell: Cell) -> bool:
    """Return whether the rule moves in proportion to gradients from the first step on, so that their tails are its own."""
    return power_of_size(cell) == 1 and bool(cell.program.learning_rate(np.array([1.0]))[0] > 0.0)


@lru_cache(maxsize=16)
def power_of_size(cell: Cell) -> int | None:
    """Return with which power of the gradients' size directions grow, 0 or 1, measured on noise; None for anything else."""
    rule, h, _ = cell.program.optimizer
    signs, factors = _signs(), np.array([LARGE, LARGE**2])
    state, sizes = rule.state(*(np.full(2, value) for value in rule.start(h))), np.zeros(2)
    with np.errstate(all="ignore"):
        n = np.arange(1.0, TRIED + 1.0)
        columns = [column.tolist() for column in rule.coefficients(h, n, cell.program.learning_rate(n))]
        for t, gradients in enumerate(signs * factors):
            direction, state = rule.update(rule.per_step(*(column[t] for column in columns)), state, gradients)
            sizes += np.abs(direction)
    small, large = sizes.tolist()
    power = math.log(large / small, LARGE) if small > 0 and 0 < large < math.inf else math.nan
    return next((k for k in (0, 1) if abs(power - k) < 0.01), None)


@lru_cache(maxsize=1)
def _signs() -> Array:
    """Return the signs of the gradients on which rules are tried, (TRIED, 1)."""
    return np.where(uniforms(key(0, "scale"), 0, TRIED, 0, 1) < 0.5, -1.0, 1.0)


class Growth(NamedTuple):
    """With which power of a far datum gradients grow: 1 for the quadratic, 0 where they are bounded.

    superlinear: whether they grow faster than in proportion to theta: each step then takes a power of the one before.
    """

    power: float
    superlinear: bool


@lru_cache(maxsize=16)
def growth(cell: Cell) -> Growth:
    """Return how the gradients of a cell grow with far data."""
    if getattr(cell.program.objective.component, "numbers", None):
        return Growth(1.0, superlinear=True)  # a gradient of any form
    if cell.program.objective.component is QUADRATIC or cell.law is None:
        return Growth(1.0, superlinear=False)
    with np.errstate(all="ignore"):
        powers = [_growth_of(cell, j) for j in range(min(cell.program.dim, MOST_COORDINATES))]
    in_x, in_theta = (max(found) for found in zip(*powers, strict=True))
    if in_x < BOUNDED:
        return Growth(0.0, superlinear=False)
    # Rounded: between far data the power differs from that of the farthest by their distance.
    return Growth(round(in_x, 3), in_theta > 1.0 + BOUNDED)


def _moves_at_start(cell: Cell) -> bool:
    """Return whether the first gradient has the tails of any other: it may be 0 for any datum, as that of theta^2 x^2 at 0."""
    start = cell.program.start
    if cell.program.objective.component is QUADRATIC or not isinstance(start, np.ndarray):
        return True
    with np.errstate(all="ignore"):
        coordinates = range(min(cell.program.dim, MOST_COORDINATES))
        found = [_power(cell, j, np.full(2, start[j]), far) for j in coordinates for far in _far_data(cell, j)]
    return max(found, default=0.0) >= growth(cell).power - BOUNDED


def _far_data(cell: Cell, j: int) -> list[Array]:
    """Return pairs of far data of coordinate j, one pair for each side on which they are unbounded."""
    law = cell.law
    assert law is not None
    sides = [side for side, end in ((-1.0, law.low[j]), (1.0, law.high[j])) if math.isinf(end)]
    return [law.middle[j] + side * np.array([FAR, FARTHER]) * _length(law, j) for side in sides]


def _length(law: Law, j: int) -> float:
    """Return a length on which the data of coordinate j vary."""
    length = float(law.length[j])
    return length if 0.0 < length < math.inf else 1.0


def _growth_of(cell: Cell, j: int) -> tuple[float, float]:
    """Return with which powers of datum and theta the gradient of coordinate j grows, on the sides where data are unbounded."""
    law = cell.law
    assert law is not None
    middle, length = float(law.middle[j]), _length(law, j)
    around = (middle - length, middle, middle + length)
    in_x = [_power(cell, j, np.full(2, theta), far) for far in _far_data(cell, j) for theta in around]
    ends = np.array([FAR, FARTHER]) * length
    in_theta = [_power(cell, j, middle + side * ends, np.full(2, x)) for side in (-1.0, 1.0) for x in around]
    return max(in_x, default=0.0), max(in_theta)


def _power(cell: Cell, j: int, theta: Array, x: Array) -> float:
    """Return the power with which the gradient of coordinate j grows between two pairs, FARTHER / FAR away from each other."""
    near, far = _slopes(cell, j, theta, x)
    return 0.0 if far == 0.0 else float(np.log(far / near) / math.log(FARTHER / FAR)) if near > 0.0 else math.nan


def _slopes(cell: Cell, j: int, theta: Array, x: Array) -> Array:
    """Return the lengths of gradients for data x (n,) in coordinate j at theta (n,) there, (n,); others are at the middle."""
    p, n = cell.program, len(x)
    objective, _, constants = p.objective
    if p.learning is None:
        own = objective.constants(*(field[j] for field in constants))
        return np.asarray(np.abs(np.broadcast_to(objective.gradient(own, theta, x), n)))
    assert cell.law is not None
    points, data = (np.repeat(cell.law.middle[:, None], n, axis=1) for _ in range(2))
    points[j], data[j] = theta, x
    out = np.zeros((p.dim, n))
    objective.add_gradient(
        constants, n, points, np.empty((p.learning.shape.features, n)), data, out, np.empty((p.learning.work, n))
    )
    return np.asarray(np.sqrt(np.square(out).sum(axis=0)))
