"""What an experiment with a network has besides: its examples, the names of its coordinates, how it starts."""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from nonconv.arithmetic import Array
from nonconv.components import Chosen, Coupled, Examples, Group
from nonconv.config.examples import Sources
from nonconv.engine.program import Learning
from nonconv.rng import key, uniforms

TABLES = ("csv", "diabetes", "digits")


class Bound(NamedTuple):
    """The data's parameters as its functions take them, and what the engine is told."""

    data_parameters: Any
    learning: Learning


def bind(objective: Chosen, data: Chosen, sources: Sources, resolved: dict[str, Any]) -> Bound:
    """Read the examples, and lay the coordinates out; problems go to the sources'."""
    network, examples, h = objective.component, data.component, data.parameters
    assert isinstance(network, Coupled)
    assert isinstance(examples, Examples)
    if examples.name in TABLES:
        h, digest = sources.table(data)
        if digest:
            resolved["objective"]["data"]["sha256"] = digest
    shape = examples.shape(h)
    for complaint in network.check_shape(objective.parameters, shape):
        sources.complain(("objective", complaint.parameter), complaint.message, complaint.allowed)
    groups = network.groups(objective.parameters, shape)
    work = network.work(objective.parameters, shape)
    held_out = _held_out(examples, h, sources.seed)
    return Bound(h, Learning(shape, examples.draws(h), examples.rows(h), work, groups, held_out))


def _held_out(examples: Examples, h: Any, seed: int) -> tuple[Array, Array]:
    """The examples that measure the risk: those set apart, or drawn from a stream of their own."""
    found = examples.held_out(h)
    if not isinstance(found, int):
        return found
    shape = examples.shape(h)
    x, y = np.empty((shape.features, found)), np.empty((shape.targets, found))
    if found:
        with np.errstate(all="ignore"):
            examples.sample(examples.prepare(h), found, uniforms(key(seed, "held-out"), 0, examples.draws(h), 0, found), x, y)
    return x, y


def coordinate_names(groups: tuple[Group, ...]) -> Iterator[str]:
    """What each coordinate is called, as in PyTorch: `hidden.weight[2,0]`, `output.bias[0]`."""
    for group in groups:
        for k in range(group.last - group.first):
            yield f"{group.name}[{k // group.fan_in},{k % group.fan_in}]" if group.fan_in else f"{group.name}[{k}]"


def first_of_each(groups: tuple[Group, ...]) -> list[int]:
    """The first coordinate of each group, those of the output first."""
    return [group.first for group in reversed(groups)]


def full_name(name: str, groups: tuple[Group, ...]) -> str:
    """`output.bias` as `output.bias[0]`, without blanks."""
    plain = re.sub(r"\s", "", name)
    group = next((g for g in groups if g.name == plain), None)
    return plain if group is None else f"{plain}[0,0]" if group.fan_in else f"{plain}[0]"
