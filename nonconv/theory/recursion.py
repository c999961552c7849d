"""E|theta_n - xi|^2 of SGD and momentum on the quadratic, exactly, for any learning rates and batch sizes.

That of sign descent is in theory.sign_descent; where a step has more parts than a rule, or data depend on the step, that of
linear rules is in theory.linear_motion.

With e = theta - mu, z the centred batch mean and m the momentum, one step is linear:
    m_n = d m_{n-1} + w (c e_{n-1} - c z_n)                 d decay, w weight, c = 2 scale
    e_n = e_{n-1} - rate (p m_n + q (c e_{n-1} - c z_n))     classical: p = correction, q = 0; nesterov: p = beta, q = w
so the first moments of (e, m) and the second (ee, em, mm, 1) follow linear recursions whose products are formed in
pairs, pairs of pairs, and so on: as exact as a loop and vectorised over steps. A running average of the iterates is one
more number that moves linearly, a_n = (1 - w_n) a_{n-1} + w_n e_n, and its moments are those of (e, m, a).
"""

from collections.abc import Callable
from itertools import combinations_with_replacement
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nonconv.experiment.cell import Cell
from nonconv.numerics.arithmetic import Array
from nonconv.objectives.quadratic import QUADRATIC
from nonconv.optimizers.momentum import MOMENTUM
from nonconv.optimizers.sgd import SGD
from nonconv.theory import least_squares, least_squares_motion, linear_motion
from nonconv.theory.modes import Modes, modes
from nonconv.theory.moments import start_law
from nonconv.theory.sign_descent import Lattice, lattice

CHUNK = 4096
"""Steps whose maps are formed at once."""
MOST_FOLLOWED = 1_000_000
"""Most coordinates times steps of an average of sign descent."""
MOST_WORK = 5_000_000
"""Most distinct coordinates times steps: beyond this the recursion would take longer than many runs."""


class Coordinate(NamedTuple):
    """The numbers on which a coordinate's moments depend: curvature c, Var X, E e_0, E e_0^2. Equal ones are computed once."""

    curvature: float
    variance: float
    mean: float
    square: float


def is_known(cell: Cell) -> bool:
    """Return whether the recursion is that of the cell's optimizer on the quadratic, and short enough."""
    return cell.program.objective.component is QUADRATIC and _is_solvable(cell)


def _is_solvable(cell: Cell) -> bool:
    """Return whether the recursion is that of the cell's optimizer and objective, and short enough."""
    linear = cell.program.optimizer.component in (SGD, MOMENTUM) and cell.program.parts.is_plain
    along = modes(cell) if linear else None
    return along is not None and len(set(_coordinates(cell, along))) * cell.program.steps <= MOST_WORK


def _has_variance(cell: Cell) -> bool:
    """Return whether the data have a variance."""
    return cell.law is not None and cell.law.has_variance


Weight = Callable[[Array], Array]
"""The weights of an average at steps n, (steps,) each."""


def _weight(cell: Cell, iterate: int) -> Weight | None:
    """Return the weights of an iterate that is an average; None for the last one. Linear rules alone have others."""
    return cell.program.averages[iterate - 1].weight if iterate else None


def predicted_errors(cell: Cell, iterate: int = 0) -> dict[str, Array]:
    """Return exact E|theta_n - xi|^2 at the recorded steps, arrays (R,) by the label of xi; {} where it is not known.

    iterate: its number in cell.iterates, 0 for the last. Averages are known for SGD and momentum on the quadratic.

    Known for SGD and momentum on the quadratic, in rotated axes too, for SGD on least squares, and for every xi that is a fixed
    point or a fixed start, where data and start have a variance; and for sign descent on a lattice. Runs too long are skipped.
    """
    if linear_motion.is_for(cell):
        return linear_motion.predicted_errors(cell, iterate)
    along, start = modes(cell), start_law(cell)
    if along is None:
        errors = {} if iterate else least_squares.predicted_errors(cell)
        return errors or least_squares_motion.predicted_errors(cell, iterate)
    on_lattice = lattice(cell)
    if on_lattice:
        known = _is_followed(cell, iterate)
        return _errors_from_moments(cell, along, *_on_lattice(cell, on_lattice, iterate)) if known else {}
    if not _is_solvable(cell) or not _has_variance(cell) or (start is not None and not start.has_variance):
        return {}
    with np.errstate(over="ignore", invalid="ignore"):  # a diverging method's expectation overflows, and is shown so
        distinct, which = np.unique(np.array(_coordinates(cell, along)), axis=0, return_inverse=True)
        found = [_moments(cell, Coordinate(*row), cell.program.record, 0, _weight(cell, iterate)) for row in distinct]
        moments = np.array(found)[which.ravel()]
        return _errors_from_moments(cell, along, moments[:, 0], moments[:, 1])


