"""What is measured of networks besides: the risk on held-out examples, the gradient's noise, floors of groups, degraded paths.

Hidden units can be exchanged for each other, so different paths end in different copies of one function. Every number here
compares a path with itself, or is a function of the network; nothing is averaged over paths before that.
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nonconv.components.definitions import Group
from nonconv.engine.blocks import Block, Examined
from nonconv.engine.program import Program
from nonconv.numerics.arithmetic import Array
from nonconv.statistics.floors import measured
from nonconv.statistics.trends import Trend, followed, trends

DEGRADED = ("worse", "dead", "idle")
"""Paths with a risk above that at their start or none, with a dead layer, with an idle unit."""


class MeasuredGroups(NamedTuple):
    """What is measured of the groups of coordinates, each as if there were no others.

    floors: shape (groups, rows, paths). trends: shape (groups * trends, paths), group after group.
    """

    floors: Array
    trends: Array


def end_names(program: Program) -> list[str]:
    """The names of what each network ends with, in the order of `ends`; none without held-out examples."""
    return ["risk", "idle"] if _has_held_out(program) else []


def _has_held_out(program: Program) -> bool:
    return program.learning is not None and program.learning.held_out[0].shape[1] > 0


def named_groups(program: Program) -> tuple[Group, ...]:
    """The groups of coordinates with floors and a verdict of their own: each layer, and the biases of the output.

    None for objectives that are no networks, and in runs too short for spans.
    """
    if program.learning is None or not program.plan.spans:
        return ()
    layers: dict[str, Group] = {}
    for group in program.learning.groups:
        name = group.name.rpartition(".")[0] or group.name
        layers[name] = Group(name, layers[name].first if name in layers else group.first, group.last)
    return (*layers.values(), program.learning.groups[-1])


def group_trends(program: Program) -> list[Trend]:
    """What is followed of each group, in the order of MeasuredGroups.trends: of xi nothing, which is no network's group."""
    return trends(program.plan, ())


def measured_groups(program: Program, block: Block) -> MeasuredGroups | None:
    """The floors and trends of each of `named_groups`; None where there are none."""
    blocks = [_restricted(block, group) for group in named_groups(program)]
    if not blocks:
        return None
    floors = [measured(program.plan, one) for one in blocks]
    of_trends = [followed(program.plan, one, own, []) for one, own in zip(blocks, floors, strict=True)]
    return MeasuredGroups(np.array(floors), np.concatenate(of_trends))


def _restricted(block: Block, group: Group) -> Block:
    """The block as if there were no coordinates but the group's."""
    own = slice(group.first, group.last)
    return replace(block, seen=block.seen[:, own], twins=tuple(twin[:, own] for twin in block.twins))


def ends(examined: Examined | None) -> list[Array]:
    """What each path's network ends with, (paths,) each: its risk and its share of idle units."""
    return [] if examined is None else [examined.risk[-1], examined.idle]


def degraded(examined: Examined) -> NDArray[np.int64]:
    """How many paths are degraded, in the order of DEGRADED. A risk that is not a number is no better than at the start."""
    masks = (~(examined.risk[-1] <= examined.risk[0]), examined.dead, examined.idle > 0)
    return np.array([np.count_nonzero(paths) for paths in masks], dtype=np.int64)
