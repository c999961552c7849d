"""Which assumptions of the theorems of arXiv:2407.08100 (as reconstructed in docs/theory.md) an experiment violates."""

import math
from itertools import pairwise

import numpy as np

from nonconv.components.definitions import SQUARED_DISTANCE
from nonconv.experiment.cell import Cell
from nonconv.numerics.arithmetic import Array
from nonconv.objectives.quadratic import QUADRATIC
from nonconv.optimizers.adam import ADAM

STEPS_PER_SPAN = 512
"""Steps per span at which the schedules are evaluated."""
FAR = 1e15
"""A step at which whatever has a limit is near it."""


def theorem(cell: Cell) -> str:
    """Return the theorem closest to the experiment: 1.2 for networks, 1.1 otherwise."""
    return "1.2" if cell.program.learning else "1.1"


def departures(cell: Cell) -> list[str]:
    """Return one clause per assumption of its theorem that the experiment violates; empty if the theorem applies."""
    if cell.program.learning:
        return [*_find_optimizer_departures(cell), *_find_network_departures(cell), *_find_schedule_departures(cell)]
    objective = cell.program.objective.component
    if objective is not QUADRATIC:
        return [f"the objective is {objective.name}, not the quadratic"]
    return [*_find_optimizer_departures(cell), *_find_data_departures(cell), *_find_schedule_departures(cell)]


def _find_network_departures(cell: Cell) -> list[str]:
    """Return the violated assumptions about the loss, the penalty and the data of a network."""
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


def _find_optimizer_departures(cell: Cell) -> list[str]:
    """Return the violated assumptions about the optimizer and its parameters."""
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


def _find_data_departures(cell: Cell) -> list[str]:
    """Return the violated assumptions about the data of the quadratic."""
    assert cell.law is not None
    found = []
    if not cell.law.bounded:
        found.append(f"the data ({cell.program.data.component.name}) are not bounded")
    if np.all(cell.law.variance == 0):
        found.append("the data are constant")
    return found


def noise_persists(cell: Cell) -> bool:
    """Return whether noise moves the iterates of a quadratic forever: neither rates nor the noise of batches vanish."""
    return cell.law is not None and bool(np.any(cell.law.variance > 0)) and not _find_schedule_departures(cell)


def settling(cell: Cell, factor: float) -> str:
    """Return what still makes steps smaller by `factor` from one span of the plan to the next, as a clause; empty if nothing.

    It is asked where noise persists: if nothing shrinks the steps, floors that fall need not stop. The optimizer's part is as
    its definition states it.
    """
    if _find_schedule_departures(cell) or (cell.law is not None and not noise_persists(cell)):
        return ""
    # Schedules are sampled, not summed: spans may have millions of steps.
    steps = [np.linspace(span.first + 1, span.last, STEPS_PER_SPAN).round() for span in cell.program.plan.spans]
    rates = [cell.program.learning_rate(n) for n in steps]
    shares = [float((1.0 / cell.program.batch_size(n)).mean()) for n in steps]
    if _falls([float(rate.mean()) for rate in rates], factor):
        return "the learning rate still falls to its positive limit"
    if _falls(shares, factor):
        return "the batch size still grows to its bound"
    return _find_settling_optimizer(cell, rates, steps, factor)


def _find_settling_optimizer(cell: Cell, rates: list[Array], steps: list[Array], factor: float) -> str:
    """Return what in the optimizer still makes its directions smaller, as its definition states it; empty if nothing.

    rates, steps: per span, (STEPS_PER_SPAN,) each.
    """
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
    """Return whether any value is below `factor` times the one before."""
    return any(later < factor * earlier for earlier, later in pairwise(values))


def _find_schedule_departures(cell: Cell) -> list[str]:
    """Return the violated assumptions about learning rate and batch size: they are about limits alone."""
    found = []
    if cell.learning_rate.limits.low <= 0:
        found.append("the learning rate has no positive lower limit")
    if not math.isfinite(cell.batch_size.limits.high):
        found.append("the batch sizes are not bounded")
    return found
