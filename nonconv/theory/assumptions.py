"""Which assumptions of the theorems of arXiv:2407.08100 (as reconstructed in docs/theory.md) an experiment violates."""

import math

import numpy as np

from nonconv.components.definitions import SQUARED_DISTANCE
from nonconv.experiment.cell import Cell
from nonconv.objectives.mlp import MLP
from nonconv.objectives.quadratic import QUADRATIC
from nonconv.optimizers.adam import ADAM
from nonconv.optimizers.averages import is_fixed
from nonconv.theory.limit_point import is_full_batch


def theorem(cell: Cell) -> str:
    """Return the theorem closest to the experiment: 1.2 where it learns from examples, 1.1 otherwise."""
    return "1.2" if cell.learns else "1.1"


def departures(cell: Cell) -> list[str]:
    """Return one clause per assumption of its theorem that the experiment violates; empty if the theorem applies."""
    if cell.learns:
        own = [*_find_optimizer_departures(cell), *_find_network_departures(cell), *_find_schedule_departures(cell)]
        return [*own, *_find_step_departures(cell)]
    objective = cell.program.objective.component
    if objective is not QUADRATIC:
        return [f"the objective is {objective.name}, not the quadratic"]
    own = [*_find_optimizer_departures(cell), *_find_data_departures(cell), *_find_schedule_departures(cell)]
    return [*own, *_find_step_departures(cell)]


def leads_elsewhere(cell: Cell) -> list[str]:
    """Return what may lead iterates away from the minimizer, which is that of the mean loss alone, on the domain."""
    parts, noise, law, drift = cell.program.parts, cell.program.noise, cell.law, cell.drift
    found = []
    if parts.clip_value or parts.clip_norm:
        found += [] if law is not None and law.symmetric else ["clipping"]
    if parts.l2 or parts.decay or parts.pull:
        found.append("weight decay")
    if noise is not None and not np.all(noise.component.law(noise.parameters, cell.program.dim).mean == 0.0):
        found.append("the mean of the gradient noise")
    if drift is not None and (drift.low, drift.high) != (0.0, 0.0):
        found.append("the drift of the data")
    return found


def _find_network_departures(cell: Cell) -> list[str]:
    """Return the violated assumptions about the loss, the penalty and the data of a network."""
    p, found = cell.program, []
    (network, h, constants), (dataset, of_data, _) = p.objective, p.data
    if network is not MLP:
        return [f"the objective is {network.name}, not a fully connected network"]
    loss, noise = network.loss_name(h), dataset.label_noise(of_data)
    if loss != SQUARED_DISTANCE:
        found.append(f"the loss is {loss}, not {SQUARED_DISTANCE}")
    if np.any(network.penalty(constants, np.ones(p.dim))):
        found.append("there is weight decay")
    if noise == "none":
        found.append("the labels carry no noise")
    if noise == "unbounded":
        found.append("the noise of the labels is not bounded")
    return found


def _find_step_departures(cell: Cell) -> list[str]:
    """Return what happens in a step beside the rule, and how data depend on the step."""
    parts, supply, found = cell.program.parts, cell.program.supply, []
    what = "examples" if cell.program.learning else "data"
    if is_full_batch(cell):
        found.append(f"{what} are not independent: each batch holds all of them")
    elif supply.order == "epochs":
        found.append(f"{what} are not independent: each epoch passes through all of them")
    elif supply.order != "with_replacement":
        found.append(f"{what} are not independent: every pass has them in the same order")
    if parts.hold:
        found.append(f"{what} are not independent: each is used {supply.hold} steps in a row")
    if parts.drift:
        found.append(f"{what} do not have one law: it drifts")
    if parts.noise:
        assert cell.program.noise is not None
        mean = cell.program.noise.component.law(cell.program.noise.parameters, cell.program.dim).mean
        shift = ", and has no mean" if np.isnan(mean).any() else ", and whose mean is not 0" if np.any(mean) else ""
        found.append(f"the gradient has noise of its own, which does not come from the data{shift}")
    if parts.clip_value or parts.clip_norm:
        found.append("the gradient is clipped")
    if parts.l2 or parts.decay or parts.pull:
        found.append("there is weight decay")
    if parts.domain:
        found.append("every step is projected on a domain")
    return found


def _find_optimizer_departures(cell: Cell) -> list[str]:
    """Return the violated assumptions about the optimizer and its parameters."""
    rule, h, _ = cell.program.optimizer
    if rule is not ADAM:
        return [f"the optimizer is {rule.name}, not adam"]
    found = []
    if not is_fixed(h):
        found.append("the decays are not constant")
    elif h.beta1 >= math.sqrt(h.beta2):
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
    if cell.law.constant:
        found.append("the data are constant")
    return found


def _find_schedule_departures(cell: Cell) -> list[str]:
    """Return the violated assumptions about learning rate and batch size: they are about limits alone."""
    found = []
    if not cell.learning_rate.limits.known:
        found.append("the limit of the learning rate is not known")
    if cell.learning_rate.limits.low <= 0:
        found.append("the learning rate has no positive lower limit")
    if not cell.batch_size.limits.known:
        found.append("it is not known whether the batch sizes are bounded")
    elif not math.isfinite(cell.batch_size.limits.high):
        found.append("the batch sizes are not bounded")
    return found
