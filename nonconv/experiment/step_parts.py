"""What a config says of a step beside the rule: order, hold and drift of data, noise, clipping, decay, domain, averages."""

from functools import partial
from typing import Any, NamedTuple

import numpy as np

from nonconv.components.definitions import Chosen, Configured, Dataset, Distribution, Iterate, Order
from nonconv.config.spec import DOMAIN, parameters_from
from nonconv.engine.program import Average, Modifiers, Supply
from nonconv.experiment.reading import Reading
from nonconv.experiment.schedules import describe_schedule, make_drift
from nonconv.experiment.sources import DATA_PATH
from nonconv.faults.blame import refusal
from nonconv.numerics.arithmetic import Array
from nonconv.schedules.batch_size import CONSTANT as CONSTANT_BATCH
from nonconv.system.words import count

MOST_DECK_NUMBERS = 200_000
"""Rows times coordinates of the decks of one path: a worker holds those of 256 paths."""


class Iterates(NamedTuple):
    """What is measured: running averages, whether the optimizer's own iterate is, and the names of all, last first."""

    averages: tuple[Average, ...]
    own: bool
    labels: tuple[str, ...]


def supply(config: Reading) -> Supply:
    """Return how data depend on the step."""
    part, data = getattr(config.model.objective, "data", None), config.data.component
    hold, drift = getattr(part, "hold", None) or 1, getattr(part, "drift", None)
    order: Order = "with_replacement"
    rows = 0
    if isinstance(data, Dataset):
        rows = data.rows(config.loaded)
        order = data.order(config.loaded) if rows else order
        if drift and data.shape(config.loaded).classes:
            config.complain((*DATA_PATH, "drift"), "is added to targets, and these are classes")
    elif part is not None and part.order not in (None, "with_replacement") and config.loaded is not None:
        order, rows = part.order, data.rows(config.loaded)
        _check_order(config, order, rows)
    if drift:
        config.check_values("drift", config.choose("drift", drift), (*DATA_PATH, "drift"))
    if rows and _batch(config) % rows == 0:
        order = "cyclic"  # a batch of whole passes is the same in any order; as listed nothing is random, to the bit
    return Supply(order, rows, hold, make_drift(config.choose("drift", drift)) if drift else None)


def _batch(config: Reading) -> float:
    """The size of all batches; nan if it changes."""
    constant = describe_schedule(config.choose("batch_size", config.model.batch_size), CONSTANT_BATCH, 1.0).constant
    return np.nan if constant is None else constant


def _check_order(config: Reading, order: Order, rows: int) -> None:
    """Complain unless there are equally likely rows, so few that the decks of all lanes fit into memory."""
    path, most = (*DATA_PATH, "order"), MOST_DECK_NUMBERS
    decks = config.numbers if config.data.component.draws == "each" else 1
    if rows == 0:
        what = f"{config.data.component.name} has no equally likely values to pass through"
        config.complain(path, what, "with_replacement; or a finite law: sequence, csv, discrete with equal probabilities")
    elif config.learning and decks > 1:
        config.complain(path, f"each coordinate of {config.data.component.name} draws its own value", "sequence, csv")
    elif order != "cyclic" and rows * decks > most:
        config.complain(path, f"{rows} rows for each of {decks} coordinates do not fit into memory", f"at most {most} in all")


def gradient_noise(config: Reading) -> Configured[Distribution] | None:
    """Return the law that is added to gradients; None if there is none."""
    part = config.model.objective.gradient_noise
    if part is None:
        return None
    path, chosen = ("objective", "gradient_noise"), config.choose("data", part)
    if chosen.component.draws != "each":
        config.complain(path, f"{chosen.component.name} gives whole rows, and noise is drawn for each coordinate alone")
    for name in ("order", "hold", "drift"):
        if getattr(part, name) is not None:
            config.complain((*path, name), "is for data; noise is drawn anew for each step")
    loaded = config.load(chosen, path)
    return None if loaded is None else Configured(chosen.component, loaded, chosen.component.prepare(loaded, config.dim))


