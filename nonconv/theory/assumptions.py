"""Which assumptions of the theorems of arXiv:2407.08100 (as reconstructed, docs/theory.md) an experiment does not meet."""

import math
from itertools import pairwise

import numpy as np

from nonconv.experiment.cell import Cell
from nonconv.numerics.arithmetic import Array
from nonconv.optimizers.dialects import correction

SEEN = 512
"""Steps of a span at which its schedules are looked at."""


def theorem(cell: Cell) -> str:
    """The theorem that an experiment is nearest to: 1.2 is about networks, 1.1 about the quadratic."""
    return "1.2" if cell.program.learning else "1.1"


def departures(cell: Cell) -> list[str]:
    """One sentence part for each assumption of its theorem that does not hold; empty when the theorem applies."""
    name = cell.program.objective.component.name
    if cell.program.learning:
        return [*_about_optimizer(cell), *_about_network(cell), *_about_schedules(cell)]
    if name != "quadratic":
        return [f"the objective is {name}, not the quadratic"]
    return [*_about_optimizer(cell), *_about_data(cell), *_about_schedules(cell)]


def _about_network(cell: Cell) -> list[str]:
    h, data = cell.program.objective.parameters, cell.resolved["objective"]["data"]
    found = []
    if getattr(h, "loss", "squared") != "squared":
        found.append(f"the loss is {h.loss.replace('_', '-')}, not the squared distance")
    if getattr(h, "weight_decay", 0.0):
        found.append("there is weight decay")
    if data.get("noise") == 0:
        found.append("the labels carry no noise")
    if data.get("noise_law") == "normal" and data.get("noise"):
        found.append("the noise of the labels is not bounded")
    if data.get("order") == "epochs":
        found.append("examples are not independent: each epoch passes through all of them")
    return found


def _about_optimizer(cell: Cell) -> list[str]:
    if cell.program.optimizer.component.name != "adam":
        return [f"the optimizer is {cell.program.optimizer.component.name}, not adam"]
    h = cell.program.optimizer.parameters
    found = []
    if h.beta1 >= math.sqrt(h.beta2):
        found.append(f"beta1 = {h.beta1:g} is not below sqrt(beta2) = {math.sqrt(h.beta2):.4g}")
    if h.eps == 0:
        found.append("eps is 0")
    if h.eps_placement != "outside" or not h.bias_correction or h.start != "zero":
        found.append("adam is not in the theorem's form (eps outside the root, bias correction, start at zero)")
    return found


def _about_data(cell: Cell) -> list[str]:
    assert cell.law is not None
    found = []
    if not cell.law.bounded:
        found.append(f"the data ({cell.program.data.component.name}) are not bounded")
    if np.all(cell.law.variance == 0):
        found.append("the data are constant")
    return found


def noise_persists(cell: Cell) -> bool:
    """Whether noise moves the iterates of a quadratic for ever: neither rates nor the noise of batches vanish."""
    return cell.law is not None and bool(np.any(cell.law.variance > 0)) and not _about_schedules(cell)


def settling(cell: Cell, factor: float) -> str:
    """What still makes steps smaller, by this factor from one span of the plan to the next, though noise persists."""
    if _about_schedules(cell) or (cell.law is not None and not noise_persists(cell)):
        return ""
    steps = [np.linspace(span.first + 1, span.last, SEEN).round() for span in cell.program.plan.spans]
    rates = [cell.program.learning_rate(n) for n in steps]
    shares = [float((1.0 / cell.program.batch_size(n)).mean()) for n in steps]
    if _falls([float(rate.mean()) for rate in rates], factor):
        return "the learning rate still falls to its positive limit"
    if _falls(shares, factor):
        return "the batch size still grows to its bound"
    filling = [float((rate * _unfilled(cell, n)).mean()) for rate, n in zip(rates, steps, strict=True)]
    return (
        "the average of squared gradients still fills up from 0, and steps shrink to their limit"
        if _falls(filling, factor)
        else ""
    )


def _unfilled(cell: Cell, n: Array) -> Array:
    """How many times as long steps are as when averages that start at 0 and are not corrected have filled up."""
    h = cell.program.optimizer.parameters
    if getattr(h, "start", "") != "zero" or getattr(h, "bias_correction", True):
        return np.ones_like(n)
    momentum, squares = (correction(getattr(h, name, 0.0), True, n) for name in ("beta1", "beta2"))
    return np.asarray(np.sqrt(squares) / momentum)


def _falls(values: list[float], factor: float) -> bool:
    return any(later < factor * earlier for earlier, later in pairwise(values))


def _about_schedules(cell: Cell) -> list[str]:
    found = []
    if cell.learning_rate.limits.low <= 0:
        found.append("the learning rate has no positive lower limit")
    if not math.isfinite(cell.batch_size.limits.high):
        found.append("the batch sizes are not bounded")
    return found
