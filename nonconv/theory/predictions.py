"""Named numbers that theory says of a run: each with its standard error, 0 where it is exact, and what it is of."""

import math
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from nonconv.experiment.cell import Cell
from nonconv.numerics.arithmetic import Array
from nonconv.objectives.quadratic import QUADRATIC
from nonconv.optimizers.adam import ADAM, Adam, Amsgrad
from nonconv.optimizers.momentum import MOMENTUM
from nonconv.optimizers.sgd import SGD
from nonconv.theory.adam_field import adam_zero, first_order_bias
from nonconv.theory.bounds import reach, stay
from nonconv.theory.closed_forms import adam_plateau, ema_plateau, heavy_ball_plateau, sgd_plateau

Bound = Callable[[Array], tuple[Array, Array]]
CHUNK = 2**20
EXACT, APPROXIMATE = "exact", "approximate"
SMALL = 0.01
"""As near as what neglects eps can come."""


class Prediction(NamedTuple):
    """A number that theory predicts, and in words what it is of."""

    value: float
    se: float
    of: str


def predictions(cell: Cell) -> dict[str, Prediction]:
    """All that are known for the cell and are numbers, by name."""
    with np.errstate(over="ignore", invalid="ignore"):
        found = {**_plateau(cell), **_one_step(cell), **_skewness(cell)}
    return {name: prediction for name, prediction in found.items() if math.isfinite(prediction.value)}


def _constant(cell: Cell) -> bool:
    """Whether rate and batch size are the same at every step of a quadratic's run."""
    rate = cell.resolved["learning_rate"]
    steady = rate["name"] == "constant" and not rate["warmup"] and cell.constant_batch is not None
    return bool(steady and cell.program.objective is QUADRATIC)


def _plateau(cell: Cell) -> dict[str, Prediction]:
    """E|theta - minimizer|^2 in the stationary state."""
    if not _constant(cell) or cell.law is None:
        return {}
    rate, batch = float(cell.program.learning_rate(np.ones(1))[0]), cell.constant_batch or 1
    h, rule = cell.program.optimizer_parameters, cell.program.optimizer
    curvature, variance = 2.0 * cell.program.objective_constants.scale, cell.law.variance / batch
    pairs = [(float(c) * rate, float(v)) for c, v in zip(curvature, variance, strict=True)]
    if rule is SGD and all(g < 2.0 for g, _ in pairs):
        return _total([sgd_plateau(g, v) for g, v in pairs], EXACT)
    if rule is MOMENTUM and not h.nesterov:
        plateau, weight = (heavy_ball_plateau, 1.0) if h.form == "heavy_ball" else (ema_plateau, 1.0 - h.beta)
        stable = all(g * weight < 2.0 * (1.0 + h.beta) for g, _ in pairs)
        return _total([plateau(g, h.beta, v) for g, v in pairs], EXACT) if stable else {}
    if rule is ADAM and cell.law.symmetric and _in_the_limit(h, curvature * np.sqrt(variance)):
        return _total([adam_plateau(rate, h.beta1, v) for _, v in pairs], f"{APPROXIMATE}: beta2 -> 1, eps -> 0")
    return {}


def _one_step(cell: Cell) -> dict[str, Prediction]:
    """The twin floor at lag 1 of a constant rate: how far one batch moves the iterate."""
    if not _constant(cell) or cell.law is None:
        return {}
    rate, rule = float(cell.program.learning_rate(np.ones(1))[0]), cell.program.optimizer
    variance, h = cell.law.variance / (cell.constant_batch or 1), cell.program.optimizer_parameters
    what = "the twin floor at lag 1"
    if rule is SGD:
        moved = (2.0 * cell.program.objective_constants.scale * rate) ** 2 * variance
        return {"one_step": Prediction(float(moved.sum()), 0.0, f"{what}, {EXACT}")}
    if rule is ADAM and _in_the_limit(h, 2.0 * cell.program.objective_constants.scale * np.sqrt(variance)):
        still = [v / (v + adam_plateau(rate, h.beta1, float(v))) for v in variance]
        moved = np.square(rate * (1.0 - h.beta1)) * np.array(still)
        return {"one_step": Prediction(float(moved.sum()), 0.0, f"{what}, {APPROXIMATE}: beta2 -> 1, eps -> 0")}
    return {}


def _in_the_limit(h: Adam, noise: Array) -> bool:
    """Whether beta2 is near 1, and eps small beside sqrt(v), which is about the noise of a gradient."""
    eps = math.sqrt(h.eps) if h.eps_placement == "inside" else h.eps
    return bool(h.beta2 >= 0.99 and np.all(noise > 0) and np.all(eps <= SMALL * noise))


def _total(plateaus: list[float], kind: str) -> dict[str, Prediction]:
    return {"plateau": Prediction(math.fsum(plateaus), 0.0, f"E|theta - minimizer|^2 in the stationary state, {kind}")}


def _skewness(cell: Cell) -> dict[str, Prediction]:
    """Where Adam settles: |theta* - minimizer|^2, if xi: adam_zero asked for it, and its first-order formula."""
    point = next((xi.point for xi in cell.xi if xi.label == "adam_zero"), None)
    if point is None or cell.minimizer is None or cell.constant_batch is None or cell.law is None:
        return {}
    away = point - cell.minimizer
    distance = float(np.linalg.norm(away))
    se = 2.0 * float(np.abs(away * cell.adam_zero_se).sum())
    first = first_order_bias(
        cell.program.optimizer_parameters, cell.law, 2.0 * cell.program.objective_constants.scale, cell.constant_batch
    )
    return {
        "adam_zero": Prediction(distance**2, se, "|theta* - minimizer|^2, theta* the zero of Adam's vector field"),
        "first_order_bias": Prediction(float(first @ first), 0.0, f"the same to first order in the skewness, {APPROXIMATE}"),
    }


def is_bounded(cell: Cell) -> bool:
    """Whether an interval is known that no path leaves."""
    h = cell.program.optimizer_parameters
    known = cell.program.objective is QUADRATIC and isinstance(h, Adam | Amsgrad) and cell.law and cell.law.bounded
    return bool(known and (h.beta1 == 0 or h.beta1**2 < h.beta2))


@lru_cache(maxsize=32)
def bound(cell: Cell) -> Bound | None:
    """From the start points of paths (dim, paths) to the interval they must stay in; None where none is known."""
    if not is_bounded(cell) or cell.law is None:
        return None
    most, steps = 0.0, cell.program.steps
    for first in range(1, steps + 1, CHUNK):
        n = np.arange(first, min(first + CHUNK, steps + 1), dtype=np.float64)
        most = max(most, reach(cell.program.optimizer_parameters, cell.program.learning_rate(n), n))
    low, high = cell.law.low[:, None], cell.law.high[:, None]
    return lambda start: stay(start, low, high, most)


def adam_zeros(cell: Cell) -> tuple[Array, Array]:
    """theta* and its standard error, for `xi: adam_zero`. Raises ValueError where it is not known."""
    p = cell.program
    scale = p.objective_constants.scale
    return adam_zero(p.optimizer_parameters, p.data, cell.data_parameters, p.dim, scale, cell.constant_batch or 0)