def _errors_from_moments(cell: Cell, along: Modes, first: Array, second: Array) -> dict[str, Array]:
    """Return E|theta_n - xi|^2, (R,), for every xi that is a fixed point.

    first, second (dim, R): moments of theta_n - mu along each direction.
    """
    assert cell.law is not None
    start = cell.program.start
    predictions = {}
    for xi in cell.xi:
        point = start if xi.label == "start" else xi.point
        if isinstance(point, np.ndarray):
            offset = along.along(cell.law.mean - point)[:, None]
            predictions[xi.label] = (second + 2.0 * offset * first + offset**2).sum(axis=0)
    return predictions


def _is_followed(cell: Cell, iterate: int) -> bool:
    """Return whether an iterate of sign descent is the last one, or an average that does not take too long to follow."""
    return iterate == 0 or (iterate <= len(cell.program.averages) and cell.program.dim * cell.program.steps <= MOST_FOLLOWED)


def _on_lattice(cell: Cell, on: Lattice, iterate: int) -> tuple[Array, Array]:
    """Return first and second moments of sign descent, or of an average of it, at the recorded steps, (dim, R) each."""
    weight, record = _weight(cell, iterate), cell.program.record
    if weight is None:
        n = record.astype(np.float64)
        return on.mean(n), on.square(n)
    return on.average(weight, record)


def _twins_on_lattice(cell: Cell, on: Lattice, iterate: int) -> list[Array]:
    """Return what `predicted_twins` does of sign descent."""
    weight, spans = _weight(cell, iterate), cell.program.plan.spans
    if weight is None:
        return [on.twin(span.first, span.lags.astype(np.float64)) for span in spans]
    return [on.average_twin(weight, span.first, span.lags) for span in spans]


@np.errstate(over="ignore", invalid="ignore")
def _coordinates(cell: Cell, along: Modes) -> list[Coordinate]:
    """Return curvature, variance and moments of the start of every coordinate, or direction."""
    assert cell.law is not None
    program = cell.program
    if isinstance(program.start, np.ndarray):
        mean = along.along(program.start - cell.law.mean)
        square = mean**2
    else:
        law = program.start.component.law(program.start.parameters, program.dim)
        mean = along.along(law.mean - cell.law.mean)
        square = along.spread(law.variance) + mean**2
    return [Coordinate(*map(float, row)) for row in zip(along.curvature, along.variance, mean, square, strict=True)]


def predicted_twins(cell: Cell, iterate: int = 0) -> list[Array]:
    """Return exact E tr Var(theta_n | the first m batches), the twin floor, at n = m + lag; [] if unknown.

    One array per span (m, l] of the plan, over its lags. iterate: as `predicted_errors` takes it.
    """
    if linear_motion.is_for(cell):
        return linear_motion.predicted_twins(cell, iterate)
    along = modes(cell)
    if along is None:
        twins = [] if iterate else least_squares.predicted_twins(cell)
        return twins or least_squares_motion.predicted_twins(cell, iterate)
    on_lattice = lattice(cell) if cell.program.plan.wanted.twin else None
    if on_lattice:
        return _twins_on_lattice(cell, on_lattice, iterate) if _is_followed(cell, iterate) else []
    if not cell.program.plan.wanted.twin or not _is_solvable(cell) or not _has_variance(cell):
        return []
    with np.errstate(over="ignore", invalid="ignore"):
        distinct, which = np.unique(np.array(_coordinates(cell, along)), axis=0, return_inverse=True)
        known = [Coordinate(*row)._replace(mean=0.0, square=0.0) for row in distinct]  # at m nothing is random any more
        weight, found = _weight(cell, iterate), []
        for span in cell.program.plan.spans:
            each = [_moments(cell, at, span.first + span.lags, span.first, weight)[1] for at in known]
            found.append(np.array(each)[which.ravel()].sum(axis=0))
        return found


def _moments(cell: Cell, at: Coordinate, steps: NDArray[np.int64], done: int, weight: Weight | None) -> Array:
    """Return E e_n and E e_n^2 at rising steps, shape (2, steps); with weights, those of the average of e.

    at: the coordinate with the moments after step `done`; m is taken as 0 there, and the average as e.
    """
    if weight is not None:
        return _average_moments(cell, at, steps, done, weight)
    first, second = np.array([at.mean, 0.0]), np.array([at.square, 0.0, 0.0, 1.0])
    out = []
    for step in steps:
        while done < step:
            n = np.arange(done + 1, min(done + CHUNK, int(step)) + 1, dtype=np.float64)
            linear, noise = one_step(cell, at.curvature, n)
            variance = at.variance / cell.program.batch_size(n)
            # Steps of a chunk are composed first: one small matrix times the moments.
            first = product(linear) @ first
            second = product(_second_moment_map(linear, noise, variance)) @ second
            done += len(n)
        out.append((first[0], second[0]))
    return np.array(out).T


