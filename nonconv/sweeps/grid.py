"""A grid: the axes of a sweep and the points on them.

An axis is a tuple of entries, and an entry is the settings that it gives a cell: one for a plain key, several for zipped
keys. A point joins one entry of each axis:

    beta1 in (0.5, 0.9), zip (seed, steps) in ((1, 100), (2, 200))  ->  4 points, as (beta1=0.5, seed=1, steps=100)
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Any, NamedTuple

from nonconv.config.expression import Expression
from nonconv.faults.problems import Place


class Setting(NamedTuple):
    """A key and the value it has in a cell, with the value's place."""

    key: str
    value: Any
    place: Place


Point = tuple[Setting, ...]
"""What makes a cell of a sweep: at most one setting for each key, outer keys before those within them."""
Axis = tuple[Point, ...]
"""The entries of an axis, each with the settings that it gives a cell."""


@dataclass(frozen=True)
class Grid:
    """The product of axes, less what conditions exclude.

    include, exclude: conditions. curves: equations to draw over maps. baseline: settings of the cell to compare with.
    best_over: keys over which the best cell is chosen, by the quantity best_by. places: the place of each key.
    """

    axes: tuple[Axis, ...]
    include: tuple[Expression, ...] = ()
    exclude: tuple[Expression, ...] = ()
    curves: tuple[str, ...] = ()
    baseline: Point = ()
    best_over: tuple[str, ...] = ()
    best_by: str = ""
    places: Mapping[str, Place] = field(default_factory=dict)

    @property
    def keys(self) -> tuple[str, ...]:
        """All swept keys in the order given."""
        return tuple(dict.fromkeys(setting.key for axis in self.axes for entry in axis for setting in entry))

    @property
    def size(self) -> int:
        """The number of points before conditions."""
        return math.prod(len(axis) for axis in self.axes)

    def points(self) -> Iterator[Point]:
        """Yield all points, the first axis slowest."""
        for entries in product(*self.axes):
            # Outer keys first: `optimizer: adam` would otherwise replace what `optimizer.beta1` has set.
            yield tuple(sorted((setting for entry in entries for setting in entry), key=_depth))

    def keeps(self, names: dict[str, Any]) -> bool:
        """Whether the conditions keep a cell, given its config in full form."""
        return all(one.holds(names) for one in self.include) and not any(one.holds(names) for one in self.exclude)


def _depth(setting: Setting) -> int:
    """Return how many keys are around a setting's key."""
    return setting.key.count(".")
