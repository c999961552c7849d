"""Numbers that theory predicts for a run, by name: value, standard error (0 without sampling), and in words what it is."""

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from nonconv.components.definitions import Law
from nonconv.experiment.cell import Bound, Cell
from nonconv.numerics.arithmetic import Array
from nonconv.objectives.quadratic import QUADRATIC
from nonconv.optimizers.adam import ADAM, AMSGRAD, Adam
from nonconv.optimizers.averages import is_fixed
from nonconv.optimizers.momentum import MOMENTUM
from nonconv.optimizers.sgd import SGD
from nonconv.theory import least_squares, linear_motion
from nonconv.theory.adam_field import adam_zero, first_order_bias
from nonconv.theory.bounds import reach, stay
from nonconv.theory.closed_forms import adam_plateau, ema_plateau, heavy_ball_plateau, sgd_plateau
from nonconv.theory.modes import Modes, modes
from nonconv.theory.sign_descent import lattice

CHUNK = 2**20
"""Steps whose bounds are computed at once, so that memory does not grow with the run."""
EXACT, APPROXIMATE = "exact", "approximate"
NEAR_LIMIT = "approximate for beta2 near 1 and small eps"
SMALLEST_GRADIENT = 1e-140
"""Below this, squares of gradients come near the least double, 5e-324, and lose their digits."""
SPIKY = 0.1
"""Largest (1 - beta2) E(X - mu)^4 / sigma^4 of batch means that a formula for v at rest is used for.

Measured on {-1, 0, 1} with ever rarer spikes, the plateau is below the formula by 3 % here, by 13 % at 1/3, by 32 % at 1.
"""
SMALL = 0.01
"""Largest eps, relative to the gradient noise, that a formula for eps -> 0 is used for."""


class Prediction(NamedTuple):
    """A predicted number with its standard error, and in words what it predicts."""

    value: float
    se: float
    of: str


