"""A grid: the axes of a sweep and the points on them."""

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


@dataclass(frozen=True)
class Grid:
    """The product of axes, less what conditions exclude. curves: equations to draw; baseline: the cell to compare with.

    places: the place of each key.
    """

    axes: tuple[Axis, ...]
    include: tuple[Expression, ...] = ()
    exclude: tuple[Expression, ...] = ()
    curves: tuple[str, ...] = ()
    baseline: Point = ()
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
            yield tuple(sorted((setting for entry in entries for setting in entry), key=_depth))

    def keeps(self, names: dict[str, Any]) -> bool:
        """Whether the conditions keep a cell, given its config in full form."""
        return all(one.holds(names) for one in self.include) and not any(one.holds(names) for one in self.exclude)


def _depth(setting: Setting) -> int:
    return setting.key.count(".")
