"""What is measured of networks besides: the risk on held-out examples, the gradient's noise, floors of groups, spoiled paths.

Hidden units can be exchanged for each other, so different paths end in different copies of one function. Every number here
compares a path with itself, or is a function of the network; nothing is averaged over paths before that.
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nonconv.components import Group
from nonconv.engine.blocks import Block
from nonconv.engine.program import Program
from nonconv.numerics.arithmetic import Array
from nonconv.statistics.floors import measured
from nonconv.statistics.trends import Trend, followed, trends

SPOILED = ("worse", "dead", "idle")
"""Paths with a risk above that at their start or none, with a dead layer, with an idle unit."""


class OfNetwork(NamedTuple):
    """risks (2, 1 + R, paths): risk and share of wrong classes. noises (2, Q, paths): |G|^2 and noise of the gradient.

    floors (groups, rows, paths); trends (groups * trends, paths), group after group. ends: rows of `ends_of`. spoiled: how
    many paths, in the order of SPOILED.
    """

    risks: Array
    noises: Array
    floors: Array
    trends: Array
    ends: Array
    spoiled: NDArray[np.int64]


def ends_of(program: Program) -> list[str]:
    """What each network ends with."""
    return ["risk", "idle"] if _examines(program) else []


def _examines(program: Program) -> bool:
    return program.learning is not None and program.learning.held_out[0].shape[1] > 0


def named_groups(program: Program) -> tuple[Group, ...]:
    """Those with floors and a verdict of their own: each layer, and the biases of the output."""
    if program.learning is None or not program.plan.spans:
        return ()
    layers: dict[str, Group] = {}
    for group in program.learning.groups:
        name = group.name.rpartition(".")[0] or group.name
        layers[name] = Group(name, layers[name].first if name in layers else group.first, group.last)
    return (*layers.values(), program.learning.groups[-1])


def group_trends(program: Program) -> list[Trend]:
    """What is followed of each group."""
    return trends(program.plan, ())


def of_network(program: Program, block: Block) -> OfNetwork:
    """What is measured of a block; empty arrays for other objectives."""
    paths, seen = block.theta.shape[2], block.examined
    parts = [_part(block, group) for group in named_groups(program)]
    floors = [measured(program.plan, part) for part in parts]
    of_trends = [followed(program.plan, part, own, []) for part, own in zip(parts, floors, strict=True)]
    return OfNetwork(
        risks=np.array([seen.risk, seen.wrong]) if seen else np.empty((2, 0, paths)),
        noises=np.array([seen.gradient, seen.noise]) if seen else np.empty((2, 0, paths)),
        floors=np.array(floors) if floors else np.empty((0, 0, paths)),
        trends=np.concatenate(of_trends) if of_trends else np.empty((0, paths)),
        ends=np.array([seen.risk[-1], seen.idle]) if seen else np.empty((0, paths)),
        spoiled=_spoiled(block),
    )


def _spoiled(block: Block) -> NDArray[np.int64]:
    seen = block.examined
    if seen is None:
        return np.zeros(len(SPOILED), dtype=np.int64)
    counted = (~(seen.risk[-1] <= seen.risk[0]), seen.dead, seen.idle > 0)
    return np.array([np.count_nonzero(paths) for paths in counted], dtype=np.int64)


def _part(block: Block, group: Group) -> Block:
    """The block as if there were no coordinates but the group's."""
    own = slice(group.first, group.last)
    return replace(block, seen=block.seen[:, own], twins=tuple(twin[:, own] for twin in block.twins))
