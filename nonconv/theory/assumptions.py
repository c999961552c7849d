"""Which assumptions of Theorem 1.1 of arXiv:2407.08100 (as reconstructed, docs/theory.md) an experiment does not meet."""

import math

import numpy as np

from nonconv.experiment import Cell


def departures(cell: Cell) -> list[str]:
    """One sentence part for each assumption that does not hold; empty when the theorem applies."""
    name = cell.program.objective.name
    if name != "quadratic":
        return [f"the objective is {name}, not the quadratic"]
    return [*_about_optimizer(cell), *_about_data(cell), *_about_schedules(cell)]


def _about_optimizer(cell: Cell) -> list[str]:
    if cell.optimizer.component.name != "adam":
        return [f"the optimizer is {cell.optimizer.component.name}, not adam"]
    h = cell.optimizer.parameters
    found = []
    if h.beta1 >= math.sqrt(h.beta2):
        found.append(f"beta1 = {h.beta1:g} is not below sqrt(beta2) = {math.sqrt(h.beta2):.4g}")
    if h.eps == 0:
        found.append("eps is 0")
    if h.eps_placement != "outside" or not h.bias_correction or h.start != "zero":
        found.append("adam is not in the theorem's form (eps outside the root, bias correction, start at zero)")
    return found


def _about_data(cell: Cell) -> list[str]:
    found = []
    if not cell.law.bounded:
        found.append(f"the data ({cell.program.data.name}) are not bounded")
    if np.all(cell.law.variance == 0):
        found.append("the data are constant")
    return found


def _about_schedules(cell: Cell) -> list[str]:
    found = []
    if cell.learning_rate_limits.low <= 0:
        found.append("the learning rate has no positive lower limit")
    if not math.isfinite(cell.batch_size_limits.high):
        found.append("the batch sizes are not bounded")
    return found
