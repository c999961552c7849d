"""What only an experiment with a network has: held-out examples, and coordinates with names.

Coordinates lie in groups, a weight matrix or a bias each, with the names that PyTorch gives them.
"""

import re
from typing import Any

import numpy as np

from nonconv.components.definitions import Chosen, Complaint, Coupled, Dataset, Group, Shape
from nonconv.engine.blocks import SMALLEST_BLOCK
from nonconv.engine.program import Learning
from nonconv.experiment.sources import DATA_PATH, Sources
from nonconv.numerics.arithmetic import Array

MOST_TRAINING_ROWS = 1024
"""Most rows of a table that the training loss is a mean over: looking at more would slow a run down."""
MOST_EXAMINED_BYTES = 2**30
"""Memory for a smallest block of networks looking at all held-out examples at once."""


def bind(objective: Chosen, data: Dataset, h: Any, sources: Sources) -> Learning:
    """Lay the coordinates out in groups, and set examples apart.

    h: the data's parameters as loaded. What is wrong is added to the problems of `sources`.
    """
    network = objective.component
    assert isinstance(network, Coupled)
    shape = data.shape(h)
    for complaint in network.check_shape(objective.parameters, shape):
        sources.complain(("objective",), complaint)
    groups = network.groups(objective.parameters, shape)
    work = network.work(objective.parameters, shape)
    most = _most_held_out(shape, work)
    held_out = _held_out(data, h, shape, most, sources)
    training = _thinned(data.training(h), min(most, MOST_TRAINING_ROWS)) if held_out[0].size else None
    return Learning(shape, data.draws(h), work, groups, held_out, training)


def _thinned(examples: tuple[Array, Array] | None, most: int) -> tuple[Array, Array] | None:
    """Return examples (features, n) and (targets, n), at most so many of them and then evenly spread."""
    if examples is None or examples[0].shape[1] <= most:
        return examples
    chosen = np.linspace(0, examples[0].shape[1] - 1, most).round().astype(np.int64)
    x, y = (np.ascontiguousarray(table[:, chosen]) for table in examples)
    return x, y


def _most_held_out(shape: Shape, work: int) -> int:
    """Return the largest number of held-out examples that fits into memory."""
    return MOST_EXAMINED_BYTES // (8 * SMALLEST_BLOCK * (shape.features + shape.targets + 2 + work))


def _held_out(data: Dataset, h: Any, shape: Shape, most: int, sources: Sources) -> tuple[Array, Array]:
    """Return the examples that measure the risk: x (features, m) and y (targets, m).

    Rows of a file that are set apart, or examples drawn from a separate stream of random numbers, so that no path ever
    learns from them.
    """
    found = data.held_out(h)
    number = found if isinstance(found, int) else found[0].shape[1]
    if number > most:
        what = f"{number} examples for networks of this size do not fit into memory"
        sources.complain(DATA_PATH, Complaint("held_out", what, f"at most {most} held-out examples"))
        return np.empty((shape.features, 0)), np.empty((shape.targets, 0))
    if not isinstance(found, int):
        return found
    x, y = np.empty((shape.features, found)), np.empty((shape.targets, found))
    if found:
        u = sources.uniforms("held-out", data.draws(h), found)
        # A law may overflow for extreme numbers, as it may on paths; the risk is then not finite.
        with np.errstate(all="ignore"):
            data.sample(data.prepare(h), found, u, x, y)
    return x, y


def coordinate_name(k: int, groups: tuple[Group, ...]) -> str:
    """Name coordinate k = 0, 1, ... as PyTorch does: `hidden.weight[2,0]`, `output.bias[0]`.

    Without groups its name is its number from 1 on.
    """
    group = next((g for g in groups if g.first <= k < g.last), None)
    if group is None:
        return f"{k + 1}"
    at = k - group.first
    return f"{group.name}[{at // group.fan_in},{at % group.fan_in}]" if group.fan_in else f"{group.name}[{at}]"


def coordinate_of(value: str | int, groups: tuple[Group, ...], dim: int) -> int | None:
    """Find the coordinate that a number from 1 on or a name means; `output.bias` is the first of its group.

    Returns its index from 0 on, or None if there is no such coordinate.
    """
    plain = re.sub(r"\s", "", str(value))
    if plain.isdecimal():
        return int(plain) - 1 if 1 <= int(plain) <= dim else None
    name, bracket, _ = plain.partition("[")
    group = next((g for g in groups if g.name == name), None)
    if group is None or not bracket:
        return None if group is None else group.first
    names = (coordinate_name(k, (group,)) for k in range(group.first, group.last))
    return next((group.first + at for at, known in enumerate(names) if known == plain), None)


def list_coordinates(groups: tuple[Group, ...], dim: int) -> str:
    """Say which coordinates `coordinate_of` knows."""
    ends = [(coordinate_name(g.first, groups), coordinate_name(g.last - 1, groups)) for g in groups]
    names = [first if first == last else f"{first} to {last}" for first, last in ends]
    return ", ".join([f"1 to {dim}" if dim > 1 else "1", *names])


def first_of_each(groups: tuple[Group, ...]) -> list[int]:
    """Return the first coordinate of each group, the output's first."""
    return [group.first for group in reversed(groups)]