def modifiers(config: Reading) -> Modifiers:
    """Return how gradients are clipped and iterates decay."""
    part = config.model.optimizer
    for name, needed in (("clip_eps", "clip_norm"), ("decay_form", "weight_decay")):
        if getattr(part, name) is not None and getattr(part, needed) is None:
            config.complain(("optimizer", name), f"has no effect without {needed}")
    l2, decay = (part.weight_decay if (part.decay_form == "l2") is wanted else None for wanted in (True, False))
    return Modifiers(part.clip_value, part.clip_norm, part.clip_eps or 0.0, l2 or None, decay or None)


def domain(config: Reading) -> tuple[Array, Array] | None:
    """The least and the largest iterates, (dim,) each; None if all numbers are allowed."""
    domain, path = config.model.domain, ("domain",)
    if domain is None:
        return None
    pairs = domain if isinstance(domain[0], tuple) else (domain,)
    if len(pairs) not in (1, config.dim) or (isinstance(domain[0], tuple) and len(pairs) != config.dim):
        config.complain(path, f"has {count(len(pairs), 'pair')} for an objective of dim {config.dim}", DOMAIN)
        return None
    for k, (low, high) in enumerate(pairs):
        if low is not None and high is not None and low > high:
            config.complain(path if pairs != domain else (*path, k), f"low is {low:g}, which is above high, {high:g}")
    ends = ((-np.inf if low is None else low, np.inf if high is None else high) for low, high in pairs)
    low, high = (np.broadcast_to(np.array(end), (config.dim,)).copy() for end in zip(*ends, strict=True))
    return low, high


def decays(config: Reading) -> list[Chosen]:
    """Return the decays of the optimizer that are schedules, and complain where one is none at some step of the run."""
    rule = config.choose("optimizer", config.model.optimizer).parameters
    decays = {name: value for name, value in rule._asdict().items() if isinstance(value, Chosen)}
    for name, decay in decays.items():
        config.check_values("decay", decay, ("optimizer", name))
    return list(decays.values())


def iterates(config: Reading) -> Iterates:
    """Return the iterates that are measured, the last one first."""
    wanted, steps = config.model.iterates, config.model.steps
    averages, labels, own = [], ["last"], False
    for k, part in enumerate(wanted or ()):
        component, h = config.choose("iterate", part)
        label = component.name
        if k == 0 and label != "last":
            config.complain(("iterates", 0), f"is {label}; the last iterate comes first", "last")
        if component.own and config.choose("optimizer", config.model.optimizer).component.own is None:
            config.complain(("iterates", k), f"{config.model.optimizer.name} has no iterate of its own")
        if k > 0:
            label = _label_of_iterate(config, component, part, labels, k)
            labels.append(label)
            own = own or component.own
        if component.weight:
            averages.append(Average(label, partial(_weights, component, h, steps)))
    if own:  # the engine has it after the averages
        labels = [*(label for label in labels if label != "own"), "own"]
    return Iterates(tuple(averages), own, tuple(labels))


def _label_of_iterate(config: Reading, component: Iterate, part: Any, labels: list[str], k: int) -> str:
    """Return the name of an iterate in tables: that of its component, with what differs where there are several."""
    same = sum(other.name == component.name for other in config.model.iterates)
    h = parameters_from(component, part)
    label = str(component.name) if same == 1 else " ".join([component.name, *(f"{value:g}" for value in h)])
    if label in labels:
        config.complain(("iterates", k), f"duplicate iterate {label}")
    return label


def has_parts(config: Reading) -> bool:
    """Whether more happens in a step than the rule says, or data depend on the step."""
    model = config.model
    of_data = (getattr(model.objective.data, name, None) for name in ("order", "hold", "drift"))
    of_rule = (getattr(model.optimizer, name) for name in ("clip_value", "clip_norm", "weight_decay"))
    return any(part is not None for part in (model.domain, model.objective.gradient_noise, *of_data, *of_rule))


def _weights(component: Iterate, h: Any, steps: int, n: Array) -> Array:
    """Return the weights (steps,) of an average at steps n. Raises PluginError unless they are in [0, 1]."""
    assert component.weight is not None
    found = component.weight(h, n, steps)
    if getattr(found, "shape", None) != n.shape or not np.all((found >= 0.0) & (found <= 1.0)):
        raise refusal(component.weight, "weight must return an array of the shape of n, of numbers from 0 to 1")
    return found
