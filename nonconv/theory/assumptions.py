"""Which assumptions of the theorems of arXiv:2407.08100 (as reconstructed in docs/theory.md) an experiment violates."""

import math
from itertools import pairwise

import numpy as np

from nonconv.components.definitions import SQUARED_DISTANCE
from nonconv.experiment.cell import Cell
from nonconv.numerics.arithmetic import Array
from nonconv.objectives.quadratic import QUADRATIC
from nonconv.optimizers.adam import ADAM

SEEN = 512
"""Steps of a span at which its schedules are looked at."""
FAR = 1e15
"""A step at which whatever has a limit is near it."""


def theorem(cell: Cell) -> str:
    """The theorem closest to the experiment: 1.2 for networks, 1.1 for the quadratic."""
    return "1.2" if cell.program.learning else "1.1"


def departures(cell: Cell) -> list[str]:
    """One clause per violated assumption of its theorem; empty if the theorem applies."""
    if cell.program.learning:
        return [*_about_optimizer(cell), *_about_network(cell), *_about_schedules(cell)]
    objective = cell.program.objective.component
    if objective is not QUADRATIC:
        return [f"the objective is {objective.name}, not the quadratic"]
    return [*_about_optimizer(cell), *_about_data(cell), *_about_schedules(cell)]


def _about_network(cell: Cell) -> list[str]:
    p, found = cell.program, []
    (network, h, constants), (dataset, of_data, _) = p.objective, p.data
    loss, noise = network.loss_name(h), dataset.label_noise(of_data)
    if loss != SQUARED_DISTANCE:
        found.append(f"the loss is {loss}, not {SQUARED_DISTANCE}")
    if np.any(network.penalty(constants, np.ones(p.dim))):
        found.append("there is weight decay")
    if noise == "none":
        found.append("the labels carry no noise")
    if noise == "unbounded":
        found.append("the noise of the labels is not bounded")
    if p.learning and p.learning.rows:
        found.append("examples are not independent: each epoch passes through all of them")
    return found


def _about_optimizer(cell: Cell) -> list[str]:
    rule, h, _ = cell.program.optimizer
    if rule is not ADAM:
        return [f"the optimizer is {rule.name}, not adam"]
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
    """What still makes steps smaller, by this factor from one span of the plan to the next, though noise persists.

    Empty if nothing does: then floors that fall need not stop. The optimizer's part is as its definition states it.
    """
    if _about_schedules(cell) or (cell.law is not None and not noise_persists(cell)):
        return ""
    steps = [np.linspace(span.first + 1, span.last, SEEN).round() for span in cell.program.plan.spans]
    rates = [cell.program.learning_rate(n) for n in steps]
    shares = [float((1.0 / cell.program.batch_size(n)).mean()) for n in steps]
    if _falls([float(rate.mean()) for rate in rates], factor):
        return "the learning rate still falls to its positive limit"
    if _falls(shares, factor):
        return "the batch size still grows to its bound"
    return _settling_of_optimizer(cell, rates, steps, factor)


def _settling_of_optimizer(cell: Cell, rates: list[Array], steps: list[Array], factor: float) -> str:
    """What in the optimizer still makes its directions smaller, as its definition states it."""
    rule, h, _ = cell.program.optimizer
    if rule.relative_size(h, np.array([FAR]))[0] < 0.5:
        return ""  # directions tend to 0, as Adagrad's do, so a fall of the floors need not end
    sizes = [float((rate * rule.relative_size(h, n)).mean()) for rate, n in zip(rates, steps, strict=True)]
    if _falls(sizes, factor):
        return "the optimizer's averages are still warming up without bias correction"
    if rule.monotone and noise_persists(cell):
        return f"{' and '.join(rule.monotone)} of the optimizer may still change towards a limit"
    return ""


def _falls(values: list[float], factor: float) -> bool:
    return any(later < factor * earlier for earlier, later in pairwise(values))


def _about_schedules(cell: Cell) -> list[str]:
    found = []
    if cell.learning_rate.limits.low <= 0:
        found.append("the learning rate has no positive lower limit")
    if not math.isfinite(cell.batch_size.limits.high):
        found.append("the batch sizes are not bounded")
    return found
