"""What is measured of networks: the risk on held-out examples, the gradient's noise, floors of groups, degraded paths.

Hidden units can be exchanged for each other, so different paths end in different copies of one function. Every number here
compares a path with itself, or is a function of the network; nothing is averaged over paths before that.
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nonconv.components.definitions import Group
from nonconv.engine.blocks import Block, Examined, summary_steps
from nonconv.engine.program import Program
from nonconv.numerics.arithmetic import Array
from nonconv.numerics.moments import Estimate
from nonconv.numerics.student import student
from nonconv.statistics.comoments import CoMoments
from nonconv.statistics.floors import measured
from nonconv.statistics.trends import Trend, followed, trends

TRAINING_LOSS = "training_loss"
"""The name of the mean loss of the examples that are learned from."""
DEGRADED = ("worse", "dead", "idle")
"""Paths with a risk above that at their start or none, with a dead layer, with an idle unit."""


class MeasuredGroups(NamedTuple):
    """What is measured of the groups of coordinates, each as if there were no others.

    floors: shape (groups, rows, paths). trends: shape (groups * trends, paths), group after group.
    """

    floors: Array
    trends: Array


def end_names(program: Program) -> list[str]:
    """Return the names of what each network ends with, in the order of `ends`; none without held-out examples."""
    if not _has_held_out(program):
        return []
    assert program.learning is not None
    return ["risk", "idle", *([TRAINING_LOSS] if program.learning.training else [])]


def _has_held_out(program: Program) -> bool:
    """Return whether the program is a network's and has held-out examples."""
    return program.learning is not None and program.learning.held_out[0].shape[1] > 0


def named_groups(program: Program) -> tuple[Group, ...]:
    """Return the groups of coordinates with separate floors and verdict: each layer, and the biases of the output.

    None for objectives that do not learn from examples (x, y), and in runs too short for spans.
    """
    if program.learning is None or not program.learning.shape.features or not program.plan.spans:
        return ()
    layers: dict[str, Group] = {}
    for group in program.learning.groups:
        # Weights and biases of a layer, `hidden.weight` and `hidden.bias`, become one group `hidden`.
        name = group.name.rpartition(".")[0] or group.name
        layers[name] = Group(name, layers[name].first if name in layers else group.first, group.last)
    last = program.learning.groups[-1]
    layers.setdefault(last.name, last)
    return tuple(layers.values())


def group_trends(program: Program) -> list[Trend]:
    """Return what is followed of each group, in the order of MeasuredGroups.trends: the floors, and no error.

    xi is a point of the whole network, so it has no error in one group.
    """
    return trends(program.plan, ())


def measured_groups(program: Program, block: Block) -> MeasuredGroups | None:
    """Measure the floors and trends of each of `named_groups`; None where there are none."""
    blocks = [_restrict_block(block, group) for group in named_groups(program)]
    if not blocks:
        return None
    floors = [measured(program.plan, one) for one in blocks]
    of_trends = [followed(program.plan, one, own, []) for one, own in zip(blocks, floors, strict=True)]
    return MeasuredGroups(np.array(floors), np.concatenate(of_trends))


def _restrict_block(block: Block, group: Group) -> Block:
    """Return the block as if there were no coordinates but the group's."""
    own = slice(group.first, group.last)
    # Floors and trends read nothing else of a block.
    return replace(
        block,
        seen=block.seen[:, own],
        twins=tuple(twin[:, own] for twin in block.twins),
        sampled=tuple(sampled[:, own] for sampled in block.sampled),
        sampled_twins=tuple(sampled[:, own] for sampled in block.sampled_twins),
    )


def ends(examined: Examined | None) -> list[Array]:
    """Return what each path's network ends with, (paths,) each: its risk and its share of idle units."""
    if examined is None:
        return []
    return [examined.risk[-1], examined.idle, *([] if examined.training is None else [examined.training[-1]])]


def course(examined: Examined, record: NDArray[np.int64]) -> Array | None:
    """Return the risk, and the training loss if there is one, at half of the run and at its end, (2 or 4, paths).

    None for a run of one recorded step.
    """
    late = summary_steps(record)[-2:] + 1  # the start is the first
    of = [examined.risk, *([] if examined.training is None else [examined.training])]
    return np.concatenate([numbers[late] for numbers in of]) if len(late) == 2 else None


def log_slope(m: CoMoments, first: int, last: int, doublings: float) -> Estimate:
    """Return the log-log slope from number `first` to number `last` of m, so many doublings later, by the delta method."""
    n, at = float(m.n), [first, last]
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        gradient = np.array([-1.0, 1.0]) / (m.mean[at] * np.log(2.0) * doublings)
        value = np.log2(m.mean[last] / m.mean[first]) / doublings
        se = np.sqrt(max(float(gradient @ (m.m2[at][:, at] / (n - 1.0)) @ gradient), 0.0) / n) if n > 1 else np.nan
    half = -student(max(int(n) - 1, 1), 0.025) * se
    return Estimate(*map(np.asarray, (value, se, value - half, value + half)))


def degraded(examined: Examined) -> NDArray[np.int64]:
    """Count the degraded paths, in the order of DEGRADED, shape (3,)."""
    # "Not at most" instead of "above": a risk of nan compares false either way, and counts as worse.
    masks = (~(examined.risk[-1] <= examined.risk[0]), examined.dead, examined.idle > 0)
    return np.array([np.count_nonzero(paths) for paths in masks], dtype=np.int64)