def _average_moments(cell: Cell, at: Coordinate, steps: NDArray[np.int64], done: int, weight: Weight) -> Array:
    """Return what `_moments` does of a running average a of e, from the moments of (e, m, a)."""
    pairs = list(combinations_with_replacement(range(3), 2))
    first = np.array([at.mean, 0.0, at.mean])
    second = np.array([at.square if 1 not in pair else 0.0 for pair in pairs] + [1.0])
    out = []
    for step in steps:
        while done < step:
            n = np.arange(done + 1, min(done + CHUNK, int(step)) + 1, dtype=np.float64)
            linear, noise = _with_average(*one_step(cell, at.curvature, n), weight(n))
            variance = at.variance / cell.program.batch_size(n)
            first = product(linear) @ first
            second = product(_map_of_pairs(linear, noise, variance, pairs)) @ second
            done += len(n)
        out.append((first[2], second[pairs.index((2, 2))]))
    return np.array(out).T


def _with_average(linear: Array, noise: Array, weight: Array) -> tuple[Array, Array]:
    """Extend the maps of (e, m) by the average a of e: (steps, 3, 3), and what one unit of z adds, (steps, 3)."""
    maps = np.zeros((len(weight), 3, 3))
    maps[:, :2, :2] = linear
    maps[:, 2, :2] = weight[:, None] * linear[:, 0]
    maps[:, 2, 2] = 1.0 - weight
    return maps, np.concatenate([noise, (weight * noise[:, 0])[:, None]], axis=1)


def _map_of_pairs(linear: Array, noise: Array, variance: Array, pairs: list[tuple[int, int]]) -> Array:
    """Return the linear map of second moments of these pairs of numbers, and of 1, shape (steps, pairs + 1, pairs + 1)."""
    maps = np.zeros((len(linear), len(pairs) + 1, len(pairs) + 1))
    maps[:, -1, -1] = 1.0
    for row, (i, j) in enumerate(pairs):
        for column, (k, m) in enumerate(pairs):
            both = linear[:, i, k] * linear[:, j, m]
            maps[:, row, column] = both if k == m else both + linear[:, i, m] * linear[:, j, k]
        maps[:, row, -1] = noise[:, i] * noise[:, j] * variance
    return maps


def one_step(cell: Cell, c: float, n: Array) -> tuple[Array, Array]:
    """Return the linear map of (e, m) at steps n, (steps, 2, 2), and what one unit of z adds to it, (steps, 2)."""
    program = cell.program
    rate = program.learning_rate(n)
    zero, one = np.zeros_like(n), np.ones_like(n)
    decay, weight, p, q = zero, zero, zero, one
    rule, h, _ = program.optimizer
    if rule is MOMENTUM:
        k = rule.coefficients(h, n, rate)
        decay, weight = k.decay, k.weight
        p, q = (k.beta, k.weight) if h.nesterov else (k.correction, zero)
    pull = rate * c * (p * weight + q)
    linear = np.array([[1.0 - pull, -rate * p * decay], [weight * c, decay]])
    return np.moveaxis(linear, 2, 0), np.array([pull, -weight * c]).T


def _second_moment_map(linear: Array, noise: Array, variance: Array) -> Array:
    """Return the linear map of the second moments (ee, em, mm, 1), shape (steps, 4, 4).

    linear (steps, 2, 2), noise (steps, 2): as `one_step` gives them. variance (steps,): of the batch means z.
    """
    (a, b), (c, d) = np.moveaxis(linear, 0, 2)
    u, v = noise.T
    # The constant 1 as a fourth entry makes the affine map a linear one, so that products of matrices compose steps.
    zero, one = np.zeros_like(a), np.ones_like(a)
    rows = [
        [a * a, 2.0 * a * b, b * b, u * u * variance],
        [a * c, a * d + b * c, b * d, u * v * variance],
        [c * c, 2.0 * c * d, d * d, v * v * variance],
        [zero, zero, zero, one],
    ]
    return np.moveaxis(np.array(rows), 2, 0)


def product(maps: Array) -> Array:
    """Return maps[-1] @ ... @ maps[0] of maps (steps, k, k).

    It multiplies by pairs: log2(steps) vectorised products instead of a loop.
    """
    while len(maps) > 1:
        odd = maps[len(maps) - len(maps) % 2 :]
        maps = np.concatenate([maps[1::2] @ maps[: len(maps) - len(maps) % 2 : 2], odd])
    return np.asarray(maps[0])