@lru_cache(maxsize=8)
def predictions(cell: Cell) -> dict[str, Prediction]:
    """Return every finite prediction known for the cell, by name.

    Where more happens in a step than the rule says these are those of linear rules, and of sign descent on a lattice.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        if linear_motion.is_for(cell):
            found = _stationary(cell)
        elif cell.program.parts.is_plain or lattice(cell):
            found = {**_plateau(cell), **_one_step(cell), **_skewness(cell)}
        else:
            return {}
    return {name: prediction for name, prediction in found.items() if math.isfinite(prediction.value)}


def _stationary(cell: Cell) -> dict[str, Prediction]:
    """Predict the stationary error of a linear rule with more parts, and how far one batch moves it."""
    found = linear_motion.stationary(cell)
    if found is None:
        return {}
    plateau, moved = found
    return {**_total([plateau], EXACT), "one_step": Prediction(moved, 0.0, f"twin floor at lag 1 ({EXACT})")}


def _steady_modes(cell: Cell) -> Modes | None:
    """Return the directions of a quadratic where learning rate, batch size and decays never change; None elsewhere."""
    steady = None not in (cell.learning_rate.constant, cell.batch_size.constant) and is_fixed(cell.program.optimizer.parameters)
    return modes(cell) if steady else None


def _plateau(cell: Cell) -> dict[str, Prediction]:
    """Predict E|theta - minimizer|^2 in the stationary state, summed over coordinates; {} where no closed form is known."""
    along = _steady_modes(cell)
    if along is None or cell.law is None:
        of_least_squares = least_squares.plateau(cell)
        return {} if of_least_squares is None else _total([of_least_squares], EXACT)
    on_lattice = lattice(cell)
    if on_lattice:
        return _total(on_lattice.plateau.tolist(), EXACT) if np.all(on_lattice.pull < 1.0) else {}
    rate, batch = cell.learning_rate.constant or 0.0, cell.batch_size.constant or 1.0
    rule, h, _ = cell.program.optimizer
    curvature, variance = along.curvature, along.variance / batch
    pairs = [(float(c) * rate, float(v)) for c, v in zip(curvature, variance, strict=True)]
    if rule is SGD and all(g < 2.0 for g, _ in pairs):
        return _total([sgd_plateau(g, v) for g, v in pairs], EXACT)
    if rule is MOMENTUM and not h.nesterov:
        plateau, weight = (heavy_ball_plateau, 1.0) if h.form == "heavy_ball" else (ema_plateau, 1.0 - h.beta)
        pairs = [(g * (1.0 - h.dampening), v) for g, v in pairs]  # which is as if the rate were smaller
        stable = all(g * weight < 2.0 * (1.0 + h.beta) for g, _ in pairs)
        return _total([plateau(g, h.beta, v) for g, v in pairs], EXACT) if stable else {}
    noise = curvature * np.sqrt(variance)
    if rule is ADAM and along.axes is None and cell.law.symmetric and _in_the_limit(cell.law, batch, h, noise):
        return _total([adam_plateau(rate, h.beta1, v) for _, v in pairs], NEAR_LIMIT)
    return {}


def _one_step(cell: Cell) -> dict[str, Prediction]:
    """Predict the twin floor at lag 1 for a constant learning rate: how far one batch moves the iterate."""
    along = _steady_modes(cell)
    if along is None or cell.law is None:
        return {}
    on_lattice = lattice(cell)
    if on_lattice:
        moved = (on_lattice.spacing**2 * (1.0 - on_lattice.pull / 2.0)).sum()
        return {"one_step": Prediction(float(moved), 0.0, f"twin floor at lag 1 in the stationary state ({EXACT})")}
    rate, (rule, h, _) = cell.learning_rate.constant or 0.0, cell.program.optimizer
    batch = cell.batch_size.constant or 1.0
    variance = along.variance / batch
    what = "twin floor at lag 1"
    if rule is SGD:
        moved = (along.curvature * rate) ** 2 * variance
        return {"one_step": Prediction(float(moved.sum()), 0.0, f"{what} ({EXACT})")}
    noise = along.curvature * np.sqrt(variance)
    if rule is ADAM and along.axes is None and _in_the_limit(cell.law, batch, h, noise):
        # The share of squared gradients that is noise; the rest comes from the distance to the minimizer.
        still = [v / (v + adam_plateau(rate, h.beta1, float(v))) for v in variance]
        moved = np.square(rate * (1.0 - h.beta1)) * np.array(still)
        return {"one_step": Prediction(float(moved.sum()), 0.0, f"{what} ({NEAR_LIMIT})")}
    return {}


def _in_the_limit(law: Law, batch: float, h: Adam, noise: Array) -> bool:
    """Return whether v hardly varies, and eps is small beside sqrt(v), which is about the noise (dim,) of a gradient.

    v is an average of 1 / (1 - beta2) squares, whose relative variance is the kurtosis of a batch's mean less 1.
    """
    eps = math.sqrt(h.eps) if h.eps_placement == "inside" else h.eps
    spikes = (1.0 - h.beta2) * (3.0 + (law.largest_kurtosis - 3.0) / batch)
    # Not "above": a kurtosis that the law does not state is nan.
    steady = h.beta2 >= 0.99 and np.all(spikes <= SPIKY)
    return bool(steady and np.all(noise > 0) and np.all(eps <= SMALL * noise))


def _total(plateaus: list[float], kind: str) -> dict[str, Prediction]:
    """Return the plateau of all coordinates together as a prediction of this kind."""
    return {"plateau": Prediction(math.fsum(plateaus), 0.0, f"stationary E|theta - minimizer|^2 ({kind})")}


def _skewness(cell: Cell) -> dict[str, Prediction]:
    """Predict |theta* - minimizer|^2 of the point Adam drifts to, exactly and to first order; {} unless xi lists adam_zero."""
    zero, batch = next((xi for xi in cell.xi if xi.label == "adam_zero"), None), cell.batch_size.constant
    if zero is None or zero.point is None or cell.minimizer is None or batch is None or cell.law is None:
        return {}
    away = zero.point - cell.minimizer
    distance = float(np.linalg.norm(away))
    # Errors of coordinates are added up, not squares of them: coordinates share their draws.
    se = 2.0 * float(np.abs(away * zero.se).sum())
    first = first_order_bias(
        cell.program.optimizer.parameters, cell.law, 2.0 * cell.program.objective.constants.scale, int(batch)
    )
    return {
        "adam_zero": Prediction(distance**2, se, "|theta* - minimizer|^2 for the zero theta* of Adam's vector field"),
        "first_order_bias": Prediction(
            float(first @ first), 0.0, f"|theta* - minimizer|^2 to first order in the skewness ({APPROXIMATE})"
        ),
    }


def is_bounded(cell: Cell) -> bool:
    """Return whether an interval is known that no path leaves (theory.bounds).

    So it is for Adam and AMSGrad on the quadratic with bounded data and beta1^2 < beta2, if no square underflows under a root
    that eps does not keep from 0.
    """
    rule, h, _ = cell.program.optimizer
    # It holds for any data in their bounds, in whatever order they come.
    if not cell.program.parts._replace(order="with_replacement", hold=False).is_plain:
        return False
    if cell.law is None or cell.program.objective.component is not QUADRATIC or rule not in (ADAM, AMSGRAD) or not is_fixed(h):
        return False
    gradients = 2.0 * cell.program.objective.constants.scale * (cell.law.high - cell.law.low)
    underflows = h.eps == 0 and np.any((gradients > 0.0) & (gradients < SMALLEST_GRADIENT))
    return bool(cell.law.bounded and rule.bounded_direction(h) and not underflows)


def bound(cell: Cell) -> Bound | None:
    """Return the a priori interval as a function of start points (dim, paths); None if none is known."""
    if not is_bounded(cell) or cell.law is None:
        return None
    most, steps = 0.0, cell.program.steps
    for first in range(1, steps + 1, CHUNK):
        n = np.arange(first, min(first + CHUNK, steps + 1), dtype=np.float64)
        most = max(most, reach(cell.program.optimizer.parameters, cell.program.learning_rate(n), n))
    low, high = cell.law.low[:, None], cell.law.high[:, None]
    if not np.isfinite(most + np.maximum(np.abs(low), np.abs(high))).all():
        return None  # beyond the range of doubles
    return lambda start: stay(start, low, high, most)


def adam_zeros(cell: Cell) -> tuple[Array, Array]:
    """Return theta* and its standard error, (dim,) each, for `xi: adam_zero`.

    Raises ValueError where the zero cannot be computed, with the reason.
    """
    p = cell.program
    scale = p.objective.constants.scale
    batch = int(cell.batch_size.constant or 0)
    return adam_zero(p.optimizer.parameters, p.data.component, p.data.parameters, p.dim, scale, batch)
